//! Waiting for ops that were let go: until the last of them is over, and what it borrowed is free.
//!
//! ```text
//! a future under a Drain is polled, or dropped
//!     └─ an op in flight is dropped ─► counted ─► cancelled ─► last completion ─► freed ─► told ─► counted off
//! ```
//!
//! An op that answers its future is over when the future is: only those are counted whose future went first,
//! so an op that is awaited costs nothing here, and one that is dropped no allocation: the loop keeps a waker
//! beside the op's slot, and calls it after the turn that freed the slot.
//!
//! - **D1** What is counted in a drain is counted in those that it is within as well. So a drain is empty
//!   only where those within it are.

#![forbid(unsafe_code)]

use super::event_loop::{EventLoop, Mine};
use crate::loom::{AtomicUsize, Ordering};
use crate::sync::Notify;
use crate::task::TaskLocal;
use crate::token::Token;
use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

static DRAINS: TaskLocal<Held> = TaskLocal::new();

/// Counts what is not over: futures that it [holds](Self::hold), and ops that these let go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Drain(Arc<Counting>);

#[derive(Debug)]
struct Counting {
    count: AtomicUsize,
    /// Rung when nothing is left.
    bell: Notify,
    within: Option<Drain>,
}

/// A future that a drain counts until it is dropped. See [`Drain::hold`].
pub type Holding<F> = crate::task::Scope<Held, F>;

/// One of those that a drain counts.
#[derive(Debug)]
pub struct Held(Drain);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.leave();
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drain {
    /// Nothing is counted. It lies within that of the future that makes it.
    pub fn new() -> Self {
        let within = DRAINS.with(|outer| outer.0.clone());
        Self(Arc::new(Counting { count: AtomicUsize::new(0), bell: Notify::new(), within }))
    }

    /// The same future, counted from now until it is dropped, as are the ops in flight that are dropped with
    /// it, or by it.
    pub fn hold<F: Future>(&self, future: F) -> Holding<F> {
        self.0.enter();
        DRAINS.scope(Held(self.clone()), future)
    }

    /// How many it counts.
    pub fn left(&self) -> usize {
        // Acquire: with the Release of `leave`.
        self.0.count.load(Ordering::Acquire)
    }

    /// Waits until nothing is left. An op that its runtime left to the kernel, at the end of its deadline,
    /// does not count any more.
    ///
    /// Safe to cancel.
    pub async fn over(&self) {
        while self.left() > 0 {
            self.0.bell.notified().await;
        }
        // For the next one who waits.
        self.0.bell.notify_one();
    }
}

impl Counting {
    fn enter(&self) {
        let mut drain = Some(self);
        while let Some(counting) = drain {
            // Relaxed: it is read by whoever waits, after what was counted was made known to it.
            counting.count.fetch_add(1, Ordering::Relaxed);
            drain = counting.within.as_ref().map(|within| &*within.0);
        }
    }

    fn leave(&self) {
        let mut drain = Some(self);
        while let Some(counting) = drain {
            // AcqRel: with the Acquire of `left`, and each other.
            if counting.count.fetch_sub(1, Ordering::AcqRel) == 1 {
                counting.bell.notify_one();
            }
            drain = counting.within.as_ref().map(|within| &*within.0);
        }
    }
}

/// One of those that are counted is over.
impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.leave();
    }
}

impl EventLoop {
    /// An op is let go. Whether a drain counts it.
    pub(super) fn count_leaving(&self, token: Token) -> bool {
        let counted = DRAINS.with(|held| {
            held.0.0.enter();
            Waker::from(held.0.0.clone())
        });
        let Some(waker) = counted else { return false };
        let leaving = self.leaving[token.index() as usize].lock();
        *leaving.unwrap_or_else(PoisonError::into_inner) = Some(waker);
        true
    }

    /// Whom to tell that the op which was let go is over. Before its slot is given to another.
    pub(super) fn take_leaving(&self, token: Token) -> Option<Waker> {
        let leaving = self.leaving[token.index() as usize].lock();
        leaving.unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Mine<'_> {
    /// Tells after the turn.
    pub(super) fn tell_later(&self, waker: Option<Waker>) {
        self.to_wake.borrow_mut().extend(waker);
    }
}
