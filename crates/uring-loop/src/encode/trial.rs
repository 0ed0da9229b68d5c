//! Harmless entries by whose answers a kernel is known. None of them names memory that could go away.

use super::socket::{ACCEPT_MULTISHOT, COMMAND, GETSOCKOPT, RECV_MULTISHOT};
use super::sqe::{Sqe, half, pair};
use crate::completion::Tag;
use crate::ring::{Full, Ring};
use io_uring::opcode as kernel;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{CancelBuilder, Fd, TimeoutFlags, Timespec};
use std::os::fd::RawFd;

pub(crate) fn push(ring: &mut Ring, entry: &Entry) -> Result<(), Full> {
    let entry = entry.clone().user_data(Tag::Trial.token(0).to_bits());
    // SAFETY: R2 of `ring`: what the entries of this file name is there for ever.
    unsafe { ring.push(&entry) }
}

pub(crate) fn nothing() -> Entry {
    kernel::Nop::new().build()
}

pub(crate) fn cancel_any() -> Entry {
    kernel::AsyncCancel2::new(CancelBuilder::any().all()).build()
}

pub(crate) fn cancel_fd(fd: RawFd) -> Entry {
    kernel::AsyncCancel2::new(CancelBuilder::fd(Fd(fd)).all()).build()
}

/// Asks a socket for an option, with no room for its value.
pub(crate) fn option(socket: RawFd) -> Entry {
    let level = pair(libc::SOL_SOCKET as u32, libc::SO_TYPE as u32);
    let entry = Sqe { opcode: COMMAND, fd: socket, address: level, ..Sqe::default() };
    Sqe { offset: pair(GETSOCKOPT, 0), ..entry }.build()
}

/// Sends nothing to an address, over what is no socket.
pub(crate) fn send_to(fd: RawFd) -> Entry {
    static NOWHERE: [u8; 16] = [0; 16];
    let address = (&raw const NOWHERE) as u64;
    let entry = Sqe { opcode: kernel::Send::CODE, fd, offset: address, ..Sqe::default() };
    Sqe { file_index: half(NOWHERE.len() as u16), ..entry }.build()
}

/// Accepts many on what is no socket.
pub(crate) fn accept_multishot(fd: RawFd) -> Entry {
    let opcode = kernel::Accept::CODE;
    Sqe { opcode, fd, ioprio: ACCEPT_MULTISHOT, ..Sqe::default() }.build()
}

/// Receives again and again from what is no socket.
pub(crate) fn recv_multishot(fd: RawFd) -> Entry {
    let entry = Sqe { opcode: kernel::Recv::CODE, fd, ioprio: RECV_MULTISHOT, ..Sqe::default() };
    Sqe { flags: Flags::BUFFER_SELECT.bits(), ..entry }.build()
}

/// Ends once, at once, as if it could again.
pub(crate) fn timeout_multishot() -> Entry {
    static NO_TIME: Timespec = Timespec::new();
    kernel::Timeout::new(&raw const NO_TIME).count(1).flags(TimeoutFlags::MULTISHOT).build()
}
