//! The bits of the word, and what a look at it sees.

use super::End;

/// Somebody has the task: a queue, or the thread that polls it (I1).
pub(super) const SCHEDULED: u64 = 1;
/// Woken since it was scheduled or since its poll began (I2).
pub(super) const WOKEN: u64 = 1 << 1;
/// No future any more. Set in a free place too, so that late wakes find nothing to do.
pub(super) const COMPLETE: u64 = 1 << 2;
/// To be dropped instead of polled.
pub(super) const ABORT: u64 = 1 << 3;
/// The join handle exists (I4).
pub(super) const JOIN: u64 = 1 << 4;
/// The place of the joiner's waker is full (I5).
pub(super) const JOIN_WAKER: u64 = 1 << 5;
/// What lies in the future's place is the payload of a panic.
pub(super) const PANICKED: u64 = 1 << 6;
/// Nothing lies in the future's place: the task was aborted.
pub(super) const CANCELLED: u64 = 1 << 7;
/// Does not keep its scheduler running.
pub(super) const SYSTEM: u64 = 1 << 8;
/// Lies in a chunk of the scheduler's pool; else in storage of its own.
pub(super) const POOLED: u64 = 1 << 9;
/// Has an entry in the table of names.
pub(super) const NAMED: u64 = 1 << 10;
/// Beside JOIN_WAKER: a task of the same scheduler awaits the join handle, so it lies there.
pub(super) const JOIN_INSIDE: u64 = 1 << 11;

/// Polled by the one thread of its scheduler, which has SCHEDULED for good.
pub(super) const HOME: u64 = 1 << 12;
/// In its scheduler's entry, or about to be.
pub(super) const ENTERED: u64 = 1 << 13;
/// Polled by one thread of a scheduler of several: it is the queues that see to that, here it is as
/// any other task of such a scheduler.
pub(super) const PINNED: u64 = 1 << 14;

/// Beside HOME: the join handle may be on another thread.
pub(super) const AWAY: u64 = 1 << 15;

pub(super) const REFERENCE_SHIFT: u32 = 16;
pub(super) const REFERENCE: u64 = 1 << REFERENCE_SHIFT;
pub(super) const REFERENCE_BITS: u32 = 24;
pub(super) const REFERENCES: u64 = ((1 << REFERENCE_BITS) - 1) << REFERENCE_SHIFT;
/// From here on a program leaks references; it ends before they run over.
pub(super) const REFERENCES_MAX: u64 = REFERENCES / 2;
pub(super) const GENERATION_SHIFT: u32 = REFERENCE_SHIFT + REFERENCE_BITS;
pub(super) const GENERATION: u64 = 1 << GENERATION_SHIFT;

/// What a look from outside sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Look {
    pub(super) word: u64,
}

impl Look {
    pub(crate) const fn is_complete(self) -> bool {
        self.word & COMPLETE != 0
    }

    pub(crate) const fn is_scheduled(self) -> bool {
        self.word & SCHEDULED != 0
    }

    pub(crate) const fn is_aborted(self) -> bool {
        self.word & ABORT != 0
    }

    pub(crate) const fn is_system(self) -> bool {
        self.word & SYSTEM != 0
    }

    pub(crate) const fn is_pooled(self) -> bool {
        self.word & POOLED != 0
    }

    pub(crate) const fn has_home(self) -> bool {
        self.word & HOME != 0
    }

    pub(crate) const fn is_pinned(self) -> bool {
        self.word & PINNED != 0
    }

    /// Whether one thread polls it always.
    pub(crate) const fn stays(self) -> bool {
        self.word & (HOME | PINNED) != 0
    }

    pub(crate) const fn is_entered(self) -> bool {
        self.word & ENTERED != 0
    }

    pub(crate) const fn is_named(self) -> bool {
        self.word & NAMED != 0
    }

    pub(crate) const fn generation(self) -> u32 {
        (self.word >> GENERATION_SHIFT) as u32
    }

    /// Wakers and handles that are out, the join handle apart.
    pub(crate) const fn wakers(self) -> u64 {
        let joins = (self.word & JOIN != 0) as u64;
        let own = (self.word & COMPLETE == 0) as u64;
        let entered = (self.word & ENTERED != 0) as u64;
        ((self.word & REFERENCES) >> REFERENCE_SHIFT) - joins - own - entered
    }

    /// Whether somebody is in the joiner's place.
    pub(crate) const fn has_join_waker(self) -> bool {
        self.word & JOIN_WAKER != 0
    }

    /// Whether that is a task of the same scheduler.
    pub(crate) const fn is_join_inside(self) -> bool {
        self.word & JOIN_INSIDE != 0
    }

    /// Whether there is a join handle, which may leave the task's home.
    pub(crate) const fn has_join_away(self) -> bool {
        self.word & JOIN != 0 && self.word & (HOME | AWAY) != HOME
    }

    pub(super) const fn end(self) -> End {
        match self.word & (PANICKED | CANCELLED) {
            0 => End::Ready,
            PANICKED => End::Panicked,
            _ => End::Cancelled,
        }
    }
}
