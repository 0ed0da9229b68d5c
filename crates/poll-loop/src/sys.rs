//! System calls as this crate needs them: safe to call, and `-errno` as the answer.
//!
//! What a call borrows comes as [`CPath`] or [`Data`]. Whoever makes one of these promises, once,
//! that the memory behind it stays valid; everything after that is safe code.

mod epoll;
mod file;
mod net;
mod path;

pub(crate) use epoll::*;
pub(crate) use file::*;
pub(crate) use net::*;
pub(crate) use path::*;

use crate::mounts::STATX_MNT_ID;
use libc::{c_char, c_int, c_long};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use wakering_core::abi::{Opcode, POSITION_CURRENT};
use wakering_core::resource::{PathRole, Resource};

/// The errno that the last call of this thread left, negative.
pub(crate) fn negative_errno() -> i32 {
    -std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// What the kernel returned, or `-errno`. Counts fit: the kernel moves at most 0x7ffff000 bytes.
fn answer(returned: c_long) -> i32 {
    if returned == -1 { negative_errno() } else { returned as i32 }
}

/// A path, NUL-terminated and valid while the op's resource is.
#[derive(Clone, Copy)]
pub(crate) struct CPath(*const c_char);

impl CPath {
    /// The path of `role`, which the lane set when it prepared the op.
    pub(crate) fn of(resource: &mut Resource, role: PathRole) -> Self {
        Self(resource.path(role))
    }

    /// A path that is there for ever.
    pub(crate) const fn fixed(path: &'static std::ffi::CStr) -> Self {
        Self(path.as_ptr())
    }

    /// A path of the caller's, who keeps it longer than the result.
    pub(crate) const fn borrowed(path: &std::ffi::CStr) -> Self {
        Self(path.as_ptr())
    }

    /// Whether nothing is named: then the op is about the handle itself.
    pub(crate) fn is_empty(self) -> bool {
        // SAFETY: a NUL-terminated string has a first byte.
        unsafe { *self.0 == 0 }
    }

    /// Whether it starts at the root.
    pub(crate) fn starts_with_slash(self) -> bool {
        // SAFETY: a NUL-terminated string has a first byte.
        unsafe { *self.0 == b'/' as c_char }
    }
}

/// Where an op's bytes lie: one segment, or several.
pub(crate) struct Data {
    single: libc::iovec,
    many: Option<(*const libc::iovec, usize)>,
}

impl Data {
    /// The data of a Read, Write, Readv or Writev.
    pub(crate) fn of(resource: &mut Resource) -> Self {
        let prepared = resource.prepared;
        if matches!(prepared.opcode, Opcode::Readv | Opcode::Writev) {
            let many = Some((resource.iovecs().cast_const(), prepared.length as usize));
            return Self { single: empty_iovec(), many };
        }
        Self::at(prepared.address, prepared.length as usize)
    }

    /// One segment of memory that outlives the call.
    pub(crate) const fn at(address: *mut u8, length: usize) -> Self {
        Self { single: libc::iovec { iov_base: address.cast(), iov_len: length }, many: None }
    }

    /// The segments, first and count.
    pub(crate) fn iovecs(&self) -> (*const libc::iovec, c_int) {
        match self.many {
            Some((first, count)) => (first, count as c_int),
            None => (&raw const self.single, 1),
        }
    }

    /// All bytes together.
    pub(crate) fn total(&self) -> usize {
        let (first, count) = self.iovecs();
        // SAFETY: `first` starts `count` initialised iovecs, as whoever made this promised.
        let segments = unsafe { std::slice::from_raw_parts(first, count as usize) };
        segments.iter().map(|segment| segment.iov_len).sum()
    }
}

const fn empty_iovec() -> libc::iovec {
    libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }
}

/// `preadv2`, at the file's own position for [`POSITION_CURRENT`].
pub(crate) fn read(fd: RawFd, data: &Data, position: u64, flags: c_int) -> i32 {
    const { assert!(POSITION_CURRENT as i64 == -1) };
    let (first, count) = data.iovecs();
    // SAFETY: the segments are valid and the op's alone while it is carried out (I1 of slot).
    answer(unsafe { libc::preadv2(fd, first, count, position as i64, flags) } as c_long)
}

/// `pwritev2`, as [`read`].
pub(crate) fn write(fd: RawFd, data: &Data, position: u64, flags: c_int) -> i32 {
    let (first, count) = data.iovecs();
    // SAFETY: as in `read`.
    answer(unsafe { libc::pwritev2(fd, first, count, position as i64, flags) } as c_long)
}

/// As [`openat`], for a descriptor that is ours and closed on the way out.
pub(crate) fn open_owned(at: RawFd, path: CPath, flags: c_int, mode: u32) -> Result<OwnedFd, i32> {
    own(openat(at, path, flags, mode))
}

