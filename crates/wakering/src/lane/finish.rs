//! From a completion to a record: what the op made is kept or undone, what it borrowed goes back.

use super::Lane;
use wakering_core::Token;
use wakering_core::abi::{CompletionRecord, ErrorKind, HandleId, Opcode, completion_flag, statx};
use wakering_core::resource::Resource;
use wakering_core::slot::Taken;

/// Where a turn puts its records.
pub trait RecordSink {
    /// One record. `statx` is the result of a Statx: the sink stores it and puts the place into
    /// the record's `aux`.
    fn record(&mut self, record: CompletionRecord, statx: Option<&[u8; statx::BYTES]>);

    /// Room for the content of a small file: what is written to its start belongs to the next
    /// record, if that is flagged CONTENT and not OWNED; its `result` says how many bytes. Where
    /// there is none, contents come as OWNED.
    fn content(&mut self) -> &mut [u8] {
        &mut []
    }
}

/// What is left of an op after its slot was taken.
pub(super) struct Finished {
    pub(super) result: i32,
    pub(super) flags: u32,
    pub(super) opened: Option<i32>,
    /// The descriptor of a close that was taken back before it began.
    unclosed: Option<i32>,
    /// Whether a write moved something, and perhaps not everything.
    fell_short: bool,
    /// Whether the lane's `statx` has what this op brought.
    statx: bool,
    pub(super) owned: Option<Vec<u8>>,
    taken: Taken,
}

impl Lane {
    /// Finishes at most `records_max` ops that were answered on this thread.
    pub(super) fn finish_answered(
        &mut self,
        records_max: usize,
        sink: &mut dyn RecordSink,
    ) -> usize {
        let mut done = 0;
        while done < records_max {
            let Some(token) = self.answered.pop_front() else { break };
            done += usize::from(self.finish(token, sink));
        }
        done
    }

    /// Takes the op, frees its slot, and hands over its record. Whether there was one.
    pub(super) fn finish(&mut self, token: Token, sink: &mut dyn RecordSink) -> bool {
        if self.goes_on_to_read(token, sink) || self.waits_for_other_end(token) {
            return false;
        }
        let index = token.index();
        let slot = self.home.slab.slot(token);
        let Self { memory, blocks, statx, .. } = self;
        let finished = slot.take(token, |taken, resource| {
            let finished = reap(taken, resource, memory, statx);
            resource.release(blocks);
            finished
        });
        let Some(mut finished) = finished else { return false };
        if let Some(reader) = self.sides[index as usize].reader.take() {
            match finished.result {
                result if result == -libc::ETIME => {
                    finished.result = reader.fd;
                    finished.opened = Some(reader.fd);
                }
                _ => _ = self.close_now(reader.fd),
            }
        }
        let side = &mut self.sides[index as usize];
        let content = side.content.take();
        if let Some(beginning) = side.beginning.take()
            && finished.fell_short
        {
            beginning.mend(finished.result);
        }
        let (opcode, lane, handle) = (side.opcode, side.lane, side.handle);
        let used_up = content.and_then(|content| content.judge(&mut finished));
        if finished.flags & completion_flag::CONTENT != 0 {
            Self::settle_content(&mut finished, sink);
        }
        self.keeping_alive -= u32::from(side.keeps_alive);
        self.pending -= 1;
        side.owned = finished.owned;
        side.handle = HandleId::NONE;
        let mut record = CompletionRecord {
            slot: index,
            result: finished.result,
            flags: finished.flags,
            aux: 0,
            handle: HandleId::NONE,
            reserved: [0; 2],
        };
        if let Some(fd) = finished.opened {
            self.keep_or_close(fd, &finished.taken, &mut record);
        }
        if let Some(fd) = used_up {
            self.close_now(fd);
        }
        if let Some(fd) = finished.unclosed {
            // Nobody cancels a close, but a lane that ends takes back what has not begun.
            record.result = self.close_now(fd);
        }
        let read_whole = record.flags & completion_flag::CONTENT != 0;
        self.metrics.count(opcode, record.result, read_whole, finished.taken.cancel_requested);
        self.metrics.by_lane[lane as usize] += 1;
        self.count_out(handle);
        if finished.taken.orphaned {
            self.sides[index as usize].owned = None;
            return false;
        }
        sink.record(record, finished.statx.then_some(&self.statx));
        true
    }

