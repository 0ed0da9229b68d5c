//! The one word that says who may touch a task.
//!
//! ```text
//!                         ┌────────── 5 end poll: woken meanwhile ──────────┐
//!                         ▼                                                 │
//! Free ─1 spawn─► Scheduled ─3 start poll─► Scheduled, being polled ────────┤
//!  ▲                  ▲                                                     │
//!  │                  └──2 wake, or abort── Idle ◄─4 end poll: nobody woke ─┤
//!  │                                                                        │
//!  └────────8 last reference ─────────────── Complete ◄─6 ready, panicked, ─┘
//!                                             │    ▲       or aborted
//!                                             └────┘ 7 output taken, or its owner gone
//! ```
//!
//! ```text
//! 63       40 39             16 15         0
//! | generation | references     | flags     |
//! ```
//!
//! There is no bit for "being polled". SCHEDULED says that somebody has the task, in a queue or
//! under its poll, and WOKEN that it was woken since: so 3 is a load, and 5 is one too.
//!
//! **A task that has a home** (HOME: the scheduler of one thread polls it) goes without an exchange
//! on that thread altogether. Its thread has SCHEDULED for good, and notes in the task's link, which
//! only it writes, whether the task is Idle. Wakes of other threads set WOKEN and ENTERED and bring
//! the task to the scheduler's entry, by a second link:
//!
//! ```text
//! not entered ─2 wake from outside: ENTERED, WOKEN, a reference─► entered
//!      ▲                                                            │ 3 start poll: WOKEN goes, this
//!      │                                                            │   poll answers the wake
//!      └──9 arrive: ENTERED and its reference go; WOKEN says whether the task is to be scheduled
//! ```
//!
//! As long as nobody else has a reference, that thread writes the word without an exchange too (I7): a
//! spawn, a run, a join, a wait and a wake at home cost no read-modify-write.
//!
//! - **I1** Whoever holds SCHEDULED (the queue, then the thread that took the task from it; the home)
//!   alone touches the future. It is given by 1 or 2 and given up by 4 or 6, so no task is in two
//!   queues.
//! - **I2** WOKEN never comes alone: it is set only beside SCHEDULED, by those who find it, and
//!   cleared by 3, so a wake that finds SCHEDULED is followed by a poll that starts after it; or
//!   beside ENTERED, and then 9 follows.
//! - **I3** A task that is not Complete has one reference of its own, which 6 gives up. So a wake, a
//!   queue and a poll need no reference. The entry has one of its own while ENTERED.
//! - **I4** JOIN is the join handle, which is a reference too; it is cleared once and never comes
//!   back. While it is set and the task not Complete, only 6 may give the output to somebody.
//! - **I5** While JOIN_WAKER is not set, the place of the joiner is empty and the join handle's. While
//!   it is set, whom to wake lies in it, for everybody to read: a waker, or beside JOIN_INSIDE the
//!   place and generation of a task of the same scheduler. If it is set when 6 happens, 6 takes it out
//!   and the join handle never touches the place again. (At home 6 may take it out before, since nobody
//!   else sets JOIN_INSIDE there.)
//! - **I6** After 6 the output is the join handle's if JOIN was set, else it is gone already.
//! - **I7** References come from references only. So whoever owns all that the word counts is alone,
//!   and may write it without an exchange, once it has read it with Acquire: the last owner for one,
//!   and the home for those that cannot be elsewhere: the task's own, the join handle's unless it is
//!   AWAY, the wakers that are kept inside (N1 of [`super::waits`]), and what its own thread has in
//!   hand. (Transitions by number add no reference and change nothing but a live task's flags; those
//!   of a task with a home are made at home.)
//! - **I8** The generation changes with 8 only. A place for tasks is never given back to the system
//!   while numbers of it may be asked about, so a number that is out of date fails in the word.

#![forbid(unsafe_code)]

mod answers;
mod joining;
mod polling;
mod references;
mod word;

pub(crate) use answers::{
    Arrive, Completed, DropJoin, End, EndPoll, Joinable, Joiner, Start, Wake, WakeOwned,
};

pub(crate) use word::Look;

use crate::loom::{AtomicU64, Ordering};
use word::*;

/// The word. See the module's text.
#[derive(Debug)]
pub(crate) struct State(AtomicU64);

