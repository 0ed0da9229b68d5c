//! The doorbell of a loop: an eventfd that any thread may ring.
//!
//! The owner waits for it however its driver waits (libuv's poll, a ring's POLL_ADD, epoll); the
//! kernel rings the same bell for a ring on which it is registered.

use crate::error::Error;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A counter in the kernel that is readable while it is not zero.
#[derive(Debug)]
pub struct Doorbell(OwnedFd);

impl Doorbell {
    /// A silent bell. Fails with EMFILE or ENFILE where descriptors have run out.
    pub fn new() -> Result<Self, Error> {
        // SAFETY: eventfd takes two numbers and touches no memory of ours.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(Error::last_os());
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Rings. From any thread; many rings before the owner looks are one.
    pub fn ring(&self) {
        let one = 1u64;
        // SAFETY: eight bytes are read from `one`. The only failure is EAGAIN at 2^64-2 unheard
        // rings, where the bell is audible anyway.
        let _ = unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Silences it. Whether it had been rung.
    pub fn clear(&self) -> bool {
        let mut count = 0u64;
        // SAFETY: eight bytes are written to `count`; the descriptor does not block.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) == 8 }
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Doorbell {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rings_are_heard_once() {
        let bell = Doorbell::new().unwrap();
        assert!(!bell.clear());
        bell.ring();
        bell.ring();
        assert!(bell.clear());
        assert!(!bell.clear());
    }
}
