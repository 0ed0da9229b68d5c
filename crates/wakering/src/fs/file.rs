//! An open file.

mod attributes;
mod closing;
mod transfer;
mod vectored;

pub(super) use transfer::checked;

use super::call::Call;
use super::metadata::{self, Metadata};
use super::{Memory, OpenOptions, cached};
use crate::buf::{BufResult, FileBuf};
use crate::lane::{Beginning, kind_of};
use crate::op;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use wakering_core::abi::Opcode;
use wakering_core::descriptor::Descriptor;
use wakering_core::handle::FileKind;
use wakering_core::sync::Mutex;
use wakering_poll_loop::streams::file_kind;
use wakering_poll_loop::writes::wake_a_thread;

/// What was found out of a file: bits of [`File::found`].
const HAS_PLACES: u8 = 1;
const NEVER_CACHED: u8 = 2;
const WRITES_BY_LOOP: u8 = 4;
const WRITES_BY_THREAD: u8 = 8;

/// How a file will be used. See [`File::advise`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Advice {
    /// Nothing special: what was advised before is taken back.
    Normal = libc::POSIX_FADV_NORMAL,
    /// In no order: reading ahead does not pay.
    Random = libc::POSIX_FADV_RANDOM,
    /// From its start to its end: reading ahead pays.
    Sequential = libc::POSIX_FADV_SEQUENTIAL,
    /// Soon.
    WillNeed = libc::POSIX_FADV_WILLNEED,
    /// Not soon.
    DontNeed = libc::POSIX_FADV_DONTNEED,
    /// Once.
    NoReuse = libc::POSIX_FADV_NOREUSE,
}

/// An open file, used by shared reference: as many reads and writes at a time as one likes.
///
/// Reads and writes [at a place](Self::read_at) do not touch the file's own position, and any number of
/// them run beside one another. Those at the [file's own position](Self::read) go one after the other.
///
/// A buffer goes along with its op and comes back with the answer: see [`crate::buf`].
///
/// Errors are the kernel's, with its number in [`raw_os_error`](io::Error::raw_os_error), but for what the
/// runtime itself has to say: that there is none, or that it has ended.
///
/// Dropped, it is closed when the last op on it is over. [`close`](Self::close) waits for that, and says
/// how it went.
///
/// ```
/// use wakering::Runtime;
/// use wakering::fs::File;
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("wakering-doc-{}", std::process::id()));
/// Runtime::builder().build_local()?.block_on(async {
///     let file = File::options().read(true).write(true).create(true).open(&path).await?;
///     let (written, mut buffer) = file.write_all_at(b"hello".to_vec(), 0).await;
///     written?;
///     let read;
///     (read, buffer) = file.read_at(buffer, 1).await;
///     assert_eq!(read?, 4);
///     assert_eq!(buffer, b"ello");
///     file.close().await
/// })?;
/// # std::fs::remove_file(&path)
/// # }
/// ```
#[derive(Debug)]
pub struct File {
    file: Arc<Descriptor>,
    /// What was found out of it, in bits. Each is set once.
    found: AtomicU8,
    own_position: Mutex<()>,
}

