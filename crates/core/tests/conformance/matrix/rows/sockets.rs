//! Sockets: made, bound, connected and ended.

use super::super::case::{Case, Made, NOBODYS, Stage};
use super::super::lane::{Op, close_now, control};
use super::net::{recv, send, socket, take_one_only};
use super::{NEVER_WAITS, addresses, had, net, row, woken};
use crate::matrix::Row;
use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use wakering_core::abi::Opcode;

pub(super) const ROWS: &[Row] = &[
    row("Socket", Opcode::Socket, make, make_of_no_family, NEVER_WAITS),
    row("Bind, TCP", Opcode::Bind, bind, bind_twice, NEVER_WAITS),
    row("Bind, Unix", Opcode::Bind, bind_unix, bind_over_a_file, NEVER_WAITS),
    row("Listen", Opcode::Listen, listen, listen_to_datagrams, NEVER_WAITS),
    row("Connect, TCP", Opcode::Connect, connect, connect_to_nobody, Ok(connect_in_line)),
    row("Connect, TCP over IPv6", Opcode::Connect, connect_v6, connect_v6_to_nobody, ONE_IS_ENOUGH),
    row("Connect, UDP", Opcode::Connect, connect_udp, connect_to_a_wrong_family, NEVER_WAITS),
    row(
        "Connect, Unix stream",
        Opcode::Connect,
        connect_unix,
        connect_unix_to_nobody,
        Ok(connect_unix_in_line),
    ),
    row(
        "Connect, Unix datagram",
        Opcode::Connect,
        connect_unix_datagram,
        connect_to_a_stream,
        NEVER_WAITS,
    ),
    row("Accept, TCP", Opcode::Accept, accept, accept_without_listening, Ok(accept_nobody)),
    row(
        "Accept, TCP over IPv6",
        Opcode::Accept,
        accept_v6,
        accept_of_nobodys,
        Ok(accept_nobody_v6),
    ),
    row("Accept, Unix", Opcode::Accept, accept_unix, accept_of_a_pipe, Ok(accept_nobody_unix)),
    row("Shutdown", Opcode::Shutdown, shutdown, shutdown_unconnected, NEVER_WAITS),
    row("Setsockopt", Opcode::Setsockopt, set_option, set_no_option, NEVER_WAITS),
    row("Getsockopt", Opcode::Getsockopt, get_option, get_no_option, NEVER_WAITS),
];

const ONE_IS_ENOUGH: Result<super::Setup, &str> = Err("as over IPv4, above");

fn make(_: &Stage) -> Made {
    let kinds = [libc::AF_INET as u32, libc::SOCK_DGRAM as u32];
    Ok(Case::new(Op::on(Opcode::Socket, NOBODYS).extra(kinds)).gives_any().then(|seen| {
        let fd = seen.answer.result;
        assert_eq!(control(fd, libc::F_GETFD) & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        // SAFETY: it was just made for this case.
        let socket = std::net::UdpSocket::from(unsafe { OwnedFd::from_raw_fd(fd) });
        assert!(socket.local_addr().unwrap().is_ipv4());
    }))
}

fn make_of_no_family(_: &Stage) -> Made {
    let op = Op::on(Opcode::Socket, NOBODYS).extra([999, libc::SOCK_STREAM as u32]);
    Ok(Case::new(op).fails(libc::EAFNOSUPPORT))
}

fn bind(_: &Stage) -> Made {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM)?;
    let op = Op::on(Opcode::Bind, socket.as_raw_fd()).to(&addresses::ip(&addresses::V4));
    Ok(Case::new(op).then(move |_| {
        let bound = TcpListener::from(socket).local_addr().unwrap();
        assert_eq!(bound.ip(), addresses::V4.ip());
        assert_ne!(bound.port(), 0);
    }))
}

fn bind_twice(_: &Stage) -> Made {
    let (socket, taken) =
        (socket(libc::AF_INET, libc::SOCK_STREAM)?, net::listener(addresses::V4)?);
    let op = Op::on(Opcode::Bind, socket.as_raw_fd()).to(&addresses::of(&taken));
    Ok(Case::new(op).fails(libc::EADDRINUSE).keep(socket).keep(taken))
}

