//! From a slot's resource to a submission queue entry.
//!
//! The table is data: adding an operation is one row here, one function in the file of its kind,
//! and one test. A function reads the prepared numbers, writes what the kernel wants to find in
//! memory (a timespec, an open_how) to the resource's `back`, and returns the entry.

use crate::ring::Ring;
use io_uring::squeue::{Entry, Flags};
use io_uring::{opcode as kernel, types::Fd};
use wakering_core::abi::{ErrorKind, OPCODES_MAX, Opcode, op_flag};
use wakering_core::resource::{NOT_FIXED, Prepared, Resource};
use wakering_core::slot::{Completed, Outcome, Publish};
use wakering_core::{Home, Token};

mod cancel;
mod file;
mod path;
mod poll;
mod time;

pub(crate) use cancel::{cancel, cancel_all, trial};
pub(crate) use poll::bell;
pub(crate) use time::again;

/// One operation.
pub(crate) struct Row {
    /// Ours.
    pub(crate) opcode: Opcode,
    /// The kernel's number, by which its presence is probed.
    pub(crate) kernel: u8,
    /// The first kernel that has it.
    pub(crate) since: &'static str,
    /// What `features()` calls it.
    pub(crate) name: &'static str,
    encode: fn(&mut Resource) -> Entry,
}

const fn row(
    opcode: Opcode,
    kernel: u8,
    since: &'static str,
    name: &'static str,
    encode: fn(&mut Resource) -> Entry,
) -> Row {
    Row { opcode, kernel, since, name, encode }
}

/// Every operation that a ring can carry out.
pub(crate) static ROWS: &[Row] = &[
    row(Opcode::Nop, kernel::Nop::CODE, "5.1", "op_nop", |_| kernel::Nop::new().build()),
    row(Opcode::OpenAt, kernel::OpenAt2::CODE, "5.6", "op_open", path::open),
    row(Opcode::Close, kernel::Close::CODE, "5.6", "op_close", file::close),
    row(Opcode::Read, kernel::Read::CODE, "5.6", "op_read", file::read),
    row(Opcode::Write, kernel::Write::CODE, "5.6", "op_write", file::write),
    row(Opcode::Readv, kernel::Readv::CODE, "5.1", "op_readv", file::readv),
    row(Opcode::Writev, kernel::Writev::CODE, "5.1", "op_writev", file::writev),
    row(Opcode::Fsync, kernel::Fsync::CODE, "5.1", "op_fsync", file::fsync),
    row(Opcode::Fdatasync, kernel::Fsync::CODE, "5.1", "op_fdatasync", file::fdatasync),
    row(Opcode::Ftruncate, kernel::Ftruncate::CODE, "6.9", "op_ftruncate", file::ftruncate),
    row(Opcode::Fallocate, kernel::Fallocate::CODE, "5.6", "op_fallocate", file::fallocate),
    row(Opcode::Statx, kernel::Statx::CODE, "5.6", "op_statx", path::statx),
    row(Opcode::Unlinkat, kernel::UnlinkAt::CODE, "5.11", "op_unlink", path::unlink),
    row(Opcode::Renameat, kernel::RenameAt::CODE, "5.11", "op_rename", path::rename),
    row(Opcode::Mkdirat, kernel::MkDirAt::CODE, "5.15", "op_mkdir", path::mkdir),
    row(Opcode::Linkat, kernel::LinkAt::CODE, "5.15", "op_link", path::link),
    row(Opcode::Symlinkat, kernel::SymlinkAt::CODE, "5.15", "op_symlink", path::symlink),
    row(Opcode::Timeout, kernel::Timeout::CODE, "5.4", "op_timeout", time::timeout),
    row(Opcode::PollAdd, kernel::PollAdd::CODE, "5.1", "op_poll", poll::poll_add),
];

const NO_ROW: u8 = u8::MAX;

