//! What a scheduler does, step by step, for those who look on.

#![forbid(unsafe_code)]

use super::TaskId;
use crate::token::Token;

/// One step. See [`Hook`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A task came to be.
    Spawned(TaskId),
    /// The scheduler polls a task.
    Poll(TaskId),
    /// The task answered Pending.
    Pending(TaskId),
    /// The task is over.
    Completed(TaskId),
    /// The task was put into the queue by a wake on this thread.
    Woken(TaskId),
    /// The task came from another thread.
    Arrived(TaskId),
    /// A future gave an op to the loop.
    Enqueued(Token),
    /// The scheduler calls the loop.
    Turn,
    /// The loop says that an op is complete.
    Ready(Token),
}

/// Called on the scheduler's own thread, between things: it must not spawn, wake or block. Without
/// one, a step costs a look at a word.
pub type Hook = fn(Step);
