//! A counted reference to a loop, for which the loop's own thread needs no exchange. Each op holds one, and
//! the two exchanges of an ordinary count would be a tenth of what an op costs.
//!
//! ```text
//! references = here (made less dropped by the loop's thread) + abroad (by all others)
//!
//! abroad:  1 ─ settle ─► + HOME ─ part ─► + here - HOME ─► the last one frees
//! ```
//!
//! - **R1** `here` is the loop's thread's alone, which counts there while it has entered the loop, until
//!   it parts.
//! - **R2** While HOME is in `abroad`, no number of references makes that zero. So nobody frees a loop
//!   whose thread still counts apart.
//! - **R3** Who brings `abroad` to zero has the last reference, and frees.

use super::event_loop::EventLoop;
use crate::loom::{AtomicU64, Ordering, fence};
use std::cell::Cell;
use std::ptr::NonNull;

/// More than there can be references.
const HOME: u64 = 1 << 63;

/// How many there are. See the module's text.
#[derive(Debug)]
pub(super) struct References {
    here: Cell<u64>,
    abroad: AtomicU64,
}

impl References {
    fn one() -> Self {
        Self { here: Cell::new(0), abroad: AtomicU64::new(1) }
    }

    /// The loop has a thread, which counts apart from now on.
    pub(super) fn settle(&self) {
        // Relaxed: nobody else has a reference yet.
        self.abroad.fetch_add(HOME, Ordering::Relaxed);
    }

    /// The loop's thread counts with the others from now on. It has a reference left.
    pub(super) fn part(&self) {
        // Release: with the Acquire of whoever drops the last one.
        self.abroad.fetch_add(self.here.take().wrapping_sub(HOME), Ordering::Release);
    }

    #[inline]
    fn add(&self, is_here: bool) {
        if is_here {
            self.here.set(self.here.get().wrapping_add(1));
        } else {
            // Relaxed: who adds one has one.
            self.abroad.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether it was the last one.
    #[inline]
    fn remove(&self, is_here: bool) -> bool {
        if is_here {
            self.here.set(self.here.get().wrapping_sub(1));
            return false;
        }
        // Release: with the Acquire of the last one, whichever it is.
        if self.abroad.fetch_sub(1, Ordering::Release) != 1 {
            return false;
        }
        fence(Ordering::Acquire);
        true
    }
}

/// See the module's text.
pub(super) struct LoopRef(NonNull<EventLoop>);

// SAFETY: a shared reference to a loop, which is everybody's, and its count is so too (R1, R3).
unsafe impl Send for LoopRef {}
// SAFETY: as above.
unsafe impl Sync for LoopRef {}

impl LoopRef {
    /// The first one. The loop is made with the count that is handed to `make`.
    pub(super) fn new(make: impl FnOnce(References) -> EventLoop) -> Self {
        Self(NonNull::from(Box::leak(Box::new(make(References::one())))))
    }

    /// One more, of the loop that the calling thread has entered.
    ///
    /// # Safety
    ///
    /// It is that loop, and it is there.
    #[inline]
    pub(super) unsafe fn of_entered(entered: NonNull<EventLoop>) -> Self {
        // SAFETY: it is there (caller).
        unsafe { entered.as_ref() }.references.add(true);
        Self(entered)
    }

    #[inline]
    pub(super) fn as_ptr(&self) -> *const EventLoop {
        self.0.as_ptr()
    }
}

impl std::ops::Deref for LoopRef {
    type Target = EventLoop;

    #[inline]
    fn deref(&self) -> &EventLoop {
        // SAFETY: there is a reference to it, this one (R2, R3).
        unsafe { self.0.as_ref() }
    }
}

impl Clone for LoopRef {
    #[inline]
    fn clone(&self) -> Self {
        self.references.add(self.mine().is_some());
        Self(self.0)
    }
}

impl Drop for LoopRef {
    #[inline]
    fn drop(&mut self) {
        if self.references.remove(self.mine().is_some()) {
            free(self.0);
        }
    }
}

#[cold]
fn free(event_loop: NonNull<EventLoop>) {
    // SAFETY: made by `LoopRef::new`; its last reference is gone (R3).
    drop(unsafe { Box::from_raw(event_loop.as_ptr()) });
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_here_may_be_dropped_abroad() {
        let references = References::one();
        references.settle();
        references.add(true);
        references.add(false);
        assert!(!references.remove(false) && !references.remove(false));
        assert!(!references.remove(false), "below what was made abroad, and the thread is there");
        references.add(true);
        references.part();
        assert!(references.remove(false));
    }

    #[test]
    fn a_loop_that_never_had_a_thread_ends_with_its_last_reference() {
        let references = References::one();
        references.add(false);
        assert!(!references.remove(false) && references.remove(false));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::loom::{Arc, thread};

    struct Shared(References);

    // SAFETY: the model's first thread is the only one that counts here (R1).
    unsafe impl Send for Shared {}
    // SAFETY: as above.
    unsafe impl Sync for Shared {}

    /// References that were made here go abroad while the thread parts: one of all is the last.
    #[test]
    fn one_of_all_is_the_last() {
        loom::model(|| {
            let shared = Arc::new(Shared(References::one()));
            shared.0.settle();
            shared.0.add(true);
            shared.0.add(true);
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let shared = shared.clone();
                    thread::spawn(move || u32::from(shared.0.remove(false)))
                })
                .collect();
            shared.0.part();
            let last = u32::from(shared.0.remove(false));
            let others: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            assert_eq!(last + others, 1);
        });
    }
}
