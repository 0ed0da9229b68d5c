//! What the rest of the world does, past the driver.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// A pipe whose ends block, as a user's would: read end, write end.
pub(crate) fn pipe() -> (i32, i32) {
    let mut ends = [-1; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    (ends[0], ends[1])
}

/// write(2), from outside the driver.
pub(crate) fn write_now(fd: i32, bytes: &[u8]) -> isize {
    // SAFETY: the bytes live through the call.
    unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }
}

/// read(2), from outside the driver.
pub(crate) fn read_now(fd: i32, buffer: &mut [u8]) -> isize {
    // SAFETY: the buffer lives through the call.
    unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) }
}

/// close(2), from outside the driver.
pub(crate) fn close_now(fd: i32) {
    // SAFETY: the test owns the descriptor.
    assert_eq!(unsafe { libc::close(fd) }, 0);
}

/// Makes a FIFO.
pub(crate) fn make_fifo(path: &Path) {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("no NUL");
    // SAFETY: the path is terminated.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

/// fcntl(2) without an argument.
pub(crate) fn control(fd: i32, command: i32) -> i32 {
    // SAFETY: these commands take no memory.
    unsafe { libc::fcntl(fd, command) }
}

/// Whether poll(2) says that `fd` is readable within `timeout`.
pub(crate) fn is_readable(fd: i32, timeout: Duration) -> bool {
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry.
    unsafe { libc::poll(&raw mut entry, 1, timeout.as_millis() as i32) == 1 }
}
