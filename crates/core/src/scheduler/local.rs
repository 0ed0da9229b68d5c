//! A scheduler of one thread, with one loop or none.
//!
//! ```text
//!  spawn, wakes of this thread ──────────────► queue ─► poll ─► Pending, or over
//!                                                ▲        │
//!  spawns and wakes of other threads ─► entry ───┤        └─ woken meanwhile: behind all others
//!                                                │
//!  loop (driver): wakes by number ───────────────┘   entry and loop: every 61 polls, and when idle
//!
//!  idle: nothing ready ─► the entry falls asleep ─► the loop waits, or the thread parks
//! ```
//!
//! Tasks run in the order of their wakes, unless the slot for the last one is switched on. A task
//! that is always ready keeps nobody else from running, nor the loop: entry and loop have their turn
//! every 61 polls.
//!
//! When it is dropped: no more spawns; every task is aborted, so futures are dropped here, on their
//! own thread, and whoever awaits them is told; the loop is drained; a waker or a handle that is still
//! out keeps the memory of its task, and nothing else.

use super::entry::{Entry, Pushed};
use super::op::Ops;
use crate::abi::ErrorKind;
use crate::driver::Driver;
use crate::error::Error;
use crate::home::Home;
use crate::loom::{AtomicU64, Ordering, thread};
use crate::task::dispatch::{Dispatch, Status};
use crate::task::here::{self, Here, Workers};
use crate::task::pool::Depot;
use crate::task::spawn::{create, create_claimed, refused_to_panic, start};
use crate::task::{Claim, Hook, JoinHandle, Spawn, SpawnError, TaskInfo, TaskRef};
use crate::task::{info, run};
use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Polls after which entry and loop have their turn.
const TURN_POLLS: u32 = 61;

/// How a [`LocalScheduler`] is made.
#[must_use]
pub struct LocalOptions {
    lifo: bool,
    bytes_max: usize,
    hook: Option<Hook>,
    drain_deadline: Duration,
    blocks_max: usize,
    driver: Option<(Box<dyn Driver>, Arc<Home>)>,
}

impl std::fmt::Debug for LocalOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalOptions").field("lifo", &self.lifo).finish_non_exhaustive()
    }
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            lifo: false,
            bytes_max: 128 << 20,
            hook: None,
            drain_deadline: Duration::from_secs(5),
            blocks_max: 64,
            driver: None,
        }
    }
}

impl LocalOptions {
    /// First woken, first run; no loop; up to 128 MiB of pooled tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the task that was woken last runs first. What it wakes in turn displaces it, and who
    /// was displaced goes behind the others; so that nobody starves, the slot has to wait whenever
    /// entry and loop have their turn. Off by default.
    pub fn lifo(mut self, on: bool) -> Self {
        self.lifo = on;
        self
    }

    /// The most memory for pooled tasks, in bytes. Beyond it spawns are refused with Busy.
    pub fn bytes_max(mut self, bytes: usize) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// Has every step reported.
    pub fn hook(mut self, hook: Hook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// The loop of this thread. `home` is the one whose slots the driver completes; its doorbell wakes
    /// the driver's turn. `blocks_max` blocks are kept for long paths.
    pub fn driver(mut self, driver: Box<dyn Driver>, home: Arc<Home>, blocks_max: usize) -> Self {
        self.driver = Some((driver, home));
        self.blocks_max = blocks_max;
        self
    }

    /// How long the end of the scheduler waits for ops that are in flight.
    pub fn drain_deadline(mut self, deadline: Duration) -> Self {
        self.drain_deadline = deadline;
        self
    }

    /// The scheduler, for this thread.
    ///
    /// # Errors
    ///
    /// None today; a driver's own failures come from its maker.
    pub fn build(self) -> Result<LocalScheduler, Error> {
        let ops = self.driver.map(|(driver, home)| Ops::new(driver, home, self.blocks_max));
        let shared = Arc::new(Shared {
            dispatch: Dispatch {
                depot: Depot::new(self.bytes_max),
                schedule: schedule_from_outside,
                release,
                status: Status::new(),
            },
            entry: Entry::new(),
            bell: ops.as_ref().map(Ops::bell),
            owner: thread::current(),
            spawned_outside: AtomicU64::new(0),
        });
        // SAFETY: `Shared` begins with the dispatch, and lives until the scheduler's drop, which
        // calls `leave`.
        let here = unsafe { Here::new(shared.dispatch(), Workers::One, self.lifo) };
        here.set_hook(self.hook);
        let here = Box::new(here);
        if let Some(ops) = &ops {
            ops.tie(Some(NonNull::from(&*here)));
        }
        Ok(LocalScheduler {
            here,
            shared,
            ops,
            running: Cell::new(false),
            drain_deadline: self.drain_deadline,
        })
    }
}

/// What other threads have of the scheduler.
#[derive(Debug)]
#[repr(C)]
struct Shared {
    dispatch: Dispatch,
    entry: Entry,
    /// Of the loop; without one the thread is unparked.
    bell: Option<Arc<Home>>,
    owner: thread::Thread,
    spawned_outside: AtomicU64,
}

impl Shared {
    /// With the whole of `Shared` behind it, for [`Self::of`] and `release`.
    fn dispatch(self: &Arc<Self>) -> NonNull<Dispatch> {
        // SAFETY: an `Arc`'s pointer is not null.
        unsafe { NonNull::new_unchecked(Arc::as_ptr(self).cast_mut().cast()) }
    }

