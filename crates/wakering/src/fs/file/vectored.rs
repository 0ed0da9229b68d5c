//! Reads and writes of several buffers at once.

use super::File;
use crate::buf::{Buf, BufResult};
use crate::fs::cached::{self, Tried};
use crate::op;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use wakering_core::Error;
use wakering_core::abi::{Opcode, SEGMENTS_MAX};
use wakering_core::block::BlockPool;
use wakering_core::descriptor::Descriptor;
use wakering_core::policy::CACHED_READ_BYTES_MAX;
use wakering_core::resource::{Prepared, Resource};
use wakering_core::scheduler::Request;
use wakering_core::slot::Outcome;

/// One op on some of the buffers. A read takes them as empty, and as long as their capacity.
#[derive(Debug)]
struct Vectored<'a> {
    file: &'a Arc<Descriptor>,
    opcode: Opcode,
    buffers: Vec<Vec<u8>>,
    range: Range<usize>,
    offset: u64,
}

impl Vectored<'_> {
    fn room(&self, buffer: &Vec<u8>) -> usize {
        match self.opcode {
            Opcode::Readv => buffer.capacity(),
            _ => buffer.len(),
        }
    }

    fn total(&self) -> usize {
        self.buffers[self.range.clone()].iter().map(|buffer| self.room(buffer)).sum()
    }
}

// SAFETY: the resource keeps the buffers, whose memory stays where it is, and the file open.
unsafe impl Request for &mut Vectored<'_> {
    type Output = BufResult<usize, Vec<Vec<u8>>>;

    fn prepare(&mut self, resource: &mut Resource, blocks: &BlockPool) -> Result<(), Error> {
        let count = self.range.len();
        resource.prepared =
            Prepared { length: count as u32, offset: self.offset, ..Prepared::new(self.opcode) };
        resource.set_file(self.file);
        let (start, reads) = (self.range.start, self.opcode == Opcode::Readv);
        let buffers = &mut self.buffers;
        resource.set_iovecs(count, blocks, |index| {
            let buffer = &mut buffers[start + index];
            let length = if reads { buffer.capacity() } else { buffer.len() };
            Ok(libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: length })
        })?;
        resource.segments = std::mem::take(&mut self.buffers);
        Ok(())
    }

    fn withdraw(&mut self, resource: &mut Resource) {
        if self.buffers.is_empty() {
            self.buffers = std::mem::take(&mut resource.segments);
        }
    }

    fn finish(&mut self, outcome: Outcome, resource: &mut Resource) -> Self::Output {
        let mut buffers = std::mem::take(&mut resource.segments);
        let count = op::count(outcome.result);
        if let (Opcode::Readv, Ok(count)) = (self.opcode, &count) {
            let mut left = *count;
            for buffer in &mut buffers[self.range.clone()] {
                let filled = left.min(buffer.capacity());
                // SAFETY: the kernel has filled the buffers in turn, so many bytes together.
                unsafe { buffer.set_len(filled) };
                left -= filled;
            }
        }
        (count, buffers)
    }
}

impl File {
    /// Reads what lies at a place into several buffers, one after the other, each up to its capacity. How
    /// many bytes together.
    ///
    /// More than 256 buffers are several ops.
    ///
    /// Safe to cancel: only the buffers are gone.
    ///
    /// # Errors
    ///
    /// As [`Self::read_at`]. Where something was read before, that is the answer.
    pub async fn readv_at<B: Buf>(&self, buffers: Vec<B>, offset: u64) -> BufResult<usize, Vec<B>> {
        self.vectored(Opcode::Readv, buffers, offset).await
    }

    /// Writes what is in several buffers to a place, one after the other. How many bytes together.
    ///
    /// More than 256 buffers are several ops.
    ///
    /// Cancelled, it may have written some or all of it.
    ///
    /// # Errors
    ///
    /// As [`Self::write_at`]. Where something was written before, that is the answer.
    pub async fn writev_at<B: Buf>(
        &self,
        buffers: Vec<B>,
        offset: u64,
    ) -> BufResult<usize, Vec<B>> {
        self.vectored(Opcode::Writev, buffers, offset).await
    }

    async fn vectored<B: Buf>(
        &self,
        opcode: Opcode,
        buffers: Vec<B>,
        offset: u64,
    ) -> BufResult<usize, Vec<B>> {
        let mut memories: Vec<Vec<u8>> = buffers.into_iter().map(B::into_vec).collect();
        if opcode == Opcode::Readv {
            memories.iter_mut().for_each(Vec::clear);
        }
        let (moved, memories) = match self.has_place(offset) {
            Ok(()) => self.vectored_memories(opcode, memories, offset).await,
            Err(error) => (Err(error), memories),
        };
        (moved, memories.into_iter().map(B::from_vec).collect())
    }

    /// One op after the other, until one falls short.
    async fn vectored_memories(
        &self,
        opcode: Opcode,
        buffers: Vec<Vec<u8>>,
        offset: u64,
    ) -> BufResult<usize, Vec<Vec<u8>>> {
        let file = &self.file;
        let mut part = Vectored { file, opcode, buffers, range: 0..0, offset };
        let mut done = 0;
        while part.range.end < part.buffers.len() {
            part.range = part.range.end..part.buffers.len().min(part.range.end + SEGMENTS_MAX);
            part.offset = offset.saturating_add(done as u64);
            let total = part.total();
            if total == 0 {
                continue;
            }
            match self.one_vectored(&mut part, total).await {
                Ok(count) => {
                    done += count;
                    if count < total {
                        break;
                    }
                }
                Err(error) if done == 0 => return (Err(error), part.buffers),
                Err(_) => break,
            }
        }
        (Ok(done), part.buffers)
    }

    async fn one_vectored(&self, part: &mut Vectored<'_>, total: usize) -> io::Result<usize> {
        if total <= CACHED_READ_BYTES_MAX as usize && self.may_be_cached(part.opcode) {
            match cached::attempt(&mut *part).await {
                Tried::Answered((read, buffers)) => {
                    part.buffers = buffers;
                    return read;
                }
                Tried::Unsupported => self.never_cached(),
                Tried::No | Tried::UnknownMount => {}
            }
        }
        loop {
            let (moved, buffers) = op::run(&mut *part).await?;
            part.buffers = buffers;
            match moved {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                moved => return moved,
            }
        }
    }
}
