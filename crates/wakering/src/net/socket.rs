//! One socket, whatever its family: what is the same for all of them.

use super::received::Received;
use super::receiver::Receiver;
use super::sender::Sender;
use super::zero_copy::Sent;
use crate::buf::{Buf, BufResult};
use std::io;
use std::mem::ManuallyDrop;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use wakering_core::Error;
use wakering_core::abi::Opcode;
use wakering_core::block::BlockPool;
use wakering_core::descriptor::Descriptor;
use wakering_core::resource::{Prepared, Resource};
use wakering_core::scheduler::Request;
use wakering_core::slot::Outcome;

/// A new socket. It blocks, as far as others are concerned: ops wait for it, not calls.
pub(super) fn open(domain: i32, kind: i32) -> io::Result<Arc<Descriptor>> {
    // SAFETY: three numbers.
    let fd = unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is new, and nobody else's.
    Ok(own(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// Takes over a socket that is open.
pub(super) fn own(fd: OwnedFd) -> Arc<Descriptor> {
    Arc::new(Descriptor::new(fd))
}

/// Connects a socket for which that never waits.
pub(super) fn connect_now(file: &Descriptor, address: &[u8]) -> io::Result<()> {
    let length = address.len() as libc::socklen_t;
    // SAFETY: so many bytes of `address` are read.
    let done = unsafe { libc::connect(file.as_raw_fd(), address.as_ptr().cast(), length) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The socket as the standard library has it, for its options.
pub(super) fn as_std<T: FromRawFd>(file: &Descriptor) -> ManuallyDrop<T> {
    // SAFETY: it is open while `file` is borrowed, and is not closed by what this gives.
    ManuallyDrop::new(unsafe { T::from_raw_fd(file.as_raw_fd()) })
}

/// Connects a socket.
#[derive(Debug)]
pub(super) struct Connect<'a> {
    pub(super) file: &'a Arc<Descriptor>,
    pub(super) address: &'a [u8],
}

// SAFETY: the address is copied into the resource, which keeps the file open.
unsafe impl Request for Connect<'_> {
    type Output = io::Result<()>;

    fn prepare(&mut self, resource: &mut Resource, _: &BlockPool) -> Result<(), Error> {
        resource.prepared = Prepared::new(Opcode::Connect);
        resource.set_file(self.file);
        resource.set_address(self.address)
    }

    fn finish(&mut self, outcome: Outcome, _: &mut Resource) -> io::Result<()> {
        crate::op::done(outcome.result)
    }
}

/// A connected socket whose bytes come in order.
#[derive(Debug)]
pub(super) struct Stream {
    file: Arc<Descriptor>,
    receiver: Receiver,
    sender: Sender,
}

impl Stream {
    pub(super) fn new(file: Arc<Descriptor>) -> Self {
        Self { receiver: Receiver::new(file.clone()), sender: Sender::new(file.clone()), file }
    }

    pub(super) async fn connect(domain: i32, address: &[u8]) -> io::Result<Self> {
        let file = open(domain, libc::SOCK_STREAM)?;
        crate::op::run(Connect { file: &file, address }).await??;
        Ok(Self::new(file))
    }

    pub(super) fn file(&self) -> &Descriptor {
        &self.file
    }

    #[cfg(feature = "futures-io")]
    pub(super) fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    #[cfg(feature = "futures-io")]
    pub(super) fn sender(&self) -> &Sender {
        &self.sender
    }

    pub(super) async fn receive(&self) -> io::Result<Received> {
        self.receiver.receive().await
    }

    pub(super) async fn read<B: Buf>(&self, buffer: B) -> BufResult<usize, B> {
        self.receiver.read(buffer).await
    }

    pub(super) async fn read_exact<B: Buf>(&self, buffer: B) -> BufResult<(), B> {
        self.receiver.read_exact(buffer).await
    }

    pub(super) async fn write<B: Buf>(&self, buffer: B) -> BufResult<usize, B> {
        self.sender.write(buffer).await
    }

    pub(super) async fn write_all<B: Buf>(&self, buffer: B) -> BufResult<(), B> {
        self.sender.write_all(buffer).await
    }

    pub(super) async fn send_zc<B: Buf>(&self, buffer: B) -> BufResult<Sent, B> {
        self.sender.send_zc(buffer).await
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        as_std::<std::net::TcpStream>(&self.file).shutdown(how)
    }
}
