//! The transitions of the join handle.

use super::references::{at_home, count};
use super::{
    AWAY, COMPLETE, DropJoin, End, JOIN, JOIN_INSIDE, JOIN_WAKER, Joinable, Look, REFERENCE, State,
};
use crate::loom::Ordering;

impl State {
    /// What the join handle may do now.
    #[inline]
    pub(crate) fn joinable(&self) -> Joinable {
        // Acquire: with the Release of `complete`.
        let look = self.look_acquire();
        if look.is_complete() {
            Joinable::Complete(look.end())
        } else if look.word & JOIN_WAKER != 0 {
            Joinable::Full
        } else {
            Joinable::Empty
        }
    }

    /// Publishes what the join handle wrote into the joiner's place; `inside` where that is a task of
    /// the same scheduler; `kept` where this is the task's home: how many wakers are kept there. Where
    /// the task is Complete by now, how it ended: the place is the join handle's still, to be emptied.
    #[inline]
    pub(crate) fn offer_joiner(&self, inside: bool, kept: Option<u64>) -> Result<(), End> {
        let flags = if inside { JOIN_WAKER | JOIN_INSIDE } else { JOIN_WAKER };
        // Acquire: with the Release of those who gave references up (I7).
        let mut now = self.0.load(Ordering::Acquire);
        if kept.is_some_and(|kept| join_is_alone(now, kept)) {
            // Release: with the Acquire of whoever has a reference from this thread later.
            self.0.store(now | flags, Ordering::Release);
            return Ok(());
        }
        loop {
            if now & COMPLETE != 0 {
                // Acquire: with the Release of `complete`.
                return Err(self.look_acquire().end());
            }
            // Release: with the Acquire of `complete`.
            match self.0.compare_exchange_weak(
                now,
                now | flags,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(found) => now = found,
            }
        }
    }

    /// Takes the joiner's place back, so that it can be filled anew. Whether a waker is to be taken out
    /// first. Where the task is Complete by now, how it ended: the place is not the join handle's any
    /// more.
    pub(crate) fn withdraw_joiner(&self) -> Result<bool, End> {
        // Relaxed: read again by the exchange.
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            if now & COMPLETE != 0 {
                // Acquire: with the Release of `complete`.
                return Err(self.look_acquire().end());
            }
            // Relaxed: what is there was written by the join handle itself.
            match self.0.compare_exchange_weak(
                now,
                now & !(JOIN_WAKER | JOIN_INSIDE),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(now & JOIN_INSIDE == 0),
                Err(found) => now = found,
            }
        }
    }

    /// The join handle goes without having taken the output.
    #[inline]
    pub(crate) fn drop_join(&self) -> DropJoin {
        // Acquire: with the Release of `complete`.
        let mut now = self.0.load(Ordering::Acquire);
        loop {
            if now & COMPLETE != 0 {
                return DropJoin::DropOutput(Look { word: now }.end());
            }
            let without = now & !(JOIN | JOIN_WAKER | JOIN_INSIDE);
            let (next, then) = if now & (JOIN_WAKER | JOIN_INSIDE) == JOIN_WAKER {
                (without, DropJoin::TakeWaker)
            } else {
                (without - REFERENCE, DropJoin::Nothing)
            };
            // Release: with the Acquire of `complete`, which may find itself alone.
            match self.0.compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return then,
                Err(found) => now = found,
            }
        }
    }

    /// The join handle goes, at home, where `kept` wakers are kept: where this is the only thread that
    /// knows of the task (I7), no exchange is needed. Whether that was so, and no waker is to be taken
    /// out of the joiner's place.
    #[inline]
    pub(crate) fn drop_join_at_home(&self, kept: u64) -> bool {
        // Acquire: with the Release of those who gave references up (I7).
        let now = self.0.load(Ordering::Acquire);
        if !join_is_alone(now, kept) || now & (JOIN_WAKER | JOIN_INSIDE) == JOIN_WAKER {
            return false;
        }
        let without = now & !(JOIN | JOIN_WAKER | JOIN_INSIDE);
        // Release: with the Acquire of whoever has a reference from this thread later.
        self.0.store(without - REFERENCE, Ordering::Release);
        true
    }
}

/// Whether the task is not over, and nobody but its home has a reference, whose thread has the join
/// handle in hand.
#[inline]
const fn join_is_alone(now: u64, kept: u64) -> bool {
    now & COMPLETE == 0 && count(now) == at_home(now & !AWAY, kept)
}
