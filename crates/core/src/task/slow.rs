//! Polls that take too long: a task that does not return keeps its thread from all others.
//!
//! ```text
//! worker:  begin ─► poll ─► end ─► report, if it took as long as the threshold
//!            └─ who, since when ──► lists of tasks, from any thread, while the poll goes on
//! ```
//!
//! It costs two looks at the clock for each poll where it is asked for, and nothing elsewhere.
//!
//! - **S1** Only the worker writes. It takes the task away before it changes the time, and puts the next
//!   task there afterwards: who reads the same task before and after the time has the time of a poll
//!   of that task.

#![forbid(unsafe_code)]

use super::TaskId;
use super::dispatch::Dispatch;
use super::header::TaskRef;
use super::vtable::contain;
use crate::loom::{AtomicU64, Ordering, fence};
use crate::time::Clock;
use std::time::Duration;

/// A poll that took too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlowPoll {
    /// Whose.
    pub task: TaskId,
    /// Its name, if it has one.
    pub name: Option<&'static str>,
    /// The type of its future.
    pub type_name: &'static str,
    /// How long it took.
    pub took: Duration,
    /// On which worker; zero on a scheduler of one thread.
    pub worker: usize,
}

impl std::fmt::Display for SlowPoll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { task, type_name, took, worker, .. } = self;
        write!(f, "task {task} ({}) ", self.name.unwrap_or(type_name))?;
        write!(f, "kept worker {worker} for {took:?} in one poll")
    }
}

/// What a program asks for: the limit, and who is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlowPolls {
    pub(crate) threshold: Duration,
    pub(crate) report: fn(SlowPoll),
}

/// In the place of a task: nobody is polled.
const NOBODY: u64 = u64::MAX;

/// One worker's. See the module's text.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    asked: SlowPolls,
    clock: Clock,
    worker: usize,
    task: AtomicU64,
    began: AtomicU64,
    slow: AtomicU64,
}

/// A poll that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Running {
    pub(crate) task: TaskId,
    pub(crate) worker: usize,
    pub(crate) since: Duration,
}

impl Stopwatch {
    pub(crate) fn new(asked: SlowPolls, clock: Clock, worker: usize) -> Self {
        let [task, began, slow] = [NOBODY, 0, 0].map(AtomicU64::new);
        Self { asked, clock, worker, task, began, slow }
    }

    /// By the worker, around a poll of a task that it holds. `poll` does not unwind.
    pub(super) fn time<R>(
        &self,
        task: TaskRef,
        dispatch: &Dispatch,
        poll: impl FnOnce() -> R,
    ) -> R {
        let began = self.clock.nanos();
        self.begin(TaskId::of(task), began);
        let polled = poll();
        self.end();
        let took = Duration::from_nanos(self.clock.nanos().saturating_sub(began));
        if took >= self.asked.threshold {
            self.report(task, dispatch, took);
        }
        polled
    }

    fn begin(&self, task: TaskId, now: u64) {
        // Relaxed: published by the Release that follows it.
        self.began.store(now, Ordering::Relaxed);
        // Release: with the Acquire of `look`, which then reads this time or a later one.
        self.task.store(task.word(), Ordering::Release);
    }

    fn end(&self) {
        // Relaxed: ordered by the fence.
        self.task.store(NOBODY, Ordering::Relaxed);
        // Release: with the Acquire fence of `look`: who has read the next time sees that the task is
        // gone (S1).
        fence(Ordering::Release);
    }

    #[cold]
    fn report(&self, task: TaskRef, dispatch: &Dispatch, took: Duration) {
        // Relaxed: a number that one thread writes.
        self.slow.store(self.slow.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let named = task.state().look().is_named();
        let slow = SlowPoll {
            task: TaskId::of(task),
            name: named.then(|| dispatch.depot.name(task.number())).flatten(),
            type_name: (task.vtable().type_name)(),
            took,
            worker: self.worker,
        };
        contain(|| (self.asked.report)(slow));
    }

    /// The poll that is under way. From any thread.
    pub(crate) fn running(&self) -> Option<Running> {
        let (task, began) = self.look()?;
        let since = Duration::from_nanos(self.clock.nanos().saturating_sub(began));
        Some(Running { task, worker: self.worker, since })
    }

    fn look(&self) -> Option<(TaskId, u64)> {
        // Acquire: with the Release of `begin`.
        let task = self.task.load(Ordering::Acquire);
        // Relaxed: between that and the fence.
        let began = self.began.load(Ordering::Relaxed);
        // Acquire: with the Release fence of `end`.
        fence(Ordering::Acquire);
        // Relaxed: after the fence.
        let still = task != NOBODY && self.task.load(Ordering::Relaxed) == task;
        still.then(|| (TaskId::from_word(task), began))
    }

    /// How many were too slow.
    pub(crate) fn slow(&self) -> u64 {
        // Relaxed: a number.
        self.slow.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, loom))]
#[path = "slow/loom_tests.rs"]
mod loom_tests;
