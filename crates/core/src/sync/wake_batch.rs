//! Wakers collected while a lock is held, woken after it was let go.
//!
//! - **B1** The first `len` places are filled, the others are not.

use crate::sync::kind::Sharing;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::task::Waker;

/// So many wakes leave between two holds of the lock.
#[cfg(not(any(loom, shuttle)))]
const PLACES: usize = 16;
/// Few, so that a model sees a batch overflow.
#[cfg(any(loom, shuttle))]
const PLACES: usize = 1;

/// A bounded batch on the stack. Dropped, it wakes: also where one of its wakers panics.
pub struct WakeBatch<K: Sharing> {
    len: usize,
    places: [MaybeUninit<Waker>; PLACES],
    kind: PhantomData<K>,
}

impl<K: Sharing> WakeBatch<K> {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self { len: 0, places: [const { MaybeUninit::uninit() }; PLACES], kind: PhantomData }
    }

    /// Whether whoever fills it has to let go of the lock and come again.
    #[inline(always)]
    pub(crate) const fn is_full(&self) -> bool {
        self.len == PLACES
    }

    /// Whether there is nobody to wake.
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a waker. The caller asked [`Self::is_full`] before.
    #[inline(always)]
    pub(crate) fn push(&mut self, waker: Waker) {
        self.places[self.len].write(waker);
        self.len += 1;
    }

    /// Wakes everybody, the first first, and is empty again.
    #[inline]
    pub(crate) fn wake(&mut self) {
        if self.len == 1 {
            self.len = 0;
            // SAFETY: it was filled (B1), and nobody reads it again: `len` says so already.
            K::wake(unsafe { self.places[0].assume_init_read() });
        } else if self.len > 1 {
            self.wake_many();
        }
    }

    #[cold]
    fn wake_many(&mut self) {
        let mut rest = Rest { batch: self, next: 0 };
        while let Some(waker) = rest.take() {
            K::wake(waker);
        }
    }
}

impl<K: Sharing> std::fmt::Debug for WakeBatch<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WakeBatch").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<K: Sharing> Drop for WakeBatch<K> {
    #[inline(always)]
    fn drop(&mut self) {
        self.wake();
    }
}

/// The part of a batch that is still to be woken. Dropped by a waker's panic, it wakes on, so that
/// one waker that panics loses no other.
struct Rest<'a, K: Sharing> {
    batch: &'a mut WakeBatch<K>,
    next: usize,
}

impl<K: Sharing> Rest<'_, K> {
    fn take(&mut self) -> Option<Waker> {
        if self.next == self.batch.len {
            return None;
        }
        self.next += 1;
        // SAFETY: it is among the first `len` (B1), and `next` passes it only once.
        Some(unsafe { self.batch.places[self.next - 1].assume_init_read() })
    }
}

impl<K: Sharing> Drop for Rest<'_, K> {
    fn drop(&mut self) {
        while let Some(waker) = self.take() {
            K::wake(waker);
        }
        self.batch.len = 0;
    }
}
