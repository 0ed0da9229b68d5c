//! Sockets of every kind through the poll driver.

#[path = "support/net.rs"]
mod net;

use net::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use wakering_core::Driver;
use wakering_core::abi::{Opcode, op_flag};
use wakering_core::resource::Control;
use wakering_core::slot::Cancel;

fn listener(net: &mut Net) -> (i32, u16) {
    let fd = net.result(socket(libc::AF_INET, libc::SOCK_STREAM));
    assert!(fd >= 0, "{fd}");
    assert_eq!(net.result_at(op(Opcode::Bind, fd), &loopback(0)), 0);
    let mut listen = op(Opcode::Listen, fd);
    listen.length = 16;
    assert_eq!(net.result(listen), 0);
    (fd, own_port(fd))
}

fn close(net: &mut Net, fd: i32) {
    assert_eq!(net.result(op(Opcode::Close, fd)), 0);
}

/// A TCP connection: the end that connected, and the one that accepted.
fn connection(net: &mut Net) -> (i32, i32) {
    let (listening, port) = listener(net);
    let accept = net.start(op(Opcode::Accept, listening));
    let fd = net.result(socket(libc::AF_INET, libc::SOCK_STREAM));
    assert_eq!(net.result_at(op(Opcode::Connect, fd), &loopback(port)), 0);
    let accepted = net.finish(accept).result;
    assert!(accepted >= 0, "{accepted}");
    close(net, listening);
    (fd, accepted)
}

#[test]
fn tcp_connects_accepts_sends_and_receives() {
    let mut net = Net::new(16);
    let (listening, port) = listener(&mut net);
    let accept = net.start_with(op(Opcode::Accept, listening), |resource, _| {
        resource.expect_address();
    });
    net.turn(SHORT);
    assert!(net.answer(accept).is_none(), "nobody has connected");
    let fd = net.result(socket(libc::AF_INET, libc::SOCK_STREAM));
    let before = status_flags(fd);
    assert_eq!(net.result_at(op(Opcode::Connect, fd), &loopback(port)), 0);
    assert_eq!(status_flags(fd), before, "it blocks, as its user made it");
    assert_eq!(before & libc::O_NONBLOCK, 0);
    let accepted = net.finish(accept);
    assert_eq!(port_of(&accepted.address), own_port(fd));
    let peer = accepted.result;

    let mut room = [0; 16];
    let waiting = net.start(recv(peer, &mut room));
    net.turn(SHORT);
    assert!(net.answer(waiting).is_none());
    assert_eq!(net.result(send(fd, b"hello")), 5);
    assert_eq!(net.finish(waiting).result, 5);
    assert_eq!(&room[..5], b"hello");

    let mut half = op(Opcode::Shutdown, fd);
    half.op_flags = libc::SHUT_WR as u32;
    assert_eq!(net.result(half), 0);
    assert_eq!(net.result(recv(peer, &mut room)), 0, "the end");
    assert_eq!(net.result(send(peer, b"still")), 5, "the other half is open");
    assert_eq!(net.result(recv(fd, &mut room)), 5);
    for fd in [fd, peer, listening] {
        close(&mut net, fd);
    }
    net.end();
}

#[test]
fn m7_a_socket_that_does_not_block_is_waited_for_and_one_call_that_must_not_is_not() {
    let mut net = Net::new(8);
    for kind in [libc::SOCK_STREAM, libc::SOCK_STREAM | libc::SOCK_NONBLOCK] {
        let (one, other) = pair(kind);
        let mut room = [0; 4];
        let waiting = net.start(recv(one, &mut room));
        net.turn(SHORT);
        assert!(net.answer(waiting).is_none());
        let mut once = recv(one, &mut [0; 4]);
        once.op_flags = libc::MSG_DONTWAIT as u32;
        assert_eq!(net.cancel(waiting), Cancel::Ask);
        assert_eq!(net.finish(waiting).result, -libc::ECANCELED);
        assert_eq!(net.result(once), -libc::EAGAIN);
        close_now(one);
        close_now(other);
    }
    net.end();
}

