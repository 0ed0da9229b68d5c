//! Open files.

use super::super::case::{Case, Made, NOBODYS, Stage};
use super::super::lane::{Op, close_now};
use super::{NEVER_WAITS, had, row};
use crate::matrix::Row;
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use wakering_core::abi::{Opcode, statx};

pub(super) const ROWS: &[Row] = &[
    row("Read, file", Opcode::Read, read, read_of_nobodys, NEVER_WAITS),
    row("Write, file", Opcode::Write, write, write_to_nobodys, NEVER_WAITS),
    row("Readv, file", Opcode::Readv, readv, readv_of_a_folder, NEVER_WAITS),
    row("Writev, file", Opcode::Writev, writev, writev_where_nobody_may, NEVER_WAITS),
    row("Close", Opcode::Close, close, close_of_nobodys, NEVER_WAITS),
    row("Fsync", Opcode::Fsync, fsync, fsync_of_a_pipe, NEVER_WAITS),
    row("Fdatasync", Opcode::Fdatasync, fdatasync, fdatasync_of_a_pipe, NEVER_WAITS),
    row("Ftruncate", Opcode::Ftruncate, truncate, truncate_to_less_than_nothing, NEVER_WAITS),
    row("Fallocate", Opcode::Fallocate, allocate, allocate_nothing, NEVER_WAITS),
    row("Statx, open file", Opcode::Statx, stat, stat_of_nobodys, NEVER_WAITS),
    row("SyncFileRange", Opcode::SyncFileRange, sync_range, sync_range_of_a_pipe, NEVER_WAITS),
    row("Fadvise", Opcode::Fadvise, advise, advise_of_a_pipe, NEVER_WAITS),
    row("Getxattr", Opcode::Getxattr, get_attribute, get_what_is_not_there, NEVER_WAITS),
    row("Setxattr", Opcode::Setxattr, set_attribute, set_what_is_there, NEVER_WAITS),
];

fn read(stage: &Stage) -> Made {
    let (_, file) = stage.open(b"twelve bytes");
    let op = Op::on(Opcode::Read, file.as_raw_fd()).offset(7);
    let case = Case::reading(op, 64).gives(5);
    Ok(case.keep(file).then(|seen| assert_eq!(&seen.room[..5], b"bytes")))
}

fn read_of_nobodys(_: &Stage) -> Made {
    Ok(Case::reading(Op::on(Opcode::Read, NOBODYS), 8).fails(libc::EBADF))
}

fn write(stage: &Stage) -> Made {
    let (path, file) = stage.open(b"twelve bytes");
    let case = Case::writing(Op::on(Opcode::Write, file.as_raw_fd()).offset(7), b"bites!");
    Ok(case.keep(file).then(move |_| assert_eq!(fs::read(path).unwrap(), b"twelve bites!")))
}

fn write_to_nobodys(_: &Stage) -> Made {
    Ok(Case::writing(Op::on(Opcode::Write, NOBODYS), b"x").fails(libc::EBADF))
}

fn readv(stage: &Stage) -> Made {
    let (_, file) = stage.open(b"0123456789");
    let op = Op::on(Opcode::Readv, file.as_raw_fd()).offset(1);
    let case = Case::segments(op, &[0; 9], 2);
    Ok(case.keep(file).then(|seen| assert_eq!(seen.room, b"123456789")))
}

fn readv_of_a_folder(stage: &Stage) -> Made {
    let folder = had(fs::File::open(&stage.folder), "the folder")?;
    let op = Op::on(Opcode::Readv, folder.as_raw_fd());
    Ok(Case::segments(op, &[0; 9], 2).fails(libc::EISDIR).keep(folder))
}

fn writev(stage: &Stage) -> Made {
    let (path, file) = stage.open(b"--");
    let op = Op::on(Opcode::Writev, file.as_raw_fd()).offset(2);
    let case = Case::segments(op, b"several parts", 4);
    Ok(case.keep(file).then(move |_| assert_eq!(fs::read(path).unwrap(), b"--several parts")))
}

