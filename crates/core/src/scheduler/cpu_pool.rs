//! Threads for what must not run on a loop: calls that block, and work for the CPU.
//!
//! ```text
//! spawn ─► queue (bounded, by priority) ─► a thread of the pool ─► Job: its value, or its panic
//!              │ cancel, shutdown
//!              └──────────────────────────────────────────────────► Job: Cancelled
//!
//! thread:  start ─► take a job ─► run it ─► … ─► nothing there ─► sleep ─► idle for long: end
//! ```
//!
//! - **P1** There are `threads_max` threads at the most. They start when a job finds none asleep,
//!   the one that fell asleep last is called first, and one that sleeps for `idle` ends.
//! - **P2** A thread that sleeps is in `asleep`. Whoever takes it out unparks it; it takes itself out
//!   when its time is over. Both hold the lock, so no call is lost and none is made twice.
//! - **P3** A job is in the queue, or with a thread, or done. It leaves the queue once, by a thread,
//!   a cancel or the shutdown, under the lock; foreign code (the job, its drop, a waker) never runs
//!   under a lock.
//! - **P4** After the shutdown's deadline a thread that is still in its job is left behind on
//!   purpose: it holds the pool's memory until it ends, and does nothing more than that.
//!
//! One allocation for each job, for what it owns and its outcome; none in the pool.

#![forbid(unsafe_code)]

mod job;
mod queue;

pub use job::{CancelJob, Job, JobError};
pub use queue::Priority;

use super::affinity::{CpuSet, Places};
use super::parker::{Parked, Parker};
use crate::abi::ErrorKind;
use crate::cpus;
use crate::error::Error;
use crate::loom::long_lived::{Builder, Condvar, JoinHandle, Mutex, MutexGuard};
use job::{Cell, Work};
use queue::{Place, Queue};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Bounds of a pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CpuPoolConfig {
    /// Threads at the most, one at least.
    pub threads_max: usize,
    /// Jobs waiting for a thread at the most.
    pub queue_max: usize,
    /// How long a thread without work stays.
    pub idle: Duration,
    /// What the threads are called, with a number behind it.
    pub name: &'static str,
    /// Where the threads run (see [`super::affinity::place`]); `None`: wherever their parent may.
    pub cpus: Option<CpuSet>,
}

impl CpuPoolConfig {
    /// For work that keeps a CPU busy: as many threads as there are CPUs beside one for the loops.
    pub fn cpu() -> Self {
        Self {
            threads_max: cpus().saturating_sub(1).max(1),
            queue_max: 1024,
            idle: Duration::from_secs(10),
            name: "wakering-cpu",
            cpus: None,
        }
    }

    /// Kept off the CPUs that a scheduler's workers are kept off, unless told where to run.
    pub(super) fn on(mut self, places: Option<&Places>) -> Self {
        self.cpus = self.cpus.or(places.map(|places| places.cpus));
        self
    }

    /// For calls that wait for something else than the CPU: many threads that mostly sleep.
    pub fn blocking() -> Self {
        Self { threads_max: 64, name: "wakering-block", ..Self::cpu() }
    }
}

/// How a job is queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JobOptions {
    /// What it is called in [`CpuPool::running`] and in what a shutdown reports.
    pub name: &'static str,
    /// Before which others it runs.
    pub priority: Priority,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self { name: "job", priority: Priority::Normal }
    }
}

/// A job that a thread is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Running {
    /// What it is called.
    pub name: &'static str,
    /// The number in its thread's name.
    pub thread: usize,
    /// Since when.
    pub since: Instant,
}

/// What a shutdown did.
#[must_use]
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shutdown {
    /// Queued jobs that it cancelled.
    pub cancelled: usize,
    /// Jobs that still run, on threads that are left behind.
    pub stuck: Vec<Running>,
}

/// Numbers of a pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CpuPoolMetrics {
    /// Threads that there are.
    pub threads: usize,
    /// Of those, threads that wait for work.
    pub asleep: usize,
    /// Jobs that wait for a thread.
    pub queued: usize,
    /// Jobs that have run, so far, panicked ones among them.
    pub finished: u64,
    /// Jobs that panicked, so far.
    pub panicked: u64,
    /// Jobs that were cancelled before they started, so far.
    pub cancelled: u64,
    /// Jobs refused because the queue was full, so far.
    pub refused: u64,
    /// Threads, so far, that could not be bound to [`CpuPoolConfig::cpus`] and ran without.
    pub unbound: u64,
}