impl File {
    /// Opens a file to be read.
    ///
    /// Safe to cancel: what was opened nevertheless is closed.
    ///
    /// # Errors
    ///
    /// ENOENT, EACCES, EMFILE and so on.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::options().read(true).open(path).await
    }

    /// Opens a file to be written, without what was in it; makes it where there is none.
    ///
    /// Cancelled, it may have done so; it is closed.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]; ENOSPC, EROFS and so on.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::options().write(true).create(true).truncate(true).open(path).await
    }

    /// For what is to be chosen.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    pub(super) fn new(file: OwnedFd) -> Self {
        Self {
            file: Arc::new(Descriptor::new(file)),
            found: AtomicU8::new(0),
            own_position: Mutex::new(()),
        }
    }

    pub(super) const fn descriptor(&self) -> &Arc<Descriptor> {
        &self.file
    }

    /// Relaxed, as its counterpart below: a bit says all.
    fn has_found(&self, bit: u8) -> bool {
        self.found.load(Ordering::Relaxed) & bit != 0
    }

    fn note(&self, bit: u8) {
        self.found.fetch_or(bit, Ordering::Relaxed);
    }

    fn never_cached(&self) {
        self.note(NEVER_CACHED);
    }

    fn may_be_cached(&self, opcode: Opcode) -> bool {
        !self.has_found(NEVER_CACHED)
            && op::current().is_ok_and(|ops| cached::is_worth(opcode, &ops))
    }

    /// Whether a small write is for a thread of the pool: a ring would wake one of the kernel's for it.
    /// `None` where a thread is to find out, on the way.
    fn writes_by_thread(&self) -> Option<bool> {
        if self.has_found(WRITES_BY_LOOP | WRITES_BY_THREAD) {
            return Some(self.has_found(WRITES_BY_THREAD));
        }
        let by_thread = wake_a_thread(self.file.as_raw_fd(), cached::mounts())?;
        self.note(if by_thread { WRITES_BY_THREAD } else { WRITES_BY_LOOP });
        Some(by_thread)
    }

    /// Whether it has places, and this may be one. A pipe has none: a ring would take its next bytes.
    fn has_place(&self, offset: u64) -> io::Result<()> {
        transfer::checked(offset)?;
        if self.has_found(HAS_PLACES) {
            return Ok(());
        }
        let stream = file_kind(self.file.as_raw_fd()) == FileKind::Stream;
        // A device may have places; and a stream lets itself be asked at any time.
        if stream && kind_of(self.file.as_raw_fd()) == FileKind::Stream {
            return Err(io::Error::from_raw_os_error(libc::ESPIPE));
        }
        self.note(HAS_PLACES);
        Ok(())
    }

    /// Reads into the buffer what lies at a place, from the buffer's start and up to its capacity. How many
    /// bytes: fewer at the file's end, none behind it.
    ///
    /// Safe to cancel: only the buffer is gone.
    ///
    /// # Errors
    ///
    /// EBADF where it is open for writing only, EISDIR, EIO, ESPIPE for a pipe, EINVAL for what is no
    /// place, or of O_DIRECT what is not aligned.
    pub async fn read_at<B: FileBuf>(&self, buffer: B, offset: u64) -> BufResult<usize, B> {
        let memory = emptied(buffer);
        let (read, memory) = self.read_into(memory, Some(offset)).await;
        (read, B::from_memory(memory))
    }

    /// Reads until the buffer's capacity is full.
    ///
    /// Safe to cancel: only the buffer is gone.
    ///
    /// # Errors
    ///
    /// As [`Self::read_at`]; UnexpectedEof where the file ends before: what was there is in the buffer.
    pub async fn read_exact_at<B: FileBuf>(&self, buffer: B, offset: u64) -> BufResult<(), B> {
        let mut memory = emptied(buffer);
        while memory.length() < memory.room() {
            let place = offset.saturating_add(memory.length() as u64);
            let read;
            (read, memory) = self.read_into(memory, Some(place)).await;
            match read {
                Ok(0) => return (Err(ended_early(&memory)), B::from_memory(memory)),
                Ok(_) => {}
                Err(error) => return (Err(error), B::from_memory(memory)),
            }
        }
        (Ok(()), B::from_memory(memory))
    }

    /// Writes what is in the buffer to a place. How many bytes: a disk that is full takes fewer.
    ///
    /// Cancelled, it may have written some or all of them.
    ///
    /// # Errors
    ///
    /// EBADF where it is open for reading only, ENOSPC, EIO, ESPIPE and so on.
    pub async fn write_at<B: FileBuf>(&self, buffer: B, offset: u64) -> BufResult<usize, B> {
        let (written, memory) = self.write_out(buffer.into_memory(), 0, Some(offset)).await;
        (written, B::from_memory(memory))
    }

    /// Writes all of the buffer.
    ///
    /// Cancelled, it may have written some of it.
    ///
    /// # Errors
    ///
    /// As [`Self::write_at`]; then some of it may have been written.
    pub async fn write_all_at<B: FileBuf>(&self, buffer: B, offset: u64) -> BufResult<(), B> {
        let mut memory = buffer.into_memory();
        let mut done = 0;
        while done < memory.length() {
            let written;
            let place = offset.saturating_add(done as u64);
            (written, memory) = self.write_out(memory, done, Some(place)).await;
            match written {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), B::from_memory(memory)),
                Ok(count) => done += count,
                Err(error) => return (Err(error), B::from_memory(memory)),
            }
        }
        (Ok(()), B::from_memory(memory))
    }

    /// Reads what lies at the file's own position, and moves that: of a pipe, a terminal, an eventfd, what
    /// is there, once there is something. One after the other, in the order of asking.
    ///
    /// Cancelled, it may have read: the position has then moved, and what a pipe held is gone.
    ///
    /// # Errors
    ///
    /// As [`Self::read_at`].
    pub async fn read<B: FileBuf>(&self, buffer: B) -> BufResult<usize, B> {
        let memory = emptied(buffer);
        let (read, memory) = self.append(memory).await;
        (read, B::from_memory(memory))
    }

    /// As [`Self::read`], behind what is in the memory.
    pub(super) async fn append<M: Memory>(&self, memory: M) -> BufResult<usize, M> {
        let _turn = self.own_position.lock().await;
        self.read_into(memory, None).await
    }

    /// Writes at the file's own position, and moves that; with `append`, at the file's end. One after the
    /// other, in the order of asking.
    ///
    /// Cancelled, it may have written some or all of it.
    ///
    /// # Errors
    ///
    /// As [`Self::write_at`]; EPIPE.
    pub async fn write<B: FileBuf>(&self, buffer: B) -> BufResult<usize, B> {
        let _turn = self.own_position.lock().await;
        let (written, memory) = self.write_on(buffer.into_memory(), 0).await;
        (written, B::from_memory(memory))
    }

    /// Writes all of the buffer, as [`Self::write`].
    ///
    /// Cancelled, it may have written some of it.
    ///
    /// # Errors
    ///
    /// As [`Self::write`]; then some of it may have been written.
    pub async fn write_all<B: FileBuf>(&self, buffer: B) -> BufResult<(), B> {
        let _turn = self.own_position.lock().await;
        let mut memory = buffer.into_memory();
        let mut done = 0;
        while done < memory.length() {
            let written;
            (written, memory) = self.write_on(memory, done).await;
            match written {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), B::from_memory(memory)),
                Ok(count) => done += count,
                Err(error) => return (Err(error), B::from_memory(memory)),
            }
        }
        (Ok(()), B::from_memory(memory))
    }

    /// Writes at the file's own position what lies in the memory from `start` on.
    async fn write_on<M: Memory>(&self, memory: M, start: usize) -> BufResult<usize, M> {
        let beginning = Beginning::of(self.file.as_raw_fd());
        let (written, memory) = self.write_out(memory, start, None).await;
        if let (Some(beginning), Ok(count @ 1..)) = (beginning, &written)
            && *count < memory.length() - start
        {
            beginning.mend(*count as i32);
        }
        (written, memory)
    }

    /// Waits until the disk has what was written, and all that is known of the file.
    ///
    /// # Errors
    ///
    /// EIO and so on: something that was written before is lost.
    pub async fn sync_all(&self) -> io::Result<()> {
        Call::file(Opcode::Fsync, &self.file).run().await
    }

    /// Waits until the disk has what was written, and what is needed to read it.
    ///
    /// # Errors
    ///
    /// As [`Self::sync_all`].
    pub async fn sync_data(&self) -> io::Result<()> {
        Call::file(Opcode::Fdatasync, &self.file).run().await
    }

    /// Has the disk write a part of the file, and waits for it. Nothing is said of metadata, nor of the
    /// disk's own memory. No length is: to the end.
    ///
    /// # Errors
    ///
    /// EIO, ESPIPE and so on.
    pub async fn sync_range(&self, offset: u64, length: u64) -> io::Result<()> {
        const WHOLLY: u32 = libc::SYNC_FILE_RANGE_WAIT_BEFORE
            | libc::SYNC_FILE_RANGE_WRITE
            | libc::SYNC_FILE_RANGE_WAIT_AFTER;
        self.in_parts(Opcode::SyncFileRange, WHOLLY as i32, offset, length).await
    }

    /// Makes it so long: what is behind is gone, what is new is zero.
    ///
    /// # Errors
    ///
    /// EINVAL where it is not open for writing, EFBIG and so on.
    pub async fn set_len(&self, length: u64) -> io::Result<()> {
        Call::file(Opcode::Ftruncate, &self.file).range(length, 0).run().await
    }

    /// Sees to it that writes there will find room on the disk; the file is as long as that, at least.
    ///
    /// # Errors
    ///
    /// ENOSPC; EOPNOTSUPP where the file system cannot, and so on.
    pub async fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        self.allocate_with(0, offset, length).await
    }

    /// fallocate(2) with its flags: `FALLOC_FL_PUNCH_HOLE` and the like.
    ///
    /// # Errors
    ///
    /// As [`Self::allocate`].
    pub async fn allocate_with(&self, flags: i32, offset: u64, length: u64) -> io::Result<()> {
        let call = Call::file(Opcode::Fallocate, &self.file).op_flags(flags);
        let call = call.range(offset, 0).extra(length as u32, (length >> 32) as u32);
        call.run().await
    }

    /// Says how a part of the file will be used. No length is: to the end.
    ///
    /// # Errors
    ///
    /// ESPIPE for a pipe.
    pub async fn advise(&self, advice: Advice, offset: u64, length: u64) -> io::Result<()> {
        self.in_parts(Opcode::Fadvise, advice as i32, offset, length).await
    }

    /// An op takes 32 bits of length: more is several of them.
    async fn in_parts(
        &self,
        opcode: Opcode,
        flags: i32,
        mut offset: u64,
        length: u64,
    ) -> io::Result<()> {
        const PART: u64 = 1 << 31;
        let mut left = length;
        loop {
            let part = left.min(PART);
            let call = Call::file(opcode, &self.file).op_flags(flags);
            call.range(offset, part as u32).run().await?;
            left -= part;
            offset += part;
            if left == 0 {
                return Ok(());
            }
        }
    }

    /// What is known of the file.
    ///
    /// # Errors
    ///
    /// The kernel's, rarely.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        metadata::of(Call::file(Opcode::Statx, &self.file)).await
    }

    /// Gives the file another name, or its first one where it was opened with `O_TMPFILE`.
    ///
    /// Cancelled, it may have done so.
    ///
    /// # Errors
    ///
    /// EEXIST where the name is taken, EXDEV on another file system, ENOENT where all its names are gone.
    pub async fn link(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let name = format!("/proc/self/fd/{}", self.as_raw_fd());
        let call = Call::path(Opcode::Linkat, Path::new(&name)).to(path.as_ref());
        call.op_flags(libc::AT_SYMLINK_FOLLOW).run().await
    }
}

/// A buffer's memory, with nothing in it.
fn emptied<B: FileBuf>(buffer: B) -> B::Memory {
    let mut memory = buffer.into_memory();
    memory.empty();
    memory
}

fn ended_early(memory: &impl Memory) -> io::Error {
    let why = format!("the file ended after {} of {} bytes", memory.length(), memory.room());
    io::Error::new(io::ErrorKind::UnexpectedEof, why)
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> Self {
        Self::new(file.into())
    }
}

/// Of a pipe's end, too, or whatever else can be read or written.
impl From<OwnedFd> for File {
    fn from(file: OwnedFd) -> Self {
        Self::new(file)
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}
