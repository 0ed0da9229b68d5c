//! Sockets through the ring: TCP, UDP and Unix, on the loopback interface.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use support::net::{address_of, every_personality, socket_address, to_bytes};
use support::{Lane, has, transfer};
use wakering_core::abi::Opcode;
use wakering_core::resource::{Control, Prepared};
use wakering_core::{Driver, Token};

fn on(opcode: Opcode, fd: RawFd) -> Prepared {
    Prepared { fd, ..Prepared::new(opcode) }
}

fn owned(fd: i32) -> OwnedFd {
    assert!(fd >= 0, "{}", std::io::Error::from_raw_os_error(-fd));
    // SAFETY: an op just made it for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn socket(lane: &mut Lane, domain: i32, kind: i32) -> OwnedFd {
    let extra = [domain as u32, kind as u32];
    owned(lane.run(Prepared { extra, ..Prepared::new(Opcode::Socket) }))
}

/// Starts an op with an address in its memory.
fn start_with_address(lane: &mut Lane, prepared: Prepared, address: &SocketAddr) -> Token {
    let token = lane.claim(prepared);
    lane.with(token, |resource| resource.set_address(&to_bytes(address))).unwrap();
    lane.driver.enqueue(token).unwrap();
    token
}

fn run_with_address(lane: &mut Lane, prepared: Prepared, address: &SocketAddr) -> i32 {
    let token = start_with_address(lane, prepared, address);
    lane.result(token)
}

#[test]
fn a_connection_from_socket_to_shutdown() {
    for mut lane in every_personality(8) {
        if !has(&lane, Opcode::Bind) || !has(&lane, Opcode::Listen) {
            return;
        }
        let listener = socket(&mut lane, libc::AF_INET, libc::SOCK_STREAM);
        // SAFETY: asks for flags only.
        let flags = unsafe { libc::fcntl(listener.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags, libc::FD_CLOEXEC);
        let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let bind = on(Opcode::Bind, listener.as_raw_fd());
        assert_eq!(run_with_address(&mut lane, bind, &anywhere), 0);
        assert_eq!(run_with_address(&mut lane, bind, &anywhere), -libc::EINVAL);
        let listen = Prepared { length: 4, ..on(Opcode::Listen, listener.as_raw_fd()) };
        assert_eq!(lane.run(listen), 0);
        let address = TcpListener::from(listener.try_clone().unwrap()).local_addr().unwrap();

        let accepting = lane.claim(on(Opcode::Accept, listener.as_raw_fd()));
        lane.with(accepting, |resource| resource.expect_address());
        lane.driver.enqueue(accepting).unwrap();
        let client = socket(&mut lane, libc::AF_INET, libc::SOCK_STREAM);
        let connect = on(Opcode::Connect, client.as_raw_fd());
        assert_eq!(run_with_address(&mut lane, connect, &address), 0);
        let server = owned(lane.result_kept(accepting));
        let peer = lane.with(accepting, |resource| socket_address(resource.address()));
        lane.take(accepting);
        let client_address = TcpStream::from(client.try_clone().unwrap()).local_addr().unwrap();
        assert_eq!(peer, client_address);

        let mut buffer = [0u8; 16];
        let receiving = lane.start(transfer(Opcode::Recv, server.as_raw_fd(), &mut buffer, 0));
        let mut bytes = *b"through the ring";
        let send = transfer(Opcode::Send, client.as_raw_fd(), &mut bytes, 0);
        assert_eq!(lane.run(send), 16);
        assert_eq!(lane.result(receiving), 16);
        assert_eq!(&buffer, b"through the ring");

        let write = libc::SHUT_WR as u32;
        let shutdown = Prepared { op_flags: write, ..on(Opcode::Shutdown, client.as_raw_fd()) };
        assert_eq!(lane.run(shutdown), 0);
        let end = transfer(Opcode::Recv, server.as_raw_fd(), &mut buffer, 0);
        assert_eq!(lane.run(end), 0);
        // Not SIGPIPE, which would end the process.
        assert_eq!(lane.run(send), -libc::EPIPE);
    }
}

#[test]
fn what_the_kernel_refuses_is_said_as_it_says_it() {
    for mut lane in every_personality(4) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let in_use = TcpStream::connect(address).unwrap();
        let connect = on(Opcode::Connect, in_use.as_raw_fd());
        assert_eq!(run_with_address(&mut lane, connect, &address), -libc::EISCONN);
        drop(listener);
        let client = socket(&mut lane, libc::AF_INET, libc::SOCK_STREAM);
        let connect = on(Opcode::Connect, client.as_raw_fd());
        assert_eq!(run_with_address(&mut lane, connect, &address), -libc::ECONNREFUSED);
        let (pipe, _writer) = support::pipe();
        let mut byte = [0u8];
        let recv = transfer(Opcode::Recv, pipe.as_raw_fd(), &mut byte, 0);
        assert_eq!(lane.run(recv), -libc::ENOTSOCK);
        assert_eq!(lane.run(transfer(Opcode::Send, -1, &mut byte, 0)), -libc::EBADF);
        let bad = Prepared { extra: [999, 1], ..Prepared::new(Opcode::Socket) };
        assert_eq!(lane.run(bad), -libc::EAFNOSUPPORT);
    }
}

