//! Descriptors that nobody wants.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Closes one that the kernel has just made for an op that was given up.
pub(crate) fn close(fd: RawFd) {
    // SAFETY: it is new, and nobody else was told of it.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
}
