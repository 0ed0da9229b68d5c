//! Socket addresses as the kernel has them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn family(number: i32) -> [u8; 2] {
    (number as libc::sa_family_t).to_ne_bytes()
}

/// A `sockaddr_in` or `sockaddr_in6`.
pub(super) fn ip(address: &SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::new();
    match address {
        SocketAddr::V4(v4) => {
            bytes.extend(family(libc::AF_INET));
            bytes.extend(v4.port().to_be_bytes());
            bytes.extend(v4.ip().octets());
            bytes.extend([0; 8]);
        }
        SocketAddr::V6(v6) => {
            bytes.extend(family(libc::AF_INET6));
            bytes.extend(v6.port().to_be_bytes());
            bytes.extend([0; 4]);
            bytes.extend(v6.ip().octets());
            bytes.extend(v6.scope_id().to_ne_bytes());
        }
    }
    bytes
}

/// A `sockaddr_un`.
pub(super) fn unix(path: &Path) -> Vec<u8> {
    let mut bytes = family(libc::AF_UNIX).to_vec();
    bytes.extend(path.as_os_str().as_bytes());
    bytes.push(0);
    bytes
}

/// A port of the kernel's choice, on the loopback device.
pub(super) const V4: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
pub(super) const V6: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::LOCALHOST), 0);

/// getsockname(2).
pub(super) fn of(socket: &impl AsRawFd) -> Vec<u8> {
    let mut room = [0u8; size_of::<libc::sockaddr_storage>()];
    let mut length = room.len() as libc::socklen_t;
    // SAFETY: there is room for the longest of addresses.
    let result =
        unsafe { libc::getsockname(socket.as_raw_fd(), room.as_mut_ptr().cast(), &raw mut length) };
    assert_eq!(result, 0);
    room[..length as usize].to_vec()
}
