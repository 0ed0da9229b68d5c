//! A scheduler of one thread, with one loop or none.
//!
//! ```text
//!  spawn, wakes of this thread ──────────────► queue ─► poll ─► Pending, or over
//!                                                ▲        │
//!  spawns and wakes of other threads ─► entry ───┤        └─ woken meanwhile: behind all others
//!                                                │
//!  loop (driver): wakes by number ───────────────┤   entry, loop and timers: every 61 polls, and
//!
//!  timers ─► wakes of what is due ───────────────┘   when idle
//!
//!  idle: nothing ready ─► the entry falls asleep ─► the loop waits, or the thread parks, until the
//!  first timer is due
//! ```
//!
//! Tasks run in the order of their wakes, unless the slot for the last one is switched on. A task
//! that is always ready keeps nobody else from running, nor the loop: entry and loop have their turn
//! every 61 polls.
//!
//! When it is dropped: no more spawns; every task is aborted, so futures are dropped here, on their
//! own thread, and whoever awaits them is told; the loop is drained; jobs of the pool that wait are
//! cancelled, and those that run are waited for; a waker or a handle that is still
//! out keeps the memory of its task, and nothing else.

mod ending;
mod options;
mod root;
mod shared;
mod waiting;

pub use ending::{RunError, Stalled};
pub use options::LocalOptions;
pub use shared::Remote;

use super::cpu_pool::{CpuPoolMetrics, Job, JobOptions};
use super::idle::Spin;
use super::op::{self, Ops};
use crate::abi::ErrorKind;
use crate::error::Error;
use crate::task::here::{self, Here};
use crate::task::slow::Stopwatch;
use crate::task::spawn::{create, create_claimed, refused_to_panic, start};
use crate::task::stuck::Witness;
use crate::task::{Claim, Dump, LocalJoinHandle, Spawn, SpawnError, info, run};
use crate::time::{self, Timers};
use root::{Root, RootGuard};
use shared::Shared;
use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// Polls after which entry and loop have their turn, unless told otherwise.
const TURN_POLLS: u32 = 61;

/// See the module's text.
///
/// It stays on its thread:
///
/// ```compile_fail
/// let scheduler = wakering_core::scheduler::LocalScheduler::new().unwrap();
/// std::thread::spawn(move || scheduler.run());
/// ```
///
/// and so do tasks that may not move, while their futures may hold anything of this thread:
///
/// ```
/// use std::rc::Rc;
/// let scheduler = wakering_core::scheduler::LocalScheduler::new().unwrap();
/// let shared = Rc::new(5);
/// assert_eq!(scheduler.block_on(scheduler.spawn(async move { *shared })).unwrap(), 5);
/// ```
///
/// What a task borrows has to outlive it, which nothing of a function's own does:
///
/// ```compile_fail
/// let scheduler = wakering_core::scheduler::LocalScheduler::new().unwrap();
/// let text = String::from("borrowed");
/// let _ = scheduler.spawn(async { text.len() });
/// drop(text);
/// ```
pub struct LocalScheduler {
    here: Box<Here>,
    shared: Arc<Shared>,
    ops: Option<Ops>,
    timers: Arc<Timers>,
    /// Whether time that is moved by hand goes on by itself where nothing else does.
    skips: bool,
    witness: Witness,
    running: Cell<bool>,
    turn_polls: u32,
    drain_deadline: Duration,
    spin: Cell<Spin>,
}

impl std::fmt::Debug for LocalScheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalScheduler").field("running", &self.running).finish_non_exhaustive()
    }
}

/// What a pass over the queue came to.
enum Passed {
    /// The run is to end.
    Stop,
    /// There is more to do.
    Busy,
    /// Nothing is ready.
    Idle,
}

impl LocalScheduler {
    /// With [`LocalOptions::new`].
    ///
    /// # Errors
    ///
    /// See [`LocalOptions::build`].
    pub fn new() -> Result<Self, Error> {
        LocalOptions::new().build()
    }

