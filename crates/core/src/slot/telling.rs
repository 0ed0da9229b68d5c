//! How an op's future learns that it is over, on whatever thread it is polled.
//!
//! ```text
//! Waiting ─1 another waker─► Other ─2 tell─► Told      1 by the future, 2 and 3 by the loop's thread
//!    ▲  └─────────────2 tell──────────────────┘
//!    │                  Other ─3 a shot─► Waiting
//!    └─4 begin, by whoever claims        Waiting, Other ─5 lose─► Lost
//!                                        Waiting, Other ─6 leave─► Left ─2─► Told, by nobody but the loop
//! ```
//!
//! A loop that ends takes no orders any more, and still has ops in flight: a future that is dropped then
//! does 6, and whoever is second frees the slot: the loop with 2, or the future that finds Told.
//!
//! Lost is told too: the loop is gone, and what it left to the kernel will not be answered here.
//!
//! A slot may be Ready before the loop knows: a thread of a pool has completed it, and it lies in the
//! inbox, whose links are the slots'. Taken then, it would be given to another op while it lies there. So
//! a future takes what it was *told*.
//!
//! - **G1** Other means: there is a waker in the loop's table for this slot, which the loop takes. The
//!   future puts it there before 1, and takes it back where 1 finds Told, and when it goes.

#![forbid(unsafe_code)]

use crate::loom::{AtomicU32, Ordering};

const WAITING: u32 = 0;
const OTHER: u32 = 1;
const LEFT: u32 = 2;
const TOLD: u32 = 3;
const LOST: u32 = 4;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Telling(AtomicU32);

/// What 2 or 3 found.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Listener {
    /// The task whose number the slot holds, if anybody.
    Task,
    /// The waker in the table as well.
    Other,
    /// Nobody: the slot is to be freed.
    Gone,
}

impl Telling {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(WAITING))
    }

    /// 4. Before the op is handed on.
    pub(crate) fn begin(&self) {
        // Relaxed: what hands the op on publishes it.
        self.0.store(WAITING, Ordering::Relaxed);
    }

    /// 1. Whether it will be woken: else it is Told.
    pub(crate) fn listen(&self) -> bool {
        // Release: with the Acquire of `tell`, for the waker in the table.
        let before = self.0.compare_exchange(WAITING, OTHER, Ordering::AcqRel, Ordering::Acquire);
        !matches!(before, Err(TOLD | LOST))
    }

    /// 2. By the loop's thread, after it has seen the completion.
    pub(crate) fn tell(&self) -> Listener {
        self.say(TOLD)
    }

    /// 5. By the loop's thread, at its end.
    pub(crate) fn lose(&self) -> Listener {
        self.say(LOST)
    }

    fn say(&self, what: u32) -> Listener {
        // Release: with the Acquire of `is_told`. Acquire: with the Release of `listen`.
        match self.0.swap(what, Ordering::AcqRel) {
            OTHER => Listener::Other,
            LEFT => Listener::Gone,
            _ => Listener::Task,
        }
    }

    /// 6. By the future, where the loop takes no orders. Whether the loop frees the slot: else it is Told.
    pub(crate) fn leave(&self) -> bool {
        let leave = |now| (now < TOLD).then_some(LEFT);
        // Acquire: with the Release of `say`.
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, leave).is_ok()
    }

    /// 3. By the loop's thread: one of several completions is there.
    pub(crate) fn tell_of_a_shot(&self) -> Listener {
        // AcqRel: as in `tell`.
        match self.0.compare_exchange(OTHER, WAITING, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => Listener::Other,
            Err(_) => Listener::Task,
        }
    }

    /// Whether a waker lies in the table (G1), for the future that goes. The loop may take it meanwhile.
    #[inline]
    pub(crate) fn has_other(&self) -> bool {
        // Relaxed: only the future makes 1.
        self.0.load(Ordering::Relaxed) == OTHER
    }

    /// Whether 2 or 5 was made.
    #[inline]
    pub(crate) fn is_told(&self) -> bool {
        // Acquire: with the Release of `say`.
        self.0.load(Ordering::Acquire) >= TOLD
    }

    /// Whether 5 was made.
    #[inline]
    pub(crate) fn is_lost(&self) -> bool {
        // Relaxed: nothing is read after it.
        self.0.load(Ordering::Relaxed) == LOST
    }
}