/// See the module's text. Dropping it cancels what is queued and waits for nothing.
///
/// ```
/// use wakering_core::scheduler::cpu_pool::{CpuPool, CpuPoolConfig};
/// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// # fn block_on<F: Future>(future: F) -> F::Output {
/// #     let mut future = pin!(future);
/// #     loop {
/// #         if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
/// #             return value;
/// #         }
/// #         std::thread::yield_now();
/// #     }
/// # }
///
/// let pool = CpuPool::new(CpuPoolConfig::cpu());
/// let sum = pool.spawn(|| (1..=100).sum::<u64>()).unwrap();
/// assert_eq!(block_on(sum).unwrap(), 5050);
/// ```
#[derive(Debug)]
pub struct CpuPool {
    shared: Arc<Shared>,
}

struct Shared {
    config: CpuPoolConfig,
    state: Mutex<State>,
    /// One for each thread.
    parkers: Box<[Parker]>,
    ended: Condvar,
}

struct Waiting {
    work: Arc<dyn Work>,
    name: &'static str,
}

struct State {
    queue: Queue<Waiting>,
    threads: Box<[Thread]>,
    /// Numbers of threads that sleep until there is work.
    asleep: Vec<usize>,
    closed: bool,
    metrics: CpuPoolMetrics,
}

/// One place for a thread.
#[derive(Default)]
struct Thread {
    alive: bool,
    running: Option<Running>,
    /// Of the thread that is here, or was here last.
    handle: Option<JoinHandle<()>>,
}

/// A poisoned lock is as good as another: nothing that may panic runs under it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whom a push calls.
enum Call {
    Sleeper(usize),
    NewThread(usize),
    Nobody,
}

impl CpuPool {
    /// A pool without threads: they come with the jobs.
    pub fn new(config: CpuPoolConfig) -> Self {
        let threads_max = config.threads_max.max(1);
        let state = State {
            queue: Queue::new(config.queue_max),
            threads: (0..threads_max).map(|_| Thread::default()).collect(),
            asleep: Vec::with_capacity(threads_max),
            closed: false,
            metrics: CpuPoolMetrics::default(),
        };
        let shared = Shared {
            config,
            state: Mutex::new(state),
            parkers: (0..threads_max).map(|_| Parker::new()).collect(),
            ended: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Queues a job with the usual options. Errors as [`Self::spawn_with`].
    pub fn spawn<F, T>(&self, work: F) -> Result<Job<T>, Error>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_with(JobOptions::default(), work)
    }

    /// Queues a job. Busy where the queue is full, Closed after a shutdown, the kernel's error where
    /// there is no thread and none can be had; `work` is dropped then and has not run.
    pub fn spawn_with<F, T>(&self, options: JobOptions, work: F) -> Result<Job<T>, Error>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let cell = Arc::new(Cell::new(work));
        let waiting = Waiting { work: cell.clone(), name: options.name };
        let mut state = lock(&self.shared.state);
        if state.closed {
            return Err(ErrorKind::Closed.into());
        }
        let Ok(place) = state.queue.push(options.priority, waiting) else {
            state.metrics.refused += 1;
            return Err(ErrorKind::Busy.into());
        };
        let call = state.whom_to_call();
        drop(state);
        match call {
            Call::Sleeper(thread) => _ = self.shared.parkers[thread].unpark(),
            Call::NewThread(thread) => self.shared.start(thread, place)?,
            Call::Nobody => {}
        }
        Ok(Job { answer: cell, pool: self.shared.clone(), place })
    }

    /// What the threads are at, for a dump.
    pub fn running(&self) -> Vec<Running> {
        lock(&self.shared.state).running()
    }

    /// Numbers as they are now.
    pub fn metrics(&self) -> CpuPoolMetrics {
        let state = lock(&self.shared.state);
        CpuPoolMetrics {
            threads: state.threads.iter().filter(|thread| thread.alive).count(),
            asleep: state.asleep.len(),
            queued: state.queue.len(),
            ..state.metrics
        }
    }

    /// Refuses new jobs, cancels those that wait, and waits until the others have ended and their
    /// threads are joined, or `deadline` is over; then it reports what still runs. A second call
    /// waits again.
    pub fn shutdown(&self, deadline: Duration) -> Shutdown {
        let until = Instant::now().checked_add(deadline);
        let cancelled = self.shared.close();
        let mut state = lock(&self.shared.state);
        while state.threads.iter().any(|thread| thread.alive) {
            let left = until
                .map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            let waited = self.shared.ended.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let stuck = state.running();
        let gone = state.threads.iter_mut().filter(|thread| !thread.alive);
        let handles: Vec<_> = gone.filter_map(|thread| thread.handle.take()).collect();
        drop(state);
        for handle in handles {
            // Its loop is over; a panic of a job never gets there.
            let _ = handle.join();
        }
        Shutdown { cancelled, stuck }
    }
}

impl Drop for CpuPool {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl State {
    fn running(&self) -> Vec<Running> {
        self.threads.iter().filter_map(|thread| thread.running).collect()
    }

