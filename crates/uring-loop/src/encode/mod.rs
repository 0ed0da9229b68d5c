//! From a slot's resource to a submission queue entry.
//!
//! The table is data: adding an operation is one row here, one function in the file of its kind,
//! and one test. A function reads the prepared numbers, writes what the kernel wants to find in
//! memory (a timespec, an open_how) to the resource's `back`, and returns the entry.

use crate::completion::Noted;
use crate::kernel::Kernel;
use crate::ring::Ring;
use io_uring::opcode as kernel;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{DestinationSlot, Fd};
use sqe::Sqe;
use std::hint::black_box;
use wakering_core::abi::{ErrorKind, OPCODES_MAX, Opcode, io_flag, op_flag};
use wakering_core::resource::{NOT_FIXED, NOT_PICKED, Prepared, Resource};
use wakering_core::slot::{Completed, Outcome, Publish};
use wakering_core::{Home, Token};

mod cancel;
mod chain;
mod file;
mod message;
mod notice;
mod path;
mod poll;
mod socket;
mod sqe;
mod time;
pub(crate) mod trial;

pub(crate) use cancel::{cancel, cancel_all};
pub(crate) use chain::{CHAIN_MAX, Chain};
pub(crate) use message::{message, rung};
pub(crate) use poll::bell;
pub(crate) use socket::COMMAND;
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
    row(
        Opcode::SyncFileRange,
        kernel::SyncFileRange::CODE,
        "5.2",
        "op_sync_file_range",
        file::sync_file_range,
    ),
    row(Opcode::Fadvise, kernel::Fadvise::CODE, "5.6", "op_fadvise", file::fadvise),
    row(Opcode::Splice, kernel::Splice::CODE, "5.7", "op_splice", file::splice),
    row(Opcode::Getxattr, kernel::GetXattr::CODE, "5.19", "op_getxattr", path::getxattr),
    row(Opcode::Setxattr, kernel::SetXattr::CODE, "5.19", "op_setxattr", path::setxattr),
    row(Opcode::Waitid, kernel::WaitId::CODE, "6.7", "op_waitid", notice::waitid),
    row(Opcode::Pipe, kernel::Pipe::CODE, "6.16", "op_pipe", file::pipe),
    row(
        Opcode::LinkTimeout,
        kernel::LinkTimeout::CODE,
        "5.5",
        "op_link_timeout",
        time::link_timeout,
    ),
    row(Opcode::MsgRing, kernel::MsgRingData::CODE, "5.18", "op_msg_ring", notice::msg_ring),
    row(
        Opcode::InstallFixed,
        kernel::FixedFdInstall::CODE,
        "6.8",
        "op_install_fixed",
        file::install_fixed,
    ),
    row(Opcode::Socket, kernel::Socket::CODE, "5.19", "op_socket", socket::socket),
    row(Opcode::Bind, kernel::Bind::CODE, "6.11", "op_bind", socket::bind),
    row(Opcode::Listen, kernel::Listen::CODE, "6.11", "op_listen", socket::listen),
    row(Opcode::Connect, kernel::Connect::CODE, "5.5", "op_connect", socket::connect),
    row(Opcode::Accept, kernel::Accept::CODE, "5.5", "op_accept", socket::accept),
    row(Opcode::Send, kernel::Send::CODE, "5.6", "op_send", socket::send),
    row(Opcode::Recv, kernel::Recv::CODE, "5.6", "op_recv", socket::recv),
    row(Opcode::Sendmsg, kernel::SendMsg::CODE, "5.3", "op_sendmsg", socket::sendmsg),
    row(Opcode::Recvmsg, kernel::RecvMsg::CODE, "5.3", "op_recvmsg", socket::recvmsg),
    row(Opcode::SendZc, kernel::SendZc::CODE, "6.0", "op_send_zc", socket::send_zc),
    row(Opcode::SendmsgZc, kernel::SendMsgZc::CODE, "6.1", "op_sendmsg_zc", socket::sendmsg_zc),
    row(Opcode::Shutdown, kernel::Shutdown::CODE, "5.11", "op_shutdown", socket::shutdown),
    row(Opcode::Setsockopt, socket::COMMAND, "6.7", "op_setsockopt", socket::setsockopt),
    row(Opcode::Getsockopt, socket::COMMAND, "6.7", "op_getsockopt", socket::getsockopt),
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
#[inline]
pub(crate) fn row_of(opcode: Opcode) -> Option<&'static Row> {
    ROWS.get(usize::from(ROW_OF[opcode as usize]))
}

