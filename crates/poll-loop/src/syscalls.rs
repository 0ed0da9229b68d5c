//! One op, carried out here and now: what a pool thread does.
//!
//! The thread may block in it for as long as the file system likes. A signal does not end an op
//! unless its [`Stop`] says that it should: then a call that had no effect yet gives up with
//! ECANCELED, and one that had answers with what it did.

mod copy;
mod directory;

use crate::content;
use crate::mounts::{MountId, Mounts, STATX_MOUNT, Verdict};
use crate::sockets;
use crate::sys::{self, CPath, Data};
use crate::writes::LEARN_MOUNT;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use wakering_core::abi::{Opcode, completion_flag, op_flag};
use wakering_core::resource::{PathRole, Prepared, Resource};
use wakering_core::slot::Outcome;

/// Whether an op in progress has been asked to give up.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// One that nobody has asked.
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Asks. Whoever carries the op out notices when a call is interrupted, or between two.
    pub fn ask(&self) {
        // Release: with the Acquire of `is_asked`; the signal that follows orders it as well.
        self.0.store(true, Ordering::Release);
    }

    /// Makes it good for the next op.
    pub fn reset(&self) {
        // Relaxed: under the pool's lock, as every `ask` is.
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    pub fn is_asked(&self) -> bool {
        // Acquire: with the Release of `ask`.
        self.0.load(Ordering::Acquire)
    }

    /// Calls again while a signal interrupts, unless it was sent to stop the op.
    pub(crate) fn retrying(&self, mut call: impl FnMut() -> i32) -> i32 {
        loop {
            let result = call();
            if result != -libc::EINTR {
                return result;
            }
            if self.is_asked() {
                return -libc::ECANCELED;
            }
        }
    }
}

/// Whether `carry_out` knows the op. The rest belongs to a driver.
pub const fn supports(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::OpenAt
            | Opcode::Close
            | Opcode::Read
            | Opcode::Write
            | Opcode::Readv
            | Opcode::Writev
            | Opcode::Fsync
            | Opcode::Fdatasync
            | Opcode::Ftruncate
            | Opcode::Fallocate
            | Opcode::Statx
            | Opcode::Unlinkat
            | Opcode::Renameat
            | Opcode::Mkdirat
            | Opcode::Linkat
            | Opcode::Symlinkat
            | Opcode::Readdir
            | Opcode::Readlink
            | Opcode::Realpath
            | Opcode::Access
            | Opcode::CopyFile
            | Opcode::Connect
            | Opcode::SyncFileRange
            | Opcode::Fadvise
            | Opcode::Splice
            | Opcode::Getxattr
            | Opcode::Setxattr
            | Opcode::Waitid
    ) || never_waits(opcode)
}

/// Whether the op is one call that cannot wait.
pub(crate) const fn never_waits(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Pipe) || sockets::never_waits(opcode)
}

/// Carries out a prepared op. The caller owns the resource (I1 of [`wakering_core::slot`]); paths,
/// segments and memory that `prepared` names are valid. An op with a path has one, even if it is
/// empty: then it is about its handle.
pub fn carry_out(resource: &mut Resource) -> Outcome {
    carry_out_until(resource, &Stop::new())
}

/// As [`carry_out`], giving up where that is still possible once `stop` is asked.
pub fn carry_out_until(resource: &mut Resource, stop: &Stop) -> Outcome {
    match resource.prepared.opcode {
        Opcode::Readdir => owned(resource, directory::list),
        Opcode::Readlink => owned(resource, directory::read_link),
        Opcode::Realpath => owned(resource, directory::real_path),
        Opcode::CopyFile => number(copy::copy_file(resource, stop)),
        Opcode::OpenAt => number(stop.retrying(|| open(resource))),
        Opcode::Read | Opcode::Readv | Opcode::Write | Opcode::Writev => {
            number(transfer(resource, stop))
        }
        Opcode::Connect | Opcode::Splice | Opcode::Waitid => {
            number(stop.retrying(|| plain(resource)))
        }
        _ => number(Stop::new().retrying(|| plain(resource))),
    }
}

const fn number(result: i32) -> Outcome {
    Outcome { result, flags: 0 }
}

/// An op whose result is bytes: they become the resource's own.
fn owned(
    resource: &mut Resource,
    produce: impl Fn(&mut Resource) -> Result<Vec<u8>, i32>,
) -> Outcome {
    match produce(resource) {
        Ok(bytes) => {
            let result = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
            resource.owned = Some(bytes);
            Outcome { result, flags: completion_flag::OWNED }
        }
        Err(result) => number(result),
    }
}

/// Reads and writes. The kernel leaves an interrupted transfer either undone (EINTR) or partly
/// done (a count), so nothing is lost by stopping here.
fn transfer(resource: &mut Resource, stop: &Stop) -> i32 {
    let prepared = resource.prepared;
    let data = Data::of(resource);
    let flags = prepared.op_flags as i32;
    stop.retrying(|| match prepared.opcode {
        Opcode::Read | Opcode::Readv => sys::read(prepared.fd, &data, prepared.offset, flags),
        _ => sys::write(prepared.fd, &data, prepared.offset, flags),
    })
}

