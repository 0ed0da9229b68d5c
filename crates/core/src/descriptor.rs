//! Open files that ops name: closed when nobody has them, the last op on them included.

use crate::abi::HandleId;
use crate::loom::long_lived::{StaticOrdering, StaticU64};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// An open file with a name that no other file of this process ever has, as its number has not. Shared as
/// `Arc<Descriptor>` by whoever uses it and the ops on it: [`crate::resource::Resource::set_file`]. So the
/// number is not another file's while an op names it.
#[derive(Debug)]
pub struct Descriptor {
    fd: OwnedFd,
    handle: HandleId,
}

static NEXT: StaticU64 = StaticU64::new(0);

impl Descriptor {
    /// Takes over an open file.
    pub fn new(fd: OwnedFd) -> Self {
        // Relaxed: it only has to be another each time.
        let number = NEXT.fetch_add(1, StaticOrdering::Relaxed);
        let index = (number & u64::from(u32::MAX >> 1)) as u32;
        let handle = HandleId { index, generation: (number >> 31) as u32 };
        Self { fd, handle }
    }

    /// Gives the open file to whoever has the only reference.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Its name.
    pub const fn handle(&self) -> HandleId {
        self.handle
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Closes one that the kernel has just made for an op that was given up.
pub(crate) fn close(fd: RawFd) {
    // SAFETY: it is new, and nobody else was told of it.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn no_two_files_have_the_same_name() {
        let open = || Descriptor::new(std::fs::File::open("/dev/null").unwrap().into()).handle();
        let names = [open(), open(), open()];
        assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2]);
    }
}
