//! Wakers that were collected under a lock, to be woken without it.

#![forbid(unsafe_code)]

use std::task::Waker;

/// How many are woken between two looks at the lock.
#[cfg(not(any(loom, shuttle)))]
pub(super) const WAKES_MAX: usize = 32;
#[cfg(any(loom, shuttle))]
pub(super) const WAKES_MAX: usize = 2;

/// At most [`WAKES_MAX`] wakers, in the order in which they were pushed.
///
/// Whatever happens, each of them is woken: where one panics, the rest is woken while the panic
/// goes on.
pub(super) struct Wakes {
    wakers: [Option<Waker>; WAKES_MAX],
    pushed: usize,
    woken: usize,
}

impl Wakes {
    pub(super) fn new() -> Self {
        Self { wakers: [const { None }; WAKES_MAX], pushed: 0, woken: 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        self.pushed == WAKES_MAX
    }

    pub(super) fn len(&self) -> usize {
        self.pushed
    }

    /// There is room: see [`Wakes::is_full`].
    pub(super) fn push(&mut self, waker: Option<Waker>) {
        self.wakers[self.pushed] = waker;
        self.pushed += 1;
    }

    fn wake_rest(&mut self) {
        while self.woken < self.pushed {
            let waker = self.wakers[self.woken].take();
            self.woken += 1;
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Wakes all of them. No lock is held.
    pub(super) fn wake_all(mut self) {
        self.wake_rest();
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        self.wake_rest();
    }
}
