//! TCP.

#![forbid(unsafe_code)]

use super::address::RawAddress;
use super::listener::Listener;
use super::received::Received;
use super::socket::{self, Stream, as_std};
use super::zero_copy::Sent;
use crate::buf::{Buf, BufResult};
use crate::cancel::drop_and_drain;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// A socket that takes connections.
///
/// [`close`](Self::close) takes it whole, so nobody accepts through another reference meanwhile. Shared
/// (`Arc<TcpListener>`), an accept that is pending is ended by a [token](crate::cancel::CancelToken), and the
/// listener is closed with the last reference.
#[derive(Debug)]
pub struct TcpListener(Listener);

impl TcpListener {
    /// A listener at an address, with the standard library's choices: SO_REUSEADDR, and a line of 128.
    ///
    /// # Errors
    ///
    /// The kernel's: EADDRINUSE, EACCES and so on.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        std::net::TcpListener::bind(address).map(Self::from)
    }

    /// The next connection, and who made it. Several tasks may wait: each gets another one.
    ///
    /// Safe to cancel: a connection that nobody took is there for the next call.
    ///
    /// # Errors
    ///
    /// The kernel's: EMFILE where descriptors have run out, and so on.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let stream = TcpStream::from(self.0.accept().await?);
        let peer = stream.peer_addr()?;
        Ok((stream, peer))
    }

    /// Closes it, and waits until that is done: the accept that is under way is cancelled first. Connections
    /// that nobody took are closed.
    ///
    /// Dropped instead, it is closed as well, by the last completion. Safe to cancel: it is closed
    /// nevertheless.
    pub async fn close(self) {
        drop_and_drain(self).await;
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        as_std::<std::net::TcpListener>(self.0.file()).local_addr()
    }
}

impl From<std::net::TcpListener> for TcpListener {
    fn from(listener: std::net::TcpListener) -> Self {
        // Ops wait for it: without waiting they would answer EAGAIN.
        let _ = listener.set_nonblocking(false);
        Self(Listener::new(socket::own(OwnedFd::from(listener))))
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file().as_fd()
    }
}

/// A connection. Read and written by shared reference, by one task each at a time.
///
/// [`close`](Self::close) takes it whole, so nobody reads or writes through another reference meanwhile.
/// Shared (`Arc<TcpStream>`), it is ended by [`shutdown`](Self::shutdown) of both directions: a read that is
/// pending finds the end, a write EPIPE, and the socket is closed with the last reference. A read or write is
/// ended, and the connection kept, by a [token](crate::cancel::CancelToken).
#[derive(Debug)]
pub struct TcpStream(pub(super) Stream);

impl TcpStream {
    /// Connects to an address.
    ///
    /// Safe to cancel: the socket is closed.
    ///
    /// # Errors
    ///
    /// The kernel's: ECONNREFUSED, ETIMEDOUT and so on.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let raw = RawAddress::from(address);
        Ok(Self(Stream::connect(raw.domain(), raw.bytes()).await?))
    }

    /// Reads what is there into the buffer, from its start and up to its capacity, or waits for something.
    /// No byte is the end, or a buffer without room.
    ///
    /// Safe to cancel: no byte is lost, the next read finds what came. The buffer is gone with the
    /// future.
    ///
    /// # Errors
    ///
    /// ECONNRESET and so on; EBUSY where another task reads.
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
    /// As [`Self::read`].
    pub async fn receive(&self) -> io::Result<Received> {
        self.0.receive().await
    }

    /// Reads until the buffer's capacity is full.
    ///
    /// Cancelled, it loses what it had read so far.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; UnexpectedEof where the stream ends before, which says after how many bytes: they
    /// are in the buffer.
    pub async fn read_exact<B: Buf>(&self, buffer: B) -> BufResult<(), B> {
        self.0.read_exact(buffer).await
    }

    /// Sends bytes from the buffer's start; how many. It waits for room.
    ///
    /// Cancelled, it may have sent some or all of them.
    ///
    /// # Errors
    ///
    /// EPIPE, ECONNRESET and so on; EBUSY where another task writes.
    pub async fn write<B: Buf>(&self, buffer: B) -> BufResult<usize, B> {
        self.0.write(buffer).await
    }

    /// Sends all of the buffer.
    ///
    /// Cancelled, it may have sent some of it.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub async fn write_all<B: Buf>(&self, buffer: B) -> BufResult<(), B> {
        self.0.write_all(buffer).await
    }

    /// Sends bytes from the buffer's start without copying them; how many. It waits for room, and then until
    /// the kernel needs the buffer no more: a receiver that does not acknowledge keeps it. Worth it for
    /// large buffers (tens of KiB) over a network card; over loopback the kernel copies after all, when the
    /// bytes are received, and [`Sent::copied`] says so.
    ///
    /// Linux 6.0. On an older kernel, without a ring, and where the kernel refuses (too little memory may
    /// be locked), it is [`Self::write`], and says that it copied.
    ///
    /// Cancelled, it may have sent some or all of them; the buffer stays the kernel's until it is given back.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub async fn send_zc<B: Buf>(&self, buffer: B) -> BufResult<Sent, B> {
        self.0.send_zc(buffer).await
    }

    /// Closes it, and waits until that is done: what was under way for it is cancelled first, and has its
    /// last completion.
    ///
    /// Dropped instead, it is closed as well, by the last completion. Safe to cancel: it is closed
    /// nevertheless.
    pub async fn close(self) {
        drop_and_drain(self).await;
    }

    /// Ends one direction, or both. Who reads meanwhile finds the end, who writes EPIPE.
    ///
    /// # Errors
    ///
    /// ENOTCONN.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }

    /// Who it is connected to.
    ///
    /// # Errors
    ///
    /// ENOTCONN.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().peer_addr()
    }

    /// Its own address.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().local_addr()
    }

    /// Whether small pieces are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.as_std().set_nodelay(on)
    }

    /// See [`Self::set_nodelay`].
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.as_std().nodelay()
    }

    fn as_std(&self) -> std::mem::ManuallyDrop<std::net::TcpStream> {
        as_std(self.0.file())
    }
}

impl From<OwnedFd> for TcpStream {
    fn from(fd: OwnedFd) -> Self {
        Self(Stream::new(socket::own(fd)))
    }
}

impl From<std::net::TcpStream> for TcpStream {
    fn from(stream: std::net::TcpStream) -> Self {
        // Ops wait for it: without waiting they would answer EAGAIN.
        let _ = stream.set_nonblocking(false);
        Self::from(OwnedFd::from(stream))
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file().as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.0.file().as_raw_fd()
    }
}