    /// # Safety
    ///
    /// From [`Self::dispatch`], and there.
    unsafe fn of<'a>(dispatch: NonNull<Dispatch>) -> &'a Self {
        // SAFETY: the dispatch is the first field of the whole that the pointer is derived from.
        unsafe { dispatch.cast::<Self>().as_ref() }
    }

    fn push(&self, task: TaskRef) -> bool {
        match self.entry.push(task) {
            Pushed::Quiet => true,
            Pushed::Closed => false,
            Pushed::Ring => {
                match &self.bell {
                    Some(home) => home.doorbell.ring(),
                    None => self.owner.unpark(),
                }
                true
            }
        }
    }
}

/// See [`Dispatch::schedule`].
unsafe fn schedule_from_outside(dispatch: NonNull<Dispatch>, task: TaskRef) {
    // SAFETY: the task holds ENTERED, and so keeps its scheduler's part.
    let shared = unsafe { Shared::of(dispatch) };
    if !shared.push(task) {
        // SAFETY: the entry's reference; nothing is done with the task afterwards.
        unsafe { run::release(task) };
    }
}

/// See [`Dispatch::release`].
unsafe fn release(dispatch: NonNull<Dispatch>) {
    // SAFETY: the scheduler's drop left one count for this call.
    drop(unsafe { Arc::from_raw(dispatch.cast::<Shared>().as_ptr().cast_const()) });
}

/// The end of a run that had to go on.
#[derive(Debug)]
pub enum RunError {
    /// A task said [`crate::task::exit_all`] with this status, or the future itself `exit`.
    Exited(i32),
    /// Nothing will ever run again.
    Stalled(Stalled),
    /// The loop failed.
    Loop(Error),
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "the scheduler was told to end with status {status}"),
            Self::Stalled(stalled) => stalled.fmt(f),
            Self::Loop(error) => write!(f, "the loop failed: {error}"),
        }
    }
}

impl std::error::Error for RunError {}

/// Every task waits for another one: nothing is in flight, and nobody else can wake any of them.
///
/// It is never said in error: as long as a waker, an abort handle, a join handle that no task awaits,
/// or a [`Remote`] is out, the scheduler takes it that somebody will use it, and waits.
#[derive(Debug)]
pub struct Stalled {
    /// Who waits for what.
    pub tasks: Vec<TaskInfo>,
}

impl std::fmt::Display for Stalled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stalled: no task can run, {} wait", self.tasks.len())?;
        self.tasks.iter().try_for_each(|task| write!(f, "\n  {task}"))
    }
}

impl std::error::Error for Stalled {}

