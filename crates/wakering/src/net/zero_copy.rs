//! Sending without copying: over when the kernel has given the memory back.
//!
//! ```text
//! sent ─► how much (kept by the driver) ─► the kernel needs the memory no more ─► both, with the memory
//! refused (too old a kernel, a socket that cannot, too little memory to lock) ─► a plain send
//! ```

use crate::buf::BufResult;
use std::io;
use wakering_core::Error;
use wakering_core::abi::{Opcode, completion_flag, io_flag};
use wakering_core::block::BlockPool;
use wakering_core::resource::Resource;
use wakering_core::scheduler::Request;
use wakering_core::slot::Outcome;

/// What a send without copying came to: [`TcpStream::send_zc`](super::TcpStream::send_zc),
/// [`UdpSocket::send_to_zc`](super::UdpSocket::send_to_zc).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// How many bytes of the buffer were sent.
    pub bytes: usize,
    /// Whether they were copied all the same. `None` where the kernel does not say: Linux 6.0 and 6.1.
    pub copied: Option<bool>,
}

impl Sent {
    /// By a plain send.
    pub(super) const fn plainly(bytes: usize) -> Self {
        Self { bytes, copied: Some(true) }
    }
}

/// Whether a plain send may do what was refused.
pub(super) fn is_refused(sent: &io::Result<Sent>) -> bool {
    let Err(error) = sent else { return false };
    let errno = error.raw_os_error();
    error.kind() == io::ErrorKind::Unsupported
        || [libc::EOPNOTSUPP, libc::ENOMEM, libc::ENOBUFS].map(Some).contains(&errno)
}

/// What another op sends, without copying.
#[derive(Debug)]
pub(super) struct ZeroCopy<R>(pub(super) R);

// SAFETY: what the other op lends stays until this one's last completion, as it does until the other's; the
// last one is that which gives the memory back.
unsafe impl<R: Request<Output = BufResult<usize, Vec<u8>>>> Request for ZeroCopy<R> {
    type Output = BufResult<Sent, Vec<u8>>;

    fn prepare(&mut self, resource: &mut Resource, blocks: &BlockPool) -> Result<(), Error> {
        self.0.prepare(resource, blocks)?;
        resource.prepared.opcode = match resource.prepared.opcode {
            Opcode::Send => Opcode::SendZc,
            Opcode::Sendmsg => Opcode::SendmsgZc,
            other => unreachable!("{other:?} has no form that does not copy"),
        };
        resource.prepared.extra[0] |= io_flag::REPORT_COPY;
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
