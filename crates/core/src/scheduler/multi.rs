//! A scheduler of several threads that share their work.
//!
//! ```text
//!             ┌────────────────────── worker ───────────────────────┐
//!  spawn,     │ slot (the last one woken) ─► queue of 256 ──────────┼── steal half ─► other workers
//!  wake here ─┼─►                              │ full: half of it   │
//!             │  pinned: a queue of their own  │                    │
//!             └──────▲─────────────────────────┼────────────────────┘
//!  for one worker ─► its mail                  │
//!  spawn, wake from elsewhere ─► inject queue ◄┘ ─► whoever has nothing, and everybody now and then
//! ```
//!
//! A worker runs, in this order: what came from elsewhere, if its own queue is short, and every 61st
//! time in any case, so that nobody waits there behind a queue that never empties; the task in its
//! slot, at most three times in a row; its queue, and that of the tasks which are pinned to it, in
//! turn; what it steals. A worker that finds nothing searches a little while (at most half of them
//! do), then sleeps; who adds work wakes one if none is searching.
//!
//! **Pinned tasks** ([`spawn_local`](crate::task::spawn_local), [`Scheduler::spawn_on`]) never leave
//! their worker, so their futures may hold anything of its thread. They are in no queue that others
//! see, nor in the slot. Who wakes or spawns one from another thread puts it into the worker's mail,
//! and unparks the worker if it sleeps.
//!
//! **Loops.** The first workers may have a loop each ([`Options::loops`]). Such a worker turns it at
//! every 61st run, and while ops are in flight it waits there instead of in its parker; its bell wakes
//! it. Ops are for the tasks that are pinned to the loop's worker ([`ops`](super::ops) gives them its
//! loop). Tasks of other workers reach a loop by spawning there. (Ops that are started on any worker
//! would arrive in the loop's inbox, so a worker with a loop would have to wait there always: this is
//! the one place to change then, `busy_loop` of the worker.)
//!
//! **Timers.** Each worker has its own; see the text of the worker.
//!
//! Shutdown, in this order:
//!
//! 1. New tasks are refused, from inside and outside.
//! 2. Every task is aborted; workers drop their futures, each those that are pinned to it; whoever
//!    joins them is told.
//! 3. When no task is left, or the deadline is over, workers are told to end; each ends what is pinned
//!    to it, drains its loop, and says that it has ended. When all have, they are joined.
//! 4. Jobs of the pool that wait are cancelled, and those that run are waited for.
//! 5. The inject queue is closed, and the memory of tasks that nobody refers to is given back.
//!
//! Nobody polls for any of this: the last worker that falls asleep tells who waits for step 2, and each
//! worker that ends tells who waits for step 3. A task that is spawned in the very moment of step 1 is
//! either seen by 2 or sees 1 itself, and is aborted by who spawned it.
//!
//! A task that does not return from its poll by the deadline keeps its thread and what that needs;
//! [`Shutdown`] says how many there are.

mod counts;
mod guest;
mod made;
mod options;
mod rest;
mod seat;
mod shared;
mod shutdown;
mod wait;
mod watch;
mod worker;

pub use counts::{Activity, Metrics};
pub(crate) use guest::{try_spawn_as_guest, try_spawn_blocking_as_guest};
pub use options::Options;
pub use shutdown::Shutdown;

use super::affinity::Places;
use super::cpu_pool::{CpuPoolMetrics, Job, JobOptions};
use super::local::Stalled;
use super::op::Ops;
use crate::abi::ErrorKind;
use crate::error::Error;
use crate::loom::long_lived::{Builder, JoinHandle as Thread, Mutex, MutexGuard, mpsc};
use crate::task::spawn::{create, create_claimed, refused_to_panic};
use crate::task::{Claim, Dump, JoinHandle, Spawn, SpawnError};
use made::Made;
use shared::Shared;
use std::sync::Arc;
use std::time::Duration;

/// See the module's text. Dropped, it shuts down and waits up to five seconds for its tasks.
#[derive(Debug)]
pub struct Scheduler {
    shared: Arc<Shared>,
    threads: Mutex<Vec<Thread<()>>>,
}

