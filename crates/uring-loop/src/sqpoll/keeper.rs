//! A ring that carries nothing: it is attached to an SQ thread so that the thread stays awake longer.
//!
//! The kernel gives an SQ thread the longest idle time of all rings attached to it. Attaching raises
//! it at once; closing lowers it some 40 ms later, and only where the mappings went before the
//! descriptor. While more than one ring is attached, a pass takes at most eight entries of each.

#![forbid(unsafe_code)]

use crate::ring::build;
use crate::setup::{Attempt, Flags, SqThread};
use io_uring::IoUring;
use std::os::fd::RawFd;

/// See the module's text. Dropped, it unmaps its queues and then closes: [`IoUring`] sees to the
/// order.
pub(crate) struct Keeper {
    _uring: IoUring,
    pub(crate) idle_ms: u32,
}

impl Keeper {
    /// Attached to the SQ thread of `ring`, which is open. The errno where it cannot be had.
    pub(crate) fn attach(ring: RawFd, idle_ms: u32) -> Result<Self, i32> {
        // Without an idle time of its own the kernel would take a whole second.
        let thread = SqThread { cpu: None, idle_ms: idle_ms.max(1), attach: Some(ring) };
        let attempt =
            Attempt { entries: 1, completions: 2, flags: Flags::default(), sqpoll: Some(thread) };
        Ok(Self { _uring: build(&attempt)?, idle_ms })
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("idle_ms", &self.idle_ms).finish_non_exhaustive()
    }
}
