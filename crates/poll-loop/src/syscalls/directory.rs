//! Ops whose result is bytes of unknown size: listings, targets of links, resolved paths.

use crate::sys::{self, CPath};
use std::ffi::CString;
use std::os::fd::{AsRawFd, RawFd};
use wakering_core::resource::{PathRole, Resource};

/// Bytes of entries asked for at once: what glibc takes too.
const LISTING_BYTES: usize = 32 * 1024;
const PATH_ROOM: usize = libc::PATH_MAX as usize;

// Where the fields of the kernel's `struct linux_dirent64` lie.
const RECORD_LENGTH: usize = std::mem::offset_of!(libc::dirent64, d_reclen);
const RECORD_TYPE: usize = std::mem::offset_of!(libc::dirent64, d_type);
const RECORD_NAME: usize = std::mem::offset_of!(libc::dirent64, d_name);

/// Entries in the kernel's order, packed as [`wakering_core::abi::DIRENT_HEAD_BYTES`] says.
pub(super) fn list(resource: &mut Resource) -> Result<Vec<u8>, i32> {
    let at = resource.prepared.fd;
    let path = CPath::of(resource, PathRole::First);
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NONBLOCK;
    let directory = sys::open_owned(at, path, flags, 0)?;
    let mut records = [0; LISTING_BYTES];
    let mut packed = Vec::new();
    loop {
        let read = sys::getdents64(directory.as_raw_fd(), &mut records);
        match usize::try_from(read) {
            Err(_) if read == -libc::EINTR => {}
            Err(_) => return Err(read),
            Ok(0) => return Ok(packed),
            Ok(read) => pack(directory.as_raw_fd(), &records[..read], &mut packed),
        }
    }
}

fn pack(directory: RawFd, mut records: &[u8], packed: &mut Vec<u8>) {
    while let Some(length) = records.get(RECORD_LENGTH..RECORD_LENGTH + 2) {
        let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
        let Some((record, rest)) = records.split_at_checked(length) else { return };
        let Some(name) = record.get(RECORD_NAME..).and_then(until_nul) else { return };
        records = rest;
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match record[RECORD_TYPE] {
            libc::DT_UNKNOWN => look_up_type(directory, name),
            known => known,
        };
        let bytes = name.to_bytes();
        packed.extend_from_slice(&[kind, 0]);
        packed.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        packed.extend_from_slice(bytes);
    }
}

fn until_nul(bytes: &[u8]) -> Option<&std::ffi::CStr> {
    std::ffi::CStr::from_bytes_until_nul(bytes).ok()
}

/// For file systems that do not say. An entry that has vanished since stays unknown.
fn look_up_type(directory: RawFd, name: &std::ffi::CStr) -> u8 {
    let flags = libc::AT_SYMLINK_NOFOLLOW;
    match sys::statx_now(directory, CPath::borrowed(name), flags, libc::STATX_TYPE) {
        // The type's number in a listing is the mode's upper four bits.
        Ok(found) => (u32::from(found.stx_mode) >> 12) as u8 & 15,
        Err(_) => libc::DT_UNKNOWN,
    }
}

/// What a symbolic link points to.
pub(super) fn read_link(resource: &mut Resource) -> Result<Vec<u8>, i32> {
    let at = resource.prepared.fd;
    link_target(at, CPath::of(resource, PathRole::First))
}

fn link_target(at: RawFd, path: CPath) -> Result<Vec<u8>, i32> {
    // A target is shorter than PATH_MAX on every file system, so it is never cut off.
    let mut target = [0; PATH_ROOM];
    let length = sys::readlinkat(at, path, &mut target);
    let length = usize::try_from(length).map_err(|_| length)?;
    Ok(target[..length].to_vec())
}

/// The path without links. The kernel resolves it once, by an `O_PATH` open, and `/proc` tells the
/// name of what was opened; the answer counts only if it leads to the same file. Where `/proc` is
/// missing, or the name says "(deleted)", the C library walks the path itself.
pub(super) fn real_path(resource: &mut Resource) -> Result<Vec<u8>, i32> {
    let at = resource.prepared.fd;
    let path = CPath::of(resource, PathRole::First);
    let failed = match sys::open_owned(at, path, libc::O_PATH, 0) {
        Ok(opened) => match name_of(opened.as_raw_fd()) {
            Some(found) => return Ok(found),
            None => -libc::ENOSYS,
        },
        // The C library's way needs no descriptor.
        Err(failed) if failed == -libc::EMFILE || failed == -libc::ENFILE => failed,
        Err(failed) => return Err(failed),
    };
    let absolute = path.starts_with_slash();
    if at != libc::AT_FDCWD && !absolute {
        return Err(failed);
    }
    let mut resolved = [0; PATH_ROOM];
    let length = sys::realpath(path, &mut resolved);
    let length = usize::try_from(length).map_err(|_| length)?;
    Ok(resolved[..length].to_vec())
}

fn name_of(opened: RawFd) -> Option<Vec<u8>> {
    let link = CString::new(format!("/proc/self/fd/{opened}")).ok()?;
    let found = link_target(libc::AT_FDCWD, CPath::borrowed(&link)).ok()?;
    let found = CString::new(found).ok()?;
    let mask = libc::STATX_INO | libc::STATX_TYPE;
    let expected = sys::statx_now(opened, CPath::fixed(c""), libc::AT_EMPTY_PATH, mask).ok()?;
    let flags = libc::AT_SYMLINK_NOFOLLOW;
    let there = sys::statx_now(libc::AT_FDCWD, CPath::borrowed(&found), flags, mask).ok()?;
    let identity = |stat: &libc::statx| (stat.stx_ino, stat.stx_dev_major, stat.stx_dev_minor);
    let same = identity(&expected) == identity(&there) && found.to_bytes().starts_with(b"/");
    same.then(|| found.into_bytes())
}
