//! System calls on open files, and of children, that are numbers and a place in the op's memory.

use super::{CPath, answer};
use libc::{c_int, c_long, c_uint, loff_t};
use std::os::fd::RawFd;
use wakering_core::abi::POSITION_CURRENT;
use wakering_core::resource::{PathRole, Prepared, Resource};

/// `fsync`.
pub(crate) fn fsync(fd: RawFd) -> i32 {
    // SAFETY: touches no memory.
    answer(c_long::from(unsafe { libc::fsync(fd) }))
}

/// `fdatasync`.
pub(crate) fn fdatasync(fd: RawFd) -> i32 {
    // SAFETY: touches no memory.
    answer(c_long::from(unsafe { libc::fdatasync(fd) }))
}

/// `ftruncate`.
pub(crate) fn ftruncate(fd: RawFd, length: u64) -> i32 {
    // SAFETY: touches no memory. A length beyond i64 turns negative, which is EINVAL.
    answer(c_long::from(unsafe { libc::ftruncate64(fd, length as i64) }))
}

/// `fallocate`.
pub(crate) fn fallocate(fd: RawFd, mode: c_int, offset: u64, length: u64) -> i32 {
    // SAFETY: touches no memory; negative numbers are EINVAL.
    let result = unsafe { libc::fallocate64(fd, mode, offset as i64, length as i64) };
    answer(c_long::from(result))
}

/// `fchmod`.
pub(crate) fn fchmod(fd: RawFd, mode: u32) -> i32 {
    // SAFETY: touches no memory.
    answer(c_long::from(unsafe { libc::fchmod(fd, mode) }))
}

/// `sync_file_range`.
pub(crate) fn sync_file_range(prepared: &Prepared) -> i32 {
    let Prepared { fd, offset, length, op_flags, .. } = *prepared;
    let (offset, length) = (offset as loff_t, loff_t::from(length));
    // SAFETY: touches no memory.
    let result = unsafe { libc::sync_file_range(fd, offset, length, op_flags as c_uint) };
    answer(c_long::from(result))
}

/// `posix_fadvise`, which returns its error.
pub(crate) fn fadvise(prepared: &Prepared) -> i32 {
    let Prepared { fd, offset, length, op_flags, .. } = *prepared;
    // SAFETY: touches no memory.
    -unsafe { libc::posix_fadvise(fd, offset as i64, i64::from(length), op_flags as c_int) }
}

/// `splice`, from `extra[0]` to the op's file.
pub(crate) fn splice_files(prepared: &Prepared) -> i32 {
    let place = |position: u64| (position != POSITION_CURRENT).then_some(position as loff_t);
    let (mut from, mut to) = (place(prepared.offset_from), place(prepared.offset));
    let start = |place: &mut Option<loff_t>| place.as_mut().map_or(std::ptr::null_mut(), |at| at);
    let (from, to): (*mut loff_t, *mut loff_t) = (start(&mut from), start(&mut to));
    let (source, target) = (prepared.extra[0] as RawFd, prepared.fd);
    let (length, flags) = (prepared.length as usize, prepared.op_flags as c_uint);
    // SAFETY: the positions are locals, or there are none.
    answer(unsafe { libc::splice(source, from, target, to, length, flags) } as c_long)
}

/// `getxattr` of a path, or of the op's file where there is none.
pub(crate) fn attribute(resource: &mut Resource) -> i32 {
    let Prepared { fd, address, length, .. } = resource.prepared;
    let path = CPath::of(resource, PathRole::First);
    let name = CPath::of(resource, PathRole::Second).0;
    let (value, room) = (address.cast(), length as usize);
    let result = if path.is_empty() {
        // SAFETY: the name is valid (CPath), the room is the op's while it is carried out.
        unsafe { libc::fgetxattr(fd, name, value, room) }
    } else {
        // SAFETY: as above, and so is the path.
        unsafe { libc::getxattr(path.0, name, value, room) }
    };
    answer(result as c_long)
}

/// `setxattr` of a path, or of the op's file where there is none.
pub(crate) fn set_attribute(resource: &mut Resource) -> i32 {
    let Prepared { fd, address, length, op_flags, .. } = resource.prepared;
    let path = CPath::of(resource, PathRole::First);
    let name = CPath::of(resource, PathRole::Second).0;
    let (value, bytes, flags) = (address.cast_const().cast(), length as usize, op_flags as c_int);
    let result = if path.is_empty() {
        // SAFETY: as in `attribute`.
        unsafe { libc::fsetxattr(fd, name, value, bytes, flags) }
    } else {
        // SAFETY: as in `attribute`.
        unsafe { libc::setxattr(path.0, name, value, bytes, flags) }
    };
    answer(c_long::from(result))
}

/// `pipe2` into the op's area. Always O_CLOEXEC.
pub(crate) fn pipe_into(resource: &mut Resource) -> i32 {
    let flags = resource.prepared.op_flags as c_int | libc::O_CLOEXEC;
    let ends = resource.back().cast();
    // SAFETY: the area is longer than two descriptors, and aligned.
    answer(c_long::from(unsafe { libc::pipe2(ends, flags) }))
}

/// `waitid` of a pidfd into the op's area.
pub(crate) fn wait_child(resource: &mut Resource, more: c_int) -> i32 {
    let options = resource.prepared.op_flags as c_int | more;
    let pidfd = resource.prepared.fd as libc::id_t;
    let place: *mut libc::siginfo_t = resource.back().cast();
    // SAFETY: the area is longer than a `siginfo_t`, and aligned.
    unsafe { place.cast::<u8>().write_bytes(0, size_of::<libc::siginfo_t>()) };
    // SAFETY: as above.
    answer(c_long::from(unsafe { libc::waitid(libc::P_PIDFD, pidfd, place, options) }))
}

/// Whether [`wait_child`] found that there is nothing to tell yet.
pub(crate) fn has_no_child(resource: &mut Resource) -> bool {
    let place: *const libc::siginfo_t = resource.back().cast_const().cast();
    // SAFETY: `wait_child` filled it, with zeroes at the least.
    let info = unsafe { place.read() };
    // SAFETY: of a child that has changed its state, or zero.
    unsafe { info.si_pid() == 0 }
}
