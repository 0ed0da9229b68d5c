//! Whether a ring would give a small write of a file to a thread of the kernel's.
//!
//! A buffered write takes a lock of its file and may wait for the journal, so most file systems refuse
//! it where it is not to wait, and a ring then wakes a thread for it: 20 to 60 us where a thread of the
//! pool, already awake, takes 4. XFS and btrfs do such writes at once; O_DIRECT and O_SYNC wait for
//! the device whoever asks, and many at a time there are the ring's own work.

#![forbid(unsafe_code)]

use crate::mounts::{MountId, Mounts, STATX_MOUNT, Verdict};
use crate::sys;
use std::os::fd::RawFd;

/// `Prepared::extra[0]` of a write that goes to the pool and is to learn its file's mount there.
pub const LEARN_MOUNT: u32 = 1;

/// Whether buffered writes of an open file would make a ring wake a thread. `None` where nobody has
/// looked at its mount. Does not block.
pub fn wake_a_thread(fd: RawFd, mounts: &Mounts) -> Option<bool> {
    const NOT_BUFFERED: i32 = libc::O_DIRECT | libc::O_SYNC | libc::O_DSYNC | libc::O_APPEND;
    if sys::status_flags(fd).is_none_or(|flags| flags & NOT_BUFFERED != 0) {
        return Some(false);
    }
    let Ok(stat) = sys::statx_here(fd, libc::STATX_TYPE | STATX_MOUNT) else { return Some(false) };
    let regular = u32::from(stat.stx_mode) & libc::S_IFMT == libc::S_IFREG;
    match MountId::of(&stat).map(|mount| mounts.verdict(mount)) {
        _ if !regular => Some(false),
        Some(Verdict::Allowed | Verdict::Layered) => Some(true),
        Some(Verdict::Unknown) => None,
        Some(Verdict::WritesAtOnce | Verdict::Forbidden) | None => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;

    #[test]
    fn buffered_writes_of_a_local_file_do_and_others_do_not() {
        let path = std::env::temp_dir().join(format!("wakering-writes-{}", std::process::id()));
        let open = |flags| {
            OpenOptions::new().write(true).create(true).custom_flags(flags).open(&path).unwrap()
        };
        let file = open(0);
        let mounts = Mounts::new();
        let stat = sys::statx_here(file.as_raw_fd(), STATX_MOUNT).unwrap();
        if MountId::of(&stat).is_some() {
            assert_eq!(wake_a_thread(file.as_raw_fd(), &mounts), None, "nobody has looked");
        }
        for (magic, expected) in [
            (libc::EXT4_SUPER_MAGIC, true),
            (libc::TMPFS_MAGIC, true),
            (libc::XFS_SUPER_MAGIC, false),
            (libc::BTRFS_SUPER_MAGIC, false),
            (libc::NFS_SUPER_MAGIC, false),
        ] {
            let Some(mount) = MountId::of(&stat) else { break };
            mounts.learn(mount, magic);
            assert_eq!(wake_a_thread(file.as_raw_fd(), &mounts), Some(expected), "{magic:x}");
        }
        for flags in [libc::O_SYNC, libc::O_DSYNC, libc::O_APPEND] {
            assert_eq!(wake_a_thread(open(flags).as_raw_fd(), &mounts), Some(false));
        }
        let pipe = std::io::pipe().unwrap().1;
        assert_eq!(wake_a_thread(pipe.as_raw_fd(), &mounts), Some(false));
        std::fs::remove_file(&path).unwrap();
    }
}