    fn whom_to_call(&mut self) -> Call {
        if let Some(thread) = self.asleep.pop() {
            return Call::Sleeper(thread);
        }
        match self.threads.iter().position(|thread| !thread.alive) {
            Some(thread) => {
                self.threads[thread].alive = true;
                Call::NewThread(thread)
            }
            None => Call::Nobody,
        }
    }
}

impl Shared {
    /// Starts thread number `thread` for the job at `place`. Where that fails and no other thread is
    /// there to come to it, the job is taken back.
    fn start(self: &Arc<Self>, thread: usize, place: Place) -> Result<(), Error> {
        let shared = self.clone();
        let name = format!("{}-{thread}", self.config.name);
        let started = Builder::new().name(name).spawn(move || shared.serve(thread));
        let mut state = lock(&self.state);
        let (before, error) = match started {
            Ok(handle) => (state.threads[thread].handle.replace(handle), None),
            Err(error) => {
                state.threads[thread].alive = false;
                self.ended.notify_all();
                let others = state.threads.iter().any(|thread| thread.alive);
                let work = if others { None } else { state.queue.remove(place) };
                (None, work.map(|work| (work, error)))
            }
        };
        drop(state);
        if let Some(before) = before {
            let _ = before.join();
        }
        error.map_or(Ok(()), |(_work, error)| Err(error.into()))
    }

    /// A thread's life.
    fn serve(&self, thread: usize) {
        if let Some(cpus) = &self.config.cpus
            && cpus.bind_this_thread().is_err()
        {
            lock(&self.state).metrics.unbound += 1;
        }
        while let Some(waiting) = self.next(thread) {
            // The job catches its own panic; this is for the drop of a value that nobody wants.
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let panicked = waiting.work.run();
                drop(waiting);
                panicked
            }));
            let mut state = lock(&self.state);
            state.threads[thread].running = None;
            state.metrics.finished += 1;
            state.metrics.panicked += u64::from(panicked.unwrap_or(true));
        }
    }

    /// The next job for a thread; `None` where it is to end.
    fn next(&self, thread: usize) -> Option<Waiting> {
        loop {
            let mut state = lock(&self.state);
            if let Some(waiting) = state.queue.pop() {
                let name = waiting.name;
                state.threads[thread].running =
                    Some(Running { name, thread, since: Instant::now() });
                return Some(waiting);
            }
            if state.closed {
                return self.end(thread, state);
            }
            state.asleep.push(thread);
            drop(state);
            let deadline = Instant::now().checked_add(self.config.idle);
            if self.parkers[thread].park(deadline) == Parked::Unparked {
                continue;
            }
            let mut state = lock(&self.state);
            // Still there: nobody has called it meanwhile (P2).
            if let Some(place) = state.asleep.iter().position(|&asleep| asleep == thread) {
                state.asleep.remove(place);
                return self.end(thread, state);
            }
        }
    }

    fn end(&self, thread: usize, mut state: MutexGuard<'_, State>) -> Option<Waiting> {
        state.threads[thread].alive = false;
        self.ended.notify_all();
        None
    }

    /// Takes a job out of the queue, for a cancel.
    fn take_out(&self, place: Place) -> Option<Arc<dyn Work>> {
        let mut state = lock(&self.state);
        let waiting = state.queue.remove(place)?;
        state.metrics.cancelled += 1;
        Some(waiting.work)
    }

    /// Refuses new jobs, cancels those that wait and calls all who sleep. How many it cancelled.
    fn close(&self) -> usize {
        let mut state = lock(&self.state);
        state.closed = true;
        for thread in state.asleep.drain(..) {
            let _ = self.parkers[thread].unpark();
        }
        drop(state);
        let mut cancelled = 0;
        loop {
            let mut state = lock(&self.state);
            let Some(waiting) = state.queue.pop() else { return cancelled };
            state.metrics.cancelled += 1;
            drop(state);
            cancelled += 1;
            // What it owned is dropped here, and its waker is called: a panic of either must not
            // keep the others from being cancelled.
            let _ = catch_unwind(AssertUnwindSafe(|| waiting.work.cancel()));
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

#[cfg(all(test, shuttle))]
mod shuttle_tests;
