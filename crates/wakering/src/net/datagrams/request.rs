//! One message, out or in.

use crate::buf::BufResult;
use crate::op;
use std::sync::Arc;
use wakering_core::Error;
use wakering_core::abi::Opcode;
use wakering_core::block::BlockPool;
use wakering_core::descriptor::Descriptor;
use wakering_core::resource::{ADDRESS_BYTES_MAX, Control, Prepared, Resource};
use wakering_core::scheduler::Request;
use wakering_core::slot::Outcome;

/// A message that came, and from whom.
#[derive(Clone, Copy, Debug)]
pub(in crate::net) struct Message<'a> {
    pub(in crate::net) bytes: &'a [u8],
    pub(in crate::net) sender: &'a [u8],
}

/// Receives one message with its sender's address.
#[derive(Debug)]
pub(super) struct RecvFrom {
    file: Arc<Descriptor>,
    memory: Vec<u8>,
}

/// What [`RecvFrom`] gives.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) result: i32,
    pub(super) memory: Vec<u8>,
    sender: [u8; ADDRESS_BYTES_MAX],
    sender_length: usize,
}

impl Received {
    pub(super) fn message(&self) -> Message<'_> {
        Message { bytes: &self.memory, sender: &self.sender[..self.sender_length] }
    }
}

impl RecvFrom {
    pub(super) const fn new(file: Arc<Descriptor>, memory: Vec<u8>) -> Self {
        Self { file, memory }
    }

    pub(super) fn take_memory(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.memory)
    }
}

// SAFETY: the resource keeps the memory, the message, and the file open.
unsafe impl Request for RecvFrom {
    type Output = Received;

    fn prepare(&mut self, resource: &mut Resource, blocks: &BlockPool) -> Result<(), Error> {
        let mut memory = self.take_memory();
        let segment =
            libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.capacity() };
        resource.prepared = Prepared::new(Opcode::Recvmsg);
        resource.set_file(&self.file);
        resource.owned = Some(memory);
        resource.expect_address();
        resource.set_message(1, Control::NONE, blocks, |_| Ok(segment))
    }

    fn withdraw(&mut self, resource: &mut Resource) {
        self.memory = resource.owned.take().unwrap_or_default();
    }

    fn finish(&mut self, outcome: Outcome, resource: &mut Resource) -> Received {
        let mut memory = resource.owned.take().unwrap_or_default();
        let count = usize::try_from(outcome.result).unwrap_or(0);
        // SAFETY: the kernel has written so many bytes from its start, within its capacity.
        unsafe { memory.set_len(count.min(memory.capacity())) };
        let mut sender = [0; ADDRESS_BYTES_MAX];
        let from = resource.received().address;
        sender[..from.len()].copy_from_slice(from);
        let sender_length = if outcome.result < 0 { 0 } else { from.len() };
        Received { result: outcome.result, memory, sender, sender_length }
    }
}

/// Sends one message.
#[derive(Debug)]
pub(super) struct SendTo<'a> {
    file: &'a Arc<Descriptor>,
    memory: Vec<u8>,
    address: &'a [u8],
}

impl<'a> SendTo<'a> {
    pub(super) const fn new(file: &'a Arc<Descriptor>, memory: Vec<u8>, address: &'a [u8]) -> Self {
        Self { file, memory, address }
    }

    pub(super) fn into_memory(self) -> Vec<u8> {
        self.memory
    }
}

// SAFETY: as above.
unsafe impl Request for &mut SendTo<'_> {
    type Output = BufResult<usize, Vec<u8>>;

    fn prepare(&mut self, resource: &mut Resource, blocks: &BlockPool) -> Result<(), Error> {
        let mut memory = std::mem::take(&mut self.memory);
        let segment = libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.len() };
        let op_flags = libc::MSG_NOSIGNAL as u32;
        resource.prepared = Prepared { op_flags, ..Prepared::new(Opcode::Sendmsg) };
        resource.set_file(self.file);
        resource.owned = Some(memory);
        resource.set_address(self.address)?;
        resource.set_message(1, Control::NONE, blocks, |_| Ok(segment))
    }

    fn withdraw(&mut self, resource: &mut Resource) {
        self.memory = resource.owned.take().unwrap_or_default();
    }

    fn finish(&mut self, outcome: Outcome, resource: &mut Resource) -> Self::Output {
        (op::count(outcome.result), resource.owned.take().unwrap_or_default())
    }
}
