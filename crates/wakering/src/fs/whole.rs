//! Whole files, and bytes from file to file.

#![forbid(unsafe_code)]

use super::call::Call;
use super::file::File;
use super::name::metadata;
use crate::buf::{Buf, BufResult};
use std::io;
use std::path::Path;
use wakering_core::abi::{Opcode, copyfile_flag};

/// Room for the next read of a file that did not say how long it is.
const MORE: usize = 8 << 10;

/// All that is in a file.
///
/// Safe to cancel.
///
/// # Errors
///
/// ENOENT, EACCES, EISDIR, EIO and so on; ENOMEM where there is no room for it.
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let file = File::open(path).await?;
    // Files that are made up while they are read say zero.
    let length = file.metadata().await?.len();
    let mut bytes = Vec::new();
    // One more, so that the end is found without another round.
    make_room(&mut bytes, usize::try_from(length).unwrap_or(usize::MAX).saturating_add(1))?;
    loop {
        let read;
        (read, bytes) = file.append(bytes).await;
        if read? == 0 {
            return Ok(bytes);
        }
        if bytes.len() == bytes.capacity() {
            let more = MORE.max(bytes.len());
            make_room(&mut bytes, more)?;
        }
    }
}

fn make_room(bytes: &mut Vec<u8>, more: usize) -> io::Result<()> {
    bytes.try_reserve_exact(more).map_err(|_| io::Error::from_raw_os_error(libc::ENOMEM))
}

/// All that is in a file, as text.
///
/// Safe to cancel.
///
/// # Errors
///
/// As [`read`]; InvalidData where it is no UTF-8.
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let bytes = read(path).await?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Makes a file of what is in the buffer, in place of what was in it.
///
/// Cancelled, the file may have any part of it.
///
/// # Errors
///
/// EACCES, ENOSPC, EISDIR and so on; then it may have some of it.
pub async fn write<B: Buf>(path: impl AsRef<Path>, contents: B) -> BufResult<(), B> {
    let file = match File::create(path).await {
        Ok(file) => file,
        Err(error) => return (Err(error), contents),
    };
    let (written, contents) = file.write_all(contents).await;
    match written {
        Ok(()) => (file.close().await, contents),
        Err(error) => (Err(error), contents),
    }
}

/// Copies a file's content and permissions; how many bytes. Where the file system can, both share their
/// blocks. A copy of a file onto itself does nothing.
///
/// Cancelled, or where it fails, what was begun is removed.
///
/// # Errors
///
/// ENOENT, EISDIR, ENOSPC, EACCES and so on.
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let (from, to) = (from.as_ref(), to.as_ref());
    let call = Call::path(Opcode::CopyFile, from).to(to);
    call.op_flags(copyfile_flag::FICLONE as i32).run().await?;
    Ok(metadata(to).await?.len())
}