static ROW_OF: [u8; OPCODES_MAX] = {
    let mut table = [NO_ROW; OPCODES_MAX];
    let mut place = 0;
    while place < ROWS.len() {
        table[ROWS[place].opcode as usize] = place as u8;
        place += 1;
    }
    table
};

/// The row of an opcode, where a ring can carry it out at all.
pub(crate) fn row_of(opcode: Opcode) -> Option<&'static Row> {
    ROWS.get(usize::from(ROW_OF[opcode as usize]))
}

/// What became of an op that was to be submitted.
pub(crate) enum Submitted {
    /// Its entry is in the queue; its last CQE is owed.
    Yes,
    /// It was withdrawn before.
    Gone,
    /// It is no op for a ring of this kernel, and is Ready with this outcome.
    Answered(Outcome),
}

/// Transition 2, then the entry. The queue has room.
///
/// The resource is looked at only after the transition: a driver of a worker's loop carries out ops
/// of slots that another thread owns, and until then they are that thread's (I2 of `slot`).
pub(crate) fn submit(
    home: &Home,
    ring: &mut Ring,
    token: Token,
    supported: impl FnOnce(&Row) -> bool,
) -> Submitted {
    let Some(slot) = home.slab.get(token.index()) else { return Submitted::Gone };
    match slot.publish(token) {
        Publish::Gone => return Submitted::Gone,
        Publish::Go => {}
    }
    // SAFETY: I1 of `slot`: published here, and not completed.
    let entry = unsafe {
        slot.with_resource(|resource| {
            let row = row_of(resource.prepared.opcode).filter(|row| supported(row));
            let row = row.ok_or(ErrorKind::Unsupported)?;
            check_place(&resource.prepared)?;
            Ok(entry(row, resource, token))
        })
    };
    let entry = match entry {
        Ok(entry) => entry,
        Err(kind) => {
            let kind: ErrorKind = kind;
            let outcome = Outcome { result: kind.to_result(), flags: 0 };
            return match slot.complete(token, outcome) {
                Completed::Deliver => Submitted::Answered(outcome),
                Completed::Stale => Submitted::Gone,
            };
        }
    };
    // SAFETY: R2 of `ring`: what the entry names lies in the slot's resource, or is memory that the
    // resource's preparer promised to keep, both until the op's last completion.
    let pushed = unsafe { ring.push(&entry) };
    debug_assert_eq!(pushed, Ok(()), "the caller made room");
    Submitted::Yes
}

/// DIRECT needs a place in the ring's table.
fn check_place(prepared: &Prepared) -> Result<(), ErrorKind> {
    let direct = prepared.flags & op_flag::DIRECT != 0;
    if direct && prepared.fixed_file == NOT_FIXED {
        return Err(ErrorKind::BadDescriptor);
    }
    Ok(())
}

fn entry(row: &Row, resource: &mut Resource, token: Token) -> Entry {
    let flags = resource.prepared.flags;
    let entry = (row.encode)(resource).user_data(token.to_bits());
    // A timer or a poll never blocks where it is issued: a worker thread would gain nothing.
    if flags & op_flag::ASYNC != 0 && !matches!(row.opcode, Opcode::Timeout | Opcode::PollAdd) {
        return entry.flags(Flags::ASYNC);
    }
    entry
}

/// The file of an op: its place in the ring's table where it has one, else its descriptor.
fn file_of(prepared: &Prepared) -> (Fd, Flags) {
    if prepared.fixed_file == NOT_FIXED {
        (Fd(prepared.fd), Flags::empty())
    } else {
        (Fd(prepared.fixed_file as i32), Flags::FIXED_FILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_opcode_has_at_most_one_row_and_finds_it() {
        for (place, row) in ROWS.iter().enumerate() {
            assert_eq!(usize::from(ROW_OF[row.opcode as usize]), place, "{:?}", row.opcode);
        }
        for opcode in [Opcode::Readdir, Opcode::Realpath, Opcode::CopyFile, Opcode::Cancel] {
            assert!(row_of(opcode).is_none());
        }
    }
}