/// What follows on an open with CONTENT: a small regular file is read and closed too, so that whoever
/// asked waits for one thread once, not four times.
pub fn bring_content(
    resource: &mut Resource,
    outcome: Outcome,
    stop: &Stop,
    mounts: &Mounts,
) -> Outcome {
    let Prepared { opcode, flags, length, .. } = resource.prepared;
    let wanted = opcode == Opcode::OpenAt && flags & op_flag::CONTENT != 0;
    if !wanted || outcome.result < 0 || stop.is_asked() {
        return outcome;
    }
    let Some(bytes) = content::read_small(outcome.result, length, mounts) else { return outcome };
    sys::close(outcome.result);
    let result = bytes.len() as i32;
    resource.owned = Some(bytes);
    Outcome { result, flags: completion_flag::OWNED | completion_flag::CONTENT }
}

fn open(resource: &mut Resource) -> i32 {
    let prepared = resource.prepared;
    let path = CPath::of(resource, PathRole::First);
    let (flags, [mode, resolve]) = (prepared.op_flags as i32, prepared.extra);
    if resolve == 0 {
        return sys::openat(prepared.fd, path, flags, mode);
    }
    sys::openat2(prepared.fd, path, flags, mode, u64::from(resolve))
}

/// The ops that are one system call with numbers and paths.
fn plain(resource: &mut Resource) -> i32 {
    let prepared = resource.prepared;
    let fd = prepared.fd;
    let flags = prepared.op_flags;
    let first = CPath::of(resource, PathRole::First);
    match prepared.opcode {
        Opcode::Close => sys::close(fd),
        Opcode::Fsync => sys::fsync(fd),
        Opcode::Fdatasync => sys::fdatasync(fd),
        Opcode::Ftruncate => sys::ftruncate(fd, prepared.offset),
        Opcode::Fallocate => {
            let [low, high] = prepared.extra.map(u64::from);
            sys::fallocate(fd, flags as i32, prepared.offset, high << 32 | low)
        }
        Opcode::Statx => {
            let mask = prepared.extra[0] | STATX_MOUNT;
            let out = resource.back();
            sys::statx(fd, first, statx_flags(fd, first, flags), mask, out)
        }
        Opcode::Unlinkat => sys::unlinkat(fd, first, flags as i32),
        Opcode::Mkdirat => sys::mkdirat(fd, first, prepared.extra[0]),
        Opcode::Access => sys::faccessat(fd, first, flags as i32),
        Opcode::Renameat => sys::renameat2(fd, first, CPath::of(resource, PathRole::Second), flags),
        Opcode::Linkat => {
            sys::linkat(fd, first, CPath::of(resource, PathRole::Second), flags as i32)
        }
        Opcode::Symlinkat => sys::symlinkat(first, fd, CPath::of(resource, PathRole::Second)),
        Opcode::SyncFileRange => sys::sync_file_range(&prepared),
        Opcode::Fadvise => sys::fadvise(&prepared),
        Opcode::Splice => sys::splice_files(&prepared),
        Opcode::Getxattr => sys::attribute(resource),
        Opcode::Setxattr => sys::set_attribute(resource),
        Opcode::Waitid => sys::wait_child(resource, 0),
        Opcode::Pipe => sys::pipe_into(resource),
        _ => sockets::carry_out(resource),
    }
}

/// No path means the handle itself; no path and no handle is ENOENT, as the kernel has it.
pub(crate) fn statx_flags(fd: i32, path: CPath, flags: u32) -> i32 {
    let flags = flags as i32;
    if fd >= 0 && path.is_empty() { flags | libc::AT_EMPTY_PATH } else { flags }
}

/// Remembers the mount that a Statx or OpenAt went to, for [`crate::cached`], or a Write that was sent
/// to find that out, for [`crate::writes`]. To be called with the
/// op's outcome on the thread that carried it out, while that still owns the resource: it may block.
pub fn learn(resource: &mut Resource, outcome: Outcome, mounts: &Mounts) {
    let prepared = resource.prepared;
    match prepared.opcode {
        Opcode::Write if prepared.extra[0] == LEARN_MOUNT => mounts.learn_from(prepared.fd),
        // One with content learns it on the way.
        Opcode::OpenAt if outcome.result >= 0 && prepared.flags & op_flag::CONTENT == 0 => {
            mounts.learn_from(outcome.result)
        }
        Opcode::Statx if outcome.result == 0 => {
            let unknown = MountId::of(&sys::statx_of(resource))
                .is_some_and(|mount| mounts.verdict(mount) == Verdict::Unknown);
            if !unknown {
                return;
            }
            let path = CPath::of(resource, PathRole::First);
            if statx_flags(prepared.fd, path, 0) != 0 {
                return mounts.learn_from(prepared.fd);
            }
            let nofollow = prepared.op_flags & libc::AT_SYMLINK_NOFOLLOW as u32 != 0;
            let flags = libc::O_PATH | if nofollow { libc::O_NOFOLLOW } else { 0 };
            if let Ok(found) = sys::open_owned(prepared.fd, path, flags, 0) {
                mounts.learn_from(found.as_raw_fd());
            }
        }
        _ => {}
    }
}
