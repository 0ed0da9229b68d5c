//! How a scheduler of several threads is made.

#![forbid(unsafe_code)]

use super::super::affinity::CpuSet;
use super::super::cpu_pool::CpuPoolConfig;
use super::super::op::Loop;
use crate::error::Error;
use crate::task::slow::SlowPolls;
use crate::task::{Hook, SlowPoll};
use crate::time::Clock;
use std::sync::Arc;
use std::time::Duration;

/// Makes the loop of a worker, on that worker's thread.
type MakeLoop = dyn Fn(usize) -> Result<Loop, Error> + Send + Sync;

/// How a [`Scheduler`](super::Scheduler) is made.
#[derive(Clone)]
#[must_use]
pub struct Options {
    pub(super) workers: usize,
    pub(super) lifo: bool,
    pub(super) bytes_max: usize,
    pub(super) name: String,
    pub(super) keep_off: CpuSet,
    pub(super) pinned: bool,
    pub(super) clock: Clock,
    pub(super) loops: usize,
    pub(super) make_loop: Option<Arc<MakeLoop>>,
    pub(super) blocks_max: usize,
    pub(super) drain_deadline: Duration,
    pub(super) pool: CpuPoolConfig,
    pub(super) hook: Option<Hook>,
    pub(super) slow_polls: Option<SlowPolls>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("workers", &self.workers)
            .field("loops", &self.loops)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
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
            clock: Clock::real(),
            loops: 0,
            make_loop: None,
            blocks_max: 64,
            drain_deadline: Duration::from_secs(5),
            pool: CpuPoolConfig::blocking(),
            hook: None,
            slow_polls: None,
        }
    }
}

impl Options {
    /// A worker for each CPU, no loop; up to 256 MiB of pooled tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many threads, one at least, and one for each loop.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Gives the first `loops` workers a loop each. `make` is called with the worker's number, on
    /// the worker's thread, where the driver stays. Where it fails, so does
    /// [`Scheduler::start`](super::Scheduler::start).
    pub fn loops(
        mut self,
        loops: usize,
        make: impl Fn(usize) -> Result<Loop, Error> + Send + Sync + 'static,
    ) -> Self {
        self.loops = loops;
        self.make_loop = Some(Arc::new(make));
        self
    }

    /// How many blocks each loop keeps for long paths.
    pub fn blocks_max(mut self, blocks: usize) -> Self {
        self.blocks_max = blocks;
        self
    }

    /// How long the end of a worker waits for ops of its loop that are in flight.
    pub fn drain_deadline(mut self, deadline: Duration) -> Self {
        self.drain_deadline = deadline;
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

    /// The pool for [`spawn_blocking`](crate::task::spawn_blocking); 64 threads at the most, unless
    /// told otherwise. It keeps off the CPUs that workers keep off.
    pub fn pool(mut self, config: CpuPoolConfig) -> Self {
        self.pool = config;
        self
    }

    /// How many threads the pool has at the most, one at least. They start when jobs come.
    pub fn pool_threads(mut self, threads: usize) -> Self {
        self.pool.threads_max = threads.max(1);
        self
    }

    /// CPUs on which no worker, and no thread of the pool, is to run, where there are others.
    pub fn keep_off(mut self, cpus: CpuSet) -> Self {
        self.keep_off = cpus;
        self
    }

    /// Whether each worker has a CPU of its own.
    pub fn pinned(mut self, on: bool) -> Self {
        self.pinned = on;
        self
    }

    /// The clock that the timers of all workers go by: for tests, one that is moved by hand.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Has every step reported.
    pub fn trace(mut self, hook: Hook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Has every poll reported that takes as long as `threshold` or longer, after it, on its own
    /// worker; `report` must not spawn, wake or block. While such a poll goes on,
    /// [`Scheduler::dump`](super::Scheduler::dump) says so: "running for 250 ms on worker 1". Costs two
    /// looks at the clock for each poll; without it, nothing.
    pub fn slow_poll(mut self, threshold: Duration, report: fn(SlowPoll)) -> Self {
        self.slow_polls = Some(SlowPolls { threshold, report });
        self
    }

    pub(super) fn workers_all(&self) -> usize {
        self.workers.max(self.loops)
    }
}
