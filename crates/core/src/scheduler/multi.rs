//! A scheduler of several threads that share their work.
//!
//! ```text
//!             ┌────────────────────── worker ───────────────────────┐
//!  spawn,     │ slot (the last one woken) ─► queue of 256 ──────────┼── steal half ─► other workers
//!  wake here ─┼─►                              │ full: half of it   │
//!             └────────────────────────────────┼────────────────────┘
//!  spawn, wake from elsewhere ─► inject queue ◄┘ ─► whoever has nothing, and everybody now and then
//! ```
//!
//! A worker runs, in this order: what came from elsewhere, if its own queue is short, and every 61st
//! time in any case, so that nobody waits there behind a queue that never empties; the task in its
//! slot, at most three times in a row; its queue; what it steals. A worker that finds nothing searches a little
//! while (at most half of them do), then sleeps; who adds work wakes one if none is searching.
//!
//! Shutdown, in this order:
//!
//! 1. New tasks are refused, from inside and outside.
//! 2. Every task is aborted; workers drop their futures; whoever joins them is told.
//! 3. When no task is left, or the deadline is over, workers are told to end and are joined.
//! 4. The inject queue is closed, and the memory of tasks that nobody refers to is given back.
//!
//! A task that does not return from its poll by the deadline keeps its thread and what that needs;
//! [`Shutdown`] says how many there are.

mod shared;
mod shutdown;
mod worker;

pub use shutdown::Shutdown;

use super::affinity::CpuSet;
use crate::abi::ErrorKind;
use crate::error::Error;
use crate::task::here;
use crate::task::spawn::{create, create_claimed, refused_to_panic, start};
use crate::task::{Claim, JoinHandle, Spawn, SpawnError, TaskInfo, info};
use shared::Shared;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a [`Scheduler`] is made.
#[derive(Clone, Debug)]
#[must_use]
pub struct Options {
    workers: usize,
    lifo: bool,
    bytes_max: usize,
    name: String,
    keep_off: CpuSet,
    pinned: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: crate::cpus(),
            lifo: true,
            bytes_max: 256 << 20,
            name: "worker".to_owned(),
            keep_off: CpuSet::default(),
            pinned: false,
        }
    }
}

impl Options {
    /// A worker for each CPU; up to 256 MiB of pooled tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many threads, one at least.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Whether a worker runs the task that was woken last first, at most three times in a row. On by
    /// default: who answers runs while what was asked is in the cache. Off, tasks run in the order of
    /// their wakes, as far as workers do not run side by side.
    pub fn lifo(mut self, on: bool) -> Self {
        self.lifo = on;
        self
    }

    /// The most memory for pooled tasks, in bytes. Beyond it spawns are refused with Busy.
    pub fn bytes_max(mut self, bytes: usize) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// What the threads are called, with a number behind it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// CPUs on which no worker is to run, where there are others.
    pub fn keep_off(mut self, cpus: CpuSet) -> Self {
        self.keep_off = cpus;
        self
    }

    /// Whether each worker has a CPU of its own.
    pub fn pinned(mut self, on: bool) -> Self {
        self.pinned = on;
        self
    }
}

/// What the workers have done so far, one line each. Numbers are some microseconds old.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Metrics {
    /// Tasks polled.
    pub polls: u64,
    /// Times that something was stolen from another worker.
    pub steals: u64,
    /// Times that it went to sleep.
    pub parks: u64,
    /// Times that its queue was full and half of it went to the inject queue.
    pub overflows: u64,
    /// Times that it began to search.
    pub searches: u64,
}

/// See the module's text. Dropped, it shuts down and waits up to five seconds for its tasks.
#[derive(Debug)]
pub struct Scheduler {
    shared: Arc<Shared>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Scheduler {
    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// What the system says where it has no thread to give.
    pub fn start(options: Options) -> Result<Self, Error> {
        let (shared, locals) = Shared::new(&options);
        let scheduler = Self { shared, threads: Mutex::default() };
        for (index, local) in locals.into_iter().enumerate() {
            let shared = scheduler.shared.clone();
            let builder = std::thread::Builder::new().name(format!("{}-{index}", options.name));
            // Where this fails, the scheduler is dropped and ends those that were started.
            let thread = builder.spawn(move || worker::run(shared, index, local))?;
            scheduler.threads().push(thread);
        }
        Ok(scheduler)
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<std::thread::JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Spawns a task, from any thread; from one of the workers into its own queue, as
    /// [`crate::task::spawn()`] does.
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
        if self.shared.is_closing() {
            return Err(SpawnError::new(ErrorKind::Closed.into(), future));
        }
        let dispatch = self.shared.dispatch();
        here::with(|here| {
            let here = here.filter(|here| here.is_of(dispatch));
            // SAFETY: it may be polled and dropped on every thread; nothing is borrowed.
            let (task, join) = unsafe { create(here, dispatch, spawn, future) }?;
            match here {
                Some(here) => start(here, task, spawn),
                None => self.shared.inject(task),
            }
            Ok(join)
        })
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
        self.shared.inject(task);
        Ok(join)
    }

    /// Polls a future on the calling thread, which is no worker, until it is ready.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        crate::task::block_on(future)
    }

    /// Every task, what it does, and what it waits for. What they do changes meanwhile.
    pub fn dump(&self) -> Vec<TaskInfo> {
        info::list(&self.shared.dispatch)
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

#[cfg(all(test, not(loom)))]
mod tests;