fn writev_where_nobody_may(stage: &Stage) -> Made {
    let file = had(fs::File::open(stage.file(b"")), "a file to read")?;
    let op = Op::on(Opcode::Writev, file.as_raw_fd());
    Ok(Case::segments(op, b"several parts", 4).fails(libc::EBADF).keep(file))
}

/// A file that an op is to close. Where that was cancelled, it goes with the case.
struct Closing {
    path: PathBuf,
    fd: RawFd,
}

impl Closing {
    /// Not only its number, which may be another file's by then.
    fn is_open(&self) -> bool {
        fs::read_link(format!("/proc/self/fd/{}", self.fd)).is_ok_and(|at| at == self.path)
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if self.is_open() {
            close_now(self.fd);
        }
    }
}

fn close(stage: &Stage) -> Made {
    let (path, file) = stage.open(b"");
    let closing = Closing { path, fd: file.into_raw_fd() };
    assert!(closing.is_open());
    let case = Case::new(Op::on(Opcode::Close, closing.fd));
    Ok(case.then(move |_| assert!(!closing.is_open())))
}

fn close_of_nobodys(_: &Stage) -> Made {
    Ok(Case::new(Op::on(Opcode::Close, NOBODYS)).fails(libc::EBADF))
}

fn sync(stage: &Stage, opcode: Opcode) -> Made {
    let (_, file) = stage.open(b"dirty");
    Ok(Case::new(Op::on(opcode, file.as_raw_fd())).keep(file))
}

/// What needs a file with pages, of a pipe.
fn of_a_pipe(op: Op<'_>, errno: i32) -> Made {
    let (out, into) = had(std::io::pipe(), "a pipe")?;
    Ok(Case::new(op.at(out.as_raw_fd())).fails(errno).keep(out).keep(into))
}

fn fsync(stage: &Stage) -> Made {
    sync(stage, Opcode::Fsync)
}

fn fsync_of_a_pipe(_: &Stage) -> Made {
    of_a_pipe(Op::new(Opcode::Fsync), libc::EINVAL)
}

fn fdatasync(stage: &Stage) -> Made {
    sync(stage, Opcode::Fdatasync)
}

fn fdatasync_of_a_pipe(_: &Stage) -> Made {
    of_a_pipe(Op::new(Opcode::Fdatasync), libc::EINVAL)
}

fn truncate(stage: &Stage) -> Made {
    let (path, file) = stage.open(b"twelve bytes");
    let case = Case::new(Op::on(Opcode::Ftruncate, file.as_raw_fd()).offset(6)).keep(file);
    Ok(case.then(move |_| assert_eq!(fs::read(path).unwrap(), b"twelve")))
}

fn truncate_to_less_than_nothing(stage: &Stage) -> Made {
    let (_, file) = stage.open(b"");
    let op = Op::on(Opcode::Ftruncate, file.as_raw_fd()).offset(u64::MAX);
    Ok(Case::new(op).fails(libc::EINVAL).keep(file))
}

fn allocate(stage: &Stage) -> Made {
    let (path, file) = stage.open(b"");
    let op = Op::on(Opcode::Fallocate, file.as_raw_fd()).offset(100).extra([900, 0]);
    let case = Case::new(op).keep(file);
    Ok(case.then(move |_| assert_eq!(fs::metadata(path).unwrap().len(), 1000)))
}

fn allocate_nothing(stage: &Stage) -> Made {
    let (_, file) = stage.open(b"");
    Ok(Case::new(Op::on(Opcode::Fallocate, file.as_raw_fd())).fails(libc::EINVAL).keep(file))
}

