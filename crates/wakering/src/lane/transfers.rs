//! Small transfers over a ring: which of them a thread of the pool does sooner.

use super::Lane;
use wakering_core::Token;
use wakering_core::abi::{OpDescriptor, Opcode, POSITION_CURRENT};
use wakering_core::handle::{FileKind, SmallWrites};
use wakering_core::policy;
use wakering_poll_loop::writes::{LEARN_MOUNT, wake_a_thread};

impl Lane {
    /// Whether the ring would wake a thread of the kernel's for this op: for a write at a position, or
    /// a lonely read of a file that nobody can read without waiting. (At the file's own position ops
    /// are in order only where one carrier has them all; and many reads may wait for many disks.)
    ///
    /// What is found out of a file stays with its handle. The first write on a mount that nobody has
    /// looked at goes to the pool, where looking may block.
    pub(super) fn wakes_thread(&mut self, token: Token, opcode: Opcode, d: &OpDescriptor) -> bool {
        let small = 0 < d.length && d.length <= policy::CACHED_READ_BYTES_MAX;
        let moves = matches!(opcode, Opcode::Read | Opcode::Write);
        if !moves || d.offset == POSITION_CURRENT || !small || !self.engine.is_ring() {
            return false;
        }
        let Some(entry) = self.handles.any(d.handle) else { return false };
        if opcode == Opcode::Read {
            return self.alone && entry.no_nowait;
        }
        if entry.small_writes == SmallWrites::Unknown && entry.kind == FileKind::Regular {
            match wake_a_thread(entry.fd, &self.mounts) {
                Some(true) => entry.small_writes = SmallWrites::ByPool,
                Some(false) => entry.small_writes = SmallWrites::ByLoop,
                None => {
                    let slot = self.home.slab.slot(token);
                    // SAFETY: Queued, and this is the owner.
                    unsafe { slot.with_resource(|r| r.prepared.extra[0] = LEARN_MOUNT) };
                    return true;
                }
            }
        }
        entry.small_writes == SmallWrites::ByPool
    }
}
