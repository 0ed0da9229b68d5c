//! Ending a task, or all of them, with a status. Never the process.

#![forbid(unsafe_code)]

use super::{here, waker};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Ends the task that awaits it, from however deep inside: it is dropped like an aborted one. When
/// the scheduler's run ends, it gives the status of the task that said one last.
pub fn exit(status: i32) -> Exit {
    Exit { status, all: false }
}

/// Ends the run of the scheduler after this poll, with that status. The tasks stay where they are,
/// and are dropped with the scheduler. (On a scheduler of several threads whoever waits for it goes on;
/// its workers run what is ready until the scheduler is shut down.)
///
/// ```
/// use wakering_core::scheduler::LocalScheduler;
/// use wakering_core::task::{exit_all, spawn_local};
///
/// let scheduler = LocalScheduler::new().unwrap();
/// scheduler.spawn(async { match exit_all(7).await {} }).detach();
/// scheduler.spawn(std::future::pending::<()>()).detach();
/// assert_eq!(scheduler.run(), Ok(7));
/// ```
pub fn exit_all(status: i32) -> Exit {
    Exit { status, all: true }
}

/// See [`exit`] and [`exit_all`].
#[derive(Debug)]
#[must_use = "nothing ends unless it is awaited"]
pub struct Exit {
    status: i32,
    all: bool,
}

impl Future for Exit {
    type Output = Infallible;

    /// # Panics
    ///
    /// Where no task of a scheduler awaits it.
    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Infallible> {
        here::with(|here| {
            let task = here.and_then(|here| here.current.get());
            let (Some(here), Some(task)) = (here, task) else {
                panic!("exit was awaited outside of a task");
            };
            here.dispatch().status.set(self.status, self.all);
            if self.all {
                here.exit_all();
            }
            waker::abort(task);
        });
        Poll::Pending
    }
}
