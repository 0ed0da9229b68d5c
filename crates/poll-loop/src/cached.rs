//! What memory can answer: attempts on the thread where an op was asked for, which cannot block.
//!
//! ```text
//! attempt ─┬─► Answered      the op is done, complete it at once (transition 8)
//!          ├─► WouldBlock    not in memory, or the mount is not allowed: send it on
//!          └─► Unsupported   this file will never say anything else: do not ask it again
//! ```
//!
//! Path lookups use `RESOLVE_CACHED`, which ends with EAGAIN where the kernel would have to ask the
//! file system. It guards the lookup only, so a path is first opened with `O_PATH` (the file system
//! is not called for that), and asked further only on a mount that [`Mounts`] allows. Reads use
//! `RWF_NOWAIT`, which file systems offer only where they keep the promise themselves.
//!
//! An attempt never creates, truncates or writes. Which ops are attempted, and up to which length,
//! is the lane's policy.

#![forbid(unsafe_code)]

use crate::mounts::{MountId, Mounts, STATX_MOUNT, Verdict};
use crate::sys::{self, CPath, Data};
use crate::syscalls::statx_flags;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use wakering_core::abi::{Opcode, POSITION_CURRENT, completion_flag};
use wakering_core::resource::{PathRole, Resource};
use wakering_core::slot::Outcome;

const CACHED: u64 = libc::RESOLVE_CACHED;

/// What an attempt came to.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// The op is done; the outcome is marked INLINE.
    Answered(Outcome),
    /// Not in memory, or not to be asked here. Nothing has changed; send the op on.
    WouldBlock,
    /// As WouldBlock, on a mount that nobody has looked at yet. A Statx or OpenAt that goes to the
    /// pool learns it ([`Mounts::learn_from`]); one that goes to a ring does not.
    UnknownMount,
    /// As WouldBlock, and a read of this file will never be anything else: remember it.
    Unsupported,
}

impl Attempt {
    /// The answer, if there is one.
    pub const fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Answered(outcome) => Some(outcome),
            _ => None,
        }
    }

    const fn answered(result: i32) -> Self {
        Self::Answered(Outcome { result, flags: completion_flag::INLINE })
    }
}

/// Which attempts this kernel, and whatever filters its calls, allows. Found out once per process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support {
    /// `openat2` with `RESOLVE_CACHED` (kernel 5.12).
    pub lookup: bool,
    /// `faccessat2` (kernel 5.8).
    pub access: bool,
    /// `statx` tells the mount (kernel 5.8).
    pub mount: bool,
    /// `preadv2`, which `RWF_NOWAIT` comes with (kernel 4.14).
    pub read: bool,
}

impl Support {
    const NONE: Self = Self { lookup: false, access: false, mount: false, read: false };
}

/// What [`attempt`] can do here.
pub fn support() -> Support {
    static SUPPORT: OnceLock<Support> = OnceLock::new();
    *SUPPORT.get_or_init(|| probe().unwrap_or(Support::NONE))
}

fn probe() -> Option<Support> {
    let root = CPath::fixed(c"/");
    let cached = sys::openat2(libc::AT_FDCWD, root, libc::O_PATH, 0, CACHED);
    let lookup = cached == -libc::EAGAIN || sys::own(cached).is_ok();
    let root = sys::open_owned(libc::AT_FDCWD, root, libc::O_PATH, 0).ok()?;
    let stat = sys::statx_here(root.as_raw_fd(), libc::STATX_TYPE | STATX_MOUNT);
    let mut byte = 0;
    let place = Data::at(&raw mut byte, 1);
    // An O_PATH descriptor cannot be read: EBADF shows that the call itself is there.
    let read = sys::read(root.as_raw_fd(), &place, 0, libc::RWF_NOWAIT) == -libc::EBADF;
    Some(Support {
        lookup,
        access: sys::faccessat2_here(root.as_raw_fd(), libc::F_OK) == 0,
        mount: stat.is_ok_and(|stat| stat.stx_mask & STATX_MOUNT != 0),
        read,
    })
}

/// Answers a prepared op from memory, if that can be done without waiting. The caller owns the
/// resource: the op is Queued, and this is its loop's thread.
///
/// A read at the file's own position is to be attempted only while no other op of that handle is in
/// flight: it would overtake those, and where only a part is in memory the position is put back.
pub fn attempt(resource: &mut Resource, mounts: &Mounts) -> Attempt {
    let support = support();
    match resource.prepared.opcode {
        Opcode::Read | Opcode::Readv if support.read => read(resource),
        Opcode::Statx if support.mount => stat(resource, mounts, support),
        Opcode::Access if support.lookup => access(resource, mounts, support),
        Opcode::OpenAt if support.lookup && support.mount => open(resource, mounts),
        Opcode::Close if support.mount => close(resource, mounts),
        _ => Attempt::WouldBlock,
    }
}

