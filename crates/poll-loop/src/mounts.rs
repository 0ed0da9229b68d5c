//! Which mounts the loop's own thread may ask directly.
//!
//! [`crate::cached`] answers from memory on the thread where the question was asked. Where
//! `getattr` or `open` can go to a network or to another program, that thread would wait for them,
//! so only file systems that are known to answer by themselves are allowed. Finding out what a
//! mount is can itself block (`fstatfs` on a dead NFS server), so pool threads do it, after an op
//! that went there anyway, and put it into this table. A mount that nobody has learned is forbidden.
//!
//! The table is a fixed number of words that are read and written without a lock:
//!
//! ```text
//! 63                                   2       1       0
//! | the mount's identity, never zero    |layered|allowed|
//! ```
//!
//! The second bit alone says: allowed, and what is written goes into memory at once.

#![forbid(unsafe_code)]

use crate::{layers, sys};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};

/// Mounts remembered. When they are more, the newest take the place of others.
const MOUNTS_MAX: usize = 64;
/// The lowest two bits of a word.
const ALLOWED: u64 = 1;
const WRITES_AT_ONCE: u64 = 2;
const LAYERED: u64 = 3;
/// Places looked at for one mount.
const PROBES_MAX: usize = 8;

pub(crate) const STATX_MNT_ID: u32 = 0x1000;
const STATX_MNT_ID_UNIQUE: u32 = 0x4000;

/// Mask bits that [`Mounts`] needs in a statx: kernel 5.8 has the first, 6.8 the second, and each
/// ignores what it does not know.
pub const STATX_MOUNT: u32 = STATX_MNT_ID | STATX_MNT_ID_UNIQUE;

/// Which mount a file is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MountId(u64);

impl MountId {
    /// From a statx that asked for [`STATX_MOUNT`]. `None` where the kernel does not say, or says it
    /// in a way that could mean another mount later.
    ///
    /// Since 6.8 a mount has a number that is never used again. Before that numbers are reused, so
    /// the device number is made part of the identity; file systems without a device (tmpfs, btrfs,
    /// and NFS and FUSE, which could follow them under both numbers) are then not remembered.
    pub fn of(stat: &libc::statx) -> Option<Self> {
        if stat.stx_mask & STATX_MNT_ID_UNIQUE != 0 {
            return Some(Self(stat.stx_mnt_id)).filter(|id| id.0 != 0 && id.0 < 1 << 62);
        }
        let named = stat.stx_mask & STATX_MNT_ID != 0 && stat.stx_dev_major != 0;
        if !named || stat.stx_mnt_id >= 1 << 30 || stat.stx_dev_major >= 1 << 12 {
            return None;
        }
        let device = u64::from(stat.stx_dev_major) << 20 | u64::from(stat.stx_dev_minor & 0xF_FFFF);
        Some(Self(stat.stx_mnt_id << 32 | device)).filter(|id| id.0 != 0)
    }
}

/// What is known of a mount.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It answers by itself.
    Allowed,
    /// It answers by itself, and a ring's buffered writes need no thread there.
    WritesAtOnce,
    /// It answers by itself too, but an open for writing copies the file to another layer first.
    Layered,
    /// It may ask a server or another program, or it is not known not to.
    Forbidden,
    /// Nobody has looked.
    Unknown,
}

/// The table. Shared by the loop's thread, which reads, and pool threads, which write.
#[derive(Debug)]
pub struct Mounts {
    words: [AtomicU64; MOUNTS_MAX],
}

impl Default for Mounts {
    fn default() -> Self {
        Self::new()
    }
}

impl Mounts {
    /// An empty table.
    pub const fn new() -> Self {
        Self { words: [const { AtomicU64::new(0) }; MOUNTS_MAX] }
    }

    /// What is known of a mount.
    pub fn verdict(&self, mount: MountId) -> Verdict {
        for place in places(mount) {
            // Relaxed: one word says it all, nothing else is read through it.
            let word = self.words[place].load(Ordering::Relaxed);
            if word == 0 {
                break;
            }
            if word >> 2 == mount.0 {
                return match word & 3 {
                    ALLOWED => Verdict::Allowed,
                    WRITES_AT_ONCE => Verdict::WritesAtOnce,
                    LAYERED => Verdict::Layered,
                    _ => Verdict::Forbidden,
                };
            }
        }
        Verdict::Unknown
    }

    /// Whether a mount is known to answer by itself.
    pub fn allows(&self, mount: MountId) -> bool {
        !matches!(self.verdict(mount), Verdict::Forbidden | Verdict::Unknown)
    }

    /// Remembers what kind of file system a mount is: `f_type` of its statfs.
    pub fn learn(&self, mount: MountId, f_type: i64) {
        let bits = match answers_by_itself(f_type) {
            true if writes_at_once(f_type) => WRITES_AT_ONCE,
            true => ALLOWED,
            false => 0,
        };
        self.remember(mount, bits);
    }

