//! Files, in the shape of [`std::fs`].
//!
//! ```text
//! File, read, rename … ─► Call, Transfer: what is asked for ─┬─► cached: memory answers, at once
//!                                                            └─► an op of a loop: the ring, or a thread
//! ```
//!
//! Buffers go along with their ops: see [`crate::buf`]. Errors are [`std::io::Error`]s with the kernel's number
//! in them. Paths are relative to the working directory of the process.
//!
//! A future that is dropped asks its op to end. Reads and opens leave nothing behind; what changes the
//! file system may have changed it.

mod cached;
mod call;
mod directory;
mod file;
mod memory;
mod metadata;
mod name;
mod open;
mod splice;
mod whole;

pub(crate) use cached::mounts;
pub use directory::{DirEntry, ReadDir, read_dir, remove_dir_all};
pub use file::{Advice, File};
pub(crate) use memory::Memory;
pub use metadata::{FileType, Metadata};
pub use name::{
    canonicalize, create_dir, create_dir_all, exists, hard_link, metadata, read_link, remove_dir,
    remove_file, rename, symlink, symlink_metadata,
};
pub use open::OpenOptions;
pub use splice::splice;
pub use whole::{copy, read, read_to_string, write};