impl PartialEq for RunError {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exited(a), Self::Exited(b)) => a == b,
            (Self::Loop(a), Self::Loop(b)) => a == b,
            (Self::Stalled(a), Self::Stalled(b)) => a.tasks == b.tasks,
            _ => false,
        }
    }
}

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
    running: Cell<bool>,
    drain_deadline: Duration,
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
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
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
    pub fn try_spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, SpawnError<F>>
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
    ) -> Result<JoinHandle<F::Output>, SpawnError<F>>
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
    ) -> Result<JoinHandle<F::Output>, SpawnError<F>> {
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
    ) -> Result<JoinHandle<F::Output>, Error>
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
        Remote { shared: self.shared.clone() }
    }

    /// The loop, if it has one.
    pub fn ops(&self) -> Option<&Ops> {
        self.ops.as_ref()
    }

    /// Every task, what it does, and what it waits for.
    pub fn dump(&self) -> Vec<TaskInfo> {
        info::list(&self.shared.dispatch)
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
        // SAFETY: it is not moved.
        let place = NonNull::from(unsafe { future.as_mut().get_unchecked_mut() });
        let over = Cell::new(false);
        let root = Root {
            target: Some(Target {
                future: place,
                output: NonNull::from(&mut output),
                over: NonNull::from(&over),
                stop: NonNull::from(&self.here.stop),
            }),
        };
        // SAFETY: the guard below cuts it off from what it points to before that is gone.
        match unsafe { self.spawn_anything::<Root<F>>(Spawn::new().system(), root) } {
            Ok(join) => {
                let guard = RootGuard::<F> {
                    task: join.task(),
                    over: &over,
                    here: &self.here,
                    future: PhantomData,
                };
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
        // Relaxed: a spawn of another thread that comes at the end comes before or after it.
        let outside = self.shared.spawned_outside.load(Ordering::Relaxed);
        self.here.live.get() + outside.cast_signed()
    }

    fn drive(&self, done: impl Fn() -> bool) -> Result<(), RunError> {
        assert!(!self.running.replace(true), "a scheduler was run by one of its own tasks");
        let _running = Running(&self.running);
        let _entered = here::enter(&self.here);
        self.here.stop.set(false);
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

    /// Runs up to 61 tasks that are ready, then has a look at entry and loop.
    fn pass(&self) -> Passed {
        let here = &*self.here;
        for ran in 0..TURN_POLLS {
            let Some(task) = here.queue.pop(ran == TURN_POLLS - 1) else { break };
            // SAFETY: from this scheduler's queue, on its thread, which is entered.
            unsafe { run::run(task, here) };
            if here.stop.get() {
                return Passed::Stop;
            }
        }
        self.take_arrived();
        if let Some(ops) = &self.ops
            && ops.in_flight() > 0
            // A loop that fails does so again when there is nothing else to do.
            && let Err(_error) = ops.turn(Some(Duration::ZERO))
        {
            return Passed::Idle;
        }
        if here.queue.is_empty() { Passed::Idle } else { Passed::Busy }
    }

    fn take_arrived(&self) {
        if self.shared.entry.is_empty() {
            return;
        }
        for task in self.shared.entry.take() {
            // SAFETY: from the entry of this very scheduler.
            unsafe { run::arrive(task, &self.here) };
        }
    }

    /// Nothing is ready: waits for the loop, or for other threads.
    fn wait(&self) -> Result<(), RunError> {
        self.check_stalled()?;
        if !self.shared.entry.fall_asleep() {
            self.take_arrived();
            return Ok(());
        }
        let turned = match &self.ops {
            Some(ops) => ops.turn(None).map(|_| ()),
            None => {
                while self.shared.entry.is_asleep() {
                    thread::park();
                }
                Ok(())
            }
        };
        self.shared.entry.wake_up();
        self.take_arrived();
        turned.map_err(RunError::Loop)
    }

    fn check_stalled(&self) -> Result<(), RunError> {
        // The scheduler itself has one count of `Shared`.
        if Arc::strong_count(&self.shared) > 1
            || self.ops.as_ref().is_some_and(|ops| ops.in_flight() > 0)
        {
            return Ok(());
        }
        let mut stuck = true;
        self.shared.dispatch.depot.each(|task| stuck &= info::is_stuck(task));
        // What came meanwhile came from somebody.
        if !stuck || !self.shared.entry.is_empty() {
            return Ok(());
        }
        Err(RunError::Stalled(Stalled { tasks: self.dump() }))
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
                unsafe { run::run(task, &self.here) };
            }
        }
    }
}