/// Takes over a descriptor that a call just gave, or hands on its `-errno`.
pub(crate) fn own(opened: i32) -> Result<OwnedFd, i32> {
    if opened < 0 {
        return Err(opened);
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(opened) })
}

/// `close`. The number is free afterwards whatever the kernel says, so EINTR is success.
pub(crate) fn close(fd: RawFd) -> i32 {
    // SAFETY: closing touches no memory; the caller owns the descriptor.
    match answer(c_long::from(unsafe { libc::close(fd) })) {
        interrupted if interrupted == -libc::EINTR => 0,
        other => other,
    }
}

/// `statx` into `out`, which has room for a `struct statx`.
pub(crate) fn statx(at: RawFd, path: CPath, flags: c_int, mask: u32, out: *mut u8) -> i32 {
    // SAFETY: the path is valid (CPath); `out` is the op's own area of 256 bytes, or a local.
    answer(c_long::from(unsafe { libc::statx(at, path.0, flags, mask, out.cast()) }))
}

/// `statx` of an open descriptor without asking a server: what the kernel knows now.
pub(crate) fn statx_here(fd: RawFd, mask: u32) -> Result<libc::statx, i32> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    statx_now(fd, CPath::fixed(c""), flags, mask)
}

/// The number that `/proc/self/mountinfo` has for the mount that `fd` is on.
pub(crate) fn mount_number(fd: RawFd) -> Result<u64, i32> {
    let stat = statx_here(fd, STATX_MNT_ID)?;
    if stat.stx_mask & STATX_MNT_ID == 0 { Err(-libc::ENOSYS) } else { Ok(stat.stx_mnt_id) }
}

/// `statx` into a value of its own.
pub(crate) fn statx_now(
    at: RawFd,
    path: CPath,
    flags: c_int,
    mask: u32,
) -> Result<libc::statx, i32> {
    // SAFETY: all zero is a valid `struct statx`.
    let mut out: libc::statx = unsafe { std::mem::zeroed() };
    let result = statx(at, path, flags, mask, (&raw mut out).cast());
    if result < 0 { Err(result) } else { Ok(out) }
}

/// What a `statx` left in the resource's area for it.
pub(crate) fn statx_of(resource: &Resource) -> libc::statx {
    const { assert!(size_of::<libc::statx>() == wakering_core::resource::AREA_BYTES) };
    let bytes = resource.back_bytes().as_ptr();
    // SAFETY: the area has the size of a `struct statx`, and any bytes are a valid one.
    unsafe { bytes.cast::<libc::statx>().read_unaligned() }
}

/// Moves the file's own position by `by`; where it is then.
pub(crate) fn move_position(fd: RawFd, by: i64) -> Result<u64, i32> {
    // SAFETY: touches no memory.
    let position = unsafe { libc::lseek64(fd, by, libc::SEEK_CUR) };
    u64::try_from(position).map_err(|_| negative_errno())
}

/// Takes O_NONBLOCK away from a description that was just opened with `flags`. Whether it did.
pub(crate) fn set_blocking(fd: RawFd, flags: c_int) -> bool {
    // SAFETY: touches no memory; F_SETFL ignores what it cannot change.
    unsafe { libc::fcntl(fd, libc::F_SETFL, flags & !libc::O_NONBLOCK) == 0 }
}

/// Whether the real and the effective user and group are the same.
pub(crate) fn is_one_user() -> bool {
    // SAFETY: these calls touch no memory and cannot fail.
    let users = unsafe { libc::getuid() };
    // SAFETY: as above.
    let effective = unsafe { libc::geteuid() };
    // SAFETY: as above.
    let groups = unsafe { libc::getgid() };
    // SAFETY: as above.
    users == effective && groups == unsafe { libc::getegid() }
}

/// The magic number of the file system that `fd` is on. May block on some.
pub(crate) fn file_system_type(fd: RawFd) -> Result<i64, i32> {
    // SAFETY: all zero is a valid `struct statfs`.
    let mut out: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: `out` is a local of the right type.
    let result = answer(c_long::from(unsafe { libc::fstatfs(fd, &raw mut out) }));
    if result < 0 { Err(result) } else { Ok(out.f_type) }
}

/// What `poll(2)` says of `fd` right now: the ready events, zero for none, or `-errno`.
pub(crate) fn ready_events(fd: RawFd, events: i16) -> i32 {
    let mut entry = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one entry, a local; a timeout of zero does not wait.
    let result = answer(c_long::from(unsafe { libc::poll(&raw mut entry, 1, 0) }));
    match result {
        0 => 0,
        failed if failed < 0 => failed,
        _ if entry.revents & libc::POLLNVAL != 0 => -libc::EBADF,
        _ => i32::from(entry.revents),
    }
}

