//! CopyFile: content and mode, sharing blocks where it can and may.

use super::Stop;
use crate::sys::{self, CPath, Data};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use wakering_core::abi::{POSITION_CURRENT, copyfile_flag};
use wakering_core::resource::{PathRole, Resource};

/// Bytes between two looks at [`Stop`].
const CHUNK_BYTES: usize = 16 << 20;
const BUFFER_BYTES: usize = 64 * 1024;

/// Copies the first path to the second. A file onto itself is left alone, successfully; a
/// destination that could not be completed is removed.
pub(super) fn copy_file(resource: &mut Resource, stop: &Stop) -> i32 {
    let prepared = resource.prepared;
    let from = CPath::of(resource, PathRole::First);
    let to = CPath::of(resource, PathRole::Second);
    let source = match own_retrying(stop, || sys::openat(prepared.fd, from, libc::O_RDONLY, 0)) {
        Ok(source) => source,
        Err(failed) => return failed,
    };
    let found = match stat(&source) {
        Ok(found) => found,
        Err(failed) => return failed,
    };
    let mode = u32::from(found.stx_mode) & 0o7777;
    let mut flags = libc::O_WRONLY | libc::O_CREAT;
    if prepared.op_flags & copyfile_flag::EXCL != 0 {
        flags |= libc::O_EXCL;
    }
    let target = match own_retrying(stop, || sys::openat(prepared.fd, to, flags, mode)) {
        Ok(target) => target,
        Err(failed) => return failed,
    };
    let result = fill(&source, &found, &target, prepared.op_flags, stop);
    // Explicit: on NFS the write error may only come out here.
    let closed = sys::close(std::os::fd::IntoRawFd::into_raw_fd(target));
    let result = if result < 0 { result } else { closed };
    if result < 0 {
        let _ = sys::unlinkat(prepared.fd, to, 0);
    }
    result
}

fn own_retrying(stop: &Stop, open: impl FnMut() -> i32) -> Result<OwnedFd, i32> {
    sys::own(stop.retrying(open))
}

fn stat(file: &OwnedFd) -> Result<libc::statx, i32> {
    let mask = libc::STATX_BASIC_STATS;
    sys::statx_now(file.as_raw_fd(), CPath::fixed(c""), libc::AT_EMPTY_PATH, mask)
}

fn fill(
    source: &OwnedFd,
    found: &libc::statx,
    target: &OwnedFd,
    op_flags: u32,
    stop: &Stop,
) -> i32 {
    let there = match stat(target) {
        Ok(there) => there,
        Err(failed) => return failed,
    };
    let identity = |stat: &libc::statx| (stat.stx_ino, stat.stx_dev_major, stat.stx_dev_minor);
    if identity(found) == identity(&there) {
        return 0;
    }
    let (from, to) = (source.as_raw_fd(), target.as_raw_fd());
    let truncated = Stop::new().retrying(|| sys::ftruncate(to, 0));
    // Only a regular file can be cut; copying to a device is writing to it.
    if truncated < 0 && truncated != -libc::EINVAL {
        return truncated;
    }
    let changed = sys::fchmod(to, u32::from(found.stx_mode) & 0o7777);
    if changed < 0 && !(changed == -libc::EPERM && server_owns_modes(to)) {
        return changed;
    }
    if op_flags & (copyfile_flag::FICLONE | copyfile_flag::FICLONE_FORCE) != 0 {
        let cloned = Stop::new().retrying(|| sys::clone_file(from, to));
        if cloned >= 0 || op_flags & copyfile_flag::FICLONE_FORCE != 0 {
            return cloned.min(0);
        }
    }
    copy_content(from, to, stop)
}

/// Windows shares refuse every fchmod, and lose nothing by it: libuv forgives them too.
fn server_owns_modes(fd: RawFd) -> bool {
    const CIFS_MAGIC: i64 = 0xFF53_4D42;
    const SMB2_MAGIC: i64 = 0xFE53_4D42;
    matches!(sys::file_system_type(fd), Ok(CIFS_MAGIC | SMB2_MAGIC))
}

fn copy_content(from: RawFd, to: RawFd, stop: &Stop) -> i32 {
    let mut any = false;
    loop {
        if stop.is_asked() {
            return -libc::ECANCELED;
        }
        let copied = stop.retrying(|| sys::copy_file_range(from, to, CHUNK_BYTES));
        match copied {
            0 if any => return 0,
            // Nothing at the very start: an empty file, or one of `/proc` that hides its size.
            0 => return copy_through_memory(from, to, stop),
            1.. => any = true,
            _ if cannot_copy_range(-copied) => return copy_through_memory(from, to, stop),
            failed => return failed,
        }
    }
}

/// What the kernel says where the two files cannot be copied this way, but otherwise can.
const fn cannot_copy_range(errno: i32) -> bool {
    matches!(
        errno,
        libc::EXDEV
            | libc::EINVAL
            | libc::ENOSYS
            | libc::EOPNOTSUPP
            | libc::EPERM
            | libc::ETXTBSY
            | libc::EBADF
            | libc::EIO
    )
}

fn copy_through_memory(from: RawFd, to: RawFd, stop: &Stop) -> i32 {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        if stop.is_asked() {
            return -libc::ECANCELED;
        }
        let room = Data::at(buffer.as_mut_ptr(), buffer.len());
        let read = stop.retrying(|| sys::read(from, &room, POSITION_CURRENT, 0));
        if read <= 0 {
            return read;
        }
        let mut rest = &mut buffer[..read as usize];
        while !rest.is_empty() {
            let piece = Data::at(rest.as_mut_ptr(), rest.len());
            let written = stop.retrying(|| sys::write(to, &piece, POSITION_CURRENT, 0));
            if written <= 0 {
                return if written == 0 { -libc::EIO } else { written };
            }
            rest = &mut rest[written as usize..];
        }
    }
}
