//! Where a worker sleeps, and the token that wakes it.
//!
//! ```text
//!           ┌──────────── 1 park (a token is there) ◄──────────┐
//!           ▼                                                  │
//!         Empty ───────────────── 3 unpark ────────────────► Token
//!           │ ▲                                                ▲
//!           │ └─ 5 the time is over, or the driver returned    │
//!           ├─ 1 park ────► Asleep ──── 4 unpark: futex wake ──┤
//!           └─ 2 park_in ─► InDriver ── 4 unpark: ring ────────┘
//! ```
//!
//! The standard library's park would do where the worker sleeps by itself; it knows no driver, and
//! its token is the thread's: foreign code that parks on the same thread takes it. (A token given and
//! taken costs 6 ns here and 9 there; a sleep and a wake cost the same.)
//!
//! - **I1** Only the worker does 1, 2 and 5; only it leaves Asleep and InDriver but for 4.
//! - **I2** Of all the unparks that one sleep ends with, the first alone finds Asleep or InDriver:
//!   one system call for a wake, none where the worker is awake.
//! - **I3** What was written before an unpark is seen after the park that took its token: every
//!   change of the word is an exchange, so the Release of each unpark reaches the Acquire of 1.

#![forbid(unsafe_code)]

use crate::loom::{Futex, MODEL, Ordering};
use std::time::Instant;

const EMPTY: u32 = 0;
const TOKEN: u32 = 1;
const ASLEEP: u32 = 2;
const IN_DRIVER: u32 = 3;

/// See the module's text. Shared by reference; one worker owns it and alone parks on it.
#[derive(Debug)]
pub struct Parker {
    state: Futex,
}

/// Why a worker goes on.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parked {
    /// Somebody unparked it, now or before.
    Unparked,
    /// The deadline came first, or what it waited in returned.
    Returned,
}

/// What an unpark found.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unparked {
    /// The worker is awake, or woken by somebody else already: no system call was made.
    Awake,
    /// It slept, and was woken by the one system call that this took.
    Woken,
    /// It waits in its driver: the caller rings that driver's bell. Nobody else does.
    Ring,
}

impl Default for Parker {
    fn default() -> Self {
        Self::new()
    }
}

impl Parker {
    /// Without a token.
    pub fn new() -> Self {
        Self { state: Futex::new(EMPTY) }
    }

    /// Sleeps until there is a token, and takes it; or until `deadline`. For the owner.
    pub fn park(&self, deadline: Option<Instant>) -> Parked {
        if self.set_out(ASLEEP) == Parked::Unparked {
            return Parked::Unparked;
        }
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return self.come_back();
            }
            self.state.wait(ASLEEP, left);
            // Relaxed: taken by the exchange of `come_back`.
            if self.state.load(Ordering::Relaxed) == TOKEN || (MODEL && left.is_some()) {
                return self.come_back();
            }
        }
    }

    /// Waits in `wait`, which blocks until something of its own happens or its bell rings; or not at
    /// all, where there is a token. Either way the token is taken. For the owner.
    pub fn park_in(&self, wait: impl FnOnce()) -> Parked {
        if self.set_out(IN_DRIVER) == Parked::Unparked {
            return Parked::Unparked;
        }
        wait();
        self.come_back()
    }

    /// Takes a token if there is one. For the owner: before it sleeps anew, so that a wake that has
    /// been seen to by other means does not cut the sleep short.
    pub fn take_token(&self) -> Parked {
        // Relaxed: there is no token, or the exchange below takes it.
        if self.state.load(Ordering::Relaxed) == TOKEN {
            self.come_back()
        } else {
            Parked::Returned
        }
    }

    /// Transitions 3 and 4: leaves a token, and wakes whoever sleeps for it. From any thread.
    pub fn unpark(&self) -> Unparked {
        // An exchange even where a token is there: the Release has to reach whoever takes it (I3).
        match self.state.swap(TOKEN, Ordering::AcqRel) {
            ASLEEP => {
                self.state.wake();
                Unparked::Woken
            }
            IN_DRIVER => Unparked::Ring,
            _ => Unparked::Awake,
        }
    }

    /// Transitions 1 and 2: Returned where the worker is to sleep now.
    fn set_out(&self, to: u32) -> Parked {
        // Acquire on failure: with the Release of `unpark`. Release on success keeps what this
        // worker wrote before in front of its sleep, for whoever wakes it.
        match self.state.compare_exchange(EMPTY, to, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Parked::Returned,
            Err(_token) => self.come_back(),
        }
    }

    /// Transition 5, or 1 where a token came.
    fn come_back(&self) -> Parked {
        // Acquire: with the Release of `unpark` (I3).
        match self.state.swap(EMPTY, Ordering::AcqRel) {
            TOKEN => Parked::Unparked,
            _ => Parked::Returned,
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