#[test]
fn a_refused_connection_says_so() {
    let mut net = Net::new(8);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let fd = net.result(socket(libc::AF_INET, libc::SOCK_STREAM));
    assert_eq!(net.result_at(op(Opcode::Connect, fd), &loopback(port)), -libc::ECONNREFUSED);
    close(&mut net, fd);
    let fd = net.result(socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK));
    assert_eq!(net.result_at(op(Opcode::Connect, fd), &loopback(port)), -libc::ECONNREFUSED);
    close(&mut net, fd);
    net.end();
}

/// A listener whose queue is full does not answer: the attempt lasts until it is cancelled.
#[test]
fn a_connect_is_cancelled() {
    let mut net = Net::new(16);
    let fd = net.result(socket(libc::AF_INET, libc::SOCK_STREAM));
    assert_eq!(net.result_at(op(Opcode::Bind, fd), &loopback(0)), 0);
    assert_eq!(net.result(op(Opcode::Listen, fd)), 0);
    let port = own_port(fd);
    let mut connected = Vec::new();
    let waiting = loop {
        let one = net.result(socket(libc::AF_INET, libc::SOCK_STREAM));
        connected.push(one);
        let token = net.start_at(op(Opcode::Connect, one), &loopback(port));
        net.turn(SHORT);
        match net.answer(token) {
            Some(answer) => assert_eq!(answer.result, 0),
            None => break token,
        }
        assert!(connected.len() < 10, "a queue of one is full some time");
    };
    assert_eq!(net.cancel(waiting), Cancel::Ask);
    assert_eq!(net.finish(waiting).result, -libc::ECANCELED);
    for fd in connected.into_iter().chain([fd]) {
        close(&mut net, fd);
    }
    net.end();
}

/// Somebody else takes the connection between the report and the call: the loop goes on.
#[test]
fn m7_an_accept_that_comes_second_waits_on() {
    let mut net = Net::new(8);
    let (fd, port) = listener(&mut net);
    let before = status_flags(fd);
    let mut accepts: Vec<_> = (0..2).map(|_| net.start(op(Opcode::Accept, fd))).collect();
    for _ in 0..20 {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // SAFETY: no address is asked for.
        let taken = unsafe { libc::accept(fd, std::ptr::null_mut(), std::ptr::null_mut()) };
        assert!(taken >= 0);
        net.turn(SHORT);
        close_now(taken);
        drop(stream);
    }
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let first = net.finish(accepts.remove(0)).result;
    assert!(first >= 0, "{first}");
    assert_eq!(status_flags(fd), before, "it blocks still");
    assert_eq!(net.cancel(accepts[0]), Cancel::Ask);
    assert_eq!(net.finish(accepts[0]).result, -libc::ECANCELED);
    drop(stream);
    close(&mut net, first);
    close(&mut net, fd);
    net.end();
}

#[test]
fn l10_a_reset_ends_a_reader_and_a_writer_at_once() {
    let mut net = Net::new(8);
    let (one, other) = connection(&mut net);
    let mut room = [0; 8];
    let reading = net.start(recv(one, &mut room));
    let bytes = vec![0; 1 << 20];
    let mut sends = Vec::new();
    let writing = loop {
        let token = net.start(send(one, &bytes));
        net.turn(SHORT);
        match net.answer(token) {
            Some(answer) => sends.push(answer.result),
            None => break token,
        }
        assert!(sends.len() < 100, "the socket is full some time");
    };
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let (value, size) = (&raw const linger, size_of::<libc::linger>() as u32);
    // SAFETY: the value is a local.
    let set =
        unsafe { libc::setsockopt(other, libc::SOL_SOCKET, libc::SO_LINGER, value.cast(), size) };
    assert_eq!(set, 0);
    close_now(other);
    let mut results = [net.finish(reading).result, net.finish(writing).result];
    results.sort_unstable();
    // The kernel tells of a reset once; whoever comes second finds the connection gone.
    assert!(results.contains(&-libc::ECONNRESET), "{results:?}");
    assert!([0, -libc::EPIPE, -libc::ECONNRESET].contains(&results[1]), "{results:?}");
    close(&mut net, one);
    net.end();
}

