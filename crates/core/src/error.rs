//! What can go wrong before or beside the kernel, small enough to be copied about.

#![forbid(unsafe_code)]

use crate::abi::ErrorKind;

/// An error of this runtime (`kind`) or of the kernel (`errno`). `Copy`, two words, no allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The kernel said no: a positive errno.
    Os(i32),
    /// The runtime said no.
    Kind(ErrorKind),
}

impl Error {
    /// The errno that the last system call of this thread left.
    pub fn last_os() -> Self {
        Self::Os(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
    }

    /// What a completion's negative `result` says.
    pub fn from_result(result: i32) -> Self {
        let known = |kind: &&ErrorKind| kind.to_result() == result;
        match ErrorKind::ALL.iter().find(known) {
            Some(&kind) => Self::Kind(kind),
            None => Self::Os(-result),
        }
    }

    /// As a completion's `result`: `-errno`, or a number below every errno for a [`ErrorKind`].
    pub const fn to_result(self) -> i32 {
        match self {
            Self::Os(errno) => -errno,
            Self::Kind(kind) => kind.to_result(),
        }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::Kind(kind)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Os(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Os(errno) => write!(f, "{}", std::io::Error::from_raw_os_error(*errno)),
            Self::Kind(kind) => f.write_str(kind.message()),
        }
    }
}

impl std::error::Error for Error {}
