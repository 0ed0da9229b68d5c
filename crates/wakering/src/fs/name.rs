//! What is done to names, and asked of them.

#![forbid(unsafe_code)]

use super::call::Call;
use super::metadata::{self, Metadata};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use wakering_core::abi::Opcode;

/// What is known of the file of this name; of a symbolic link, of what it points to.
///
/// Safe to cancel.
///
/// # Errors
///
/// ENOENT, EACCES, ELOOP and so on.
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    metadata::of(Call::path(Opcode::Statx, path.as_ref())).await
}

/// As [`metadata()`]; of a symbolic link, of the link itself.
///
/// Safe to cancel.
///
/// # Errors
///
/// As [`metadata()`]'s.
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let call = Call::path(Opcode::Statx, path.as_ref());
    metadata::of(call.op_flags(libc::AT_SYMLINK_NOFOLLOW)).await
}

/// Whether there is a file of this name. A symbolic link to nothing is none.
///
/// Safe to cancel.
///
/// # Errors
///
/// What keeps the answer from being known: EACCES and so on.
pub async fn exists(path: impl AsRef<Path>) -> io::Result<bool> {
    match Call::path(Opcode::Access, path.as_ref()).op_flags(libc::F_OK).run().await {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes a name of a file; the file too, when that was the last one and nobody has it open.
///
/// Cancelled, it may have done so.
///
/// # Errors
///
/// ENOENT, EISDIR, EACCES and so on.
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    Call::path(Opcode::Unlinkat, path.as_ref()).run().await
}

/// Removes an empty directory.
///
/// Cancelled, it may have done so.
///
/// # Errors
///
/// ENOTEMPTY, ENOENT, ENOTDIR, EACCES and so on.
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    Call::path(Opcode::Unlinkat, path.as_ref()).op_flags(libc::AT_REMOVEDIR).run().await
}

/// Makes a directory.
///
/// Cancelled, it may have done so.
///
/// # Errors
///
/// EEXIST, ENOENT where the one above is missing, EACCES and so on.
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    Call::path(Opcode::Mkdirat, path.as_ref()).extra(0o777, 0).run().await
}

/// Makes a directory, and those above it that are missing. One that is there is well.
///
/// Cancelled, it may have made some of them.
///
/// # Errors
///
/// ENOTDIR, EEXIST where something else has the name, EACCES and so on.
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    // From the end up to the first that can be made, and down again.
    let mut missing = Vec::new();
    for directory in path.ancestors().filter(|path| !path.as_os_str().is_empty()) {
        match make_unless_there(directory).await {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(directory),
            Err(error) => return Err(error),
        }
    }
    for directory in missing.into_iter().rev() {
        make_unless_there(directory).await?;
    }
    Ok(())
}

async fn make_unless_there(path: &Path) -> io::Result<()> {
    match create_dir(path).await {
        Err(error) if metadata(path).await.is_ok_and(|found| found.is_dir()) => {
            drop(error);
            Ok(())
        }
        made => made,
    }
}

/// Gives a file another name, in place of what had that before.
///
/// Cancelled, it may have done so.
///
/// # Errors
///
/// ENOENT, EXDEV on another file system, ENOTEMPTY, EACCES and so on.
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    Call::path(Opcode::Renameat, from.as_ref()).to(to.as_ref()).run().await
}

/// Gives a file one more name.
///
/// Cancelled, it may have done so.
///
/// # Errors
///
/// EEXIST, ENOENT, EXDEV, EPERM for a directory, and so on.
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    Call::path(Opcode::Linkat, original.as_ref()).to(link.as_ref()).run().await
}

/// Makes a symbolic link that says `original`, whatever that is.
///
/// Cancelled, it may have done so.
///
/// # Errors
///
/// EEXIST, ENOENT, EACCES and so on.
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    Call::path(Opcode::Symlinkat, original.as_ref()).to(link.as_ref()).run().await
}

/// What a symbolic link says.
///
/// Safe to cancel.
///
/// # Errors
///
/// EINVAL where it is no link, ENOENT and so on.
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    path_of(Call::path(Opcode::Readlink, path.as_ref())).await
}

/// The path of a file from the root, without links and dots.
///
/// Safe to cancel.
///
/// # Errors
///
/// ENOENT, ELOOP, EACCES and so on.
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    path_of(Call::path(Opcode::Realpath, path.as_ref())).await
}

async fn path_of(call: Call<'_, ()>) -> io::Result<PathBuf> {
    Ok(OsString::from_vec(call.giving_bytes().run().await?).into())
}
