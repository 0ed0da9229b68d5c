//! Directories and what is in them.

#![forbid(unsafe_code)]

use super::call::Call;
use super::metadata::{FileType, Metadata};
use super::name::{remove_file, symlink_metadata};
use std::ffi::{OsStr, OsString};
use std::io;
use std::iter::FusedIterator;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wakering_core::abi::{DIRENT_HEAD_BYTES, Opcode};
use wakering_core::descriptor::Descriptor;

/// What is in a directory, but for itself and the one above, in the kernel's order: all of it, as it was
/// found at once.
///
/// Safe to cancel.
///
/// # Errors
///
/// ENOENT, ENOTDIR, EACCES and so on.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// wakering::Runtime::builder().build_local()?.block_on(async {
///     for entry in wakering::fs::read_dir("/").await? {
///         println!("{:?}: {:?}", entry.file_name(), entry.file_type());
///     }
///     Ok(())
/// })
/// # }
/// ```
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref();
    let packed = Call::path(Opcode::Readdir, path).giving_bytes().run().await?;
    Ok(ReadDir { directory: path.into(), packed: Packed { bytes: packed, next: 0 } })
}

/// The entries of a directory. See [`read_dir`].
#[derive(Debug)]
pub struct ReadDir {
    directory: Arc<Path>,
    packed: Packed,
}

impl Iterator for ReadDir {
    type Item = DirEntry;

    fn next(&mut self) -> Option<DirEntry> {
        let (kind, name) = self.packed.next()?;
        Some(DirEntry { directory: self.directory.clone(), kind, name: name.to_owned() })
    }
}

impl FusedIterator for ReadDir {}

/// The answer of a Readdir, entry behind entry.
#[derive(Debug)]
struct Packed {
    bytes: Vec<u8>,
    next: usize,
}

impl Packed {
    fn next(&mut self) -> Option<(FileType, &OsStr)> {
        let rest = self.bytes.get(self.next..)?;
        let (head, rest) = rest.split_first_chunk::<DIRENT_HEAD_BYTES>()?;
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        self.next += DIRENT_HEAD_BYTES + length;
        Some((FileType::of_entry(head[0]), OsStr::from_bytes(rest.get(..length)?)))
    }
}

/// One name in a directory.
#[derive(Clone, Debug)]
pub struct DirEntry {
    directory: Arc<Path>,
    kind: FileType,
    name: OsString,
}

impl DirEntry {
    /// The name.
    pub fn file_name(&self) -> &OsStr {
        &self.name
    }

    /// The directory's path, with the name.
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// What kind of file it was when the directory was read. Of a symbolic link: that it is one.
    pub const fn file_type(&self) -> FileType {
        self.kind
    }

    /// What is known of it now. Of a symbolic link, of the link itself.
    ///
    /// # Errors
    ///
    /// ENOENT where it has gone, and so on.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        symlink_metadata(self.path()).await
    }
}

/// Removes a directory with all that is in it. Symbolic links are removed, never followed: not even one
/// that somebody puts in the place of a directory meanwhile.
///
/// One descriptor is open for each level. Cancelled, it may have removed some of it.
///
/// # Errors
///
/// ENOENT, ENOTDIR, EACCES and so on. What was removed before is gone. ENOTEMPTY where somebody puts new
/// names there.
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    if symlink_metadata(path).await?.is_symlink() {
        return remove_file(path).await;
    }
    let mut levels = vec![Level::open(None, path.as_os_str().to_owned()).await?];
    while let Some(level) = levels.last_mut() {
        let Some((kind, name)) = level.entries.next() else {
            let emptied = levels.pop().map(|level| level.name).unwrap_or_default();
            let above = levels.last().map(|level| &level.directory);
            unless_gone(remove_at(above, &emptied, libc::AT_REMOVEDIR).await)?;
            continue;
        };
        let (name, directory) = (name.to_owned(), &level.directory);
        if !kind.is_dir() {
            unless_gone(remove_at(Some(directory), &name, 0).await)?;
            continue;
        }
        match Level::open(Some(directory), name.clone()).await {
            Ok(below) => levels.push(below),
            // It is another file by now.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                unless_gone(remove_at(Some(directory), &name, 0).await)?;
            }
            Err(error) => unless_gone(Err(error))?,
        }
    }
    Ok(())
}

/// A directory that is being emptied.
struct Level {
    directory: Arc<Descriptor>,
    /// In the one above.
    name: OsString,
    entries: Packed,
}

impl Level {
    async fn open(above: Option<&Arc<Descriptor>>, name: OsString) -> io::Result<Self> {
        const FLAGS: i32 = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let call = Call::path(Opcode::OpenAt, Path::new(&name)).relative_to(above);
        let opened = call.op_flags(FLAGS).giving_fd().run().await?;
        let directory = Arc::new(Descriptor::new(opened));
        let listed = Call::path(Opcode::Readdir, Path::new(".")).relative_to(Some(&directory));
        let bytes = listed.giving_bytes().run().await?;
        Ok(Self { directory, name, entries: Packed { bytes, next: 0 } })
    }
}

async fn remove_at(above: Option<&Arc<Descriptor>>, name: &OsStr, flags: i32) -> io::Result<()> {
    let call = Call::path(Opcode::Unlinkat, Path::new(name)).relative_to(above);
    call.op_flags(flags).run().await
}

/// Whoever removes the same is welcome.
fn unless_gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
