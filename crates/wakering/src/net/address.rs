//! Addresses as the kernel has them.

use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Bytes of a socket address, and how many of them count.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawAddress {
    bytes: [u8; size_of::<libc::sockaddr_in6>()],
    length: usize,
}

impl RawAddress {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The family, as socket(2) takes it.
    pub(super) fn domain(&self) -> i32 {
        i32::from(u16::from_ne_bytes([self.bytes[0], self.bytes[1]]))
    }

    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        self.bytes[at..at + N].copy_from_slice(&value);
    }
}

impl From<SocketAddr> for RawAddress {
    fn from(address: SocketAddr) -> Self {
        let bytes = [0; size_of::<libc::sockaddr_in6>()];
        match address {
            SocketAddr::V4(v4) => {
                let mut raw = Self { bytes, length: size_of::<libc::sockaddr_in>() };
                raw.put(0, (libc::AF_INET as libc::sa_family_t).to_ne_bytes());
                raw.put(offset_of!(libc::sockaddr_in, sin_port), v4.port().to_be_bytes());
                raw.put(offset_of!(libc::sockaddr_in, sin_addr), v4.ip().octets());
                raw
            }
            SocketAddr::V6(v6) => {
                let mut raw = Self { bytes, length: size_of::<libc::sockaddr_in6>() };
                raw.put(0, (libc::AF_INET6 as libc::sa_family_t).to_ne_bytes());
                raw.put(offset_of!(libc::sockaddr_in6, sin6_port), v6.port().to_be_bytes());
                let flow = v6.flowinfo().to_ne_bytes();
                raw.put(offset_of!(libc::sockaddr_in6, sin6_flowinfo), flow);
                raw.put(offset_of!(libc::sockaddr_in6, sin6_addr), v6.ip().octets());
                let scope = v6.scope_id().to_ne_bytes();
                raw.put(offset_of!(libc::sockaddr_in6, sin6_scope_id), scope);
                raw
            }
        }
    }
}

/// An address that came back. `None` for another family than IP's.
pub(super) fn parse(bytes: &[u8]) -> Option<SocketAddr> {
    fn get<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
        bytes.get(at..at + N)?.try_into().ok()
    }
    let family = i32::from(u16::from_ne_bytes(get(bytes, 0)?));
    match family {
        libc::AF_INET => {
            let port = u16::from_be_bytes(get(bytes, offset_of!(libc::sockaddr_in, sin_port))?);
            let ip: [u8; 4] = get(bytes, offset_of!(libc::sockaddr_in, sin_addr))?;
            Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(ip)), port))
        }
        libc::AF_INET6 => {
            let port = u16::from_be_bytes(get(bytes, offset_of!(libc::sockaddr_in6, sin6_port))?);
            let ip: [u8; 16] = get(bytes, offset_of!(libc::sockaddr_in6, sin6_addr))?;
            let flow = get(bytes, offset_of!(libc::sockaddr_in6, sin6_flowinfo))?;
            let scope = get(bytes, offset_of!(libc::sockaddr_in6, sin6_scope_id))?;
            let (flow, scope) = (u32::from_ne_bytes(flow), u32::from_ne_bytes(scope));
            let v6 = SocketAddrV6::new(Ipv6Addr::from(ip), port, flow, scope);
            Some(SocketAddr::V6(v6))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddrV4;

    #[test]
    fn addresses_come_back_as_they_went() {
        let v4 = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 1), 8080));
        let v6 = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 443, 7, 3));
        for address in [v4, v6] {
            assert_eq!(parse(RawAddress::from(address).bytes()), Some(address));
        }
        assert_eq!(RawAddress::from(v6).domain(), libc::AF_INET6);
        assert_eq!(parse(&[]), None);
    }
}
