//! How the operations of `fs` and `net` reach a loop.

#![forbid(unsafe_code)]

use std::io;
use wakering_core::Error;
use wakering_core::abi::ErrorKind;
use wakering_core::scheduler::{Ops, Request, ops};

/// The loop for ops of the calling code.
pub(crate) fn current() -> io::Result<Ops> {
    ops().ok_or_else(|| {
        io::Error::other(
            "no runtime: files and sockets of Wakering are used inside `Runtime::block_on`, or by \
             tasks that were spawned there",
        )
    })
}

/// An op from start to end, on the loop of whoever polls first.
pub(crate) async fn run<R: Request>(request: R) -> io::Result<R::Output> {
    current()?.run(request).await.map_err(io_error)
}

/// An error of the runtime's own, or of the kernel's, as everybody's.
pub(crate) fn io_error(error: Error) -> io::Error {
    match error {
        Error::Os(errno) => io::Error::from_raw_os_error(errno),
        Error::Kind(ErrorKind::StaleHandle) => io::Error::from_raw_os_error(libc::EBADF),
        Error::Kind(ErrorKind::BadPath) => {
            io::Error::new(io::ErrorKind::InvalidInput, ErrorKind::BadPath.message())
        }
        Error::Kind(ErrorKind::Unsupported) => {
            io::Error::new(io::ErrorKind::Unsupported, ErrorKind::Unsupported.message())
        }
        Error::Kind(kind) => io::Error::other(kind.message()),
    }
}

/// A completion's result: a count, or what went wrong.
pub(crate) fn count(result: i32) -> io::Result<usize> {
    match usize::try_from(result) {
        Ok(count) => Ok(count),
        Err(_) => Err(io_error(Error::from_result(result))),
    }
}

/// A completion's result where only its sign counts.
pub(crate) fn done(result: i32) -> io::Result<()> {
    count(result).map(|_| ())
}