/// The first Linux whose rings carry this op out; `None` where no ring does.
pub fn ring_since(opcode: Opcode) -> Option<&'static str> {
    row_of(opcode).map(|row| row.since)
}

/// What became of an op that was to be submitted.
pub(crate) enum Encoded<R> {
    /// Published, and what became of its entry.
    Entry(R),
    /// It was withdrawn before.
    Gone,
    /// It is no op for a ring of this kernel, or needs none, and is Ready with this outcome.
    Answered {
        outcome: Outcome,
        /// The next op belongs behind it.
        links: bool,
    },
}

/// An op between transition 2 and its place in the queue.
#[derive(Clone, Copy)]
pub(crate) struct Pending<'a> {
    pub(crate) noted: Noted,
    /// The next op belongs behind it.
    pub(crate) links: bool,
    entry: &'a Entry,
}

impl Pending<'_> {
    /// Writes the entry into the queue, which has room.
    #[inline]
    pub(crate) fn push(&self, ring: &mut Ring) {
        // SAFETY: R2 of `ring`: what the entry names lies in the slot's resource, or is memory that
        // the resource's preparer promised to keep, both until the op's last completion.
        let pushed = unsafe { ring.push(self.entry) };
        debug_assert_eq!(pushed, Ok(()), "the caller made room");
    }
}

