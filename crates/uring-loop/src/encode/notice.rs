//! What tells of something else: a child that changes its state, another ring's message.

#![forbid(unsafe_code)]

use io_uring::opcode as kernel;
use io_uring::squeue::Entry;
use io_uring::types::Fd;
use wakering_core::resource::Resource;

/// Of a child by its pidfd. What became of it goes to `back`, a `siginfo_t`.
pub(super) fn waitid(resource: &mut Resource) -> Entry {
    let place = resource.back().cast_const().cast();
    let prepared = &resource.prepared;
    kernel::WaitId::new(libc::P_PIDFD, prepared.fd as libc::id_t, prepared.op_flags as i32)
        .infop(place)
        .build()
}

/// A completion with this result and these user data in another ring.
pub(super) fn msg_ring(resource: &mut Resource) -> Entry {
    let prepared = &resource.prepared;
    // Flags of a completion can be sent since Linux 6.3 only.
    let flags = Some(prepared.op_flags).filter(|&flags| flags != 0);
    kernel::MsgRingData::new(Fd(prepared.fd), prepared.length as i32, prepared.offset, flags)
        .build()
}
