//! The end of a scheduler, step by step: see the text of its module.

#![forbid(unsafe_code)]

use super::shared::Shared;
use crate::task::run;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the tasks and threads that are left are looked at.
const LOOK: Duration = Duration::from_micros(200);

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
}

pub(super) fn shutdown(
    shared: &Arc<Shared>,
    threads: &mut Vec<JoinHandle<()>>,
    deadline: Duration,
) -> Shutdown {
    let deadline = Instant::now() + deadline;
    shared.start_closing();
    let tasks_left = loop {
        let live = run::abort_all(&shared.dispatch.depot, |task| shared.inject(task));
        if live == 0 || threads.is_empty() || Instant::now() >= deadline {
            break live;
        }
        std::thread::sleep(LOOK);
    };
    shared.start_ending();
    let deadline = deadline.max(Instant::now() + GRACE);
    while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < deadline {
        shared.wake_all();
        std::thread::sleep(LOOK);
    }
    threads.retain(|thread| !thread.is_finished());
    if threads.is_empty() {
        shared.inject.close();
    }
    Shutdown { tasks_left, workers_left: threads.len() }
}