/// Transition 2, then the entry, which `place` takes from where it was written.
///
/// The resource is looked at only after the transition, since until then it is the owner's (I2 of
/// `slot`).
#[inline]
pub(crate) fn encode<R>(
    home: &Home,
    token: Token,
    kernel: &Kernel,
    place: impl FnOnce(Pending<'_>) -> R,
) -> Encoded<R> {
    let Some(slot) = home.slab.get(token.index()) else { return Encoded::Gone };
    match slot.publish_at_home(token) {
        Publish::Gone => return Encoded::Gone,
        Publish::Go => {}
    }
    // SAFETY: I1 of `slot`: published here, and not completed.
    let (links, placed) = unsafe {
        slot.with_resource(|resource| {
            (resource.prepared.links(), pending(resource, token, kernel, place))
        })
    };
    match placed {
        Ok(placed) => Encoded::Entry(placed),
        Err(result) => answer(home, token, result)
            .map_or(Encoded::Gone, |outcome| Encoded::Answered { outcome, links }),
    }
}

/// Transition 3 without the kernel, for an op that it never saw.
pub(crate) fn answer(home: &Home, token: Token, result: i32) -> Option<Outcome> {
    let outcome = Outcome { result, flags: 0 };
    match home.slab.slot(token).complete_at_home(token, outcome) {
        Completed::Deliver => Some(outcome),
        Completed::Stale => None,
    }
}

/// Has the entry placed, or gives the result of an op that needs none.
#[inline]
fn pending<R>(
    resource: &mut Resource,
    token: Token,
    kernel: &Kernel,
    place: impl FnOnce(Pending<'_>) -> R,
) -> Result<R, i32> {
    let opcode = resource.prepared.opcode;
    let links = resource.prepared.links();
    check(&resource.prepared, kernel)?;
    let unsupported = ErrorKind::Unsupported.to_result();
    if links && !kernel.chains {
        return Err(unsupported);
    }
    if !links && socket::is_option_of_a_protocol(&resource.prepared) {
        return Err(socket::option_at_once(resource));
    }
    fit(resource, kernel);
    let row = row_of(resource.prepared.opcode).ok_or(unsupported)?;
    let noted = Noted::new(opcode, resource.prepared.fd);
    let mut entry = (row.encode)(resource);
    // It stays where it was written until it is copied as a whole: taken apart, it would be read in other
    // pieces than it was written in, and the processor waits for each of them (7 ns of 120).
    let entry = black_box(&mut entry);
    complete(entry, row, resource.prepared.flags, token);
    // A row may have several opcodes of the kernel's, one of them younger.
    let opcodes = (row.kernel, entry.get_opcode() as u8);
    if !kernel.has(opcodes.0) || opcodes.0 != opcodes.1 && !kernel.has(opcodes.1) {
        return Err(unsupported);
    }
    Ok(place(Pending { noted, links, entry }))
}

/// Says in another way what this kernel does not understand.
#[inline]
fn fit(resource: &mut Resource, kernel: &Kernel) {
    let opcode = resource.prepared.opcode;
    if !kernel.bundles && matches!(opcode, Opcode::Send | Opcode::Recv) {
        resource.prepared.extra[0] &= !io_flag::BUNDLE;
    }
    // Linux 5.19 is the first with either. It is a hint: without it the op is tried before it waits.
    if !kernel.has(socket::YOUNG_AS_POLL_FIRST) {
        match opcode {
            Opcode::Send | Opcode::Recv | Opcode::Sendmsg | Opcode::Recvmsg => {
                resource.prepared.extra[0] &= !io_flag::POLL_FIRST;
            }
            _ => {}
        }
    }
    if !kernel.send_to {
        match opcode {
            Opcode::Send if !resource.address().is_empty() => socket::send_as_message(resource),
            // Which 6.2 brought along.
            Opcode::SendZc | Opcode::SendmsgZc => {
                resource.prepared.extra[0] &= !io_flag::REPORT_COPY;
            }
            _ => {}
        }
    }
}

/// What the kernel would not refuse, or would refuse in a way that misleads.
#[inline]
fn check(prepared: &Prepared, kernel: &Kernel) -> Result<(), i32> {
    use Opcode::{Accept, InstallFixed, OpenAt, PollAdd, Read, Recv, Recvmsg, Socket, Timeout};
    let opcode = prepared.opcode;
    let direct = prepared.flags & op_flag::DIRECT != 0;
    let chosen = direct && (opcode == Accept || prepared.fixed_file == NOT_FIXED);
    let may_choose = kernel.chooses && matches!(opcode, Accept | OpenAt | Socket);
    if chosen && !may_choose || opcode == InstallFixed && prepared.fixed_file == NOT_FIXED {
        return Err(ErrorKind::BadDescriptor.to_result());
    }
    let may_go_on = match opcode {
        PollAdd if poll::is_in_vain(prepared) => return Err(-libc::EPERM),
        Accept | PollAdd | Timeout => true,
        Read | Recv | Recvmsg => prepared.group != NOT_PICKED,
        _ => false,
    };
    let goes_on = prepared.flags & op_flag::MULTISHOT != 0;
    if goes_on && !may_go_on { Err(-libc::EINVAL) } else { Ok(()) }
}

/// The place that a file is opened into, where it is to have one: the named one, or one of the
/// kernel's choice, which is then the result.
fn destination(prepared: &Prepared) -> Option<DestinationSlot> {
    if prepared.flags & op_flag::DIRECT == 0 {
        return None;
    }
    let named = DestinationSlot::try_from_slot_target(prepared.fixed_file);
    Some(named.unwrap_or(DestinationSlot::auto_target()))
}

/// What is in every entry.
#[inline]
fn complete(entry: &mut Entry, row: &Row, flags: u8, token: Token) {
    // A timer or a poll never blocks where it is issued: a worker thread would gain nothing.
    use Opcode::{LinkTimeout, PollAdd, Timeout};
    let fields = Sqe::of(entry);
    fields.user_data = token.to_bits();
    if flags & (op_flag::HARDLINK | op_flag::LINK | op_flag::ASYNC) == 0 {
        return;
    }
    let mut more = Flags::empty();
    if flags & op_flag::HARDLINK != 0 {
        more |= Flags::IO_HARDLINK;
    } else if flags & op_flag::LINK != 0 {
        more |= Flags::IO_LINK;
    }
    if flags & op_flag::ASYNC != 0 && !matches!(row.opcode, Timeout | LinkTimeout | PollAdd) {
        more |= Flags::ASYNC;
    }
    fields.flags |= more.bits();
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
