//! The file's own position after a write that moved less than it was asked to.
//!
//! A ring whose write ran out of room half-way tries the rest once more, finds the error, answers
//! with what it wrote before, and forgets to move the file's position by that: the next write would
//! go over the same bytes. So a lane over a ring notes where such a write began, and moves the
//! position itself where the kernel did not.

/// Where a write at the file's own position began, and in which file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Beginning {
    fd: i32,
    position: i64,
}

impl Beginning {
    /// The position now: before the write, while nothing else of ours is under way on the file, for
    /// it would be waited for. `None` for a file without positions.
    pub(crate) fn of(fd: i32) -> Option<Self> {
        // SAFETY: takes numbers, touches no memory of ours.
        let position = unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) };
        (position >= 0).then_some(Self { fd, position })
    }

    /// Moves the position by `written` bytes where the kernel left it. The descriptor is open still.
    pub(crate) fn mend(self, written: i32) {
        // SAFETY: takes numbers, touches no memory of ours.
        let flags = unsafe { libc::fcntl(self.fd, libc::F_GETFL) };
        // What is appended goes to the end wherever the position is.
        if flags & libc::O_APPEND != 0 || Self::of(self.fd) != Some(self) {
            return;
        }
        // SAFETY: as above. It cannot fail where the write did not.
        let _ = unsafe { libc::lseek(self.fd, self.position + i64::from(written), libc::SEEK_SET) };
    }
}
