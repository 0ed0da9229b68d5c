//! Unix sockets.

#![forbid(unsafe_code)]

use super::address::{RawAddress, parse_path};
use super::datagrams::Datagrams;
use super::listener::Listener;
use super::received::Received;
use super::socket::{self, Stream};
use crate::buf::{Buf, BufResult};
use crate::cancel::drop_and_drain;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net as std_net;
use std::path::{Path, PathBuf};

/// A socket that takes connections under a name in the file system. As to its end, see
/// [`TcpListener`](super::TcpListener).
#[derive(Debug)]
pub struct UnixListener(Listener);

impl UnixListener {
    /// A listener under a name, which it makes and does not remove.
    ///
    /// # Errors
    ///
    /// EADDRINUSE where the name is there; InvalidInput where it is too long (107 bytes).
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        std_net::UnixListener::bind(path).map(Self::from)
    }

    /// The next connection. Several tasks may wait: each gets another one.
    ///
    /// Safe to cancel: a connection that nobody took is there for the next call.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.0.accept().await.map(UnixStream::from)
    }

    /// Closes it, and waits until that is done: the accept that is under way is cancelled first. Connections
    /// that nobody took are closed.
    ///
    /// Dropped instead, it is closed as well, by the last completion. Safe to cancel: it is closed
    /// nevertheless.
    pub async fn close(self) {
        drop_and_drain(self).await;
    }
}

impl From<std_net::UnixListener> for UnixListener {
    fn from(listener: std_net::UnixListener) -> Self {
        // Ops wait for it: without waiting they would answer EAGAIN.
        let _ = listener.set_nonblocking(false);
        Self(Listener::new(socket::own(OwnedFd::from(listener))))
    }
}

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file().as_fd()
    }
}

/// A connection. Read and written by shared reference, by one task each at a time. As to its end, see
/// [`TcpStream`](super::TcpStream).
#[derive(Debug)]
pub struct UnixStream(pub(super) Stream);

impl UnixStream {
    /// Connects to whoever listens under a name.
    ///
    /// # Errors
    ///
    /// ENOENT, ECONNREFUSED; InvalidInput where the name is too long.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let raw = RawAddress::of_path(path.as_ref())?;
        Ok(Self(Stream::connect(raw.domain(), raw.bytes()).await?))
    }

    /// Two that are connected to each other.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = std_net::UnixStream::pair()?;
        Ok((Self::from(OwnedFd::from(one)), Self::from(OwnedFd::from(other))))
    }

    /// As [`TcpStream::read`](super::TcpStream::read).
    ///
    /// # Errors
    ///
    /// The kernel's; EBUSY where another task reads.
    pub async fn read<B: Buf>(&self, buffer: B) -> BufResult<usize, B> {
        self.0.read(buffer).await
    }

    /// What has arrived, or waits for something: in the loop's memory, without a copy and without a buffer of
    /// the caller's. No byte is the end.
    ///
    /// Safe to cancel: no byte is lost, the next call finds what came.
    ///
    /// # Errors
    ///
    /// The kernel's; EBUSY where another task reads.
    pub async fn receive(&self) -> io::Result<Received> {
        self.0.receive().await
    }

    /// As [`TcpStream::read_exact`](super::TcpStream::read_exact).
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; UnexpectedEof.
    pub async fn read_exact<B: Buf>(&self, buffer: B) -> BufResult<(), B> {
        self.0.read_exact(buffer).await
    }

    /// As [`TcpStream::write`](super::TcpStream::write).
    ///
    /// # Errors
    ///
    /// EPIPE and so on; EBUSY where another task writes.
    pub async fn write<B: Buf>(&self, buffer: B) -> BufResult<usize, B> {
        self.0.write(buffer).await
    }

    /// As [`TcpStream::write_all`](super::TcpStream::write_all).
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub async fn write_all<B: Buf>(&self, buffer: B) -> BufResult<(), B> {
        self.0.write_all(buffer).await
    }

    /// Closes it, and waits until that is done: what was under way for it is cancelled first, and has its
    /// last completion.
    ///
    /// Dropped instead, it is closed as well, by the last completion. Safe to cancel: it is closed
    /// nevertheless.
    pub async fn close(self) {
        drop_and_drain(self).await;
    }

    /// Ends one direction, or both.
    ///
    /// # Errors
    ///
    /// ENOTCONN.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