#[test]
fn l10_a_megabyte_goes_through_a_slow_reader_while_timers_tick() {
    let mut net = Net::new(16);
    let (one, other) = connection(&mut net);
    let sent: Vec<u8> = (0..1_000_000u32).map(|i| (i.wrapping_mul(7) >> 4) as u8).collect();
    let mut whole = send(one, &sent);
    whole.op_flags = libc::MSG_WAITALL as u32;
    let sending = net.start(whole);
    let mut tick = op(Opcode::Timeout, -1);
    tick.offset = 100_000;
    let mut timer = net.start(tick);
    let (mut seen, mut room, mut ticks) = (Vec::new(), vec![0; 10_000], 0);
    let mut reading = net.start(recv(other, &mut room));
    while seen.len() < sent.len() {
        if let Some(answer) = net.answer(timer) {
            assert_eq!(answer.result, -libc::ETIME);
            ticks += 1;
            timer = net.start(tick);
        }
        // One read in four turns.
        if ticks % 4 == 0
            && let Some(answer) = net.answer(reading)
        {
            seen.extend_from_slice(&room[..answer.result as usize]);
            reading = net.start(recv(other, &mut room));
        }
        net.turn(SHORT);
    }
    assert!(seen == sent && ticks > 0);
    assert_eq!(net.finish(sending).result, 1_000_000);
    assert_eq!(net.cancel(reading), Cancel::Ask);
    assert_eq!(net.finish(reading).result, -libc::ECANCELED);
    let _ = net.cancel(timer);
    net.finish(timer);
    close(&mut net, one);
    close(&mut net, other);
    net.end();
}

#[test]
fn all_that_is_wanted_is_waited_for_and_the_end_gives_what_there_was() {
    let mut net = Net::new(8);
    let (one, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut room = [0; 10];
    let mut whole = recv(one.as_raw_fd(), &mut room);
    whole.op_flags = libc::MSG_WAITALL as u32;
    let token = net.start(whole);
    for part in [&b"12"[..], b"345", b"6789a"] {
        assert!(net.answer(token).is_none());
        other.write_all(part).unwrap();
        net.turn(SHORT);
    }
    assert_eq!(net.finish(token).result, 10);
    assert_eq!(&room, b"123456789a");
    let (mut front, mut back) = ([0; 3], [0; 5]);
    let segments = [(front.as_mut_ptr(), 3), (back.as_mut_ptr(), 5)];
    let mut message = op(Opcode::Recvmsg, one.as_raw_fd());
    message.op_flags = libc::MSG_WAITALL as u32;
    let token = net.start_message(message, &[], Control::NONE, &segments);
    other.write_all(b"ab").unwrap();
    net.turn(SHORT);
    other.write_all(b"cdef").unwrap();
    net.turn(SHORT);
    assert!(net.answer(token).is_none());
    drop(other);
    assert_eq!(net.finish(token).result, 6);
    assert_eq!((&front, &back[..3]), (b"abc", &b"def"[..]));
    drop(one);
    net.end();
}

#[test]
fn datagrams_have_addresses_and_edges() {
    let mut net = Net::new(8);
    let fd = net.result(socket(libc::AF_INET, libc::SOCK_DGRAM));
    assert_eq!(net.result_at(op(Opcode::Bind, fd), &loopback(0)), 0);
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let mut room = [0; 8];
    let token =
        net.start_message(op(Opcode::Recvmsg, fd), &[], Control::NONE, &[(room.as_mut_ptr(), 8)]);
    net.turn(SHORT);
    other.send_to(b"a datagram that is too long", ("127.0.0.1", own_port(fd))).unwrap();
    let answer = net.finish(token);
    assert_eq!((answer.result, &room), (8, b"a datagr"));
    assert_eq!(port_of(&answer.received.0), port);
    assert_ne!(answer.received.2 & libc::MSG_TRUNC, 0, "it was cut");
    assert_eq!(net.result_at(send(fd, b"back"), &loopback(port)), 4);
    let mut seen = [0; 8];
    assert_eq!(other.recv_from(&mut seen).unwrap(), (4, ([127, 0, 0, 1], own_port(fd)).into()));
    let mut bytes = *b"onetwo";
    let halves = [(bytes.as_mut_ptr(), 3), (bytes.as_mut_ptr().wrapping_add(3), 3)];
    let sending = op(Opcode::Sendmsg, fd);
    let token = net.start_message(sending, &loopback(port), Control::NONE, &halves);
    assert_eq!(net.finish(token).result, 6);
    assert_eq!(other.recv(&mut seen).unwrap(), 6);
    // An empty one is a datagram too.
    let token = net.start(recv(fd, &mut room));
    net.turn(SHORT);
    other.send_to(b"", ("127.0.0.1", own_port(fd))).unwrap();
    assert_eq!(net.finish(token).result, 0);
    close(&mut net, fd);
    net.end();
}

/// Control data that hands over one descriptor.
fn rights(fd: i32) -> Vec<u8> {
    let head = size_of::<libc::cmsghdr>();
    let mut bytes = vec![0; head + 8];
    let length = (head + 4).to_ne_bytes();
    bytes[..length.len()].copy_from_slice(&length);
    bytes[head - 8..head - 4].copy_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
    bytes[head - 4..head].copy_from_slice(&libc::SCM_RIGHTS.to_ne_bytes());
    bytes[head..head + 4].copy_from_slice(&fd.to_ne_bytes());
    bytes
}

#[test]
fn a_descriptor_travels_with_a_message() {
    let mut net = Net::new(8);
    for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
        let (one, other) = pair(kind);
        let (mut out, into) = std::io::pipe().unwrap();
        let (mut sent, mut room) = (*b"take", [0; 8]);
        let receiving = op(Opcode::Recvmsg, other);
        let control = Control::Receive(64);
        let waiting = net.start_message(receiving, &[], control, &[(room.as_mut_ptr(), 8)]);
        net.turn(SHORT);
        let given = rights(into.as_raw_fd());
        let sending = op(Opcode::SendmsgZc, one);
        let segments = [(sent.as_mut_ptr(), 4)];
        let token = net.start_message(sending, &[], Control::Send(&given), &segments);
        let answer = net.finish(token);
        assert_eq!((answer.result, answer.flags), (4, 0), "one completion, it was copied");
        drop(into);
        let answer = net.finish(waiting);
        assert_eq!((answer.result, &room[..4]), (4, &b"take"[..]));
        let head = size_of::<libc::cmsghdr>();
        let control = &answer.received.1;
        let fd = i32::from_ne_bytes(control[head..head + 4].try_into().unwrap());
        assert_eq!(net.result(send_pipe(fd, b"through")), 7);
        close(&mut net, fd);
        let mut seen = String::new();
        out.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "through");
        close_now(one);
        close_now(other);
    }
    net.end();
}

