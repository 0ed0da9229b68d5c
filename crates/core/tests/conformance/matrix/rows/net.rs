//! Sockets as the other side has them: made, filled and emptied past the driver.

use super::addresses;
use super::had;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

/// Two connected sockets.
pub(super) type Pair = (OwnedFd, OwnedFd);

pub(super) fn socket(domain: i32, kind: i32) -> Result<OwnedFd, String> {
    // SAFETY: three numbers.
    let fd = unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, 0) };
    let made = if fd < 0 { Err(std::io::Error::last_os_error()) } else { Ok(fd) };
    // SAFETY: it is open, and nobody else's.
    had(made, "a socket").map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Has a listener take no more than one connection that nobody has accepted.
pub(super) fn take_one_only(listener: &impl AsRawFd) {
    // SAFETY: two numbers.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
}

pub(super) fn listener(address: SocketAddr) -> Result<TcpListener, String> {
    had(TcpListener::bind(address), "a port of the loopback device")
}

fn tcp(address: SocketAddr) -> Result<Pair, String> {
    let listener = listener(address)?;
    let client = had(TcpStream::connect(listener.local_addr().unwrap()), "a connection")?;
    let (server, _) = had(listener.accept(), "a connection")?;
    client.set_nodelay(true).unwrap();
    // Of these sizes, and growing no more: what is full stays so. Room for a few segments of the
    // loopback device, or else TCP waits for its timers.
    set_size(&client, libc::SO_SNDBUF, 1 << 16);
    set_size(&server, libc::SO_RCVBUF, 1 << 18);
    Ok((client.into(), server.into()))
}

fn set_size(socket: &impl AsRawFd, option: i32, size: i32) {
    let (at, length) = ((&raw const size).cast(), size_of::<i32>() as libc::socklen_t);
    // SAFETY: the value is an `int`.
    let set = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, at, length) };
    assert_eq!(set, 0);
}

pub(super) fn tcp_v4() -> Result<Pair, String> {
    tcp(addresses::V4)
}

pub(super) fn tcp_v6() -> Result<Pair, String> {
    tcp(addresses::V6)
}

pub(super) fn udp(address: SocketAddr) -> Result<UdpSocket, String> {
    had(UdpSocket::bind(address), "a port of the loopback device")
}

pub(super) fn udp_v4() -> Result<Pair, String> {
    let (one, other) = (udp(addresses::V4)?, udp(addresses::V4)?);
    one.connect(other.local_addr().unwrap()).unwrap();
    other.connect(one.local_addr().unwrap()).unwrap();
    Ok((one.into(), other.into()))
}

pub(super) fn unix_stream() -> Result<Pair, String> {
    let (one, other) = had(UnixStream::pair(), "a pair of sockets")?;
    Ok((one.into(), other.into()))
}

pub(super) fn unix_datagram() -> Result<Pair, String> {
    let (one, other) = had(UnixDatagram::pair(), "a pair of sockets")?;
    Ok((one.into(), other.into()))
}

/// send(2), without waiting.
pub(super) fn send(socket: RawFd, bytes: &[u8]) -> isize {
    // SAFETY: the bytes live through the call.
    unsafe { libc::send(socket, bytes.as_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT) }
}

/// recv(2).
pub(super) fn recv(socket: RawFd, room: &mut [u8]) -> isize {
    // SAFETY: the room lives through the call.
    unsafe { libc::recv(socket, room.as_mut_ptr().cast(), room.len(), 0) }
}

/// Sends until nothing more goes in. Of each message, how many bytes went.
pub(super) fn fill(socket: RawFd, other: RawFd) -> Vec<usize> {
    let chunk = [b'.'; 4096];
    let mut sent = Vec::new();
    // TCP takes a little more when the other side has said what arrived, which it puts off.
    let mut refused = 0;
    while refused < 3 {
        acknowledge(other);
        match send(socket, &chunk) {
            count @ 1.. => (refused, _) = (0, sent.push(count as usize)),
            _ => {
                refused += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
    sent
}

/// Has TCP say what arrived.
fn acknowledge(socket: RawFd) {
    let (value, length) = (1i32, size_of::<i32>() as libc::socklen_t);
    let at = (&raw const value).cast();
    // SAFETY: the value is an `int`. Other sockets refuse it, which is as well.
    unsafe { libc::setsockopt(socket, libc::IPPROTO_TCP, libc::TCP_QUICKACK, at, length) };
}

/// Receives what [`fill`] sent, and nothing that came behind it.
pub(super) fn empty(socket: RawFd, sent: &[usize]) {
    let mut room = [0; 4096];
    for &length in sent {
        let mut left = length;
        while left > 0 {
            let count = recv(socket, &mut room[..left]);
            assert!(count > 0, "{count}");
            left -= count as usize;
        }
    }
}

/// Receives one message, or as much of a stream as there is: what is expected.
pub(super) fn arrives(socket: RawFd, expected: &[u8]) {
    let mut room = [0; 64];
    let count = recv(socket, &mut room);
    assert_eq!(&room[..count.max(0) as usize], expected);
}
