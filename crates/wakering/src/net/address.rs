//! Addresses as the kernel has them.

use std::io;
use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const BYTES_MAX: usize = size_of::<libc::sockaddr_un>();

/// Bytes of a socket address, and how many of them count.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawAddress {
    bytes: [u8; BYTES_MAX],
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

    /// The name of a Unix socket.
    ///
    /// # Errors
    ///
    /// InvalidInput for a path with a NUL, an empty one, or one of more than 107 bytes.
    pub(super) fn of_path(path: &Path) -> io::Result<Self> {
        let name = path.as_os_str().as_bytes();
        let start = offset_of!(libc::sockaddr_un, sun_path);
        if name.is_empty() || name.contains(&0) || start + name.len() >= BYTES_MAX {
            let why = format!(
                "the name of a socket has 1 to {} bytes and no NUL: {}",
                BYTES_MAX - start - 1,
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let mut raw = Self { bytes: [0; BYTES_MAX], length: start + name.len() + 1 };
        raw.put(0, (libc::AF_UNIX as libc::sa_family_t).to_ne_bytes());
        raw.bytes[start..start + name.len()].copy_from_slice(name);
        Ok(raw)
    }

    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        self.bytes[at..at + N].copy_from_slice(&value);
    }
}

impl From<SocketAddr> for RawAddress {
    fn from(address: SocketAddr) -> Self {
        let bytes = [0; BYTES_MAX];
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

/// The name of a Unix socket that came back. `None` where it has none, or none in the file system.
pub(super) fn parse_path(bytes: &[u8]) -> Option<PathBuf> {
    let name = bytes.get(offset_of!(libc::sockaddr_un, sun_path)..)?;
    let name = name.split(|&byte| byte == 0).next().filter(|name| !name.is_empty())?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(name)))
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

    #[test]
    fn names_come_back_as_they_went_and_long_ones_are_refused() {
        let path = Path::new("/tmp/a socket");
        let raw = RawAddress::of_path(path).unwrap();
        assert_eq!(parse_path(raw.bytes()).as_deref(), Some(path));
        assert_eq!(parse(raw.bytes()), None);
        let long = "x".repeat(107);
        assert!(RawAddress::of_path(Path::new(&long)).is_ok());
        let error = RawAddress::of_path(Path::new(&format!("{long}y"))).unwrap_err();
        assert!(error.to_string().contains("1 to 107 bytes"), "{error}");
    }
}
