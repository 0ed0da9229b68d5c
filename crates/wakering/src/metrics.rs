//! Counters of a lane. Plain numbers: one thread writes them, and they are read through it.

#![forbid(unsafe_code)]

use wakering_core::abi::{OPCODES_MAX, Opcode};
use wakering_core::policy;

/// What a lane has done since it was made.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Ops completed, by opcode, whatever their outcome.
    pub completed: [u64; OPCODES_MAX],
    /// Ops by the lane that carried them out.
    pub by_lane: [u64; policy::Lane::COUNT],
    /// Files that got a place in the ring's table.
    pub fixed_files: u64,
    /// Small files that came whole with their open.
    pub contents: u64,
    /// Cached attempts that answered, by opcode.
    pub cached_hits: [u64; OPCODES_MAX],
    /// Cached attempts that had to go another way, by opcode.
    pub cached_misses: [u64; OPCODES_MAX],
    /// Reads and writes that others carried out, by where their data was.
    pub transfers: Transfers,
    /// Descriptors that named no free slot.
    pub malformed: u64,
    /// Bytes that reads brought.
    pub bytes_read: u64,
    /// Bytes that writes took.
    pub bytes_written: u64,
    /// Cancels asked for.
    pub cancels: u64,
    /// Cancelled ops that ended as cancelled.
    pub cancels_won: u64,
    /// Cancelled ops that had completed first.
    pub cancels_lost: u64,
    /// Ops that had not started when they were cancelled.
    pub withdrawn: u64,
    /// Ops that found a queue or table full.
    pub busy: u64,
    /// Files that were closed because nobody waited for them any more.
    pub orphans_closed: u64,
}

/// Where the data of reads and writes was that a driver, the worker loop or the pool carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Transfers {
    /// In lent memory that the kernel holds: moved once.
    pub registered: u64,
    /// In lent memory that only the lane's thread touches: copied once more.
    pub bounced: u64,
    /// In memory of the runtime's own, which is handed over.
    pub owned: u64,
}

impl Transfers {
    /// Counts an op that leaves the lane's thread, if it moves data at all.
    pub(crate) fn count(&mut self, opcode: Opcode, registered: bool, owned: bool) {
        match opcode {
            Opcode::Read | Opcode::Write | Opcode::Readv | Opcode::Writev if registered => {
                self.registered += 1;
            }
            Opcode::Read | Opcode::Write if owned => self.owned += 1,
            Opcode::Read | Opcode::Write | Opcode::Readv | Opcode::Writev => self.bounced += 1,
            _ => {}
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            completed: [0; OPCODES_MAX],
            by_lane: [0; policy::Lane::COUNT],
            fixed_files: 0,
            contents: 0,
            cached_hits: [0; OPCODES_MAX],
            cached_misses: [0; OPCODES_MAX],
            transfers: Transfers::default(),
            malformed: 0,
            bytes_read: 0,
            bytes_written: 0,
            cancels: 0,
            cancels_won: 0,
            cancels_lost: 0,
            withdrawn: 0,
            busy: 0,
            orphans_closed: 0,
        }
    }
}

impl Metrics {
    /// Counts one completed op.
    pub(crate) fn count(
        &mut self,
        opcode: Opcode,
        result: i32,
        read_whole: bool,
        cancel_requested: bool,
    ) {
        self.completed[opcode as usize] += 1;
        self.contents += u64::from(read_whole);
        match opcode {
            Opcode::OpenAt if read_whole => self.bytes_read += result as u64,
            Opcode::Read | Opcode::Readv if result > 0 => self.bytes_read += result as u64,
            Opcode::Write | Opcode::Writev if result > 0 => self.bytes_written += result as u64,
            _ => {}
        }
        if cancel_requested {
            match result {
                result if result == -libc::ECANCELED || result == -libc::EINTR => {
                    self.cancels_won += 1;
                }
                _ => self.cancels_lost += 1,
            }
        }
    }
}