fn send_pipe(fd: i32, bytes: &[u8]) -> wakering_core::resource::Prepared {
    let mut write = with_bytes(Opcode::Write, fd, bytes);
    write.offset = wakering_core::abi::POSITION_CURRENT;
    write
}

#[test]
fn unix_sockets_have_names_and_full_queues() {
    let mut net = Net::new(16);
    let path = std::env::temp_dir().join(format!("wakering-unix-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let fd = net.result(socket(libc::AF_UNIX, libc::SOCK_STREAM));
    assert_eq!(net.result_at(op(Opcode::Bind, fd), &unix(&path)), 0);
    let other = net.result(socket(libc::AF_UNIX, libc::SOCK_STREAM));
    let refused = net.result_at(op(Opcode::Connect, other), &unix(&path));
    assert_eq!(refused, -libc::ECONNREFUSED);
    close(&mut net, other);
    // Room for one more than was asked for; then a connect waits, on a thread.
    assert_eq!(net.result(op(Opcode::Listen, fd)), 0);
    let mut connected = Vec::new();
    let waiting = loop {
        let one = net.result(socket(libc::AF_UNIX, libc::SOCK_STREAM));
        connected.push(one);
        let token = net.start_at(op(Opcode::Connect, one), &unix(&path));
        net.turn(SHORT);
        match net.answer(token) {
            Some(answer) => assert_eq!(answer.result, 0),
            None => break token,
        }
        assert!(connected.len() < 10, "a queue of one is full some time");
    };
    let accepted = net.result(op(Opcode::Accept, fd));
    assert!(accepted >= 0);
    assert_eq!(net.finish(waiting).result, 0, "there is room now");
    let one = net.result(socket(libc::AF_UNIX, libc::SOCK_STREAM));
    connected.push(one);
    let waiting = net.start_at(op(Opcode::Connect, one), &unix(&path));
    net.turn(SHORT);
    let _ = net.cancel(waiting);
    assert_eq!(net.finish(waiting).result, -libc::ECANCELED);
    for fd in connected.into_iter().chain([fd, accepted]) {
        close(&mut net, fd);
    }
    std::fs::remove_file(&path).unwrap();
    net.end();
}

#[test]
fn options_are_set_and_read() {
    let mut net = Net::new(8);
    let fd = net.result(socket(libc::AF_INET, libc::SOCK_STREAM));
    let mut option = op(Opcode::Setsockopt, fd);
    option.extra = [libc::SOL_SOCKET as u32, libc::SO_KEEPALIVE as u32];
    option.length = 4;
    let token = net.start_with(option, |resource, _| {
        // SAFETY: the area has 256 bytes, aligned.
        unsafe { resource.back().cast::<i32>().write(1) };
    });
    assert_eq!(net.finish(token).result, 0);
    option.opcode = Opcode::Getsockopt;
    let token = net.start(option);
    let answer = net.finish(token);
    assert_eq!((answer.result, &answer.back[..4]), (4, &1i32.to_ne_bytes()[..]));
    (option.opcode, option.length) = (Opcode::Setsockopt, 4096);
    assert_eq!(net.result(option), -libc::EINVAL);
    close(&mut net, fd);
    assert_eq!(net.result(option), -libc::EINVAL, "the length is looked at first");
    option.length = 4;
    assert_eq!(net.result(option), -libc::EBADF);
    net.end();
}

#[test]
fn errors_are_the_kernels() {
    let mut net = Net::new(8);
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    for opcode in [Opcode::Accept, Opcode::Connect, Opcode::Send, Opcode::Recv, Opcode::Listen] {
        let result = net.result_at(with_bytes(opcode, file.as_raw_fd(), &[1]), &loopback(1));
        assert_eq!(result, -libc::ENOTSOCK, "{opcode:?}");
        let result = net.result_at(with_bytes(opcode, 1 << 20, &[1]), &loopback(1));
        assert_eq!(result, -libc::EBADF, "{opcode:?}");
    }
    let fd = net.result(socket(libc::AF_INET, libc::SOCK_STREAM));
    assert_eq!(net.result(op(Opcode::Accept, fd)), -libc::EINVAL, "it does not listen");
    assert_eq!(net.result(recv(fd, &mut [0; 4])), -libc::ENOTCONN);
    assert_eq!(net.result(send(fd, &[1])), -libc::EPIPE);
    assert_eq!(net.result(socket(-1, libc::SOCK_STREAM)), -libc::EAFNOSUPPORT);
    close(&mut net, fd);
    net.end();
}

#[test]
fn m8_a_regular_file_is_never_ready() {
    let mut net = Net::new(4);
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    for flags in [0, op_flag::MULTISHOT] {
        let mut poll = op(Opcode::PollAdd, file.as_raw_fd());
        (poll.op_flags, poll.flags) = (libc::POLLIN as u32, flags);
        assert_eq!(net.result(poll), -libc::EPERM);
    }
    net.end();
}

#[test]
fn a_device_that_nobody_can_wait_for_is_always_ready() {
    let mut net = Net::new(4);
    let file = std::fs::File::open("/dev/zero").unwrap();
    let always = i32::from(libc::POLLIN);
    for (flags, expected) in [(0, always), (op_flag::MULTISHOT, -libc::EPERM)] {
        let mut poll = op(Opcode::PollAdd, file.as_raw_fd());
        (poll.op_flags, poll.flags) = (libc::POLLIN as u32, flags);
        assert_eq!(net.result(poll), expected, "told again and again it would have no end");
    }
    net.end();
}

#[test]
fn what_nobody_can_do_without_a_ring_is_refused() {
    let net = Net::new(4);
    for opcode in [Opcode::MsgRing, Opcode::InstallFixed] {
        assert!(!net.driver.supports(opcode), "{opcode:?}");
    }
    net.end();
}
