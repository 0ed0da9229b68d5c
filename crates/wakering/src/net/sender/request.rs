//! One Send op with the memory that it sends from.

use crate::buf::BufResult;
use crate::op;
use std::sync::Arc;
use wakering_core::Error;
use wakering_core::abi::Opcode;
use wakering_core::block::BlockPool;
use wakering_core::descriptor::Descriptor;
use wakering_core::resource::{Prepared, Resource};
use wakering_core::scheduler::Request;
use wakering_core::slot::Outcome;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Send {
    file: Arc<Descriptor>,
    memory: Vec<u8>,
    start: usize,
    flags: i32,
}

impl Send {
    /// Of what lies in `memory` from `start` on.
    pub(super) const fn new(
        file: Arc<Descriptor>,
        memory: Vec<u8>,
        start: usize,
        flags: i32,
    ) -> Self {
        Self { file, memory, start, flags }
    }

    /// The memory, of one that was not started.
    pub(super) fn take_memory(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.memory)
    }
}

// SAFETY: as below, which it hands on to.
unsafe impl Request for &mut Send {
    type Output = BufResult<usize, Vec<u8>>;

    fn prepare(&mut self, resource: &mut Resource, blocks: &BlockPool) -> Result<(), Error> {
        (**self).prepare(resource, blocks)
    }

    fn withdraw(&mut self, resource: &mut Resource) {
        (**self).withdraw(resource);
    }

    fn finish(&mut self, outcome: Outcome, resource: &mut Resource) -> Self::Output {
        (**self).finish(outcome, resource)
    }
}

// SAFETY: the resource keeps the memory, and the file open.
unsafe impl Request for Send {
    type Output = BufResult<usize, Vec<u8>>;

    fn prepare(&mut self, resource: &mut Resource, _: &BlockPool) -> Result<(), Error> {
        let mut memory = std::mem::take(&mut self.memory);
        let left = memory.get(self.start..).map_or(0, <[u8]>::len);
        resource.prepared = Prepared {
            address: memory.as_mut_ptr().wrapping_add(self.start),
            length: left.min(i32::MAX as usize) as u32,
            op_flags: (self.flags | libc::MSG_NOSIGNAL) as u32,
            ..Prepared::new(Opcode::Send)
        };
        resource.set_file(&self.file);
        resource.owned = Some(memory);
        Ok(())
    }

    fn withdraw(&mut self, resource: &mut Resource) {
        self.memory = resource.owned.take().unwrap_or_default();
    }

    fn finish(&mut self, outcome: Outcome, resource: &mut Resource) -> Self::Output {
        (op::count(outcome.result), resource.owned.take().unwrap_or_default())
    }
}