    fn remember(&self, mount: MountId, bits: u64) {
        let word = mount.0 << 2 | bits;
        let mut last = 0;
        for place in places(mount) {
            last = place;
            // Relaxed: as in `verdict`.
            let found = self.words[place].load(Ordering::Relaxed);
            let ours = found == 0 || found >> 2 == mount.0;
            // Relaxed: as in `verdict`. Who loses the race for an empty place goes on to the next.
            if ours
                && self.words[place]
                    .compare_exchange(found, word, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            {
                return;
            }
        }
        self.words[last].store(word, Ordering::Relaxed);
    }

    /// Looks at the mount of an open file and remembers it. May block: for pool threads.
    pub fn learn_from(&self, fd: RawFd) {
        if let Ok(stat) = sys::statx_here(fd, libc::STATX_TYPE | STATX_MOUNT) {
            self.learn_of(fd, &stat);
        }
    }

    /// As [`Self::learn_from`], where a statx of the file with [`STATX_MOUNT`] is at hand.
    pub(crate) fn learn_of(&self, fd: RawFd, stat: &libc::statx) {
        let Some(mount) = MountId::of(stat) else { return };
        if self.verdict(mount) == Verdict::Unknown
            && let Ok(f_type) = sys::file_system_type(fd)
        {
            let overlay = f_type == libc::OVERLAYFS_SUPER_MAGIC;
            match overlay && layers::all(fd, answers_by_itself) {
                true => self.remember(mount, LAYERED),
                false => self.learn(mount, f_type),
            }
        }
    }
}

fn places(mount: MountId) -> impl Iterator<Item = usize> {
    // Fibonacci hashing: the upper bits are well mixed.
    let start = (mount.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as usize;
    (0..PROBES_MAX).map(move |step| (start + step) % MOUNTS_MAX)
}

/// Local file systems, whose lookups, attributes and opens touch memory or a local device only.
///
/// Not here: NFS, SMB, Ceph, AFS, 9p and Lustre (a server answers), FUSE (a program does), autofs
/// (a program mounts first), procfs and sysfs (they compute, under locks of others), and overlay:
/// it passes each question to its layers, which may be any of those: [`layers`] looks at them.
fn answers_by_itself(f_type: i64) -> bool {
    const LOCAL: [i64; 13] = [
        libc::EXT4_SUPER_MAGIC, // 2 and 3 have the same number
        libc::XFS_SUPER_MAGIC,
        libc::BTRFS_SUPER_MAGIC,
        libc::TMPFS_MAGIC,
        0x8584_58F6, // ramfs
        libc::F2FS_SUPER_MAGIC,
        0xE0F5_E1E2, // erofs
        0x7371_7368, // squashfs
        0x2FC1_2FC1, // zfs
        libc::BCACHEFS_SUPER_MAGIC,
        libc::ISOFS_SUPER_MAGIC,
        0x5049_5045, // pipefs: the kernel's own
        0x534F_434B, // sockfs: the kernel's own
    ];
    // A 32-bit magic may have been sign-extended on its way.
    LOCAL.contains(&(f_type & 0xFFFF_FFFF))
}

/// Whether a ring's buffered writes are done where they are asked for, while nothing has to be waited
/// for. The others refuse to try.
fn writes_at_once(f_type: i64) -> bool {
    [libc::XFS_SUPER_MAGIC, libc::BTRFS_SUPER_MAGIC].contains(&(f_type & 0xFFFF_FFFF))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn remembers_what_it_learned_and_nothing_else() {
        let mounts = Mounts::new();
        mounts.learn(MountId(7), libc::EXT4_SUPER_MAGIC);
        mounts.learn(MountId(6), libc::XFS_SUPER_MAGIC);
        mounts.learn(MountId(8), libc::NFS_SUPER_MAGIC);
        mounts.learn(MountId(9), libc::OVERLAYFS_SUPER_MAGIC);
        assert_eq!(mounts.verdict(MountId(6)), Verdict::WritesAtOnce);
        assert_eq!(mounts.verdict(MountId(7)), Verdict::Allowed);
        assert_eq!(mounts.verdict(MountId(8)), Verdict::Forbidden);
        assert_eq!(mounts.verdict(MountId(9)), Verdict::Forbidden);
        assert_eq!(mounts.verdict(MountId(10)), Verdict::Unknown);
        assert!(mounts.allows(MountId(7)) && !mounts.allows(MountId(10)));
    }

    #[test]
    fn stays_bounded_and_never_mixes_mounts_up() {
        let mounts = Mounts::new();
        for id in 1..10_000 {
            let local = id % 2 == 0;
            let magic = if local { libc::TMPFS_MAGIC } else { libc::FUSE_SUPER_MAGIC };
            mounts.learn(MountId(id), magic);
            let expected = if local { Verdict::Allowed } else { Verdict::Forbidden };
            assert_eq!(mounts.verdict(MountId(id)), expected);
        }
        for id in 1..10_000 {
            let verdict = mounts.verdict(MountId(id));
            assert!(verdict != Verdict::Allowed || id % 2 == 0);
        }
    }

    #[test]
    fn a_reused_number_without_a_device_is_no_identity() {
        // SAFETY-free: built by the kernel for a real file, then changed.
        let file = std::fs::File::open("/").unwrap();
        let mut stat = sys::statx_here(file.as_raw_fd(), libc::STATX_TYPE).unwrap();
        stat.stx_mask = STATX_MNT_ID;
        stat.stx_mnt_id = 42;
        (stat.stx_dev_major, stat.stx_dev_minor) = (0, 31);
        assert_eq!(MountId::of(&stat), None);
        stat.stx_dev_major = 8;
        assert!(MountId::of(&stat).is_some());
        stat.stx_mask = STATX_MNT_ID_UNIQUE;
        assert_eq!(MountId::of(&stat), Some(MountId(42)));
    }

    #[test]
    fn learns_from_an_open_file() {
        let mounts = Mounts::new();
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        mounts.learn_from(file.as_raw_fd());
        let mask = libc::STATX_TYPE | STATX_MOUNT;
        let stat = sys::statx_here(file.as_raw_fd(), mask).unwrap();
        if let Some(mount) = MountId::of(&stat) {
            assert_eq!(mounts.verdict(mount), Verdict::Forbidden);
        }
    }
}