fn bind_unix(stage: &Stage) -> Made {
    let (socket, path) = (socket(libc::AF_UNIX, libc::SOCK_DGRAM)?, stage.fresh());
    let op = Op::on(Opcode::Bind, socket.as_raw_fd()).to(&addresses::unix(&path));
    Ok(Case::new(op).keep(socket).then(move |_| assert!(path.exists())))
}

fn bind_over_a_file(stage: &Stage) -> Made {
    let (socket, path) = (socket(libc::AF_UNIX, libc::SOCK_DGRAM)?, stage.file(b""));
    let op = Op::on(Opcode::Bind, socket.as_raw_fd()).to(&addresses::unix(&path));
    Ok(Case::new(op).fails(libc::EADDRINUSE).keep(socket))
}

fn listen(stage: &Stage) -> Made {
    let (socket, path) = (socket(libc::AF_UNIX, libc::SOCK_STREAM)?, stage.fresh());
    let address = addresses::unix(&path);
    // SAFETY: the address lives through the call.
    let bound = unsafe {
        libc::bind(socket.as_raw_fd(), address.as_ptr().cast(), address.len() as libc::socklen_t)
    };
    assert_eq!(bound, 0);
    let op = Op::on(Opcode::Listen, socket.as_raw_fd()).length(16);
    let case = Case::new(op).keep(socket);
    Ok(case.then(move |_| drop(UnixStream::connect(path).expect("somebody listens"))))
}

fn listen_to_datagrams(_: &Stage) -> Made {
    let socket = net::udp(addresses::V4)?;
    let op = Op::on(Opcode::Listen, socket.as_raw_fd()).length(16);
    Ok(Case::new(op).fails(libc::EOPNOTSUPP).keep(socket))
}

/// To a socket of this family and kind at the address; both are connected then.
fn connecting(domain: i32, kind: i32, address: &[u8]) -> Result<(Case, RawFd), String> {
    let socket = socket(domain, kind)?;
    let fd = socket.as_raw_fd();
    Ok((Case::new(Op::on(Opcode::Connect, fd).to(address)).keep(socket), fd))
}

fn connect_at(address: SocketAddr, domain: i32) -> Made {
    let listener = net::listener(address)?;
    let (case, fd) = connecting(domain, libc::SOCK_STREAM, &addresses::of(&listener))?;
    Ok(case.then(move |_| {
        let (server, _) = listener.accept().unwrap();
        assert_eq!(send(fd, b"hello"), 5);
        net::arrives(server.as_raw_fd(), b"hello");
    }))
}

fn connect(_: &Stage) -> Made {
    connect_at(addresses::V4, libc::AF_INET)
}

fn connect_v6(_: &Stage) -> Made {
    connect_at(addresses::V6, libc::AF_INET6)
}

/// A port that was somebody's and is nobody's now.
fn refused(address: SocketAddr, domain: i32) -> Made {
    let gone = addresses::of(&net::listener(address)?);
    let (case, _) = connecting(domain, libc::SOCK_STREAM, &gone)?;
    Ok(case.fails(libc::ECONNREFUSED))
}

fn connect_to_nobody(_: &Stage) -> Made {
    refused(addresses::V4, libc::AF_INET)
}

fn connect_v6_to_nobody(_: &Stage) -> Made {
    refused(addresses::V6, libc::AF_INET6)
}

/// The listener's queue is full. It is not emptied: TCP would try again after a second only.
fn connect_in_line(_: &Stage) -> Made {
    let listener = net::listener(addresses::V4)?;
    take_one_only(&listener);
    let first = had(TcpStream::connect(listener.local_addr().unwrap()), "a connection")?;
    let address = addresses::of(&listener);
    let (case, _) = connecting(libc::AF_INET, libc::SOCK_STREAM, &address)?;
    Ok(case.keep(listener).keep(first))
}