impl Scheduler {
    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// What the system says where it has no thread to give; what a loop's maker says.
    pub fn start(options: Options) -> Result<Self, Error> {
        let (shared, locals) = Shared::new(&options);
        let scheduler = Self { shared, threads: Mutex::new(Vec::new()) };
        let (starts, started) = mpsc::channel();
        for (index, local) in locals.into_iter().enumerate() {
            let shared = scheduler.shared.clone();
            let builder = Builder::new().name(format!("{}-{index}", options.name));
            let make = options.make_loop.clone().filter(|_| index < options.loops);
            let (blocks_max, starts) = (options.blocks_max, starts.clone());
            let life = move || {
                let make = || make.map(|make| make(index)).transpose();
                let ops = |made| Ops::new(made, blocks_max);
                let made = || Ok(make()?.map(ops));
                let told = move |result| _ = starts.send(result);
                worker::run(shared, index, local, made, told);
            };
            // Where this fails, the scheduler is dropped and ends those that were started.
            scheduler.threads().push(builder.spawn(life)?);
        }
        drop(starts);
        let started = started.into_iter().collect::<Result<Vec<Option<Ops>>, Error>>()?;
        assert_eq!(started.len(), scheduler.threads().len(), "the maker of a loop panicked");
        scheduler.shared.dispatch.loops.set(started.into_iter().flatten().collect());
        Ok(scheduler)
    }

    /// Its loops, for threads that are none of its workers.
    pub fn loops(&self) -> &[Ops] {
        self.shared.dispatch.loops.all()
    }

    fn threads(&self) -> MutexGuard<'_, Vec<Thread<()>>> {
        self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Spawns a task, from any thread; from one of the workers into its own queue, as
    /// [`crate::task::spawn()`] does.
    ///
    /// What may not be on another thread cannot be in it: its workers poll a task where it was stolen to.
    ///
    /// ```compile_fail,E0277
    /// use std::rc::Rc;
    /// use wakering_core::{scheduler::{Options, Scheduler}, task::yield_now};
    /// let scheduler = Scheduler::start(Options::new()).unwrap();
    /// let _ = scheduler.spawn(async {
    ///     let here = Rc::new(1);
    ///     yield_now().await; // held over an await: part of the future, which is not Send
    ///     *here
    /// });
    /// ```
    ///
    /// Nor may the output, which is dropped or taken wherever the handle is:
    ///
    /// ```compile_fail,E0277
    /// use wakering_core::scheduler::{Options, Scheduler};
    /// let scheduler = Scheduler::start(Options::new()).unwrap();
    /// let _ = scheduler.spawn(async { std::rc::Rc::new(1) });
    /// ```
    ///
    /// And a task outlives whoever spawns it, so it borrows nothing:
    ///
    /// ```compile_fail,E0597
    /// use wakering_core::scheduler::{Options, Scheduler};
    /// let scheduler = Scheduler::start(Options::new()).unwrap();
    /// let text = String::from("borrowed");
    /// let borrowed: &str = &text;
    /// let _ = scheduler.spawn(async move { borrowed.len() });
    /// ```
    ///
    /// # Panics
    ///
    /// Where [`Self::try_spawn`] fails.
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

