//! What a lane asks of a file that it has just opened: is it small, and is it in memory?

#![forbid(unsafe_code)]

use crate::mounts::{Mounts, STATX_MOUNT};
use crate::sys::{self, Data};
use std::os::fd::RawFd;

/// How many bytes a regular file holds, where that is at least one and at most `bytes_max`. `None`
/// for everything else: files without a size (those of `/proc` are given out in pieces), and those
/// without a name, whose blocks would be freed by closing them.
pub fn small_file(fd: RawFd, bytes_max: u32) -> Option<u32> {
    small(&sys::statx_here(fd, SMALL_MASK).ok()?, bytes_max)
}

/// Mask bits that [`small`] needs in a statx.
const SMALL_MASK: u32 = libc::STATX_TYPE | libc::STATX_NLINK | libc::STATX_SIZE;

/// As [`small_file`], of what a statx said.
fn small(stat: &libc::statx, bytes_max: u32) -> Option<u32> {
    let regular = u32::from(stat.stx_mode) & libc::S_IFMT == libc::S_IFREG;
    let small = (1..=u64::from(bytes_max)).contains(&stat.stx_size);
    (regular && small && stat.stx_nlink > 0).then_some(stat.stx_size as u32)
}

/// Reads a file to its end, if all of that is in memory and fits `room`. How many bytes; `None` too
/// where there are none. The file's own position stays.
///
/// What a file is need not be known for that: only regular files and block devices give bytes at a
/// position without waiting, then none behind them. (`/proc` gives more behind a short read.)
pub fn read_cached(fd: RawFd, room: &mut [u8]) -> Option<u32> {
    let read = |room: &mut [u8], position: u64| {
        let data = Data::at(room.as_mut_ptr(), room.len());
        usize::try_from(sys::read(fd, &data, position, libc::RWF_NOWAIT)).ok()
    };
    let bytes = read(room, 0)?;
    let ended =
        bytes > 0 && bytes < room.len() && read(&mut room[bytes..], bytes as u64) == Some(0);
    ended.then_some(bytes as u32)
}

/// All of a small regular file that was just opened, where it is what it seems: `None` where it is
/// another file than [`small_file`] takes, or grew or shrank meanwhile. Its mount is learned besides.
/// May wait for the disk.
pub(crate) fn read_small(fd: RawFd, bytes_max: u32, mounts: &Mounts) -> Option<Vec<u8>> {
    let stat = sys::statx_here(fd, SMALL_MASK | STATX_MOUNT).ok()?;
    mounts.learn_of(fd, &stat);
    let expected = small(&stat, bytes_max)? as usize;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(expected + 1).ok()?;
    bytes.resize(expected + 1, 0);
    let data = Data::at(bytes.as_mut_ptr(), bytes.len());
    if sys::read(fd, &data, 0, 0) != expected as i32 {
        return None;
    }
    bytes.truncate(expected);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_regular_file_of_some_bytes_is_small() {
        let path = std::env::temp_dir().join(format!("wakering-content-{}", std::process::id()));
        std::fs::write(&path, b"twelve bytes").unwrap();
        let file = std::fs::File::open(&path).unwrap();
        assert_eq!(small_file(file.as_raw_fd(), 12), Some(12));
        assert_eq!(small_file(file.as_raw_fd(), 11), None, "too large");
        let mut room = [0; 13];
        if let Some(bytes) = read_cached(file.as_raw_fd(), &mut room) {
            assert_eq!(&room[..bytes as usize], b"twelve bytes");
        }
        assert_eq!(read_cached(file.as_raw_fd(), &mut [0; 12]), None, "there may be more");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(small_file(file.as_raw_fd(), 12), None, "without a name");
    }

    #[test]
    fn what_has_no_size_is_not() {
        for path in ["/dev/null", "/proc/self/status", "/"] {
            let file = std::fs::File::open(path).unwrap();
            assert_eq!(small_file(file.as_raw_fd(), u32::MAX), None, "{path}");
        }
    }
}
