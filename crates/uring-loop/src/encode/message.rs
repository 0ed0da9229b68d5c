//! What one ring says to another: that its bell was rung.

use crate::completion::Tag;
use crate::ring::{Full, Ring};
use io_uring::opcode as kernel;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::Fd;
use std::os::fd::RawFd;

/// Has another ring hear its bell. Completes only where that fails, and names `number` then.
pub(crate) fn message(ring: &mut Ring, other: RawFd, number: u32) -> Result<(), Full> {
    let entry =
        rung(other).flags(Flags::SKIP_SUCCESS).user_data(Tag::Unheard.token(number).to_bits());
    // SAFETY: R2 of `ring`: the entry names no memory.
    unsafe { ring.push(&entry) }
}

/// The same for a thread without a ring, which hears at once how it went.
pub(crate) fn rung(other: RawFd) -> Entry {
    kernel::MsgRingData::new(Fd(other), 1, Tag::Rung.token(0).to_bits(), None).build()
}
