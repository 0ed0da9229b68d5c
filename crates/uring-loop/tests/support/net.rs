//! Socket addresses and control data as the kernel has them.

use super::Lane;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use wakering_uring_loop::{Sqpoll, UringConfig};

/// A lane of each personality that this kernel gives.
pub fn every_personality(slots: u32) -> Vec<Lane> {
    let sqpoll = Sqpoll { cpu: None, idle_ms: 20, share: None };
    let configs = [
        UringConfig::inline(slots),
        UringConfig::worker(slots),
        UringConfig::inline(slots).with_sqpoll(sqpoll),
    ];
    configs.into_iter().filter_map(|config| Lane::new(slots, config)).collect()
}

/// A `sockaddr_in`.
pub fn to_bytes(address: &SocketAddr) -> [u8; 16] {
    let SocketAddr::V4(address) = address else { panic!("tests use IPv4") };
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
    bytes[4..8].copy_from_slice(&address.ip().octets());
    bytes
}

/// From a `sockaddr_in`.
pub fn socket_address(bytes: &[u8]) -> SocketAddr {
    assert_eq!(bytes.len(), 16);
    assert_eq!(bytes[..2], (libc::AF_INET as u16).to_ne_bytes());
    let ip: [u8; 4] = bytes[4..8].try_into().unwrap();
    (Ipv4Addr::from(ip), u16::from_be_bytes([bytes[2], bytes[3]])).into()
}

/// A `sockaddr_un`.
pub fn address_of(path: &Path) -> Vec<u8> {
    let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    bytes.extend(path.as_os_str().as_bytes());
    bytes.push(0);
    bytes
}

const HEAD: usize = size_of::<libc::cmsghdr>();

/// Control data that carries one descriptor.
pub fn descriptor_message(fd: RawFd) -> Vec<u8> {
    let mut bytes = (HEAD + 4).to_ne_bytes().to_vec();
    bytes.extend(libc::SOL_SOCKET.to_ne_bytes());
    bytes.extend(libc::SCM_RIGHTS.to_ne_bytes());
    bytes.extend(fd.to_ne_bytes());
    bytes.resize(HEAD + 8, 0);
    bytes
}

/// The descriptor that control data carries.
pub fn descriptor_in(control: &[u8]) -> RawFd {
    assert!(control.len() >= HEAD + 4, "{} bytes", control.len());
    RawFd::from_ne_bytes(control[HEAD..HEAD + 4].try_into().unwrap())
}