    /// Spawns a task, from any thread.
    ///
    /// # Errors
    ///
    /// See [`SpawnError::error`]. The future comes back.
    pub fn try_spawn<F>(
        &self,
        spawn: Spawn,
        future: F,
    ) -> Result<JoinHandle<F::Output>, SpawnError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.shared.try_spawn(spawn, future)
    }

    /// Spawns a task into storage of the caller's. `make` is called once that is claimed.
    ///
    /// # Errors
    ///
    /// Busy where the storage is in use, Closed where the scheduler is shutting down.
    pub fn spawn_in<F>(
        &self,
        storage: &'static impl Claim<F>,
        spawn: Spawn,
        make: impl FnOnce() -> F,
    ) -> Result<JoinHandle<F::Output>, Error>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if self.shared.is_closing() {
            return Err(ErrorKind::Closed.into());
        }
        let claimed = storage.claim_place()?.into_claimed();
        let dispatch = self.shared.dispatch();
        // SAFETY: it may be polled and dropped on every thread; nothing is borrowed.
        let (task, join) = unsafe { create_claimed(claimed, dispatch, spawn, make) }?;
        self.shared.push(task, spawn, &join);
        Ok(join)
    }

    /// Spawns a task on one worker, which it never leaves. `make` goes there, and makes the future
    /// that need not be `Send`: what it holds, the worker's loop among it ([`ops`](super::ops)), stays
    /// on that thread.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use wakering_core::scheduler::{Options, Scheduler};
    ///
    /// let scheduler = Scheduler::start(Options::new().workers(2)).unwrap();
    /// let sum = scheduler.spawn_on(1, || async {
    ///     let here = Rc::new(2);
    ///     wakering_core::task::yield_now().await;
    ///     *here + 1
    /// });
    /// assert_eq!(scheduler.block_on(sum).unwrap(), 3);
    /// ```
    ///
    /// # Panics
    ///
    /// Where [`Self::try_spawn_on`] fails.
    pub fn spawn_on<M, F>(&self, worker: usize, make: M) -> JoinHandle<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        match self.try_spawn_on(worker, Spawn::new(), make) {
            Ok(join) => join,
            Err(refused) => refused_to_panic(refused.error()),
        }
    }

    /// As [`Self::spawn_on`].
    ///
    /// # Errors
    ///
    /// See [`SpawnError::error`]; Unsupported where there is no such worker. `make` comes back.
    pub fn try_spawn_on<M, F>(
        &self,
        worker: usize,
        spawn: Spawn,
        make: M,
    ) -> Result<JoinHandle<F::Output>, SpawnError<M>>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        if worker >= self.shared.peers.len() {
            return Err(SpawnError::new(ErrorKind::Unsupported.into(), make));
        }
        if self.shared.is_closing() {
            return Err(SpawnError::new(ErrorKind::Closed.into(), make));
        }
        let dispatch = self.shared.dispatch();
        let spawn = spawn.pinned_to(worker as u32);
        // SAFETY: polled, and from then on dropped, by that worker alone; until then it holds no more
        // than `make`, which may be dropped anywhere. Nothing is borrowed.
        match unsafe { create(None, dispatch, spawn, Made::new(make)) } {
            Ok((task, join)) => {
                self.shared.push(task, spawn, &join);
                Ok(join)
            }
            Err(refused) => {
                let error = refused.error();
                Err(SpawnError::new(error, refused.into_future().into_make()))
            }
        }
    }

    /// Gives a new task to the workers.
    /// Has a thread of its pool call `work`: see [`spawn_blocking`](crate::task::spawn_blocking).
    ///
    /// # Panics
    ///
    /// Where [`Self::try_spawn_blocking`] fails.
    pub fn spawn_blocking<F, T>(&self, work: F) -> Job<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.try_spawn_blocking(JobOptions::default(), work) {
            Ok(job) => job,
            Err(error) => refused_to_panic(error),
        }
    }

    /// As [`Self::spawn_blocking`], with a name and a priority.
    ///
    /// # Errors
    ///
    /// As [`try_spawn_blocking`](crate::task::try_spawn_blocking).
    pub fn try_spawn_blocking<F, T>(&self, options: JobOptions, work: F) -> Result<Job<T>, Error>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if self.shared.is_closing() {
            return Err(ErrorKind::Closed.into());
        }
        self.shared.dispatch.blocking.spawn(options, work)
    }

    /// Numbers of its pool.
    pub fn pool_metrics(&self) -> CpuPoolMetrics {
        self.shared.dispatch.blocking.metrics()
    }

    /// Where the workers run, and what of it could not be had; `None` where nothing was asked for.
    pub fn placement(&self) -> Option<&Places> {
        self.shared.places.as_ref()
    }

    /// Every task, what it does, and what it waits for. What they do changes meanwhile.
    pub fn dump(&self) -> Dump {
        self.shared.dump()
    }

    /// What the workers do together, now. It counts the tasks one by one.
    pub fn activity(&self) -> Activity {
        self.shared.activity()
    }

    /// Whether no task will ever run again: who waits for whom. From any thread, at any time. It is
    /// never said in error, see [`Stalled`]; so the answer stays the same until the scheduler is shut
    /// down, or somebody spawns something new.
    ///
    /// `None` also where no task is left but system tasks.
    pub fn check_stalled(&self) -> Option<Stalled> {
        self.shared.stalled()
    }

    /// What each worker has done so far.
    pub fn metrics(&self) -> Vec<Metrics> {
        self.shared.metrics()
    }

    /// Ends the scheduler as the module's text says, and waits for it up to `deadline`. A second call
    /// waits again for what was left.
    pub fn shutdown(&self, deadline: Duration) -> Shutdown {
        shutdown::shutdown(&self.shared, &mut self.threads(), deadline)
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        let ended = self.shutdown(Duration::from_secs(5));
        if ended.workers_left > 0 {
            // Its threads go on for as long as they like: what they need stays, on purpose.
            std::mem::forget(self.shared.clone());
            return;
        }
        let kept = self.shared.clone();
        if self.shared.dispatch.depot.close() > 0 {
            // For `release`, by the last of those that still refer to a task.
            std::mem::forget(kept);
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

#[cfg(all(test, shuttle))]
mod shuttle_tests;
