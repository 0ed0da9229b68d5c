//! Bytes through sockets of each kind.

use super::super::case::{Case, Made, NOBODYS, Stage};
use super::super::lane::Op;
use super::net::{self, Pair};
use super::{NEVER_WAITS, addresses, had, row, woken};
use crate::matrix::{Linux, Row};
use std::os::fd::AsRawFd;
use wakering_core::abi::{Opcode, io_flag};

pub(super) const ROWS: &[Row] = &[
    row("Send, TCP", Opcode::Send, send_tcp, send_after_the_end, Ok(send_without_room_tcp)),
    row(
        "Send, TCP over IPv6",
        Opcode::Send,
        send_tcp_v6,
        send_unconnected,
        Ok(send_without_room_v6),
    ),
    row("Send, UDP", Opcode::Send, send_udp, send_to_nobody, NEVER_WAITS),
    row("Send, UDP to an address", Opcode::Send, send_to, send_too_much, NEVER_WAITS),
    row("Send, Unix stream", Opcode::Send, send_unix, send_to_a_pipe, Ok(send_without_room_unix)),
    row(
        "Send, Unix datagram",
        Opcode::Send,
        send_datagram,
        send_nowhere,
        Ok(send_without_room_datagram),
    ),
    row("SendZc, TCP", Opcode::SendZc, send_zc, send_zc_after_the_end, Ok(send_zc_without_room)),
    row("Recv, TCP", Opcode::Recv, recv_tcp, recv_unconnected, Ok(recv_nothing_tcp)),
    row("Recv, TCP over IPv6", Opcode::Recv, recv_tcp_v6, recv_of_nobodys, Ok(recv_nothing_v6)),
    row("Recv, UDP", Opcode::Recv, recv_udp, recv_of_a_pipe, Ok(recv_nothing_udp)),
    row("Recv, Unix stream", Opcode::Recv, recv_unix, recv_of_a_pipe, Ok(recv_nothing_unix)),
    row(
        "Recv, Unix datagram",
        Opcode::Recv,
        recv_datagram,
        recv_of_a_pipe,
        Ok(recv_nothing_datagram),
    ),
    row("Recv, readiness first", Opcode::Recv, recv_ready, recv_of_a_pipe, Ok(recv_unready)),
    row("Recv, picked", Opcode::Recv, recv_picked, recv_of_no_group, Ok(recv_nothing_picked))
        .picking()
        .since(Linux(5, 19)),
    row("Recv, bundle", Opcode::Recv, recv_bundle, recv_of_no_group, Ok(recv_no_bundle))
        .picking()
        .since(Linux(5, 19)),
];

type Connected = Result<Pair, String>;

fn sending(opcode: Opcode, pair: Connected) -> Made {
    let (one, other) = pair?;
    let case = Case::writing(Op::on(opcode, one.as_raw_fd()), b"hello").keep(one);
    Ok(case.then(move |_| net::arrives(other.as_raw_fd(), b"hello")))
}

/// Nothing more goes in until the case is woken.
fn stuffed(opcode: Opcode, pair: Connected) -> Made {
    let (one, other) = pair?;
    let end = other.as_raw_fd();
    let sent = net::fill(one.as_raw_fd(), end);
    let case = Case::writing(Op::on(opcode, one.as_raw_fd()), b"hello").keep(one);
    let case = case.then(move |_| net::arrives(other.as_raw_fd(), b"hello"));
    Ok(case.wake(move || net::empty(end, &sent)))
}

/// One direction is closed already.
fn ended(opcode: Opcode) -> Made {
    let (one, other) = net::unix_stream()?;
    // SAFETY: two numbers.
    assert_eq!(unsafe { libc::shutdown(one.as_raw_fd(), libc::SHUT_WR) }, 0);
    let case = Case::writing(Op::on(opcode, one.as_raw_fd()), b"hello");
    Ok(case.fails(libc::EPIPE).keep(one).keep(other))
}

fn send_tcp(_: &Stage) -> Made {
    sending(Opcode::Send, net::tcp_v4())
}

