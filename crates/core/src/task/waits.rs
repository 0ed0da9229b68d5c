//! What a task waits for, so that a list of tasks can say it, and a scheduler can tell a program
//! that waits from one that never ends.
//!
//! While a task is polled, whatever is about to answer Pending notes itself here: the word in the link
//! of queues, which a task that is in no queue does not use, the reason in a word of its own.
//!
//! ```text
//! link     63     62      61         47                   0
//!          | idle | noted | anywhere | word of the primitive |
//! reason   63          48 47                   0
//!          | kept inside | the kind of waiting   |
//! ```
//!
//! At the end of a poll at home the link says Idle beside it; no address does (see
//! [`super::state`])
//!
//! A waker that a primitive of one thread keeps cannot be reached from another, so it does not count
//! as one that is out. Such wakers are counted themselves, not the polls that made them: a
//! future that waits may be polled twice, moved to another task, or dropped while its task sleeps.
//!
//! - **N1** *Kept inside* is the number of wakers of the task with the table of [`keep_inside`]. Only
//!   the task's own thread (its home, or the worker that it is pinned to) makes, wakes and drops them.
//! - **N2** What has such a waker is `!Send`: no other thread can wake, clone or drop it.

#![forbid(unsafe_code)]

use super::TaskRef;
use super::here;
use super::waker;
use std::ptr::without_provenance_mut;
use std::task::{Context, Waker};

const IDLE: usize = 1 << 63;
const NOTED: usize = 1 << 62;
const ANYWHERE: usize = 1 << 61;
const WORD: usize = (1 << 48) - 1;

/// A kind of waiting, with its name for people: make one `static` of it per kind.
///
/// ```
/// use wakering_core::task::WaitsFor;
/// static LOCK: WaitsFor = WaitsFor::addressed("mutex");
/// assert_eq!(LOCK.name(), "mutex");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaitsFor {
    name: &'static str,
    word: Word,
}

/// What the word beside the name is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Word {
    Nothing,
    Number,
    Address,
}

impl WaitsFor {
    /// A kind of waiting of which there is one: "sleep".
    pub const fn new(name: &'static str) -> Self {
        Self { name, word: Word::Nothing }
    }

    /// A kind of waiting for something that has a number: "op 3".
    pub const fn numbered(name: &'static str) -> Self {
        Self { name, word: Word::Number }
    }

    /// A kind of waiting for something that is known by where it lies: "mutex 0x7f3a".
    pub const fn addressed(name: &'static str) -> Self {
        Self { name, word: Word::Address }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn write(&self, f: &mut std::fmt::Formatter<'_>, word: usize) -> std::fmt::Result {
        f.write_str(self.name)?;
        match self.word {
            Word::Nothing => Ok(()),
            Word::Number => write!(f, " {word}"),
            Word::Address => write!(f, " {word:#x}"),
        }
    }
}

/// From where the wake will come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WokenFrom {
    /// Through a waker that was cloned from the context. Wakers are counted: while one is out, the
    /// scheduler takes it that somebody will use it. (Those that lie in the primitives of
    /// [`sync::local`](crate::sync::local) are not out.)
    Inside,
    /// Also, or only, by something that has no waker: a driver that knows the task's number.
    Anywhere,
}

/// A note as read back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Note {
    bits: usize,
}

impl Note {
    pub(super) fn of(task: TaskRef) -> Self {
        Self { bits: task.header().link.next().addr() }
    }

    pub(super) const fn is_there(self) -> bool {
        self.bits & NOTED != 0
    }

    /// Whether something said that it may wake the task without a waker.
    pub(super) const fn is_anywhere(self) -> bool {
        self.is_there() && self.bits & ANYWHERE != 0
    }

    pub(super) const fn word(self) -> usize {
        self.bits & WORD
    }

    const fn and(self, word: usize, from: WokenFrom) -> Self {
        let before = if self.is_there() { self.bits & ANYWHERE } else { 0 };
        let more = match from {
            WokenFrom::Anywhere => ANYWHERE,
            WokenFrom::Inside => 0,
        };
        Self { bits: NOTED | before | more | (word & WORD) }
    }
}

/// At home, whether the task is Idle: only its own thread asks.
#[inline]
pub(super) fn is_idle(task: TaskRef) -> bool {
    task.header().link.next().addr() & IDLE != 0
}

/// At home, after a poll, or for a new task that has yet to arrive: the task is Idle.
#[inline]
pub(super) fn set_idle(task: TaskRef) {
    let note = Note::of(task);
    let bits = if note.is_there() { note.bits } else { 0 };
    task.header().link.set_next(without_provenance_mut(bits | IDLE));
}

/// Notes that the task that is being polled waits for `reason`, and `word`, of which 48 bits are
/// kept: a descriptor, an address, a number. For primitives that are about to answer Pending. Of
/// several notes in one poll the last one stands in lists of tasks.
///
/// `from` says what will wake it; [`WokenFrom::Anywhere`] is never wrong.
///
/// It does nothing under a foreign runtime, or under a waker that is not the task's own.
#[inline]
pub fn note_waiting(cx: &Context<'_>, reason: &'static WaitsFor, word: usize, from: WokenFrom) {
    let Some(task) = here::current() else { return };
    if waker::is_of(cx.waker(), task) {
        note(task, reason, word, from);
    }
}

/// The same for the task that is polled here.
#[inline]
pub(crate) fn note(task: TaskRef, reason: &'static WaitsFor, word: usize, from: WokenFrom) {
    let note = Note::of(task).and(word, from);
    let header = task.header();
    header.set_reason(reason);
    // The task is being polled by this thread, so it is in no queue and the link is unused.
    header.link.set_next(without_provenance_mut(note.bits));
}

/// A waker for a primitive that never leaves this thread, and keeps it to itself until it wakes or
/// drops it (N2). Under any other waker than that of the task that is polled here, a plain clone.
#[inline]
pub(crate) fn keep_inside(waker: &Waker) -> Waker {
    match here::current() {
        // One thread polls it, this one.
        Some(task) if waker::is_of(waker, task) && task.state().look().stays() => {
            waker::inside(task)
        }
        _ => waker.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_keeps_where_from_and_word_apart() {
        use WokenFrom::{Anywhere, Inside};
        let none = Note { bits: 0 };
        let one = none.and(usize::MAX, Inside);
        assert_eq!((one.is_anywhere(), one.word()), (false, WORD));
        let two = one.and(7, Anywhere).and(9, Inside);
        assert_eq!((two.is_anywhere(), two.word()), (true, 9));
    }
}