    /// An open that succeeded: a handle, unless nobody wants it any more.
    fn keep_or_close(&mut self, fd: i32, taken: &Taken, record: &mut CompletionRecord) {
        if !taken.orphaned && !taken.cancel_requested {
            match self.handles.insert(fd) {
                Ok(handle) => {
                    if let Some(entry) = self.handles.any(handle) {
                        entry.kind = super::close::kind_of(fd);
                    }
                    record.flags |= completion_flag::OPENED;
                    record.handle = handle;
                    return;
                }
                Err(error) => record.result = error.to_result(),
            }
        } else {
            record.result = -libc::ECANCELED;
            self.metrics.orphans_closed += 1;
        }
        self.close_now(fd);
    }
}

/// What the op left in its resource.
fn reap(
    taken: Taken,
    resource: &mut Resource,
    memory: &super::memory::Memory,
    statx: &mut [u8; statx::BYTES],
) -> Finished {
    let prepared = resource.prepared;
    let result = taken.outcome.result;
    let mut finished = Finished {
        result,
        // The kernel's own flags (F_BUFFER and the like) mean nothing beyond the driver.
        flags: taken.outcome.flags & (completion_flag::INLINE | completion_flag::OWNED),
        opened: None,
        unclosed: None,
        fell_short: false,
        statx: false,
        owned: None,
        taken,
    };
    let count = usize::try_from(result).unwrap_or(0);
    let inline = finished.flags & completion_flag::INLINE != 0;
    match prepared.opcode {
        // A thread of the pool did all of it.
        Opcode::OpenAt if taken.outcome.flags & completion_flag::CONTENT != 0 => {
            finished.owned = resource.owned.take();
            finished.flags |= completion_flag::CONTENT;
        }
        Opcode::OpenAt if result >= 0 => finished.opened = Some(result),
        Opcode::Close if result == -libc::ECANCELED && prepared.fd >= 0 => {
            finished.unclosed = Some(prepared.fd);
        }
        // The number is given back whatever interrupts the rest: no error, says libuv too.
        Opcode::Close if result == -libc::EINTR => finished.result = 0,
        Opcode::Read => match resource.owned.take() {
            Some(mut owned) if count <= owned.capacity() => {
                // SAFETY: the read wrote `count` bytes from the buffer's start on.
                unsafe { owned.set_len(count) };
                finished.owned = Some(owned);
                finished.flags |= completion_flag::OWNED;
            }
            Some(_) => finished.result = ErrorKind::BadBuffer.to_result(),
            None if !inline && !taken.orphaned => memory.bring_home(prepared.address, count),
            None => {}
        },
        Opcode::Write => finished.fell_short = count > 0 && count < prepared.length as usize,
        Opcode::Writev => finished.fell_short = count > 0,
        Opcode::Readv if !taken.orphaned => scatter(resource, count, memory),
        Opcode::Statx if result >= 0 => {
            *statx = *resource.back_bytes();
            finished.statx = true;
        }
        Opcode::Readdir | Opcode::Readlink | Opcode::Realpath if result >= 0 => {
            finished.owned = resource.owned.take();
            finished.flags |= completion_flag::OWNED;
        }
        _ => {}
    }
    finished
}

/// Brings home what a vectored read left in the bounce regions, segment by segment.
fn scatter(resource: &mut Resource, mut count: usize, memory: &super::memory::Memory) {
    let segments = resource.prepared.length as usize;
    let start = resource.iovecs();
    for index in 0..segments {
        // SAFETY: `segments` iovecs were written from `start` on when the op was prepared.
        let place = unsafe { start.add(index) };
        // SAFETY: as above; the op is complete, so that only this thread reaches them.
        let iovec = unsafe { place.read() };
        let filled = count.min(iovec.iov_len);
        memory.bring_home(iovec.iov_base.cast(), filled);
        count -= filled;
        if count == 0 {
            break;
        }
    }
}