fn send_without_room_tcp(_: &Stage) -> Made {
    stuffed(Opcode::Send, net::tcp_v4())
}

fn send_after_the_end(_: &Stage) -> Made {
    ended(Opcode::Send)
}

fn send_tcp_v6(_: &Stage) -> Made {
    sending(Opcode::Send, net::tcp_v6())
}

fn send_without_room_v6(_: &Stage) -> Made {
    stuffed(Opcode::Send, net::tcp_v6())
}

fn send_unconnected(_: &Stage) -> Made {
    let socket = net::socket(libc::AF_INET6, libc::SOCK_STREAM)?;
    let case = Case::writing(Op::on(Opcode::Send, socket.as_raw_fd()), b"hello");
    Ok(case.fails(libc::EPIPE).keep(socket))
}

fn send_udp(_: &Stage) -> Made {
    sending(Opcode::Send, net::udp_v4())
}

fn send_to_nobody(_: &Stage) -> Made {
    let socket = net::udp(addresses::V4)?;
    let case = Case::writing(Op::on(Opcode::Send, socket.as_raw_fd()), b"hello");
    Ok(case.fails(libc::EDESTADDRREQ).keep(socket))
}

fn send_to(_: &Stage) -> Made {
    let (one, other) = (net::udp(addresses::V6)?, net::udp(addresses::V6)?);
    let op = Op::on(Opcode::Send, one.as_raw_fd()).to(&addresses::of(&other));
    let case = Case::writing(op, b"hello").keep(one);
    Ok(case.then(move |_| net::arrives(other.as_raw_fd(), b"hello")))
}

fn send_too_much(_: &Stage) -> Made {
    let (one, other) = (net::udp(addresses::V4)?, net::udp(addresses::V4)?);
    let op = Op::on(Opcode::Send, one.as_raw_fd()).to(&addresses::of(&other));
    Ok(Case::writing(op, &[0; 70_000]).fails(libc::EMSGSIZE).keep(one).keep(other))
}

fn send_unix(_: &Stage) -> Made {
    sending(Opcode::Send, net::unix_stream())
}

fn send_without_room_unix(_: &Stage) -> Made {
    stuffed(Opcode::Send, net::unix_stream())
}

fn of_a_pipe(opcode: Opcode) -> Made {
    let (out, into) = had(std::io::pipe(), "a pipe")?;
    let case = Case::reading(Op::on(opcode, into.as_raw_fd()), 8);
    Ok(case.fails(libc::ENOTSOCK).keep(out).keep(into))
}

fn send_to_a_pipe(_: &Stage) -> Made {
    of_a_pipe(Opcode::Send)
}

fn send_datagram(_: &Stage) -> Made {
    sending(Opcode::Send, net::unix_datagram())
}

fn send_without_room_datagram(_: &Stage) -> Made {
    stuffed(Opcode::Send, net::unix_datagram())
}

fn send_nowhere(_: &Stage) -> Made {
    let socket = net::socket(libc::AF_UNIX, libc::SOCK_DGRAM)?;
    let case = Case::writing(Op::on(Opcode::Send, socket.as_raw_fd()), b"hello");
    Ok(case.fails(libc::ENOTCONN).keep(socket))
}

fn send_zc(_: &Stage) -> Made {
    sending(Opcode::SendZc, net::tcp_v4())
}

fn send_zc_without_room(_: &Stage) -> Made {
    stuffed(Opcode::SendZc, net::tcp_v4())
}

fn send_zc_after_the_end(_: &Stage) -> Made {
    let (one, other) = net::tcp_v4()?;
    // SAFETY: two numbers.
    assert_eq!(unsafe { libc::shutdown(one.as_raw_fd(), libc::SHUT_WR) }, 0);
    let case = Case::writing(Op::on(Opcode::SendZc, one.as_raw_fd()), b"hello");
    Ok(case.fails(libc::EPIPE).keep(one).keep(other))
}