/// What a task is from its first moment on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Born {
    /// Lies in a chunk.
    pub(crate) pooled: bool,
    /// Does not keep its scheduler running.
    pub(crate) system: bool,
    /// Has an entry in the table of names.
    pub(crate) named: bool,
    /// Has a home.
    pub(crate) home: bool,
    /// Belongs to one thread of several.
    pub(crate) pinned: bool,
    /// Is on its way to its scheduler's entry (with a home), which counts as a wake.
    pub(crate) entered: bool,
    /// Its join handle may leave the thread.
    pub(crate) away: bool,
}

impl State {
    /// The word of a free place in its first generation.
    #[cfg(not(loom))]
    pub(crate) const fn free() -> Self {
        Self(AtomicU64::new(COMPLETE))
    }

    /// The word of a free place in its first generation.
    #[cfg(loom)]
    pub(crate) fn free() -> Self {
        Self(AtomicU64::new(COMPLETE))
    }

    /// A look that orders nothing.
    #[inline]
    pub(crate) fn look(&self) -> Look {
        // Relaxed: for hints, and for flags that never change in a generation.
        Look { word: self.0.load(Ordering::Relaxed) }
    }

    /// A look after which everything that was done before the task's last transition is seen.
    #[inline]
    pub(crate) fn look_acquire(&self) -> Look {
        // Acquire: with the Release of every transition.
        Look { word: self.0.load(Ordering::Acquire) }
    }

    /// Transition 1, by the only owner of a free place whose rest is written. Two references come
    /// of it: the task's own and the join handle's.
    #[inline]
    pub(crate) fn spawn(&self, born: Born) {
        // Relaxed: the place is this thread's alone; late wakes by number change nothing in it.
        let generation = self.0.load(Ordering::Relaxed) & !(GENERATION - 1);
        let word = generation
            | (2 * REFERENCE)
            | SCHEDULED
            | JOIN
            | if born.pooled { POOLED } else { 0 }
            | if born.system { SYSTEM } else { 0 }
            | if born.named { NAMED } else { 0 }
            | if born.home { HOME } else { 0 }
            | if born.pinned { PINNED } else { 0 }
            | if born.away { AWAY } else { 0 }
            | if born.entered { ENTERED | WOKEN } else { 0 };
        let word = if born.entered { word + REFERENCE } else { word };
        // Release: with the Acquire of `wake_by_number`; a thread that gets the task from a queue
        // has it from that queue's Release.
        self.0.store(word, Ordering::Release);
    }