#[test]
fn datagrams_go_to_an_address_and_come_from_one() {
    for mut lane in every_personality(8) {
        let (one, other) = ("127.0.0.1:0", "127.0.0.1:0");
        let (one, other) = (UdpSocket::bind(one).unwrap(), UdpSocket::bind(other).unwrap());
        let (from, to) = (one.local_addr().unwrap(), other.local_addr().unwrap());

        let mut first = *b"with send";
        let send = transfer(Opcode::Send, one.as_raw_fd(), &mut first, 0);
        assert_eq!(run_with_address(&mut lane, send, &to), 9);

        let (mut head, mut tail) = (*b"in two ", *b"pieces");
        let segments = [(head.as_mut_ptr(), 7), (tail.as_mut_ptr(), 6)];
        let token = lane.claim(on(Opcode::Sendmsg, one.as_raw_fd()));
        lane.with(token, |resource| resource.set_address(&to_bytes(&to))).unwrap();
        lane.message(token, &segments, Control::NONE);
        lane.driver.enqueue(token).unwrap();
        assert_eq!(lane.result(token), 13);

        let mut buffer = [0u8; 32];
        for expected in [&b"with send"[..], b"in two pieces"] {
            let token = lane.claim(on(Opcode::Recvmsg, other.as_raw_fd()));
            lane.with(token, |resource| resource.expect_address());
            lane.message(token, &[(buffer.as_mut_ptr(), 32)], Control::NONE);
            lane.driver.enqueue(token).unwrap();
            let length = lane.result_kept(token);
            let sender = lane.with(token, |resource| socket_address(resource.received().address));
            lane.take(token);
            assert_eq!((&buffer[..length as usize], sender), (expected, from));
        }
    }
}

#[test]
fn a_message_brings_descriptors_along() {
    for mut lane in every_personality(4) {
        let (one, mut other) = UnixStream::pair().unwrap();
        let (reader, writer) = support::pipe();
        let mut byte = *b"!";
        let token = lane.claim(on(Opcode::Sendmsg, one.as_raw_fd()));
        let control = support::net::descriptor_message(writer.as_raw_fd());
        lane.message(token, &[(byte.as_mut_ptr(), 1)], Control::Send(&control));
        lane.driver.enqueue(token).unwrap();
        assert_eq!(lane.result(token), 1);
        drop(writer);

        let token = lane.claim(on(Opcode::Recvmsg, other.as_raw_fd()));
        lane.message(token, &[(byte.as_mut_ptr(), 1)], Control::Receive(64));
        lane.driver.enqueue(token).unwrap();
        assert_eq!(lane.result_kept(token), 1);
        let sent =
            lane.with(token, |resource| support::net::descriptor_in(resource.received().control));
        lane.take(token);
        support::write_to(&owned(sent), b"x");
        let mut read = [0u8];
        assert_eq!(lane.run(transfer(Opcode::Read, reader.as_raw_fd(), &mut read, u64::MAX)), 1);
        other.write_all(b"y").unwrap();
        let (mut one, mut back) = (one, [0u8]);
        one.read_exact(&mut back).unwrap();
    }
}

#[test]
fn options_are_set_and_read() {
    for mut lane in every_personality(4) {
        if !has(&lane, Opcode::Setsockopt) {
            return;
        }
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let option = |opcode, option: i32| Prepared {
            length: 4,
            extra: [libc::SOL_SOCKET as u32, option as u32],
            ..on(opcode, udp.as_raw_fd())
        };
        let token = lane.claim(option(Opcode::Setsockopt, libc::SO_BROADCAST));
        // SAFETY: `back` has room for an aligned word.
        lane.with(token, |resource| unsafe { resource.back().cast::<i32>().write(1) });
        lane.driver.enqueue(token).unwrap();
        assert_eq!(lane.result(token), 0);
        assert!(udp.broadcast().unwrap());
        for (name, expected) in [(libc::SO_BROADCAST, 1), (libc::SO_TYPE, libc::SOCK_DGRAM)] {
            let token = lane.start(option(Opcode::Getsockopt, name));
            assert_eq!(lane.result_kept(token), 4);
            let value = lane.with(token, |resource| resource.back_bytes()[..4].to_vec());
            assert_eq!(value, expected.to_ne_bytes());
            lane.take(token);
        }
        assert_eq!(lane.run(option(Opcode::Getsockopt, 9999)), -libc::ENOPROTOOPT);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nodelay(true).unwrap();
        let of_tcp = [libc::IPPROTO_TCP as u32, libc::TCP_NODELAY as u32];
        let fd = client.as_raw_fd();
        let token = lane.start(Prepared { fd, extra: of_tcp, ..option(Opcode::Getsockopt, 0) });
        assert_eq!(lane.result_kept(token), 4);
        let value = lane.with(token, |resource| resource.back_bytes()[..4].to_vec());
        assert_eq!(value, 1i32.to_ne_bytes());
        lane.take(token);
    }
}

#[test]
fn unix_sockets_by_their_path() {
    for mut lane in every_personality(4) {
        let folder = support::Folder::new();
        let path = folder.join("socket");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let accepting = lane.start(on(Opcode::Accept, listener.as_raw_fd()));
        let client = socket(&mut lane, libc::AF_UNIX, libc::SOCK_STREAM);
        let token = lane.claim(on(Opcode::Connect, client.as_raw_fd()));
        lane.with(token, |resource| resource.set_address(&address_of(&path))).unwrap();
        lane.driver.enqueue(token).unwrap();
        assert_eq!(lane.result(token), 0);
        let server = owned(lane.result(accepting));
        let mut bytes = *b"local";
        assert_eq!(lane.run(transfer(Opcode::Send, client.as_raw_fd(), &mut bytes, 0)), 5);
        let mut buffer = [0u8; 8];
        assert_eq!(lane.run(transfer(Opcode::Recv, server.as_raw_fd(), &mut buffer, 0)), 5);
        assert_eq!(&buffer[..5], b"local");
    }
}
