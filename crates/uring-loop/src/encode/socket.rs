//! Operations on sockets.
//!
//! What is wanted besides the system call's own flags goes into one field of the entry: to wait for
//! readiness first, to fill several buffers, to go on after the first completion.

use super::sqe::{Sqe, half, pair};
use crate::probe::errno_of;
use io_uring::opcode as kernel;
use io_uring::squeue::{Entry, Flags};
use wakering_core::abi::{Opcode, io_flag, op_flag};
use wakering_core::block::BlockPool;
use wakering_core::resource::{
    AREA_BYTES, Control, NOT_FIXED, NOT_PICKED, NOT_REGISTERED, Prepared, Resource,
};

const POLL_FIRST: u16 = 1 << 0;
/// An opcode that came with [`POLL_FIRST`], for which there is no question of its own.
pub(super) const YOUNG_AS_POLL_FIRST: u8 = kernel::Socket::CODE;
pub(super) const RECV_MULTISHOT: u16 = 1 << 1;
const FIXED_BUFFER: u16 = 1 << 2;
const REPORT_USAGE: u16 = 1 << 3;
const BUNDLE: u16 = 1 << 4;
pub(super) const ACCEPT_MULTISHOT: u16 = 1 << 0;
/// `IORING_FILE_INDEX_ALLOC`: a place of the kernel's choice.
const ANY_PLACE: u32 = u32::MAX;
pub(super) const GETSOCKOPT: u32 = 2;
const SETSOCKOPT: u32 = 3;

/// A descriptor is closed on exec. A file that has only a place needs no such flag, and the kernel
/// refuses it.
const fn socket_flags(prepared: &Prepared) -> u32 {
    let close_on_exec = libc::SOCK_CLOEXEC as u32;
    if prepared.flags & op_flag::DIRECT != 0 {
        prepared.op_flags & !close_on_exec
    } else {
        prepared.op_flags | close_on_exec
    }
}

/// With DIRECT it goes to the named place of the ring's table, or to one of the kernel's choice.
pub(super) fn socket(resource: &mut Resource) -> Entry {
    let prepared = &resource.prepared;
    let [domain, kind] = prepared.extra;
    let place = super::destination(prepared);
    kernel::Socket::new(
        domain as i32,
        (kind | socket_flags(prepared)) as i32,
        prepared.offset as i32,
    )
    .file_index(place)
    .build()
}

pub(super) fn bind(resource: &mut Resource) -> Entry {
    with_address(resource, kernel::Bind::CODE)
}

pub(super) fn connect(resource: &mut Resource) -> Entry {
    with_address(resource, kernel::Connect::CODE)
}

fn with_address(resource: &mut Resource, opcode: u8) -> Entry {
    let length = resource.address().len();
    let (address, _) = resource.address_place();
    let entry = Sqe::on_file(opcode, &resource.prepared);
    Sqe { address: address as u64, offset: length as u64, ..entry }.build()
}

pub(super) fn listen(resource: &mut Resource) -> Entry {
    let entry = Sqe::on_file(kernel::Listen::CODE, &resource.prepared);
    Sqe { length: resource.prepared.length, ..entry }.build()
}

pub(super) fn shutdown(resource: &mut Resource) -> Entry {
    let entry = Sqe::on_file(kernel::Shutdown::CODE, &resource.prepared);
    Sqe { length: resource.prepared.op_flags, ..entry }.build()
}

/// With the peer's address where one is expected, except that of many: they would lie on top of
/// each other. With DIRECT each connection goes to a place of the kernel's choice.
pub(super) fn accept(resource: &mut Resource) -> Entry {
    let many = resource.prepared.flags & op_flag::MULTISHOT != 0;
    let mut entry = Sqe::on_file(kernel::Accept::CODE, &resource.prepared);
    if many {
        entry.ioprio = ACCEPT_MULTISHOT;
    } else if !resource.address().is_empty() {
        let (address, length) = resource.address_place();
        entry.address = address as u64;
        entry.offset = length as u64;
    }
    entry.op_flags = socket_flags(&resource.prepared);
    if resource.prepared.flags & op_flag::DIRECT != 0 {
        entry.file_index = ANY_PLACE;
    }
    entry.build()
}

pub(super) fn send(resource: &mut Resource) -> Entry {
    let entry = data(kernel::Send::CODE, &resource.prepared);
    to_address(resource, entry).build()
}

/// The same as a Sendmsg of one segment, for kernels before 6.2.
pub(super) fn send_as_message(resource: &mut Resource) {
    let Prepared { address, length, .. } = resource.prepared;
    let segment = libc::iovec { iov_base: address.cast(), iov_len: length as usize };
    let set = resource.set_message(1, Control::NONE, &BlockPool::new(0), |_| Ok(segment));
    debug_assert_eq!(set, Ok(()), "one segment needs no block");
    resource.prepared.opcode = Opcode::Sendmsg;
}