/// Bytes come when the case is woken.
fn receiving(pair: Connected, io_flags: u32) -> Made {
    let (one, other) = pair?;
    let op = Op::on(Opcode::Recv, one.as_raw_fd()).extra([io_flags, 0]);
    let case = Case::reading(op, 16).gives(5).keep(one);
    let case = case.then(|seen| assert_eq!(&seen.room[..5], b"hello"));
    Ok(case.wake(move || assert_eq!(net::send(other.as_raw_fd(), b"hello"), 5)))
}

fn recv_nothing_tcp(_: &Stage) -> Made {
    receiving(net::tcp_v4(), 0)
}

fn recv_tcp(_: &Stage) -> Made {
    woken(receiving(net::tcp_v4(), 0))
}

fn recv_unconnected(_: &Stage) -> Made {
    let socket = net::socket(libc::AF_INET, libc::SOCK_STREAM)?;
    let case = Case::reading(Op::on(Opcode::Recv, socket.as_raw_fd()), 8);
    Ok(case.fails(libc::ENOTCONN).keep(socket))
}

fn recv_nothing_v6(_: &Stage) -> Made {
    receiving(net::tcp_v6(), 0)
}

fn recv_tcp_v6(_: &Stage) -> Made {
    woken(receiving(net::tcp_v6(), 0))
}

fn recv_of_nobodys(_: &Stage) -> Made {
    Ok(Case::reading(Op::on(Opcode::Recv, NOBODYS), 8).fails(libc::EBADF))
}

fn recv_of_a_pipe(_: &Stage) -> Made {
    of_a_pipe(Opcode::Recv)
}

fn recv_nothing_udp(_: &Stage) -> Made {
    receiving(net::udp_v4(), 0)
}

fn recv_udp(_: &Stage) -> Made {
    woken(receiving(net::udp_v4(), 0))
}

fn recv_nothing_unix(_: &Stage) -> Made {
    receiving(net::unix_stream(), 0)
}

fn recv_unix(_: &Stage) -> Made {
    woken(receiving(net::unix_stream(), 0))
}

fn recv_nothing_datagram(_: &Stage) -> Made {
    receiving(net::unix_datagram(), 0)
}

fn recv_datagram(_: &Stage) -> Made {
    woken(receiving(net::unix_datagram(), 0))
}

fn recv_unready(_: &Stage) -> Made {
    receiving(net::unix_stream(), io_flag::POLL_FIRST)
}

fn recv_ready(_: &Stage) -> Made {
    woken(receiving(net::unix_stream(), io_flag::POLL_FIRST))
}

/// Into a buffer that is picked when bytes come.
fn picking(stage: &Stage, io_flags: u32) -> Made {
    let (one, other) = net::unix_stream()?;
    let (number, group) = stage.group();
    let op = Op::on(Opcode::Recv, one.as_raw_fd()).extra([io_flags, 0]).picking(number);
    let case = Case::new(op).gives(5).keep(one);
    let case = case.then(move |seen| {
        let picked = seen.answer.picked().expect("a buffer was picked");
        // SAFETY: it was picked for this answer, which nobody else has.
        let bytes = unsafe { group.take(picked, seen.answer.result as u32) };
        assert_eq!(*bytes, *b"hello");
    });
    Ok(case.wake(move || assert_eq!(net::send(other.as_raw_fd(), b"hello"), 5)))
}

fn recv_nothing_picked(stage: &Stage) -> Made {
    picking(stage, 0)
}

fn recv_picked(stage: &Stage) -> Made {
    woken(picking(stage, 0))
}

fn recv_no_bundle(stage: &Stage) -> Made {
    picking(stage, io_flag::BUNDLE)
}

fn recv_bundle(stage: &Stage) -> Made {
    woken(picking(stage, io_flag::BUNDLE))
}

/// There is no such group, so no buffer in it.
fn recv_of_no_group(_: &Stage) -> Made {
    let (one, other) = net::unix_stream()?;
    assert_eq!(net::send(other.as_raw_fd(), b"hello"), 5);
    let op = Op::on(Opcode::Recv, one.as_raw_fd()).picking(999);
    Ok(Case::new(op).fails(libc::ENOBUFS).keep(one).keep(other))
}