fn stat(stage: &Stage) -> Made {
    let (_, file) = stage.open(b"twelve bytes");
    let op = Op::on(Opcode::Statx, file.as_raw_fd()).extra([libc::STATX_BASIC_STATS, 0]);
    Ok(Case::new(op).keep(file).then(|seen| {
        let size = &seen.answer.back[statx::SIZE..statx::SIZE + 8];
        assert_eq!(size, 12u64.to_ne_bytes());
    }))
}

fn stat_of_nobodys(_: &Stage) -> Made {
    Ok(Case::new(Op::on(Opcode::Statx, NOBODYS)).fails(libc::EBADF))
}

fn sync_range(stage: &Stage) -> Made {
    let (_, file) = stage.open(b"dirty");
    let op = Op::on(Opcode::SyncFileRange, file.as_raw_fd()).length(5);
    Ok(Case::new(op.flags(libc::SYNC_FILE_RANGE_WRITE as i32)).keep(file))
}

fn sync_range_of_a_pipe(_: &Stage) -> Made {
    let op = Op::new(Opcode::SyncFileRange).flags(libc::SYNC_FILE_RANGE_WRITE as i32);
    of_a_pipe(op.length(5), libc::ESPIPE)
}

fn advise(stage: &Stage) -> Made {
    let (_, file) = stage.open(b"will be read");
    let op = Op::on(Opcode::Fadvise, file.as_raw_fd()).length(12);
    Ok(Case::new(op.flags(libc::POSIX_FADV_WILLNEED)).keep(file))
}

fn advise_of_a_pipe(_: &Stage) -> Made {
    of_a_pipe(Op::new(Opcode::Fadvise).flags(libc::POSIX_FADV_WILLNEED), libc::ESPIPE)
}

const ATTRIBUTE: &str = "user.wakering";

/// A file with the attribute, where the file system has them.
fn attributed(stage: &Stage) -> Result<PathBuf, String> {
    let path = stage.file(b"");
    let (name, value) = (CString::new(ATTRIBUTE).expect("no NUL"), b"value");
    let at = c_path(&path);
    // SAFETY: names are terminated, and the value is five bytes.
    let result = unsafe {
        libc::setxattr(at.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0)
    };
    let done = if result == 0 { Ok(path) } else { Err(std::io::Error::last_os_error()) };
    had(done, "an extended attribute in the folder for temporary files")
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("no NUL")
}

fn get_attribute(stage: &Stage) -> Made {
    let path = attributed(stage)?;
    let op = Op::new(Opcode::Getxattr).path(&path).second(ATTRIBUTE);
    Ok(Case::reading(op, 64).gives(5).then(|seen| assert_eq!(&seen.room[..5], b"value")))
}

fn get_what_is_not_there(stage: &Stage) -> Made {
    let path = attributed(stage)?;
    let op = Op::new(Opcode::Getxattr).path(&path).second("user.other");
    Ok(Case::reading(op, 64).fails(libc::ENODATA))
}

/// On an open file: without a path.
fn set_attribute(stage: &Stage) -> Made {
    let path = attributed(stage)?;
    let file = had(fs::File::open(&path), "the file")?;
    let op = Op::on(Opcode::Setxattr, file.as_raw_fd()).second(ATTRIBUTE);
    Ok(Case::writing(op, b"another").gives(0).keep(file).then(move |_| {
        let (at, name) = (c_path(&path), CString::new(ATTRIBUTE).expect("no NUL"));
        let mut value = [0u8; 64];
        let room = value.as_mut_ptr().cast();
        // SAFETY: names are terminated, and there is room for 64 bytes.
        let length = unsafe { libc::getxattr(at.as_ptr(), name.as_ptr(), room, 64) };
        assert_eq!(&value[..length as usize], b"another");
    }))
}

fn set_what_is_there(stage: &Stage) -> Made {
    let path = attributed(stage)?;
    let op = Op::new(Opcode::Setxattr).path(&path).second(ATTRIBUTE).flags(libc::XATTR_CREATE);
    Ok(Case::writing(op, b"another").fails(libc::EEXIST))
}
