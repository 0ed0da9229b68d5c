//! System calls that take paths.

use super::{CPath, answer, negative_errno};
use libc::{c_int, c_long, c_uint};
use std::os::fd::RawFd;

/// `openat2`. Always O_CLOEXEC.
pub(crate) fn openat2(at: RawFd, path: CPath, flags: c_int, mode: u32, resolve: u64) -> i32 {
    // SAFETY: all zero is a valid `open_how`; newer kernels' fields mean "nothing" that way.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::from((flags | libc::O_CLOEXEC) as u32);
    // The call refuses a mode where nothing is created.
    let creates = flags & libc::O_CREAT != 0 || flags & libc::O_TMPFILE == libc::O_TMPFILE;
    how.mode = if creates { u64::from(mode & 0o7777) } else { 0 };
    how.resolve = resolve;
    let size = size_of::<libc::open_how>();
    // SAFETY: the path is valid (CPath), `how` lives through the call.
    answer(unsafe { libc::syscall(libc::SYS_openat2, at, path.0, &raw const how, size) })
}

/// `openat`. Always O_CLOEXEC.
pub(crate) fn openat(at: RawFd, path: CPath, flags: c_int, mode: u32) -> i32 {
    let flags = flags | libc::O_CLOEXEC | libc::O_LARGEFILE;
    // SAFETY: the path is valid (CPath).
    answer(c_long::from(unsafe { libc::openat(at, path.0, flags, mode as c_uint) }))
}

/// `unlinkat`.
pub(crate) fn unlinkat(at: RawFd, path: CPath, flags: c_int) -> i32 {
    // SAFETY: the path is valid (CPath).
    answer(c_long::from(unsafe { libc::unlinkat(at, path.0, flags) }))
}

/// `mkdirat`.
pub(crate) fn mkdirat(at: RawFd, path: CPath, mode: u32) -> i32 {
    // SAFETY: the path is valid (CPath).
    answer(c_long::from(unsafe { libc::mkdirat(at, path.0, mode) }))
}

/// `faccessat`, by the real user and group.
pub(crate) fn faccessat(at: RawFd, path: CPath, mode: c_int) -> i32 {
    // SAFETY: the path is valid (CPath).
    answer(c_long::from(unsafe { libc::faccessat(at, path.0, mode, 0) }))
}

/// `faccessat2` of an open descriptor itself.
pub(crate) fn faccessat2_here(fd: RawFd, mode: c_int) -> i32 {
    let (path, flags) = (c"".as_ptr(), libc::AT_EMPTY_PATH);
    // SAFETY: the path is a literal.
    answer(unsafe { libc::syscall(libc::SYS_faccessat2, fd, path, mode, flags) })
}

/// `renameat`, or `renameat2` where there are flags: not every file system takes those.
pub(crate) fn renameat2(at: RawFd, from: CPath, to: CPath, flags: u32) -> i32 {
    if flags == 0 {
        // SAFETY: both paths are valid (CPath).
        return answer(c_long::from(unsafe { libc::renameat(at, from.0, at, to.0) }));
    }
    // SAFETY: both paths are valid (CPath).
    answer(unsafe { libc::syscall(libc::SYS_renameat2, at, from.0, at, to.0, flags) })
}

/// `linkat`.
pub(crate) fn linkat(at: RawFd, existing: CPath, fresh: CPath, flags: c_int) -> i32 {
    // SAFETY: both paths are valid (CPath).
    answer(c_long::from(unsafe { libc::linkat(at, existing.0, at, fresh.0, flags) }))
}

/// `symlinkat`: `link` is to point to `target`.
pub(crate) fn symlinkat(target: CPath, at: RawFd, link: CPath) -> i32 {
    // SAFETY: both paths are valid (CPath).
    answer(c_long::from(unsafe { libc::symlinkat(target.0, at, link.0) }))
}

/// `readlinkat` into `out`; how many bytes.
pub(crate) fn readlinkat(at: RawFd, path: CPath, out: &mut [u8]) -> i32 {
    let length = out.len();
    // SAFETY: the path is valid (CPath), `out` has room for `length` bytes.
    let result = unsafe { libc::readlinkat(at, path.0, out.as_mut_ptr().cast(), length) };
    answer(result as c_long)
}

/// `getdents64` into `out`; how many bytes, zero at the end.
pub(crate) fn getdents64(fd: RawFd, out: &mut [u8]) -> i32 {
    let length = out.len();
    // SAFETY: `out` has room for `length` bytes.
    answer(unsafe { libc::syscall(libc::SYS_getdents64, fd, out.as_mut_ptr(), length) })
}

/// realpath(3), for paths that need no handle. `out` has room for `PATH_MAX` bytes.
pub(crate) fn realpath(path: CPath, out: &mut [u8; libc::PATH_MAX as usize]) -> i32 {
    // SAFETY: the path is valid (CPath), and `out` is as long as the function may write.
    if unsafe { libc::realpath(path.0, out.as_mut_ptr().cast()) }.is_null() {
        return negative_errno();
    }
    out.iter().position(|&byte| byte == 0).unwrap_or(out.len()) as i32
}
