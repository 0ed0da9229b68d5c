//! Readiness, of an op's file and of the home's doorbell.

use super::file_of;
use crate::completion::Tag;
use crate::ring::{Full, Ring};
use io_uring::opcode as kernel;
use io_uring::squeue::Entry;
use io_uring::types::Fd;
use std::os::fd::RawFd;
use wakering_core::abi::op_flag;
use wakering_core::resource::Resource;

/// Once; with MULTISHOT again and again until it is cancelled.
pub(super) fn poll_add(resource: &mut Resource) -> Entry {
    let prepared = &resource.prepared;
    let (fd, flags) = file_of(prepared);
    let many = prepared.flags & op_flag::MULTISHOT != 0;
    kernel::PollAdd::new(fd, prepared.op_flags).multi(many).build().flags(flags)
}

/// Completes when somebody rings.
pub(crate) fn bell(ring: &mut Ring, doorbell: RawFd) -> Result<(), Full> {
    let entry = kernel::PollAdd::new(Fd(doorbell), libc::POLLIN as u32)
        .build()
        .user_data(Tag::Bell.token(0).to_bits());
    // SAFETY: R2 of `ring`: the entry names no memory.
    unsafe { ring.push(&entry) }
}
