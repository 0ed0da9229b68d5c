//! What the transitions answer: what was found, and what remains to be done.

/// How a task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// With an output.
    Ready,
    /// With the payload of a panic.
    Panicked,
    /// With nothing.
    Cancelled,
}

/// What remains to be done after 2.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wake {
    /// It was Idle: put it into a queue.
    Enqueue,
    /// Somebody has it already, or it is Complete.
    Nothing,
}

/// What remains to be done after 2 by somebody who gave his reference up with it.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WakeOwned {
    /// It was Idle: put it into a queue.
    Enqueue,
    /// Nothing.
    Nothing,
    /// It was the last reference: free the place (8).
    Free,
}

/// What 3 found.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    /// Poll it.
    Poll,
    /// Drop the future, then 6 with [`End::Cancelled`].
    Cancel,
}

/// What 4 or 5 found.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EndPoll {
    /// 4: it is not this thread's any more.
    Idle,
    /// 5: put it into a queue again.
    Again,
    /// It was aborted during the poll: drop the future, then 6.
    Cancel,
}

/// What remains to be done after 6.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Completed {
    /// The join handle will find the output. The task's own reference is given up.
    Handed,
    /// The same, but whom to wake is to be taken out first; then give up the task's own reference.
    WakeJoiner,
    /// The same, for a task of the same scheduler of several threads.
    WakeFellow,
    /// The same, for a task of the same home that was read out before. The task's own reference is
    /// given up.
    WakeInside(Joiner),
    /// Nobody will ask: drop the output, then give up the task's own reference.
    Unobserved,
    /// Nobody knows the task any more: drop the output and free the place. Nothing was written.
    Alone,
}

/// A task of the same scheduler, as it lies in the place of the joiner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Joiner {
    /// Its place.
    pub(crate) place: *mut (),
    /// Its generation there.
    pub(crate) generation: u32,
}

/// What remains to be done after 9.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrive {
    /// Put it into the queue, if it is Idle.
    Schedule,
    /// It is over, or a poll has answered the wake already.
    Nothing,
    /// The entry's was the last reference: free the place (8).
    Free,
}

/// What the join handle finds.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Joinable {
    /// Take the output, then give up the reference.
    Complete(End),
    /// Put a waker into the empty place, then `State::offer_joiner`.
    Empty,
    /// A waker is there; read it and compare.
    Full,
}

/// What remains to be done after the join handle is gone.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DropJoin {
    /// Nothing: the reference is given up too.
    Nothing,
    /// A waker is to be taken out; then give up the reference.
    TakeWaker,
    /// Drop the output; then give up the reference (7).
    DropOutput(End),
}
