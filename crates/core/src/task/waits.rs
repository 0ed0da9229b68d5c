//! What a task waits for, so that a list of tasks can say it, and a scheduler can tell a program
//! that waits from one that never ends.
//!
//! While a task is polled, whatever is about to answer Pending notes itself here. The note lies in
//! the word that links queues, which a task that is in no queue does not use:
//!
//! ```text
//! 63     62      61         60           48 47                   0
//! | idle | noted | anywhere | wakers inside | word of the primitive |
//! ```
//!
//! At the end of a poll at home the link says Idle beside it; no address does (see
//! [`super::state`])

#![forbid(unsafe_code)]

use super::TaskRef;
use super::here;
use std::ptr::without_provenance_mut;
use std::task::Context;

const IDLE: usize = 1 << 63;
const NOTED: usize = 1 << 62;
const INSIDE_ONE: usize = 1 << 48;
const ANYWHERE: usize = 1 << 61;
const INSIDE: usize = ANYWHERE - INSIDE_ONE;
const WORD: usize = INSIDE_ONE - 1;

/// A kind of waiting, with its name for people: make one `static` of it per kind.
///
/// ```
/// use wakering_core::task::WaitsFor;
/// static LOCK: WaitsFor = WaitsFor::new("mutex");
/// assert_eq!(LOCK.name(), "mutex");
/// ```
#[derive(Debug)]
pub struct WaitsFor(&'static str);

impl WaitsFor {
    /// A kind of waiting.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.0
    }
}

/// From where the wake will come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WokenFrom {
    /// Only from a task of this scheduler that runs: what holds the waker cannot be reached from
    /// anywhere else. Where all tasks wait so, none will ever run again.
    Inside,
    /// From anywhere: a driver, a timer, another thread.
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

    pub(super) const fn inside(self) -> usize {
        if self.is_there() { (self.bits & INSIDE) / INSIDE_ONE } else { 0 }
    }

    /// Whether something said that it may wake the task from anywhere.
    pub(super) const fn is_anywhere(self) -> bool {
        self.is_there() && self.bits & ANYWHERE != 0
    }

    pub(super) const fn word(self) -> usize {
        self.bits & WORD
    }

    const fn and(self, word: usize, from: WokenFrom, counted: bool) -> Self {
        let before = if self.is_there() { self.bits & (INSIDE | ANYWHERE) } else { 0 };
        let more = match from {
            WokenFrom::Anywhere => before | ANYWHERE,
            WokenFrom::Inside if !counted => before,
            // A task with 8,191 such wakers out stays at that number: then it counts as one that
            // others may wake, which is the harmless mistake.
            WokenFrom::Inside if before & INSIDE == INSIDE => before,
            WokenFrom::Inside => before + INSIDE_ONE,
        };
        Self { bits: NOTED | more | (word & WORD) }
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
/// kept: a descriptor, an address, a number. For primitives that are about to answer Pending.
///
/// `from` says where the waker that was cloned from `cx` for it lies. Say [`WokenFrom::Inside`] once
/// for each clone that is out, in every poll that ends Pending, and only where nothing but a running
/// task of the same scheduler can wake it.
///
/// It does nothing under a foreign runtime, or under a waker that is not the task's own.
pub fn note_waiting(cx: &Context<'_>, reason: &'static WaitsFor, word: usize, from: WokenFrom) {
    let Some(task) = here::current() else { return };
    if super::waker::is_of(cx.waker(), task) {
        note(task, reason, word, from, true);
    }
}

/// The same for the task that is polled here; `counted` where a waker was cloned for it.
pub(super) fn note(
    task: TaskRef,
    reason: &'static WaitsFor,
    word: usize,
    from: WokenFrom,
    counted: bool,
) {
    let note = Note::of(task).and(word, from, counted);
    let header = task.header();
    header.set_reason(reason);
    // The task is being polled by this thread, so it is in no queue and the link is unused.
    header.link.set_next(without_provenance_mut(note.bits));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_keeps_count_and_word_apart() {
        use WokenFrom::{Anywhere, Inside};
        let none = Note { bits: 0 };
        let one = none.and(usize::MAX, Inside, true);
        assert_eq!((one.inside(), one.word()), (1, WORD));
        let two = one.and(7, Anywhere, true).and(8, Inside, false).and(9, Inside, true);
        assert_eq!((two.inside(), two.word()), (2, 9));
        assert!(two.is_anywhere() && !one.is_anywhere());
        let mut many = none;
        for _ in 0..40_000 {
            many = many.and(0, Inside, true);
        }
        assert_eq!(many.inside(), INSIDE / INSIDE_ONE);
    }
}
