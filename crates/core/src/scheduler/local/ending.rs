//! How a run ends that had to go on.

#![forbid(unsafe_code)]

use crate::error::Error;
use crate::task::Dump;

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
/// It is never said in error: as long as a waker, an abort handle, or a join handle that no task awaits
/// is where another thread may have it, something is in flight or a timer runs, the scheduler takes it
/// that something will happen, and waits. So do the wakers of tasks that wait at a primitive which threads
/// share ([`sync::Shared`](crate::sync::Shared)): somebody may come and open it. (A scheduler of one
/// thread waits as long as a [`Remote`](super::Remote) is out, too.) The one thing that it cannot see
/// is a join handle that a task awaits and shares with another thread behind a lock: such a
/// handle counts as the task's, and whoever means to abort from elsewhere takes an
/// [`AbortHandle`](crate::task::AbortHandle).
#[derive(Debug)]
pub struct Stalled {
    /// Who waits for what.
    pub tasks: Dump,
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
