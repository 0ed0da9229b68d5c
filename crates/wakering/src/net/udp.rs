//! UDP.

#![forbid(unsafe_code)]

use super::address::{RawAddress, parse};
use super::datagrams::Datagrams;
use super::socket::{self, as_std};
use super::zero_copy::Sent;
use crate::buf::{Buf, BufResult};
use crate::cancel::drop_and_drain;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A socket for datagrams. Any number of tasks may send, one receives at a time.
///
/// ```
/// # use std::net::{Ipv4Addr, SocketAddr};
/// # use wakering::{Runtime, net::UdpSocket};
/// # fn main() -> std::io::Result<()> {
/// # let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
/// Runtime::builder().build_local()?.block_on(async {
///     let (here, there) = (UdpSocket::bind(anywhere)?, UdpSocket::bind(anywhere)?);
///     here.send_to(b"hello".to_vec(), there.local_addr()?).await.0?;
///     let (received, bytes) = there.recv_from(Vec::with_capacity(100)).await;
///     assert_eq!(received?, (5, here.local_addr()?));
///     assert_eq!(bytes, b"hello");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct UdpSocket(Datagrams);

impl UdpSocket {
    /// A socket at an address.
    ///
    /// # Errors
    ///
    /// The kernel's: EADDRINUSE and so on.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        std::net::UdpSocket::bind(address).map(Self::from)
    }

    /// Names whom [`Self::send`] sends to, and from whom alone it receives.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn connect(&self, address: SocketAddr) -> io::Result<()> {
        self.0.connect(RawAddress::from(address).bytes())
    }

    /// Sends a datagram.
    ///
    /// # Errors
    ///
    /// The kernel's: EMSGSIZE where it is too long, and so on.
    pub async fn send_to<B: Buf>(&self, buffer: B, address: SocketAddr) -> BufResult<usize, B> {
        self.0.send(buffer, RawAddress::from(address).bytes()).await
    }

    /// As [`Self::send_to`] without copying, with the same terms as
    /// [`TcpStream::send_zc`](super::TcpStream::send_zc) (Linux 6.1): the buffer comes back when the kernel
    /// needs it no more.
    ///
    /// # Errors
    ///
    /// As [`Self::send_to`].
    pub async fn send_to_zc<B: Buf>(&self, buffer: B, address: SocketAddr) -> BufResult<Sent, B> {
        self.0.send_zc(buffer, RawAddress::from(address).bytes()).await
    }

    /// Sends a datagram to whom it is connected.
    ///
    /// # Errors
    ///
    /// EDESTADDRREQ where it is not; ECONNREFUSED where nobody was there for the one before.
    pub async fn send<B: Buf>(&self, buffer: B) -> BufResult<usize, B> {
        self.0.send(buffer, &[]).await
    }

    /// The next datagram and its sender. What the buffer's capacity has no room for is lost, as with
    /// recv(2).
    ///
    /// Safe to cancel: a datagram that came too late is there for the next call.
    ///
    /// # Errors
    ///
    /// The kernel's; EBUSY where another task receives.
    pub async fn recv_from<B: Buf>(&self, buffer: B) -> BufResult<(usize, SocketAddr), B> {
        let (received, buffer) = self.0.receive(buffer, parse).await;
        let known = received.and_then(|(count, sender)| match sender {
            Some(sender) => Ok((count, sender)),
            None => Err(io::Error::other("the datagram came without its sender's address")),
        });
        (known, buffer)
    }

    /// The next datagram.
    ///
    /// # Errors
    ///
    /// As [`Self::recv_from`].
    pub async fn recv<B: Buf>(&self, buffer: B) -> BufResult<usize, B> {
        let (received, buffer) = self.0.receive(buffer, |_| ()).await;
        (received.map(|(count, ())| count), buffer)
    }

    /// Closes it, and waits until that is done: what was under way for it is cancelled first, and has its
    /// last completion.
    ///
    /// Dropped instead, it is closed as well, by the last completion. Safe to cancel: it is closed
    /// nevertheless.
    pub async fn close(self) {
        drop_and_drain(self).await;
    }

    /// Its own address.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        as_std::<std::net::UdpSocket>(self.0.file()).local_addr()
    }
}

impl From<std::net::UdpSocket> for UdpSocket {
    fn from(socket: std::net::UdpSocket) -> Self {
        // Ops wait for it: without waiting they would answer EAGAIN.
        let _ = socket.set_nonblocking(false);
        Self(Datagrams::new(socket::own(OwnedFd::from(socket))))
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file().as_fd()
    }
}
