//! What the future that was polled last waits for: the word that a stall report prints.
//!
//! Every future of [`sync`](super) that answers `Pending` leaves its label on the thread. Whoever
//! polls a task takes it afterwards and keeps it with the task.

#![forbid(unsafe_code)]

use std::cell::Cell;

thread_local! {
    static LABEL: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Says what the task that is being polled waits for. Futures outside of this crate may say it too.
#[inline]
pub fn set(label: &'static str) {
    // Past the thread's end nobody asks.
    let _ = LABEL.try_with(|place| place.set(Some(label)));
}

/// What was said since the last call on this thread. Of several futures in one task, the one that
/// was polled last.
#[inline]
pub fn take() -> Option<&'static str> {
    LABEL.try_with(Cell::take).ok().flatten()
}