    /// Transition 1 for a place that any thread may claim: whether this one got it. It then writes
    /// the rest and calls [`Self::spawn`].
    pub(crate) fn claim(&self) -> bool {
        // Relaxed: read again by the exchange.
        let now = self.0.load(Ordering::Relaxed);
        // A claimed place has references and is Complete still, so wakes do nothing to it.
        now & REFERENCES == 0
            && self
                .0
                // Acquire: with the Release of `free_place`, so that the last user is done with it.
                .compare_exchange(now, now + REFERENCE, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
    }

    /// Undoes [`Self::claim`].
    pub(crate) fn unclaim(&self) {
        // Release: with the Acquire of the next `claim`.
        self.0.fetch_sub(REFERENCE, Ordering::Release);
    }

    /// Transition 2, not on the task's home if it has one. Even where WOKEN is set already this
    /// writes, because what the waker did before has to be seen by the poll that follows.
    #[inline]
    pub(crate) fn wake(&self) -> Wake {
        // Relaxed: read again by the exchange.
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            if now & COMPLETE != 0 {
                return Wake::Nothing;
            }
            let (next, wake) = woken(now);
            // Release: with the Acquire of 3, 5 and 9; Acquire: with the Release of 4, so that whoever
            // gets the task next sees the future as the last poll left it.
            match self.0.compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return wake,
                Err(found) => now = found,
            }
        }
    }

    /// Transition 2 by somebody who gives his reference up with it.
    #[inline]
    pub(crate) fn wake_owned(&self) -> WakeOwned {
        // Relaxed: read again by the exchange.
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            let (next, then) = if now & COMPLETE == 0 {
                // Its own reference stays (I3), and so does the entry's.
                let (next, wake) = woken(now);
                let enqueue = wake == Wake::Enqueue;
                (next - REFERENCE, if enqueue { WakeOwned::Enqueue } else { WakeOwned::Nothing })
            } else if now & REFERENCES != REFERENCE {
                (now - REFERENCE, WakeOwned::Nothing)
            } else {
                // Acquire: with the Release of those who gave theirs up before. Nobody else can have
                // one (I7), so the word stays.
                let _ = self.0.load(Ordering::Acquire);
                return WakeOwned::Free;
            };
            // As in `wake`; Release also: with the Acquire of whoever frees the place.
            match self.0.compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return then,
                Err(found) => now = found,
            }
        }
    }

    /// Transition 9, at home, with a task that was taken from the entry.
    pub(crate) fn arrive(&self) -> Arrive {
        // Relaxed: read again by the exchange.
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            let next = (now & !(ENTERED | WOKEN)) - REFERENCE;
            // Acquire: with the Release of every wake since it entered; Release: with the Acquire of
            // whoever frees the place.
            match self.0.compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if next & REFERENCES == 0 => return Arrive::Free,
                Ok(_) if now & COMPLETE != 0 || now & WOKEN == 0 => return Arrive::Nothing,
                Ok(_) => return Arrive::Schedule,
                Err(found) => now = found,
            }
        }
    }

    /// Transition 2 by number: for a task that is known by its place and generation only. `None`
    /// where the generation is over.
    pub(crate) fn wake_by_number(&self, generation: u32) -> Option<Wake> {
        // Acquire: with the Release of `spawn`, for those who read the rest of the place then.
        let mut now = self.0.load(Ordering::Acquire);
        loop {
            if (now >> GENERATION_SHIFT) as u32 != generation || now & COMPLETE != 0 {
                return None;
            }
            let (next, wake) = woken(now);
            // As in `wake`.
            match self.0.compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(wake),
                Err(found) => now = found,
            }
        }
    }

    /// Asks that the task be dropped: 2 with a flag.
    pub(crate) fn abort(&self) -> Wake {
        // Relaxed: read again by the exchange.
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            if now & (COMPLETE | ABORT) != 0 {
                return Wake::Nothing;
            }
            let (next, wake) = woken(now);
            // As in `wake`.
            match self.0.compare_exchange_weak(
                now,
                next | ABORT,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return wake,
                Err(found) => now = found,
            }
        }
    }

    /// The same at home, where the caller schedules the task himself if it is Idle. Whether it is
    /// not over.
    pub(crate) fn abort_at_home(&self) -> bool {
        // AcqRel: as for every change of flags.
        let before = self.0.fetch_or(ABORT, Ordering::AcqRel);
        before & COMPLETE == 0
    }

    /// Transition 8, by whoever had the last reference and is done with the place's rest: the next
    /// generation begins.
    #[inline]
    pub(crate) fn free_place(&self) {
        // Relaxed: the place is this thread's alone.
        let now = self.0.load(Ordering::Relaxed);
        let generation = (now & !(GENERATION - 1)).wrapping_add(GENERATION);
        // Whoever walks over the places of a pool may ask a free one for its number.
        let stays = now & POOLED;
        // Release: with the Acquire of `claim`; in a pool, with the Release of its lists.
        self.0.store(generation | stays | COMPLETE, Ordering::Release);
    }
}

/// The word after a wake from outside, and what is to be done.
#[inline]
const fn woken(now: u64) -> (u64, Wake) {
    if now & HOME != 0 {
        if now & ENTERED != 0 {
            (now | WOKEN, Wake::Nothing)
        } else {
            ((now | WOKEN | ENTERED) + REFERENCE, Wake::Enqueue)
        }
    } else if now & SCHEDULED == 0 {
        (now | SCHEDULED, Wake::Enqueue)
    } else {
        (now | WOKEN, Wake::Nothing)
    }
}

#[cfg(test)]
pub(super) const PLAIN: Born = Born {
    pooled: true,
    system: false,
    named: false,
    home: false,
    pinned: false,
    entered: false,
    away: false,
};
#[cfg(test)]
pub(super) const HOMELY: Born = Born { home: true, ..PLAIN };

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "state/tests.rs"]
mod tests;