impl Drop for LocalScheduler {
    fn drop(&mut self) {
        self.here.close();
        self.end_all();
        if let Some(ops) = &self.ops {
            {
                let _entered = here::enter(&self.here);
                if ops.drain(self.drain_deadline) > 0 {
                    // The kernel still writes there: it stays, on purpose.
                    std::mem::forget(ops.clone());
                }
            }
            ops.tie(None);
        }
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

/// The future of `run_until`, as a task: it lies on the caller's stack, and so does its output.
struct Root<F: Future> {
    /// `None` once they are gone.
    target: Option<Target<F>>,
}

struct Target<F: Future> {
    future: NonNull<F>,
    output: NonNull<Option<std::thread::Result<F::Output>>>,
    /// The task has ended.
    over: NonNull<Cell<bool>>,
    /// The scheduler's.
    stop: NonNull<Cell<bool>>,
}

impl<F: Future> Future for Root<F> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(target) = &mut self.target else { return Poll::Ready(()) };
        // SAFETY: `run_until` has it on its stack, below this call, and its guard takes it away before
        // it is left; it does not use it while it drives this.
        let future = unsafe { target.future.as_mut() };
        // SAFETY: `run_until` pinned it.
        let future = unsafe { Pin::new_unchecked(future) };
        // A panic goes to the caller of `run_until`, who has no handle.
        let result = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(payload),
        };
        // SAFETY: as for the future.
        *unsafe { target.output.as_mut() } = Some(result);
        Poll::Ready(())
    }
}

impl<F: Future> Drop for Root<F> {
    fn drop(&mut self) {
        let Some(target) = &self.target else { return };
        // SAFETY: as for the future.
        unsafe { target.over.as_ref() }.set(true);
        // SAFETY: the scheduler is there as long as any of its tasks has a future.
        unsafe { target.stop.as_ref() }.set(true);
    }
}

/// Sees to it that the root's task does not reach what is gone.
struct RootGuard<'a, F: Future> {
    task: TaskRef,
    over: &'a Cell<bool>,
    here: &'a Here,
    future: PhantomData<F>,
}

impl<F: Future> Drop for RootGuard<'_, F> {
    fn drop(&mut self) {
        if self.over.get() {
            return;
        }
        let root = self.task.stage().cast::<Root<F>>();
        // SAFETY: it is not over, so the task is there with its future; only this thread polls or
        // drops it, and it does neither now. Empty, it is over whenever its turn comes.
        unsafe { (*root).target = None };
        run::abort_at_home(self.task, self.here);
    }
}

/// Spawns on a [`LocalScheduler`] from other threads. While one is out, the scheduler never takes
/// itself for stalled.
#[derive(Clone, Debug)]
pub struct Remote {
    shared: Arc<Shared>,
}

impl Remote {
    /// Spawns a task.
    ///
    /// # Errors
    ///
    /// See [`SpawnError::error`]; Closed where the scheduler is gone. Where it goes at this very
    /// moment, the future is dropped here, and the handle says that it was cancelled.
    pub fn try_spawn<F>(
        &self,
        spawn: Spawn,
        future: F,
    ) -> Result<JoinHandle<F::Output>, SpawnError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let dispatch = self.shared.dispatch();
        let spawn = spawn.at_home(true);
        // SAFETY: it may go to the scheduler's thread, and its output may come back.
        let (task, join) = unsafe { create(None, dispatch, spawn, future) }?;
        if !spawn.is_system() {
            // Relaxed: it counts; the push publishes.
            self.shared.spawned_outside.fetch_add(1, Ordering::Relaxed);
        }
        if !self.shared.push(task) {
            // SAFETY: nobody else has it, and the future may be dropped here as anywhere.
            unsafe { run::discard(task) };
            // SAFETY: the entry's reference; nothing is done with the task afterwards.
            unsafe { run::release(task) };
        }
        Ok(join)
    }

    /// [`Self::try_spawn`] with nothing special.
    ///
    /// # Panics
    ///
    /// Where that fails.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.try_spawn(Spawn::new(), future) {
            Ok(join) => join,
            Err(refused) => refused_to_panic(refused.error()),
        }
    }
}
