//! One read or write, with the memory that it fills or sends.

use super::File;
use crate::buf::BufResult;
use crate::fs::Memory;
use crate::fs::cached::{self, Tried};
use crate::op;
use std::io;
use std::sync::Arc;
use wakering_core::Error;
use wakering_core::abi::{Opcode, POSITION_CURRENT, op_flag};
use wakering_core::block::BlockPool;
use wakering_core::descriptor::Descriptor;
use wakering_core::policy::CACHED_READ_BYTES_MAX;
use wakering_core::resource::{Prepared, Resource};
use wakering_core::scheduler::Request;
use wakering_core::slot::Outcome;
use wakering_poll_loop::writes::LEARN_MOUNT;

/// What the kernel moves at the most by one call.
pub(super) const BYTES_MAX: usize = 0x7FFF_F000;

/// See the module's text. A read appends to the memory, up to its capacity; a write sends what lies in it
/// from `start` on.
#[derive(Debug)]
pub(super) struct Transfer<'a, M> {
    file: &'a Arc<Descriptor>,
    opcode: Opcode,
    memory: M,
    start: usize,
    offset: u64,
    /// For a thread, which may be told to learn the file's mount.
    flags: u8,
    extra: u32,
}

impl<M: Memory> Transfer<'_, M> {
    fn length(&self) -> u32 {
        let end = match self.opcode {
            Opcode::Read => self.memory.room(),
            _ => self.memory.length(),
        };
        (end - self.start).min(BYTES_MAX) as u32
    }
}

// SAFETY: the resource keeps the memory, and the file open.
unsafe impl<M: Memory> Request for &mut Transfer<'_, M> {
    type Output = BufResult<usize, M>;

    fn prepare(&mut self, resource: &mut Resource, _: &BlockPool) -> Result<(), Error> {
        let length = self.length();
        let mut memory = std::mem::take(&mut self.memory);
        resource.prepared = Prepared {
            address: memory.start().wrapping_add(self.start),
            length,
            offset: self.offset,
            flags: self.flags,
            extra: [self.extra, 0],
            ..Prepared::new(self.opcode)
        };
        resource.set_file(self.file);
        memory.lend(resource);
        Ok(())
    }

    fn withdraw(&mut self, resource: &mut Resource) {
        self.memory = M::take_back(resource);
    }

    fn finish(&mut self, outcome: Outcome, resource: &mut Resource) -> Self::Output {
        let mut memory = M::take_back(resource);
        let count = op::count(outcome.result);
        if let (Opcode::Read, Ok(count)) = (self.opcode, &count) {
            let length = (self.start + count).min(memory.room());
            // SAFETY: what lay before `start` is there still, and the kernel has written so many bytes from
            // there on, within the capacity.
            unsafe { memory.set_length(length) };
        }
        (count, memory)
    }
}

/// A place in a file that the kernel takes for one: not the file's own position by accident.
pub(in crate::fs) fn checked(offset: u64) -> io::Result<u64> {
    match i64::try_from(offset) {
        Ok(_) => Ok(offset),
        Err(_) => Err(io::Error::from_raw_os_error(libc::EINVAL)),
    }
}

impl File {
    /// Reads behind what is in the memory, as far as it has room: at a place, or at the file's own position.
    ///
    /// One function on purpose, as below: each layer of futures would carry the memory twice, and copy it.
    pub(super) async fn read_into<M: Memory>(
        &self,
        memory: M,
        place: Option<u64>,
    ) -> BufResult<usize, M> {
        if let Some(Err(error)) = place.map(|offset| self.has_place(offset)) {
            return (Err(error), memory);
        }
        let offset = place.unwrap_or(POSITION_CURRENT);
        let start = memory.length();
        let opcode = Opcode::Read;
        let (flags, extra) = (0, 0);
        let mut transfer =
            Transfer { file: &self.file, opcode, memory, start, offset, flags, extra };
        let length = transfer.length();
        if length == 0 {
            return (Ok(0), transfer.memory);
        }
        if length <= CACHED_READ_BYTES_MAX && self.may_be_cached(opcode) {
            match cached::attempt(&mut transfer).await {
                Tried::Answered(answer) => return answer,
                Tried::Unsupported => self.never_cached(),
                Tried::No | Tried::UnknownMount => {}
            }
        }
        run(&mut transfer).await
    }

    /// Writes what lies in the memory from `start` on, at a place, or at the file's own position.
    pub(super) async fn write_out<M: Memory>(
        &self,
        memory: M,
        start: usize,
        place: Option<u64>,
    ) -> BufResult<usize, M> {
        if let Some(Err(error)) = place.map(|offset| self.has_place(offset)) {
            return (Err(error), memory);
        }
        let offset = place.unwrap_or(POSITION_CURRENT);
        let opcode = Opcode::Write;
        let (flags, extra) = match memory.length() - start {
            0 => return (Ok(0), memory),
            length if length > CACHED_READ_BYTES_MAX as usize => (0, 0),
            _ => match self.writes_by_thread() {
                Some(false) => (0, 0),
                Some(true) => (op_flag::ASYNC, 0),
                None => (op_flag::ASYNC, LEARN_MOUNT),
            },
        };
        let mut transfer =
            Transfer { file: &self.file, opcode, memory, start, offset, flags, extra };
        run(&mut transfer).await
    }
}

/// Carries it out on a loop. Interrupted, it starts again.
async fn run<M: Memory>(transfer: &mut Transfer<'_, M>) -> BufResult<usize, M> {
    loop {
        match op::run(&mut *transfer).await {
            Ok((Err(error), memory)) if error.kind() == io::ErrorKind::Interrupted => {
                transfer.memory = memory;
            }
            Ok(answer) => return answer,
            Err(error) => return (Err(error), std::mem::take(&mut transfer.memory)),
        }
    }
}

const _: () = assert!(POSITION_CURRENT > i64::MAX as u64);
