//! Operations on names.

use super::{destination, file_of};
use io_uring::opcode as kernel;
use io_uring::squeue::Entry;
use io_uring::types::{Fd, OpenHow};
use wakering_core::resource::{NOT_FIXED, PathRole, Prepared, Resource};

/// `S_IALLUGO`: openat2 refuses any other bit of a mode, where open ignores it.
const MODE_BITS: u32 = 0o7777;

/// openat, or openat2 where the lookup is restricted. With DIRECT the file goes to a place of
/// the ring's table.
pub(super) fn open(resource: &mut Resource) -> Entry {
    let path = resource.path(PathRole::First);
    let prepared = resource.prepared;
    let [mode, resolve] = prepared.extra;
    let place = destination(&prepared);
    let mut flags = prepared.op_flags as i32;
    if place.is_none() {
        flags |= libc::O_CLOEXEC;
    } else {
        // The kernel refuses the flag for a file that has no descriptor to close.
        flags &= !libc::O_CLOEXEC;
    }
    let dirfd = Fd(prepared.fd);
    if resolve == 0 {
        return kernel::OpenAt::new(dirfd, path).flags(flags).mode(mode).file_index(place).build();
    }
    let makes = flags & libc::O_CREAT != 0 || flags & libc::O_TMPFILE == libc::O_TMPFILE;
    let how = OpenHow::new()
        .flags(u64::from(flags as u32))
        .mode(if makes { u64::from(mode & MODE_BITS) } else { 0 })
        .resolve(u64::from(resolve));
    let lent = resource.back().cast::<OpenHow>();
    // SAFETY: `back` is 256 bytes, aligned to 16, and this op has no second path in it.
    unsafe { lent.write(how) };
    kernel::OpenAt2::new(dirfd, path, lent).file_index(place).build()
}

/// Of a name, or of an open file where the path is empty.
pub(super) fn statx(resource: &mut Resource) -> Entry {
    let path = resource.path(PathRole::First);
    // SAFETY: a path has at least its NUL.
    let empty = unsafe { path.read() } == 0;
    let buffer = resource.back().cast();
    let prepared = &resource.prepared;
    let mut flags = prepared.op_flags as i32;
    if empty && prepared.fd >= 0 {
        flags |= libc::AT_EMPTY_PATH;
    }
    kernel::Statx::new(Fd(prepared.fd), path, buffer).flags(flags).mask(prepared.extra[0]).build()
}

pub(super) fn unlink(resource: &mut Resource) -> Entry {
    let path = resource.path(PathRole::First);
    let prepared = &resource.prepared;
    kernel::UnlinkAt::new(Fd(prepared.fd), path).flags(prepared.op_flags as i32).build()
}

pub(super) fn rename(resource: &mut Resource) -> Entry {
    let (from, to) = (resource.path(PathRole::First), resource.path(PathRole::Second));
    let prepared = &resource.prepared;
    let directory = Fd(prepared.fd);
    kernel::RenameAt::new(directory, from, directory, to).flags(prepared.op_flags).build()
}

pub(super) fn mkdir(resource: &mut Resource) -> Entry {
    let path = resource.path(PathRole::First);
    let prepared = &resource.prepared;
    kernel::MkDirAt::new(Fd(prepared.fd), path).mode(prepared.extra[0]).build()
}

pub(super) fn link(resource: &mut Resource) -> Entry {
    let (from, to) = (resource.path(PathRole::First), resource.path(PathRole::Second));
    let prepared = &resource.prepared;
    let directory = Fd(prepared.fd);
    kernel::LinkAt::new(directory, from, directory, to).flags(prepared.op_flags as i32).build()
}

pub(super) fn symlink(resource: &mut Resource) -> Entry {
    let (target, path) = (resource.path(PathRole::First), resource.path(PathRole::Second));
    kernel::SymlinkAt::new(Fd(resource.prepared.fd), target, path).build()
}

/// Of a name, or of an open file where there is one.
pub(super) fn getxattr(resource: &mut Resource) -> Entry {
    let (path, name) = (resource.path(PathRole::First), resource.path(PathRole::Second));
    let prepared = &resource.prepared;
    let (value, length) = (prepared.address.cast(), prepared.length);
    if !is_open(prepared) {
        return kernel::GetXattr::new(name, value, path, length).build();
    }
    let (fd, flags) = file_of(prepared);
    kernel::FGetXattr::new(fd, name, value, length).build().flags(flags)
}

/// As [`getxattr`].
pub(super) fn setxattr(resource: &mut Resource) -> Entry {
    let (path, name) = (resource.path(PathRole::First), resource.path(PathRole::Second));
    let prepared = &resource.prepared;
    let (value, length) = (prepared.address.cast_const().cast(), prepared.length);
    let how = prepared.op_flags as i32;
    if !is_open(prepared) {
        return kernel::SetXattr::new(name, value, path, length).flags(how).build();
    }
    let (fd, flags) = file_of(prepared);
    kernel::FSetXattr::new(fd, name, value, length).flags(how).build().flags(flags)
}

const fn is_open(prepared: &Prepared) -> bool {
    prepared.fd >= 0 || prepared.fixed_file != NOT_FIXED
}
