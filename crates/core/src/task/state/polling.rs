//! The transitions of a poll: 3 to 6.

use super::references::{at_home, count};
use super::{
    ABORT, CANCELLED, COMPLETE, Completed, End, EndPoll, HOME, JOIN, JOIN_INSIDE, JOIN_WAKER,
    Joiner, PANICKED, REFERENCE, REFERENCES, SCHEDULED, Start, State, WOKEN,
};
use crate::loom::Ordering;

impl State {
    /// Transition 3, by whoever took the task from a queue.
    #[inline]
    pub(crate) fn start_poll(&self) -> Start {
        // Acquire: with the Release of 2, where the wake came after the task was scheduled.
        let now = self.0.load(Ordering::Acquire);
        if now & (ABORT | WOKEN) == 0 {
            return Start::Poll;
        }
        self.start_poll_marked(now)
    }

    #[cold]
    fn start_poll_marked(&self, now: u64) -> Start {
        if now & ABORT != 0 {
            return Start::Cancel;
        }
        // An exchange and no store, since flags and references change at any time. Acquire: with
        // the Release of every wake that this poll answers; Release: nothing of this thread.
        self.0.fetch_and(!WOKEN, Ordering::AcqRel);
        Start::Poll
    }

    /// Transition 4 or 5, by whoever did 3. `woken` says that the poll itself woke the task, on
    /// this thread.
    #[inline]
    pub(crate) fn end_poll(&self, woken: bool) -> EndPoll {
        // Acquire: with the Release of 2, where it is 5.
        let mut now = self.0.load(Ordering::Acquire);
        loop {
            if now & ABORT != 0 {
                return EndPoll::Cancel;
            }
            // WOKEN stays until 3.
            if woken || now & WOKEN != 0 {
                return EndPoll::Again;
            }
            // Release: with the Acquire of 2, whose thread hands the future on.
            match self.0.compare_exchange_weak(
                now,
                now & !SCHEDULED,
                Ordering::Release,
                Ordering::Acquire,
            ) {
                Ok(_) => return EndPoll::Idle,
                Err(found) => now = found,
            }
        }
    }

    /// What `end_poll` is for a task at home: what others do meanwhile comes by the entry.
    #[inline]
    pub(crate) fn end_poll_at_home(&self, woken: bool) -> EndPoll {
        // Acquire: with the Release of `abort`.
        if self.0.load(Ordering::Acquire) & ABORT != 0 {
            EndPoll::Cancel
        } else if woken {
            EndPoll::Again
        } else {
            EndPoll::Idle
        }
    }

    /// Transition 6, by whoever did 3, after the future is dropped and the output in its place.
    pub(crate) fn complete(&self, end: End, joiner: impl Fn() -> Joiner) -> Completed {
        // Acquire: with the Release of those who gave references up, where this is the last one.
        let mut now = self.0.load(Ordering::Acquire);
        loop {
            let Some((next, completed)) = completion(now, end, &joiner) else {
                return Completed::Alone;
            };
            // Release: with the Acquire of the join handle; Acquire: with its Release, which put the
            // waker into its place.
            match self.0.compare_exchange(now, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return completed,
                Err(found) => now = found,
            }
        }
    }

    /// The same at the task's home, where `inside` wakers are kept.
    #[inline]
    pub(crate) fn complete_at_home(
        &self,
        end: End,
        inside: u64,
        joiner: impl Fn() -> Joiner,
    ) -> Completed {
        // Acquire: with the Release of those who gave references up (I7).
        let now = self.0.load(Ordering::Acquire);
        if count(now) != at_home(now, inside) {
            return self.complete(end, joiner);
        }
        let Some((next, completed)) = completion(now, end, &joiner) else {
            return Completed::Alone;
        };
        // Release: with the Acquire of whoever has a reference from this thread later.
        self.0.store(next, Ordering::Release);
        completed
    }
}

/// The word after 6, and what it comes to; `None` where nobody else knows the task.
#[inline]
fn completion(now: u64, end: End, joiner: impl Fn() -> Joiner) -> Option<(u64, Completed)> {
    if now & REFERENCES == REFERENCE {
        return None;
    }
    let how = match end {
        End::Ready => 0,
        End::Panicked => PANICKED,
        End::Cancelled => CANCELLED,
    };
    let next = (now | COMPLETE | how) & !(SCHEDULED | WOKEN);
    let here = HOME | JOIN_INSIDE;
    Some(if now & here == here {
        // Read before the word is written, which says whether it still holds: only this thread, the
        // home, sets JOIN_INSIDE, so it was not taken away and set again in between.
        (next - REFERENCE, Completed::WakeInside(joiner()))
    } else if now & JOIN_INSIDE != 0 {
        (next, Completed::WakeFellow)
    } else if now & JOIN_WAKER != 0 {
        (next, Completed::WakeJoiner)
    } else if now & JOIN != 0 {
        (next - REFERENCE, Completed::Handed)
    } else {
        (next, Completed::Unobserved)
    })
}