/// A short count answers only where the file ends there. Otherwise the rest is not in memory, and
/// callers take a short read of a regular file for its end.
fn read(resource: &mut Resource) -> Attempt {
    let prepared = resource.prepared;
    let data = Data::of(resource);
    let flags = prepared.op_flags as i32 | libc::RWF_NOWAIT;
    let result = sys::read(prepared.fd, &data, prepared.offset, flags);
    let Ok(count) = usize::try_from(result) else {
        return match -result {
            libc::EOPNOTSUPP => Attempt::Unsupported,
            _ => Attempt::WouldBlock,
        };
    };
    if count == 0 || count == data.total() {
        return Attempt::answered(result);
    }
    let own_position = prepared.offset == POSITION_CURRENT;
    let end = if own_position {
        match sys::move_position(prepared.fd, 0) {
            // No positions: a stream, where a short read is what there was.
            Err(_) => return Attempt::answered(result),
            Ok(end) => end,
        }
    } else {
        prepared.offset + count as u64
    };
    let mut byte = 0;
    if sys::read(prepared.fd, &Data::at(&raw mut byte, 1), end, flags) == 0 {
        return Attempt::answered(result);
    }
    if own_position && sys::move_position(prepared.fd, -i64::from(result)).is_err() {
        // It cannot be undone, so what was read has to be the answer.
        return Attempt::answered(result);
    }
    Attempt::WouldBlock
}

fn stat(resource: &mut Resource, mounts: &Mounts, support: Support) -> Attempt {
    const KNOWN: i32 = libc::AT_SYMLINK_NOFOLLOW
        | libc::AT_NO_AUTOMOUNT
        | libc::AT_EMPTY_PATH
        | libc::AT_STATX_DONT_SYNC;
    let prepared = resource.prepared;
    let path = CPath::of(resource, PathRole::First);
    if prepared.op_flags as i32 & !KNOWN != 0 {
        return Attempt::WouldBlock;
    }
    let found;
    let fd = if statx_flags(prepared.fd, path, 0) & libc::AT_EMPTY_PATH != 0 {
        prepared.fd
    } else if !support.lookup {
        return Attempt::WouldBlock;
    } else {
        let nofollow = prepared.op_flags & libc::AT_SYMLINK_NOFOLLOW as u32 != 0;
        found = match look_up(prepared.fd, path, if nofollow { libc::O_NOFOLLOW } else { 0 }, 0) {
            Ok(found) => found,
            Err(attempt) => return attempt,
        };
        found.as_raw_fd()
    };
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    let mask = prepared.extra[0] | STATX_MOUNT;
    let out = resource.back();
    if sys::statx(fd, CPath::fixed(c""), flags, mask, out) < 0 {
        return Attempt::WouldBlock;
    }
    judge(&sys::statx_of(resource), mounts).unwrap_or(Attempt::answered(0))
}

/// `None` where the mount is allowed.
fn judge(stat: &libc::statx, mounts: &Mounts) -> Option<Attempt> {
    match MountId::of(stat).map(|mount| mounts.verdict(mount)) {
        Some(Verdict::Allowed | Verdict::WritesAtOnce | Verdict::Layered) => None,
        Some(Verdict::Unknown) => Some(Attempt::UnknownMount),
        Some(Verdict::Forbidden) | None => Some(Attempt::WouldBlock),
    }
}

/// Opens a name for looking only, from the cache only. What the cache knows to be absent or out of
/// reach is a final answer; today's kernels say so for ENOENT and ELOOP, and EAGAIN for the rest.
fn look_up(at: RawFd, path: CPath, flags: i32, resolve: u64) -> Result<OwnedFd, Attempt> {
    let result = sys::openat2(at, path, libc::O_PATH | flags, 0, CACHED | resolve);
    sys::own(result).map_err(|failed| match -failed {
        libc::ENOENT | libc::ELOOP | libc::ENAMETOOLONG | libc::ENOTDIR | libc::EACCES => {
            Attempt::answered(failed)
        }
        _ => Attempt::WouldBlock,
    })
}

