//! Where a worker waits: in its parker, or in its loop.

#![forbid(unsafe_code)]

use super::super::parker::{Parker, Unparked};
use crate::home::Home;
use std::sync::{Arc, OnceLock};

/// See the module's text. It keeps nothing of the scheduler, so that a timer that outlives it may
/// have one.
#[derive(Debug, Default)]
pub(super) struct Seat {
    pub(super) parker: Parker,
    /// Of the worker's loop, whose bell ends a wait in it. Set by the worker before it waits there, and
    /// published by the parker's own exchange.
    home: OnceLock<Arc<Home>>,
}

impl Seat {
    pub(super) fn set_home(&self, home: Arc<Home>) {
        let before = self.home.set(home);
        debug_assert!(before.is_ok(), "a worker has one loop");
    }

    /// From any thread.
    pub(super) fn unpark(&self) {
        match self.parker.unpark() {
            Unparked::Awake | Unparked::Woken => {}
            Unparked::Ring => {
                let Some(home) = self.home.get() else {
                    unreachable!("a worker waits in a loop only where it has one")
                };
                // At once: what goes on here may be a long computation, and this worker is to share it.
                home.ring_from_outside();
            }
        }
    }
}