/// Whether the file was opened for reading only.
pub(crate) fn is_read_only(fd: RawFd) -> bool {
    status_flags(fd).is_some_and(|flags| flags & libc::O_ACCMODE == libc::O_RDONLY)
}

/// The flags that it was opened with, and what has become of them.
pub(crate) fn status_flags(fd: RawFd) -> Option<i32> {
    // SAFETY: fcntl with F_GETFL touches no memory.
    Some(unsafe { libc::fcntl(fd, libc::F_GETFL) }).filter(|&flags| flags >= 0)
}

/// Waits until `fd` is readable or the time is over; `None` waits for ever. A signal ends it early.
pub(crate) fn wait_readable(fd: RawFd, timeout: Option<std::time::Duration>) -> i32 {
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let time = timeout.map(|timeout| libc::timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: one entry and a timespec, both locals; no signal mask.
    answer(c_long::from(unsafe { libc::ppoll(&raw mut entry, 1, time, std::ptr::null()) }))
}

/// Whether the file was opened, or set, not to block.
pub(crate) fn is_nonblocking(fd: RawFd) -> bool {
    // SAFETY: fcntl with F_GETFL touches no memory.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags >= 0 && flags & libc::O_NONBLOCK != 0
}

/// The `FICLONE` ioctl: makes `to` share the blocks of `from`.
pub(crate) fn clone_file(from: RawFd, to: RawFd) -> i32 {
    // SAFETY: this ioctl takes a descriptor, not an address.
    answer(c_long::from(unsafe { libc::ioctl(to, libc::FICLONE, from) }))
}

/// `copy_file_range` at both files' own positions.
pub(crate) fn copy_file_range(from: RawFd, to: RawFd, length: usize) -> i32 {
    let own = std::ptr::null_mut();
    // SAFETY: null offsets mean the files' own positions.
    let copied = unsafe { libc::copy_file_range(from, own, to, own, length, 0) };
    answer(copied as c_long)
}

/// `recvmsg` or `sendmsg` that never waits, and never raises SIGPIPE.
pub(crate) fn socket_transfer(fd: RawFd, data: &Data, writes: bool) -> i32 {
    let (first, count) = data.iovecs();
    // SAFETY: all zero is a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = first.cast_mut();
    message.msg_iovlen = count as usize;
    let flags = libc::MSG_DONTWAIT;
    let result = if writes {
        // SAFETY: the segments are valid (Data), the rest is a local.
        unsafe { libc::sendmsg(fd, &raw const message, flags | libc::MSG_NOSIGNAL) }
    } else {
        // SAFETY: as above.
        unsafe { libc::recvmsg(fd, &raw mut message, flags) }
    };
    answer(result as c_long)
}

/// Moves up to `length` bytes from one pipe to another without waiting for either.
pub(crate) fn splice(from: RawFd, to: RawFd, length: usize) -> i32 {
    let none = std::ptr::null_mut();
    // SAFETY: pipes take no offsets.
    let moved = unsafe { libc::splice(from, none, to, none, length, libc::SPLICE_F_NONBLOCK) };
    answer(moved as c_long)
}

/// A pipe of our own that never blocks: its read end, its write end.
pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd), i32> {
    let mut ends = [-1; 2];
    // SAFETY: room for two descriptors.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) };
    if made < 0 {
        return Err(negative_errno());
    }
    Ok((own(ends[0])?, own(ends[1])?))
}

/// A timer that does not block.
pub(crate) fn timer() -> Result<OwnedFd, i32> {
    let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
    // SAFETY: touches no memory.
    own(answer(c_long::from(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })))
}

/// Sets a timer to a time of [`now_ns`], or stops it. Either way it is not readable until then.
pub(crate) fn set_timer(fd: RawFd, due_ns: Option<u64>) -> i32 {
    const SECOND: u64 = 1_000_000_000;
    let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let value = due_ns.map_or(never, |due| libc::timespec {
        tv_sec: (due / SECOND) as i64,
        // A zero would stop it: a time that is over anyway may be a nanosecond later.
        tv_nsec: if due == 0 { 1 } else { (due % SECOND) as i64 },
    });
    let setting = libc::itimerspec { it_interval: never, it_value: value };
    let flags = libc::TFD_TIMER_ABSTIME;
    let old = std::ptr::null_mut();
    // SAFETY: the setting is a local, the old one is not asked for.
    answer(c_long::from(unsafe { libc::timerfd_settime(fd, flags, &raw const setting, old) }))
}

/// The monotonic clock.
pub(crate) fn now_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a local; this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