fn access(resource: &mut Resource, mounts: &Mounts, support: Support) -> Attempt {
    let prepared = resource.prepared;
    let mode = prepared.op_flags as i32;
    // access(2) is about the real user, a lookup about the effective one.
    if !sys::is_one_user() {
        return Attempt::WouldBlock;
    }
    let found = match look_up(prepared.fd, CPath::of(resource, PathRole::First), 0, 0) {
        Ok(found) => found,
        Err(attempt) => return attempt,
    };
    if mode == libc::F_OK {
        return Attempt::answered(0);
    }
    if !support.access || !support.mount {
        return Attempt::WouldBlock;
    }
    let Ok(stat) = sys::statx_here(found.as_raw_fd(), libc::STATX_TYPE | STATX_MOUNT) else {
        return Attempt::WouldBlock;
    };
    if let Some(attempt) = judge(&stat, mounts) {
        return attempt;
    }
    match sys::faccessat2_here(found.as_raw_fd(), mode) {
        result if result == 0 || result == -libc::EACCES || result == -libc::EROFS => {
            Attempt::answered(result)
        }
        _ => Attempt::WouldBlock,
    }
}

/// Opens what is known to be a regular file or a directory on an allowed mount.
///
/// Opening a FIFO waits for its other end, and opening a device does things. So the name is looked
/// up for its type first; and as it may change before it is opened, it is opened with O_NONBLOCK
/// (which also keeps a lease from blocking), checked to be the same file, and set to block again.
/// That touches the status flags of a description that nobody else has seen.
fn open(resource: &mut Resource, mounts: &Mounts) -> Attempt {
    const NEVER: i32 =
        libc::O_CREAT | libc::O_TRUNC | libc::O_PATH | (libc::O_TMPFILE & !libc::O_DIRECTORY);
    let prepared = resource.prepared;
    let flags = prepared.op_flags as i32;
    let direct = prepared.flags & wakering_core::abi::op_flag::DIRECT != 0;
    if flags & NEVER != 0 || direct {
        return Attempt::WouldBlock;
    }
    let path = CPath::of(resource, PathRole::First);
    let resolve = u64::from(prepared.extra[1]);
    let looking = flags & (libc::O_NOFOLLOW | libc::O_DIRECTORY);
    let found = match look_up(prepared.fd, path, looking, resolve) {
        Ok(found) => found,
        Err(attempt) => return attempt,
    };
    let mask = libc::STATX_TYPE | libc::STATX_INO | STATX_MOUNT;
    let Ok(expected) = sys::statx_here(found.as_raw_fd(), mask) else { return Attempt::WouldBlock };
    let kind = u32::from(expected.stx_mode) & libc::S_IFMT;
    if kind != libc::S_IFREG && kind != libc::S_IFDIR {
        return Attempt::WouldBlock;
    }
    if let Some(attempt) = judge(&expected, mounts) {
        return attempt;
    }
    let reads = flags & libc::O_ACCMODE == libc::O_RDONLY;
    let layered = |mount| mounts.verdict(mount) == Verdict::Layered;
    if !reads && MountId::of(&expected).is_some_and(layered) {
        return Attempt::WouldBlock;
    }
    let opened = sys::openat2(prepared.fd, path, flags | libc::O_NONBLOCK, 0, CACHED | resolve);
    let opened = match sys::own(opened) {
        Ok(opened) => opened,
        Err(failed) => {
            return match -failed {
                libc::EACCES | libc::EISDIR | libc::EROFS => Attempt::answered(failed),
                _ => Attempt::WouldBlock,
            };
        }
    };
    let same = sys::statx_here(opened.as_raw_fd(), mask).is_ok_and(|there| {
        there.stx_ino == expected.stx_ino && MountId::of(&there) == MountId::of(&expected)
    });
    let blocks = flags & libc::O_NONBLOCK != 0 || sys::set_blocking(opened.as_raw_fd(), flags);
    if same && blocks { Attempt::answered(opened.into_raw_fd()) } else { Attempt::WouldBlock }
}

/// Closes what was only read, and still has a name: no data is flushed and no blocks are freed by
/// that. Anything else may wait for a disk or a server.
fn close(resource: &mut Resource, mounts: &Mounts) -> Attempt {
    let fd = resource.prepared.fd;
    let mask = libc::STATX_TYPE | libc::STATX_NLINK | STATX_MOUNT;
    let Ok(stat) = sys::statx_here(fd, mask) else { return Attempt::WouldBlock };
    let kind = u32::from(stat.stx_mode) & libc::S_IFMT;
    let kept = stat.stx_nlink > 0 && (kind == libc::S_IFREG || kind == libc::S_IFDIR);
    if !kept || !sys::is_read_only(fd) {
        return Attempt::WouldBlock;
    }
    judge(&stat, mounts).unwrap_or_else(|| Attempt::answered(sys::close(fd)))
}
