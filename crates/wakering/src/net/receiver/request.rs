//! Ops that receive.

use std::sync::Arc;
use wakering_core::Error;
use wakering_core::abi::{Opcode, op_flag};
use wakering_core::block::BlockPool;
use wakering_core::buffers::{BufferGroup, PickedBuffer};
use wakering_core::descriptor::Descriptor;
use wakering_core::resource::{Prepared, Resource};
use wakering_core::scheduler::Request;
use wakering_core::slot::Outcome;

/// Receives until it ends, into buffers that are picked.
#[derive(Debug)]
pub(super) struct RecvMany {
    file: Arc<Descriptor>,
    group: u16,
}

impl RecvMany {
    pub(super) const fn new(file: Arc<Descriptor>, group: u16) -> Self {
        Self { file, group }
    }
}

// SAFETY: the resource keeps the file open; buffers are the loop's.
unsafe impl Request for RecvMany {
    type Output = Outcome;

    fn prepare(&mut self, resource: &mut Resource, _: &BlockPool) -> Result<(), Error> {
        resource.prepared = Prepared {
            flags: op_flag::MULTISHOT,
            group: self.group,
            ..Prepared::new(Opcode::Recv)
        };
        resource.set_file(&self.file);
        Ok(())
    }

    fn finish(&mut self, outcome: Outcome, _: &mut Resource) -> Outcome {
        outcome
    }
}

/// The bytes of an answer of [`RecvMany`].
pub(super) fn take_picked(group: &Arc<BufferGroup>, number: u16, outcome: Outcome) -> PickedBuffer {
    // SAFETY: each answer is handed out once, and names a buffer that was picked for it.
    unsafe { group.take(number, u32::try_from(outcome.result).unwrap_or(0)) }
}

/// Receives once, into memory that it keeps.
#[derive(Debug)]
pub(super) struct RecvOne {
    file: Arc<Descriptor>,
    memory: Vec<u8>,
}

impl RecvOne {
    pub(super) const fn new(file: Arc<Descriptor>, memory: Vec<u8>) -> Self {
        Self { file, memory }
    }
}

// SAFETY: the resource keeps the memory, and the file open.
unsafe impl Request for RecvOne {
    type Output = (i32, Vec<u8>);

    fn prepare(&mut self, resource: &mut Resource, _: &BlockPool) -> Result<(), Error> {
        let mut memory = std::mem::take(&mut self.memory);
        resource.prepared = Prepared {
            address: memory.as_mut_ptr(),
            length: memory.capacity().min(i32::MAX as usize) as u32,
            ..Prepared::new(Opcode::Recv)
        };
        resource.set_file(&self.file);
        resource.owned = Some(memory);
        Ok(())
    }

    fn withdraw(&mut self, resource: &mut Resource) {
        self.memory = resource.owned.take().unwrap_or_default();
    }

    fn finish(&mut self, outcome: Outcome, resource: &mut Resource) -> Self::Output {
        let mut memory = resource.owned.take().unwrap_or_default();
        let count = usize::try_from(outcome.result).unwrap_or(0);
        // SAFETY: the kernel has written so many bytes from its start, within its capacity.
        unsafe { memory.set_len(count.min(memory.capacity())) };
        (outcome.result, memory)
    }
}
