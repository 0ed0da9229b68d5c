//! The count of references, and when it needs no exchange (I7).

use super::{AWAY, COMPLETE, JOIN, REFERENCE, REFERENCE_SHIFT, REFERENCES, REFERENCES_MAX, State};
use crate::loom::Ordering;

impl State {
    /// One more reference, by somebody who has one.
    #[inline]
    pub(crate) fn add_reference(&self) {
        // Relaxed: a reference comes from a reference, which keeps the task there.
        let before = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        if before & REFERENCES >= REFERENCES_MAX {
            // As `Arc` does: a program that leaks so many is past helping, and a count that runs
            // over would free what is in use.
            std::process::abort();
        }
    }

    /// The same at home, where `inside` wakers are kept and the caller has one that counts nothing.
    #[inline]
    pub(crate) fn add_reference_at_home(&self, inside: u64) {
        // Acquire: with the Release of those who gave references up (I7).
        let now = self.0.load(Ordering::Acquire);
        if count(now) == at_home(now, inside) {
            // Release: with the Acquire of whoever has a reference from this thread later.
            self.0.store(now + REFERENCE, Ordering::Release);
        } else {
            self.add_reference();
        }
    }

    /// One reference less, at home, where `inside` other wakers are kept. Whether it was the last.
    #[inline]
    #[must_use]
    pub(crate) fn drop_reference_at_home(&self, inside: u64) -> bool {
        // Acquire: with the Release of those who gave references up (I7).
        let now = self.0.load(Ordering::Acquire);
        if count(now) == at_home(now, inside) + 1 && count(now) > 1 {
            // Release: with the Acquire of whoever has a reference from this thread later.
            self.0.store(now - REFERENCE, Ordering::Release);
            return false;
        }
        self.drop_reference()
    }

    /// The join handle may leave the thread from now on. At home.
    pub(crate) fn let_join_go(&self) {
        // Relaxed: for this thread, which writes without an exchange no more.
        self.0.fetch_or(AWAY, Ordering::Relaxed);
    }

    /// One reference less. Whether it was the last: then the caller frees the place (8).
    #[inline]
    #[must_use]
    pub(crate) fn drop_reference(&self) -> bool {
        // Acquire: with the Release below of everybody who was quicker.
        if self.0.load(Ordering::Acquire) & REFERENCES == REFERENCE {
            // The caller's is the only one, and nobody can make another (I7).
            return true;
        }
        // Release: with the Acquire above and here, of whoever is last.
        self.0.fetch_sub(REFERENCE, Ordering::AcqRel) & REFERENCES == REFERENCE
    }
}

/// How many references there are.
#[inline]
pub(super) const fn count(now: u64) -> u64 {
    (now & REFERENCES) >> REFERENCE_SHIFT
}

/// How many of them cannot be anywhere but at home, where `inside` wakers are kept (I7).
#[inline]
pub(super) const fn at_home(now: u64, inside: u64) -> u64 {
    let own = (now & COMPLETE == 0) as u64;
    let join = (now & (JOIN | AWAY) == JOIN) as u64;
    own + join + inside
}