fn connect_udp(_: &Stage) -> Made {
    let other = net::udp(addresses::V4)?;
    let (case, fd) = connecting(libc::AF_INET, libc::SOCK_DGRAM, &addresses::of(&other))?;
    Ok(case.then(move |_| {
        assert_eq!(send(fd, b"hello"), 5);
        net::arrives(other.as_raw_fd(), b"hello");
    }))
}

fn connect_to_a_wrong_family(_: &Stage) -> Made {
    let address = addresses::ip(&addresses::V4);
    let (case, _) = connecting(libc::AF_UNIX, libc::SOCK_DGRAM, &address)?;
    Ok(case.fails(libc::EINVAL))
}

fn unix_listener(stage: &Stage) -> Result<(UnixListener, Vec<u8>), String> {
    let path = stage.fresh();
    Ok((had(UnixListener::bind(&path), "a socket with a name")?, addresses::unix(&path)))
}

fn connect_unix(stage: &Stage) -> Made {
    let (listener, address) = unix_listener(stage)?;
    let (case, fd) = connecting(libc::AF_UNIX, libc::SOCK_STREAM, &address)?;
    Ok(case.then(move |_| {
        let (server, _) = listener.accept().unwrap();
        assert_eq!(send(fd, b"hello"), 5);
        net::arrives(server.as_raw_fd(), b"hello");
    }))
}

fn connect_unix_to_nobody(stage: &Stage) -> Made {
    let address = addresses::unix(&stage.fresh());
    let (case, _) = connecting(libc::AF_UNIX, libc::SOCK_STREAM, &address)?;
    Ok(case.fails(libc::ENOENT))
}

/// One stands in line before, until the case is woken.
fn connect_unix_in_line(stage: &Stage) -> Made {
    let (listener, address) = unix_listener(stage)?;
    take_one_only(&listener);
    let path = listener.local_addr().unwrap().as_pathname().unwrap().to_path_buf();
    let first = had(UnixStream::connect(path), "a connection")?;
    let (case, _) = connecting(libc::AF_UNIX, libc::SOCK_STREAM, &address)?;
    let accepted = RefCell::new(Vec::new());
    let wake = move || accepted.borrow_mut().push(listener.accept().unwrap());
    Ok(case.keep(first).wake(wake))
}

fn connect_unix_datagram(stage: &Stage) -> Made {
    let path = stage.fresh();
    let other = had(UnixDatagram::bind(&path), "a socket with a name")?;
    let (case, fd) = connecting(libc::AF_UNIX, libc::SOCK_DGRAM, &addresses::unix(&path))?;
    Ok(case.then(move |_| {
        assert_eq!(send(fd, b"hello"), 5);
        net::arrives(other.as_raw_fd(), b"hello");
    }))
}

fn connect_to_a_stream(stage: &Stage) -> Made {
    let (listener, address) = unix_listener(stage)?;
    let (case, _) = connecting(libc::AF_UNIX, libc::SOCK_DGRAM, &address)?;
    Ok(case.fails(libc::EPROTOTYPE).keep(listener))
}

/// A connection comes when the case is woken; the address is that of who connects.
fn accepting(address: SocketAddr) -> Made {
    let listener = net::listener(address)?;
    let to = listener.local_addr().unwrap();
    let op = Op::on(Opcode::Accept, listener.as_raw_fd()).expecting_address();
    let clients = std::rc::Rc::new(RefCell::new(Vec::new()));
    let coming = clients.clone();
    let case = Case::new(op).gives_any().keep(listener).then(move |seen| {
        let client: TcpStream = clients.borrow_mut().pop().expect("somebody came");
        assert_eq!(seen.answer.address, addresses::of(&client));
        assert_eq!(send(client.as_raw_fd(), b"hello"), 5);
        net::arrives(seen.answer.result, b"hello");
        close_now(seen.answer.result);
    });
    Ok(case.wake(move || coming.borrow_mut().push(TcpStream::connect(to).unwrap())))
}

