//! Which lane an op takes, as far as it depends on the lane's own state: on what else is under way, and
//! on what was seen of its file. [`wakering_core::policy`] has the rest.

use super::Lane;
use super::doubt::Lonely;
use wakering_core::Token;
use wakering_core::abi::{OpDescriptor, Opcode, POSITION_CURRENT};
use wakering_core::handle::{FileKind, SmallWrites};
use wakering_core::policy::{self, Situation};
use wakering_poll_loop::writes::{LEARN_MOUNT, wake_a_thread};

impl Lane {
    /// Whether a thread of the pool is to take an op that the policy would leave here: most of many,
    /// and one alone where those before it took long.
    pub(super) fn is_for_another_cpu(
        &mut self,
        token: Token,
        opcode: Opcode,
        content: bool,
    ) -> bool {
        match opcode {
            Opcode::OpenAt if content => (self.alone && self.contents.prevails()) || self.shares(),
            // An open that must not block is six system calls where there is no ring.
            Opcode::OpenAt if !self.engine.is_ring() => self.shares(),
            Opcode::OpenAt => self.is_doubted(token, Lonely::Open),
            Opcode::Statx => self.shares(),
            _ => false,
        }
    }

    /// Whether a thread of the pool is to take this one: most of many.
    pub(super) fn shares(&mut self) -> bool {
        self.many && {
            self.turn_about = (self.turn_about + 1) % policy::SHARED_OF;
            self.turn_about != 0
        }
    }

    /// Whether a thread of the pool will carry the op out. The poll driver has it do what is no wait.
    pub(super) fn is_for_pool(&self, lane: policy::Lane, opcode: Opcode) -> bool {
        let waits = matches!(opcode, Opcode::Nop | Opcode::Timeout | Opcode::PollAdd);
        lane == policy::Lane::Pool || (!self.engine.is_ring() && !waits)
    }

    /// What the choice of a lane depends on, as far as it is the lane's: an op beside others, without
    /// data.
    pub(super) fn situation(&self, opcode: Opcode) -> Situation {
        Situation {
            opcode,
            flags: 0,
            length: 0,
            may_be_cached: false,
            driver_supports: self.supports[opcode as usize],
            ring: self.engine.is_ring(),
            alone: false,
            buffer_may_travel: false,
            wakes_thread: false,
        }
    }

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
