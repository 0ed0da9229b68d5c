//! One send without copying: over when the kernel has given the memory back.
//!
//! ```text
//! sent ─► how much (kept by the driver) ─► the kernel needs the memory no more ─► both, with the memory
//! refused (too old a kernel, a socket that cannot, too little memory to lock) ─► a plain send
//! ```

use super::request::Send;
use crate::buf::BufResult;
use std::io;
use std::sync::Arc;
use wakering_core::Error;
use wakering_core::abi::{Opcode, completion_flag, io_flag};
use wakering_core::block::BlockPool;
use wakering_core::descriptor::Descriptor;
use wakering_core::resource::Resource;
use wakering_core::scheduler::Request;
use wakering_core::slot::Outcome;

/// What [`send_zc`](super::super::TcpStream::send_zc) came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// How many bytes of the buffer were sent.
    pub bytes: usize,
    /// Whether they were copied all the same. `None` where the kernel does not say: Linux 6.0 and 6.1.
    pub copied: Option<bool>,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct SendZc(Send);

impl SendZc {
    pub(super) const fn new(file: Arc<Descriptor>, memory: Vec<u8>) -> Self {
        Self(Send::new(file, memory, 0, 0))
    }

    /// The memory, of one that was not started.
    pub(super) fn take_memory(&mut self) -> Vec<u8> {
        self.0.take_memory()
    }
}

/// Whether a plain send may do what was refused.
pub(super) fn is_refused(error: &io::Error) -> bool {
    let errno = error.raw_os_error();
    error.kind() == io::ErrorKind::Unsupported
        || [libc::EOPNOTSUPP, libc::ENOMEM, libc::ENOBUFS].map(Some).contains(&errno)
}

// SAFETY: as that of the plain send, which it hands on to: the resource keeps the memory until the op's last
// completion, which is the one that gives it back.
unsafe impl Request for &mut SendZc {
    type Output = BufResult<Sent, Vec<u8>>;

    fn prepare(&mut self, resource: &mut Resource, blocks: &BlockPool) -> Result<(), Error> {
        self.0.prepare(resource, blocks)?;
        resource.prepared.opcode = Opcode::SendZc;
        resource.prepared.extra[0] = io_flag::REPORT_COPY;
        Ok(())
    }

    fn withdraw(&mut self, resource: &mut Resource) {
        self.0.withdraw(resource);
    }

    fn finish(&mut self, outcome: Outcome, resource: &mut Resource) -> Self::Output {
        // The driver has taken it back where the kernel does not say.
        let says = resource.prepared.extra[0] & io_flag::REPORT_COPY != 0;
        let copied = says.then_some(outcome.flags & completion_flag::COPIED != 0);
        let (sent, memory) = self.0.finish(outcome, resource);
        (sent.map(|bytes| Sent { bytes, copied }), memory)
    }
}