fn accept_nobody(_: &Stage) -> Made {
    accepting(addresses::V4)
}

fn accept(_: &Stage) -> Made {
    woken(accepting(addresses::V4))
}

fn accept_nobody_v6(_: &Stage) -> Made {
    accepting(addresses::V6)
}

fn accept_v6(_: &Stage) -> Made {
    woken(accepting(addresses::V6))
}

fn accept_without_listening(_: &Stage) -> Made {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM)?;
    Ok(Case::new(Op::on(Opcode::Accept, socket.as_raw_fd())).fails(libc::EINVAL).keep(socket))
}

fn accept_of_nobodys(_: &Stage) -> Made {
    Ok(Case::new(Op::on(Opcode::Accept, NOBODYS)).fails(libc::EBADF))
}

fn accept_of_a_pipe(_: &Stage) -> Made {
    let (out, into) = had(std::io::pipe(), "a pipe")?;
    let op = Op::on(Opcode::Accept, out.as_raw_fd());
    Ok(Case::new(op).fails(libc::ENOTSOCK).keep(out).keep(into))
}

fn accept_nobody_unix(stage: &Stage) -> Made {
    let (listener, _) = unix_listener(stage)?;
    let path = listener.local_addr().unwrap().as_pathname().unwrap().to_path_buf();
    let op = Op::on(Opcode::Accept, listener.as_raw_fd());
    let clients = RefCell::new(Vec::new());
    let case = Case::new(op).gives_any().keep(listener).then(|seen| close_now(seen.answer.result));
    Ok(case.wake(move || clients.borrow_mut().push(UnixStream::connect(&path).unwrap())))
}

fn accept_unix(stage: &Stage) -> Made {
    woken(accept_nobody_unix(stage))
}

fn shutdown(_: &Stage) -> Made {
    let (one, other) = net::tcp_v4()?;
    let op = Op::on(Opcode::Shutdown, one.as_raw_fd()).flags(libc::SHUT_WR);
    let case = Case::new(op).keep(one);
    Ok(case.then(move |_| assert_eq!(recv(other.as_raw_fd(), &mut [0; 8]), 0)))
}

fn shutdown_unconnected(_: &Stage) -> Made {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM)?;
    let op = Op::on(Opcode::Shutdown, socket.as_raw_fd()).flags(libc::SHUT_WR);
    Ok(Case::new(op).fails(libc::ENOTCONN).keep(socket))
}

fn option(opcode: Opcode, socket: &impl AsRawFd, option: i32) -> Op<'static> {
    Op::on(opcode, socket.as_raw_fd()).extra([libc::SOL_SOCKET as u32, option as u32]).length(4)
}

fn set_option(_: &Stage) -> Made {
    let socket = net::udp(addresses::V4)?;
    let op = option(Opcode::Setsockopt, &socket, libc::SO_BROADCAST).value(&1i32.to_ne_bytes());
    Ok(Case::new(op).then(move |_| assert!(socket.broadcast().unwrap())))
}

fn set_no_option(_: &Stage) -> Made {
    let socket = net::udp(addresses::V4)?;
    let op = option(Opcode::Setsockopt, &socket, 9999).value(&1i32.to_ne_bytes());
    Ok(Case::new(op).fails(libc::ENOPROTOOPT).keep(socket))
}

/// The result is the length of the value.
fn get_option(_: &Stage) -> Made {
    let socket = net::udp(addresses::V4)?;
    let case = Case::new(option(Opcode::Getsockopt, &socket, libc::SO_TYPE)).gives(4).keep(socket);
    Ok(case.then(|seen| assert_eq!(seen.answer.back[..4], libc::SOCK_DGRAM.to_ne_bytes())))
}

fn get_no_option(_: &Stage) -> Made {
    let socket = net::udp(addresses::V4)?;
    let case = Case::new(option(Opcode::Getsockopt, &socket, 9999));
    Ok(case.fails(libc::ENOPROTOOPT).keep(socket))
}