    /// Spawns a task.
    ///
    /// # Panics
    ///
    /// Where [`Self::try_spawn`] fails.
    #[inline]
    pub fn spawn<F>(&self, future: F) -> LocalJoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        match self.try_spawn(future) {
            Ok(join) => join,
            Err(refused) => refused_to_panic(refused.error()),
        }
    }

    /// Spawns a task.
    ///
    /// # Errors
    ///
    /// See [`SpawnError::error`]. The future comes back.
    #[inline]
    pub fn try_spawn<F>(&self, future: F) -> Result<LocalJoinHandle<F::Output>, SpawnError<F>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.try_spawn_as(Spawn::new(), future)
    }

    /// Spawns a task that is something special.
    ///
    /// # Errors
    ///
    /// See [`SpawnError::error`]. The future comes back.
    #[inline]
    pub fn try_spawn_as<F>(
        &self,
        spawn: Spawn,
        future: F,
    ) -> Result<LocalJoinHandle<F::Output>, SpawnError<F>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // SAFETY: it is polled and dropped on this thread, and borrows nothing.
        unsafe { self.spawn_anything(spawn, future) }
    }

    /// # Safety
    ///
    /// The future is dropped before what it borrows is gone.
    #[inline]
    unsafe fn spawn_anything<F: Future>(
        &self,
        spawn: Spawn,
        future: F,
    ) -> Result<LocalJoinHandle<F::Output>, SpawnError<F>> {
        if self.here.is_closing() {
            return Err(SpawnError::new(ErrorKind::Closed.into(), future));
        }
        let dispatch = self.shared.dispatch();
        let spawn = spawn.at_home(false);
        // SAFETY: this thread polls and drops it; the caller's promise.
        let (task, join) = unsafe { create(Some(&self.here), dispatch, spawn, future) }?;
        start(&self.here, task, spawn);
        Ok(join)
    }

    /// Spawns a task into storage of the caller's. `make` is called once that is claimed.
    ///
    /// # Errors
    ///
    /// Busy where the storage is in use.
    pub fn spawn_in<F>(
        &self,
        storage: &'static impl Claim<F>,
        spawn: Spawn,
        make: impl FnOnce() -> F,
    ) -> Result<LocalJoinHandle<F::Output>, Error>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        if self.here.is_closing() {
            return Err(ErrorKind::Closed.into());
        }
        let claimed = storage.claim_place()?.into_claimed();
        let dispatch = self.shared.dispatch();
        let spawn = spawn.at_home(false);
        // SAFETY: it is polled and dropped on this thread, and borrows nothing.
        let (task, join) = unsafe { create_claimed(claimed, dispatch, spawn, make) }?;
        start(&self.here, task, spawn);
        Ok(join)
    }

    /// What other threads spawn with.
    pub fn remote(&self) -> Remote {
        self.shared.remote()
    }

    /// The loop, if it has one.
    pub fn ops(&self) -> Option<&Ops> {
        self.ops.as_ref()
    }

    /// Has a thread of its pool call `work`: see [`spawn_blocking`](crate::task::spawn_blocking).
    ///
    /// # Errors
    ///
    /// As [`try_spawn_blocking`](crate::task::try_spawn_blocking).
    pub fn try_spawn_blocking<F, T>(&self, options: JobOptions, work: F) -> Result<Job<T>, Error>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.shared.dispatch.blocking.spawn(options, work)
    }

    /// Numbers of its pool.
    pub fn pool_metrics(&self) -> CpuPoolMetrics {
        self.shared.dispatch.blocking.metrics()
    }

    /// The timers on which its tasks sleep.
    pub fn timers(&self) -> &Arc<Timers> {
        &self.timers
    }

    /// Every task, what it does, and what it waits for.
    pub fn dump(&self) -> Dump {
        info::list(&self.shared.dispatch, self.here.stopwatch())
    }

    /// Polls that took as long as the limit of [`LocalOptions::slow_poll`], so far.
    pub fn slow_polls(&self) -> u64 {
        self.here.stopwatch().map_or(0, Stopwatch::slow)
    }

    /// Whether a task is ready to run now.
    pub fn has_ready(&self) -> bool {
        !self.here.queue.is_empty() || !self.shared.entry.is_empty()
    }

    /// Runs tasks until there are none but system tasks, or one says
    /// [`exit_all`](crate::task::exit_all). The status that was said last, or zero.
    ///
    /// # Errors
    ///
    /// Stalled; or what the loop's turn fails with.
    ///
    /// # Panics
    ///
    /// Where it is called from one of its own tasks.
    pub fn run(&self) -> Result<i32, RunError> {
        let ended = self.drive(|| self.live() == 0);
        let status = &self.shared.dispatch.status;
        match ended {
            Ok(()) => {
                let _ = status.take_all();
                Ok(status.code())
            }
            Err(error) => Err(error),
        }
    }

    /// Runs tasks until the future is ready. It is polled like a task of this scheduler, but it need
    /// not be `'static`.
    ///
    /// # Errors
    ///
    /// Exited where it or a task ended everything; Stalled; or what the loop's turn fails with.
    ///
    /// # Panics
    ///
    /// Where the future does, and where it is called from one of its own tasks.
    pub fn run_until<F: Future>(&self, future: F) -> Result<F::Output, RunError> {
        let mut future = pin!(future);
        let mut output = None;
        let over = Cell::new(false);
        let root = Root::new(future.as_mut(), &mut output, &over, &self.here.stop);
        // SAFETY: the guard below cuts it off from what it points to before that is gone.
        match unsafe { self.spawn_anything(Spawn::new().system(), root) } {
            Ok(join) => {
                let task = join.task().expect("nobody has awaited it");
                let guard = RootGuard::<F>::new(task, &over, &self.here);
                join.detach();
                let ended = self.drive(|| over.get());
                drop(guard);
                ended?;
            }
            Err(refused) => return Err(RunError::Loop(refused.error())),
        }
        match output {
            Some(Ok(output)) => return Ok(output),
            Some(Err(payload)) => std::panic::resume_unwind(payload),
            None => {}
        }
        let status = &self.shared.dispatch.status;
        let _ = status.take_all();
        Err(RunError::Exited(status.code()))
    }

    /// [`Self::run_until`] for those who do not expect it to fail.
    ///
    /// # Panics
    ///
    /// Where that does, and where it gives an error: a program that is stalled says so, and by whom.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match self.run_until(future) {
            Ok(output) => output,
            Err(error) => panic!("{error}"),
        }
    }

    /// Tasks that keep a run going.
    fn live(&self) -> i64 {
        self.here.live.get() + self.shared.spawned_outside()
    }

    fn drive(&self, done: impl Fn() -> bool) -> Result<(), RunError> {
        assert!(!self.running.replace(true), "a scheduler was run by one of its own tasks");
        let _running = Running(&self.running);
        let _entered = here::enter(&self.here);
        let _timers = time::enter(&self.timers);
        let _ops = op::enter(self.ops.as_ref());
        self.here.stop.set(false);
        let ended = self.go_on_until(done);
        // Whoever was woken last, by a timer or the loop, is not to wait for the next run.
        if let Some(ops) = &self.ops {
            ops.send_posts();
        }
        ended
    }

    fn go_on_until(&self, done: impl Fn() -> bool) -> Result<(), RunError> {
        self.take_arrived();
        while !done() {
            match self.pass() {
                Passed::Stop => return Ok(()),
                Passed::Busy => {}
                Passed::Idle if done() => return Ok(()),
                Passed::Idle => self.wait()?,
            }
        }
        Ok(())
    }

    /// Runs so many tasks that are ready as come between two turns, then has a look at entry, timers and
    /// loop.
    fn pass(&self) -> Passed {
        let here = &*self.here;
        for ran in 0..self.turn_polls {
            let Some(task) = here.queue.pop(ran == self.turn_polls - 1) else { break };
            // SAFETY: from this scheduler's queue, on its thread, which is entered.
            unsafe { run::run::<true>(task, here) };
            if let Some(ops) = &self.ops {
                ops.send_posts();
            }
            if here.stop.get() {
                return Passed::Stop;
            }
        }
        self.take_arrived();
        self.timers.fire();
        if let Some(ops) = &self.ops
            // A loop that fails does so again when there is nothing else to do.
            && let Err(_error) = ops.turn_if_busy()
        {
            return Passed::Idle;
        }
        if here.queue.is_empty() { Passed::Idle } else { Passed::Busy }
    }

    #[inline]
    fn take_arrived(&self) {
        if self.shared.entry.is_empty() {
            return;
        }
        for task in self.shared.entry.take() {
            // SAFETY: from the entry of this very scheduler.
            unsafe { run::arrive(task, &self.here) };
        }
    }

    /// Aborts every task and runs until all are over. Only then may what they borrow go.
    fn end_all(&self) {
        let _entered = here::enter(&self.here);
        loop {
            let mut live = 0;
            self.shared.dispatch.depot.each(|task| {
                if !task.state().look_acquire().is_complete() {
                    live += 1;
                    run::abort_at_home(task, &self.here);
                }
            });
            if live == 0 && self.shared.entry.close() {
                return;
            }
            self.take_arrived();
            while let Some(task) = self.here.queue.pop(true) {
                // SAFETY: from this scheduler's queue, on its thread, which is entered.
                unsafe { run::run::<true>(task, &self.here) };
            }
        }
    }
}

impl Drop for LocalScheduler {
    fn drop(&mut self) {
        self.here.close();
        let entered = op::enter(self.ops.as_ref());
        self.end_all();
        if let Some(ops) = &self.ops {
            let _entered = here::enter(&self.here);
            ops.end(self.drain_deadline);
        }
        drop(entered);
        // What still runs then goes on, on a thread that is left behind.
        let _ = self.shared.dispatch.blocking.shutdown(self.drain_deadline);
        self.here.leave();
        let kept = self.shared.clone();
        if self.shared.dispatch.depot.close() > 0 {
            // For `release`, by the last of those that still refer to a task.
            std::mem::forget(kept);
        }
    }
}

struct Running<'a>(&'a Cell<bool>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
