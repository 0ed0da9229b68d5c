//! What is known of a file.

#![forbid(unsafe_code)]

use super::call::Call;
use std::fmt;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Asks.
pub(super) async fn of(call: Call<'_, ()>) -> io::Result<Metadata> {
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    Ok(Metadata(call.extra(mask, 0).giving_stat().run().await?))
}

/// What is known of a file, as of when it was asked.
#[derive(Clone, Copy)]
pub struct Metadata(libc::statx);

impl Metadata {
    /// Bytes.
    #[expect(clippy::len_without_is_empty, reason = "as in std: a directory is neither")]
    pub const fn len(&self) -> u64 {
        self.0.stx_size
    }

    /// What kind of file it is.
    pub const fn file_type(&self) -> FileType {
        FileType((self.0.stx_mode as u32 & libc::S_IFMT) >> 12)
    }

    /// Whether it is a regular file.
    pub const fn is_file(&self) -> bool {
        self.file_type().is_file()
    }

    /// Whether it is a directory.
    pub const fn is_dir(&self) -> bool {
        self.file_type().is_dir()
    }

    /// Whether it is a symbolic link.
    pub const fn is_symlink(&self) -> bool {
        self.file_type().is_symlink()
    }

    /// Who may do what.
    pub fn permissions(&self) -> Permissions {
        Permissions::from_mode(self.mode())
    }

    /// Kind and permissions, as the kernel has them.
    pub const fn mode(&self) -> u32 {
        self.0.stx_mode as u32
    }

    /// When its content was changed last.
    ///
    /// # Errors
    ///
    /// Unsupported, where the file system does not know.
    pub fn modified(&self) -> io::Result<SystemTime> {
        self.time(libc::STATX_MTIME, self.0.stx_mtime)
    }

    /// When it was read last, as far as the mount notes that.
    ///
    /// # Errors
    ///
    /// As [`Self::modified`].
    pub fn accessed(&self) -> io::Result<SystemTime> {
        self.time(libc::STATX_ATIME, self.0.stx_atime)
    }

    /// When it was made.
    ///
    /// # Errors
    ///
    /// As [`Self::modified`].
    pub fn created(&self) -> io::Result<SystemTime> {
        self.time(libc::STATX_BTIME, self.0.stx_btime)
    }

    /// When anything of it was changed last, its names and permissions too.
    ///
    /// # Errors
    ///
    /// As [`Self::modified`].
    pub fn changed(&self) -> io::Result<SystemTime> {
        self.time(libc::STATX_CTIME, self.0.stx_ctime)
    }

    fn time(&self, mask: u32, time: libc::statx_timestamp) -> io::Result<SystemTime> {
        if self.0.stx_mask & mask == 0 {
            let why = "the file system does not know this time of the file";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        let seconds = Duration::from_secs(time.tv_sec.unsigned_abs());
        let whole = match time.tv_sec {
            0.. => UNIX_EPOCH.checked_add(seconds),
            _ => UNIX_EPOCH.checked_sub(seconds),
        };
        let exact =
            whole.and_then(|whole| whole.checked_add(Duration::from_nanos(time.tv_nsec.into())));
        exact.ok_or_else(|| io::Error::from_raw_os_error(libc::EOVERFLOW))
    }

    /// Its number on its device.
    pub const fn ino(&self) -> u64 {
        self.0.stx_ino
    }

    /// Its device.
    pub const fn dev(&self) -> u64 {
        libc::makedev(self.0.stx_dev_major, self.0.stx_dev_minor)
    }

    /// The device that it is, where it is one.
    pub const fn rdev(&self) -> u64 {
        libc::makedev(self.0.stx_rdev_major, self.0.stx_rdev_minor)
    }

    /// How many names it has.
    pub const fn nlink(&self) -> u64 {
        self.0.stx_nlink as u64
    }

    /// Whose it is.
    pub const fn uid(&self) -> u32 {
        self.0.stx_uid
    }

    /// Which group's it is.
    pub const fn gid(&self) -> u32 {
        self.0.stx_gid
    }

    /// Bytes, as [`Self::len`].
    pub const fn size(&self) -> u64 {
        self.0.stx_size
    }

    /// Units of 512 bytes that it takes on its disk.
    pub const fn blocks(&self) -> u64 {
        self.0.stx_blocks
    }

    /// Bytes that are best read or written at a time.
    pub const fn blksize(&self) -> u64 {
        self.0.stx_blksize as u64
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("file_type", &self.file_type())
            .field("len", &self.len())
            .field("mode", &format_args!("{:o}", self.mode() & 0o7777))
            .field("ino", &self.ino())
            .finish_non_exhaustive()
    }
}

/// What kind of file something is: `S_IF*`, or `DT_*`, which are the same numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileType(u32);

impl FileType {
    /// Of a directory's entry.
    pub(super) const fn of_entry(kind: u8) -> Self {
        Self(kind as u32)
    }

    const fn is(self, kind: u8) -> bool {
        self.0 == kind as u32
    }

    /// Whether it is a regular file.
    pub const fn is_file(self) -> bool {
        self.is(libc::DT_REG)
    }

    /// Whether it is a directory.
    pub const fn is_dir(self) -> bool {
        self.is(libc::DT_DIR)
    }

    /// Whether it is a symbolic link.
    pub const fn is_symlink(self) -> bool {
        self.is(libc::DT_LNK)
    }

    /// Whether it is a pipe with a name.
    pub const fn is_fifo(self) -> bool {
        self.is(libc::DT_FIFO)
    }

    /// Whether it is a socket.
    pub const fn is_socket(self) -> bool {
        self.is(libc::DT_SOCK)
    }

    /// Whether it is a device of blocks.
    pub const fn is_block_device(self) -> bool {
        self.is(libc::DT_BLK)
    }

    /// Whether it is a device of bytes.
    pub const fn is_char_device(self) -> bool {
        self.is(libc::DT_CHR)
    }
}

impl fmt::Debug for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            kind if kind.is_file() => "file",
            kind if kind.is_dir() => "directory",
            kind if kind.is_symlink() => "symbolic link",
            kind if kind.is_fifo() => "fifo",
            kind if kind.is_socket() => "socket",
            kind if kind.is_block_device() => "block device",
            kind if kind.is_char_device() => "character device",
            _ => "unknown",
        })
    }
}