pub(super) fn send_zc(resource: &mut Resource) -> Entry {
    let mut entry = data(kernel::SendZc::CODE, &resource.prepared);
    if resource.prepared.registered != NOT_REGISTERED {
        entry.buffer = resource.prepared.registered;
        entry.ioprio |= FIXED_BUFFER;
    }
    to_address(resource, entry).build()
}

pub(super) fn recv(resource: &mut Resource) -> Entry {
    let mut entry = data(kernel::Recv::CODE, &resource.prepared);
    if resource.prepared.flags & op_flag::MULTISHOT != 0 {
        entry.ioprio |= RECV_MULTISHOT;
    }
    entry.build()
}

pub(super) fn sendmsg(resource: &mut Resource) -> Entry {
    message(kernel::SendMsg::CODE, resource).build()
}

pub(super) fn sendmsg_zc(resource: &mut Resource) -> Entry {
    message(kernel::SendMsgZc::CODE, resource).build()
}

/// Into a picked buffer go a head, the sender's address, the control data and the bytes.
pub(super) fn recvmsg(resource: &mut Resource) -> Entry {
    let mut entry = message(kernel::RecvMsg::CODE, resource);
    if resource.prepared.flags & op_flag::MULTISHOT != 0 {
        entry.ioprio |= RECV_MULTISHOT;
    }
    entry.build()
}

/// The value lies in `back`; its length, as the kernel left it, is Getsockopt's result.
pub(super) fn setsockopt(resource: &mut Resource) -> Entry {
    option(SETSOCKOPT, resource)
}

pub(super) fn getsockopt(resource: &mut Resource) -> Entry {
    option(GETSOCKOPT, resource)
}

/// Rings read options of the socket itself only, and say EOPNOTSUPP to those of its protocol (6.18).
pub(super) fn is_option_of_a_protocol(prepared: &Prepared) -> bool {
    prepared.opcode == Opcode::Getsockopt
        && prepared.extra[0] != libc::SOL_SOCKET as u32
        && prepared.fixed_file == NOT_FIXED
}

/// Reads an option by the system call, which never waits: its length, or `-errno`.
pub(super) fn option_at_once(resource: &mut Resource) -> i32 {
    let value = resource.back().cast();
    let Prepared { fd, length, extra: [level, option], .. } = resource.prepared;
    let mut length = length.min(AREA_BYTES as u32);
    let (level, option) = (level as i32, option as i32);
    // SAFETY: `back` has room for `length` bytes, and both outlive the call.
    let done = unsafe { libc::getsockopt(fd, level, option, value, &raw mut length) };
    if done == 0 { length as i32 } else { -errno_of(&std::io::Error::last_os_error()) }
}

fn option(command: u32, resource: &mut Resource) -> Entry {
    let value = resource.back();
    let prepared = &resource.prepared;
    let [level, option] = prepared.extra;
    let entry = Sqe::on_file(COMMAND, prepared);
    Sqe {
        offset: pair(command, 0),
        address: pair(level, option),
        file_index: prepared.length,
        address_third: value as u64,
        ..entry
    }
    .build()
}

/// The kernel's opcode of [`setsockopt`] and [`getsockopt`].
pub(crate) const COMMAND: u8 = kernel::SetSockOpt::CODE;

/// What is to be sent or received from one buffer, or from or into picked ones.
fn data(opcode: u8, prepared: &Prepared) -> Sqe {
    let picked = prepared.group != NOT_PICKED;
    let entry = Sqe {
        address: if picked { 0 } else { prepared.address as u64 },
        length: prepared.length,
        op_flags: prepared.op_flags,
        ioprio: io_flags(prepared),
        ..Sqe::on_file(opcode, prepared)
    };
    picking(entry, prepared)
}

fn message(opcode: u8, resource: &mut Resource) -> Sqe {
    let header = resource.message();
    let prepared = &resource.prepared;
    let entry = Sqe {
        address: header as u64,
        length: 1,
        op_flags: prepared.op_flags,
        ioprio: io_flags(prepared),
        ..Sqe::on_file(opcode, prepared)
    };
    picking(entry, prepared)
}

fn picking(entry: Sqe, prepared: &Prepared) -> Sqe {
    if prepared.group == NOT_PICKED {
        return entry;
    }
    let flags = entry.flags | Flags::BUFFER_SELECT.bits();
    Sqe { flags, buffer: prepared.group, ..entry }
}

fn to_address(resource: &mut Resource, entry: Sqe) -> Sqe {
    let length = resource.address().len();
    if length == 0 {
        return entry;
    }
    let (address, _) = resource.address_place();
    Sqe { offset: address as u64, file_index: half(length as u16), ..entry }
}

fn io_flags(prepared: &Prepared) -> u16 {
    let [wanted, _] = prepared.extra;
    let mut flags = 0;
    if wanted & io_flag::POLL_FIRST != 0 {
        flags |= POLL_FIRST;
    }
    if wanted & io_flag::BUNDLE != 0 {
        flags |= BUNDLE;
    }
    if wanted & io_flag::REPORT_COPY != 0 {
        flags |= REPORT_USAGE;
    }
    flags
}
