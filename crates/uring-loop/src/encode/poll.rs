//! Readiness, of an op's file and of the home's doorbell.

use super::file_of;
use crate::completion::Tag;
use crate::ring::{Full, Ring};
use io_uring::opcode as kernel;
use io_uring::squeue::Entry;
use io_uring::types::Fd;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use wakering_core::abi::op_flag;
use wakering_core::resource::{NOT_FIXED, Prepared, Resource};

/// Once; with MULTISHOT again and again until it is cancelled.
pub(super) fn poll_add(resource: &mut Resource) -> Entry {
    let prepared = &resource.prepared;
    let (fd, flags) = file_of(prepared);
    let many = prepared.flags & op_flag::MULTISHOT != 0;
    kernel::PollAdd::new(fd, prepared.op_flags).multi(many).build().flags(flags)
}

/// Whether its file is one that nobody can wait for. A ring would call it ready; epoll says EPERM, and so
/// do we.
pub(super) fn is_in_vain(prepared: &Prepared) -> bool {
    if prepared.fixed_file != NOT_FIXED {
        return false;
    }
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel writes to `status` during the call.
    if unsafe { libc::fstat(prepared.fd, status.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call succeeded, so it is written.
    let mode = unsafe { status.assume_init() }.st_mode & libc::S_IFMT;
    matches!(mode, libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK)
        && is_refused_by_epoll(prepared.fd)
}

/// Some files of /proc and of cgroups can be waited for although they are regular: the kernel knows.
fn is_refused_by_epoll(fd: RawFd) -> bool {
    // SAFETY: takes a number only.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if epoll < 0 {
        return false;
    }
    // SAFETY: the descriptor is new and nobody else's.
    let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    let (operation, event) = (libc::EPOLL_CTL_ADD, &raw mut event);
    // SAFETY: the kernel reads the event during the call.
    let added = unsafe { libc::epoll_ctl(epoll.as_raw_fd(), operation, fd, event) };
    added < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// Completes when somebody rings.
pub(crate) fn bell(ring: &mut Ring, doorbell: RawFd) -> Result<(), Full> {
    let entry = kernel::PollAdd::new(Fd(doorbell), libc::POLLIN as u32)
        .build()
        .user_data(Tag::Bell.token(0).to_bits());
    // SAFETY: R2 of `ring`: the entry names no memory.
    unsafe { ring.push(&entry) }
}
