//! The end of a scheduler, step by step: see the text of its module.

#![forbid(unsafe_code)]

use super::super::op::Ops;
use super::shared::Shared;
use crate::loom::long_lived::JoinHandle;
use crate::task::run;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What workers that have nothing to do get at least for ending.
const GRACE: Duration = Duration::from_millis(50);

/// What was left at the deadline.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shutdown {
    /// Tasks that are not over.
    pub tasks_left: usize,
    /// Workers that have not ended: a task of theirs does not return.
    pub workers_left: usize,
    /// Jobs of the pool that still run, on threads that are left behind.
    pub jobs_left: usize,
    /// Ops that the kernel, or a thread of a loop's, still has. What they borrowed is left to them for
    /// ever.
    pub ops_left: usize,
}

/// `threads` is empty once all of them were joined.
pub(super) fn shutdown(
    shared: &Arc<Shared>,
    threads: &mut Vec<JoinHandle<()>>,
    deadline: Duration,
) -> Shutdown {
    // One of its own tasks would wait for itself.
    let within = shared.is_here();
    let deadline = if within { Duration::ZERO } else { deadline };
    let until = Instant::now() + deadline;
    shared.start_closing();
    shared.rest.watch();
    let tasks_left = || run::abort_all(&shared.dispatch.depot, |task| shared.send(task));
    let over = || (tasks_left() == 0).then_some(());
    if !threads.is_empty() {
        let _ = shared.watch.wait(Some(until), over);
    }
    shared.start_ending();
    let grace = if within { Duration::ZERO } else { GRACE };
    let ended = || (shared.workers_ended() >= threads.len()).then_some(());
    let _ = shared.watch.wait(Some(until.max(Instant::now() + grace)), ended);
    shared.rest.unwatch();
    let jobs = shared.dispatch.blocking.shutdown(until.saturating_duration_since(Instant::now()));
    let workers_left = threads.len().saturating_sub(shared.workers_ended());
    if workers_left == 0 {
        for thread in threads.drain(..) {
            // What it could panic with it has said already.
            let _ = thread.join();
        }
        shared.close_queue();
    }
    let ops_left = shared.dispatch.loops.all().iter().map(Ops::left).sum();
    Shutdown { tasks_left: tasks_left(), workers_left, jobs_left: jobs.stuck.len(), ops_left }
}
