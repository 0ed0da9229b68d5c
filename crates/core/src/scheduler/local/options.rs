//! How a scheduler of one thread is made.

use super::super::affinity;
use super::super::cpu_pool::CpuPoolConfig;
use super::super::idle::Spin;
use super::super::op::{Loop, Ops};
use super::shared::Shared;
use super::{LocalScheduler, TURN_POLLS};
use crate::error::Error;
use crate::task::here::{Here, Workers};
use crate::task::slow::{SlowPolls, Stopwatch};
use crate::task::stuck::Witness;
use crate::task::{Hook, SlowPoll};
use crate::time::{Clock, Timers};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// How a [`LocalScheduler`] is made.
#[must_use]
pub struct LocalOptions {
    lifo: bool,
    turn_polls: u32,
    bytes_max: usize,
    hook: Option<Hook>,
    slow_polls: Option<SlowPolls>,
    drain_deadline: Duration,
    blocks_max: usize,
    made: Option<Loop>,
    clock: Clock,
    skips: bool,
    pool: CpuPoolConfig,
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
            turn_polls: TURN_POLLS,
            bytes_max: 128 << 20,
            hook: None,
            slow_polls: None,
            drain_deadline: Duration::from_secs(5),
            blocks_max: 64,
            made: None,
            clock: Clock::real(),
            skips: false,
            pool: CpuPoolConfig::blocking(),
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

    /// After how many polls entry and loop have their turn, though there is more to run: 61, or fewer
    /// where the loop's answers are worth more than the tasks' pace. One at least.
    pub fn turn_polls(mut self, polls: u32) -> Self {
        self.turn_polls = polls.max(1);
        self
    }

    /// The most memory for pooled tasks, in bytes. Beyond it spawns are refused with Busy.
    pub fn bytes_max(mut self, bytes: usize) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// Has every step reported.
    pub fn trace(mut self, hook: Hook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Has every poll reported that takes as long as `threshold` or longer, after it, on its own
    /// thread; `report` must not spawn, wake or block. [`LocalScheduler::dump`] then says since when
    /// a task is polled. Costs two looks at the clock for each poll; without it, nothing.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wakering_core::scheduler::LocalOptions;
    /// use wakering_core::time::VirtualClock;
    ///
    /// let clock = VirtualClock::new();
    /// let options = LocalOptions::new().clock(clock.clock());
    /// let limit = Duration::from_millis(10);
    /// let scheduler = options.slow_poll(limit, |slow| eprintln!("{slow}")).build().unwrap();
    /// scheduler.block_on(async { clock.advance(limit) });
    /// assert_eq!(scheduler.slow_polls(), 1);
    /// ```
    pub fn slow_poll(mut self, threshold: Duration, report: fn(SlowPoll)) -> Self {
        self.slow_polls = Some(SlowPolls { threshold, report });
        self
    }

    /// The loop of this thread. `blocks_max` blocks are kept for long paths.
    pub fn with_loop(mut self, made: Loop, blocks_max: usize) -> Self {
        self.made = Some(made);
        self.blocks_max = blocks_max;
        self
    }

    /// The clock that its timers go by: for tests, one that is moved by hand.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Whether a clock that is moved by hand goes on to the next deadline by itself where the
    /// scheduler would otherwise wait: hours of sleeping then pass at once. Off by default.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wakering_core::scheduler::LocalOptions;
    /// use wakering_core::time::{VirtualClock, sleep};
    ///
    /// let clock = VirtualClock::new();
    /// let options = LocalOptions::new().clock(clock.clock()).skip_idle_time(true);
    /// let slept = options.build().unwrap().block_on(sleep(Duration::from_secs(3600)));
    /// assert_eq!(slept, Duration::from_secs(3600));
    /// ```
    pub fn skip_idle_time(mut self, on: bool) -> Self {
        self.skips = on;
        self
    }

    /// The pool for [`spawn_blocking`](crate::task::spawn_blocking); 64 threads at the most, unless
    /// told otherwise.
    pub fn pool(mut self, config: CpuPoolConfig) -> Self {
        self.pool = config;
        self
    }

    /// How long the end of the scheduler waits for ops that are in flight, and for jobs that run.
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
        let ops = self.made.map(|made| Ops::new(made, self.blocks_max));
        let shared = Shared::new(self.bytes_max, self.pool, ops.as_ref().map(Ops::bell));
        let clock = self.clock.clone();
        let timers = Timers::new(self.clock, shared.waker());
        // SAFETY: `Shared` begins with the dispatch, and lives until the scheduler's drop, which
        // calls `leave`.
        let here = unsafe { Here::new(shared.dispatch(), Workers::One, self.lifo) };
        let stopwatch = self.slow_polls.map(|asked| Stopwatch::new(asked, clock, 0));
        here.watch(self.hook, stopwatch.map(Arc::new));
        let here = Box::new(here);
        if let Some(ops) = &ops {
            let shared = Arc::downgrade(&shared);
            ops.tie(&here, move || {
                if let Some(shared) = shared.upgrade() {
                    shared.rouse();
                }
            });
        }
        Ok(LocalScheduler {
            here,
            shared,
            ops,
            timers,
            skips: self.skips,
            witness: Witness::new(),
            running: Cell::new(false),
            turn_polls: self.turn_polls,
            drain_deadline: self.drain_deadline,
            spin: Cell::new(Spin::new(affinity::online())),
        })
    }
}
