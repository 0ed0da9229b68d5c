//! Where things lie in memory that two sides share.

#![forbid(unsafe_code)]

/// How the port's shared memory is laid out: byte offsets and lengths of its areas.
pub mod port {
    /// Descriptors in one batch.
    pub const DESCRIPTORS_MAX: usize = 256;
    /// Completions in one batch.
    pub const COMPLETIONS_MAX: usize = 256;
    /// Where descriptors lie.
    pub const DESCRIPTORS_OFFSET: usize = 0;
    /// Where completions lie.
    pub const COMPLETIONS_OFFSET: usize =
        DESCRIPTORS_OFFSET + DESCRIPTORS_MAX * size_of::<crate::abi::OpDescriptor>();
    /// Where paths and segments lie.
    pub const ARENA_OFFSET: usize =
        COMPLETIONS_OFFSET + COMPLETIONS_MAX * size_of::<crate::abi::CompletionRecord>();
    /// Bytes for paths and segments.
    pub const ARENA_BYTES: usize = 40 * 1024;
    /// Where results that are no number lie: `struct statx`.
    pub const OUT_OFFSET: usize = ARENA_OFFSET + ARENA_BYTES;
    /// Bytes for such results: one `struct statx` for each completion of a batch.
    pub const OUT_BYTES: usize = COMPLETIONS_MAX * super::statx::BYTES;
    /// Where the contents of small files lie, one behind the other, until the next turn.
    pub const CONTENT_OFFSET: usize = OUT_OFFSET + OUT_BYTES;
    /// Bytes for contents: what one turn copies on the calling thread, in about 50 us.
    pub const CONTENT_BYTES: usize = BYTES - CONTENT_OFFSET;
    /// All of it: whole pages of a `WebAssembly.Memory`.
    pub const BYTES: usize = 6 * 65536;
}

/// Offsets in the kernel's `struct statx`.
pub mod statx {
    /// Its size.
    pub const BYTES: usize = 256;
    macro_rules! offsets {
        ($($name:ident, $field:ident;)*) => {
            $(#[doc = concat!("`", stringify!($field), "`.")]
            pub const $name: usize = std::mem::offset_of!(libc::statx, $field);)*
        };
    }
    offsets! {
        MASK, stx_mask; BLKSIZE, stx_blksize; NLINK, stx_nlink; UID, stx_uid; GID, stx_gid;
        MODE, stx_mode; INO, stx_ino; SIZE, stx_size; BLOCKS, stx_blocks; ATIME, stx_atime;
        BTIME, stx_btime; CTIME, stx_ctime; MTIME, stx_mtime; RDEV_MAJOR, stx_rdev_major;
        RDEV_MINOR, stx_rdev_minor; DEV_MAJOR, stx_dev_major; DEV_MINOR, stx_dev_minor;
        MNT_ID, stx_mnt_id;
    }
}