impl From<OwnedFd> for UnixStream {
    fn from(fd: OwnedFd) -> Self {
        Self(Stream::new(socket::own(fd)))
    }
}

impl From<std_net::UnixStream> for UnixStream {
    fn from(stream: std_net::UnixStream) -> Self {
        // Ops wait for it: without waiting they would answer EAGAIN.
        let _ = stream.set_nonblocking(false);
        Self::from(OwnedFd::from(stream))
    }
}

impl AsFd for UnixStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file().as_fd()
    }
}

/// A socket for messages. Any number of tasks may send, one receives at a time.
#[derive(Debug)]
pub struct UnixDatagram(Datagrams);

impl UnixDatagram {
    /// A socket under a name, which it makes and does not remove.
    ///
    /// # Errors
    ///
    /// As [`UnixListener::bind`].
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        std_net::UnixDatagram::bind(path).map(Self::from)
    }

    /// A socket without a name: who gets its messages cannot answer them.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn unbound() -> io::Result<Self> {
        std_net::UnixDatagram::unbound().map(Self::from)
    }

    /// Two that are connected to each other.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = std_net::UnixDatagram::pair()?;
        Ok((Self::from(one), Self::from(other)))
    }

    /// Closes it, and waits until that is done: what was under way for it is cancelled first, and has its
    /// last completion.
    ///
    /// Dropped instead, it is closed as well, by the last completion. Safe to cancel: it is closed
    /// nevertheless.
    pub async fn close(self) {
        drop_and_drain(self).await;
    }

    /// Names whom [`Self::send`] sends to.
    ///
    /// # Errors
    ///
    /// ENOENT and so on.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.0.connect(RawAddress::of_path(path.as_ref())?.bytes())
    }

    /// Sends a message to whom it is connected.
    ///
    /// # Errors
    ///
    /// ENOTCONN, ECONNREFUSED.
    pub async fn send<B: Buf>(&self, buffer: B) -> BufResult<usize, B> {
        self.0.send(buffer, &[]).await
    }

    /// Sends a message to whoever has that name.
    ///
    /// # Errors
    ///
    /// ENOENT, ECONNREFUSED; InvalidInput where the name is too long.
    pub async fn send_to<B: Buf>(&self, buffer: B, path: impl AsRef<Path>) -> BufResult<usize, B> {
        match RawAddress::of_path(path.as_ref()) {
            Ok(raw) => self.0.send(buffer, raw.bytes()).await,
            Err(error) => (Err(error), buffer),
        }
    }

    /// The next message, and its sender's name, if it has one.
    ///
    /// Safe to cancel: a message that came too late is there for the next call.
    ///
    /// # Errors
    ///
    /// The kernel's; EBUSY where another task receives.
    pub async fn recv_from<B: Buf>(&self, buffer: B) -> BufResult<(usize, Option<PathBuf>), B> {
        self.0.receive(buffer, parse_path).await
    }

    /// The next message.
    ///
    /// # Errors
    ///
    /// As [`Self::recv_from`].
    pub async fn recv<B: Buf>(&self, buffer: B) -> BufResult<usize, B> {
        let (received, buffer) = self.0.receive(buffer, |_| ()).await;
        (received.map(|(count, ())| count), buffer)
    }
}

impl From<std_net::UnixDatagram> for UnixDatagram {
    fn from(socket: std_net::UnixDatagram) -> Self {
        // Ops wait for it: without waiting they would answer EAGAIN.
        let _ = socket.set_nonblocking(false);
        Self(Datagrams::new(socket::own(OwnedFd::from(socket))))
    }
}

impl AsFd for UnixDatagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file().as_fd()
    }
}
