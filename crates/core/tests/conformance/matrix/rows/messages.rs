//! Messages: several segments, addresses, and control data.

use super::super::case::{Case, Made, NOBODYS, Stage};
use super::super::lane::{Op, close_now, read_now, write_now};
use super::net;
use super::{NEVER_WAITS, addresses, had, row, woken};
use crate::matrix::Row;
use std::os::fd::{AsRawFd, RawFd};
use wakering_core::abi::Opcode;

pub(super) const ROWS: &[Row] = &[
    row("Sendmsg, UDP", Opcode::Sendmsg, send_to, send_to_nobody, NEVER_WAITS),
    row("Sendmsg, TCP", Opcode::Sendmsg, send, send_to_nobodys, Ok(send_without_room)),
    row("Sendmsg, descriptors", Opcode::Sendmsg, send_descriptor, send_bad_descriptor, NEVER_WAITS),
    row("SendmsgZc, TCP", Opcode::SendmsgZc, send_zc, send_zc_to_nobodys, Ok(send_zc_without_room)),
    row("Recvmsg, UDP", Opcode::Recvmsg, recv_from, recv_of_nobodys, Ok(recv_from_nobody)),
    row(
        "Recvmsg, UDP over IPv6",
        Opcode::Recvmsg,
        recv_from_v6,
        recv_of_nobodys,
        Ok(recv_from_nobody_v6),
    ),
    row("Recvmsg, TCP", Opcode::Recvmsg, recv, recv_of_nobodys, Ok(recv_nothing)),
    row(
        "Recvmsg, descriptors",
        Opcode::Recvmsg,
        recv_descriptor,
        recv_of_nobodys,
        Ok(recv_no_descriptor),
    ),
];

/// Two segments that make "hello".
fn hello(op: Op<'_>) -> Case {
    Case::segments(op.sending(b""), b"hello", 3)
}

fn send_to(_: &Stage) -> Made {
    let (one, other) = (net::udp(addresses::V4)?, net::udp(addresses::V4)?);
    let op = Op::on(Opcode::Sendmsg, one.as_raw_fd()).to(&addresses::of(&other));
    let case = hello(op).keep(one);
    Ok(case.then(move |_| net::arrives(other.as_raw_fd(), b"hello")))
}

fn send_to_nobody(_: &Stage) -> Made {
    let socket = net::udp(addresses::V4)?;
    let case = hello(Op::on(Opcode::Sendmsg, socket.as_raw_fd()));
    Ok(case.fails(libc::EDESTADDRREQ).keep(socket))
}

fn sending(opcode: Opcode) -> Made {
    let (one, other) = net::tcp_v4()?;
    let case = hello(Op::on(opcode, one.as_raw_fd())).keep(one);
    Ok(case.then(move |_| net::arrives(other.as_raw_fd(), b"hello")))
}

fn stuffed(opcode: Opcode) -> Made {
    let (one, other) = net::tcp_v4()?;
    let end = other.as_raw_fd();
    let sent = net::fill(one.as_raw_fd(), end);
    let case = hello(Op::on(opcode, one.as_raw_fd())).keep(one);
    let case = case.then(move |_| net::arrives(other.as_raw_fd(), b"hello"));
    Ok(case.wake(move || net::empty(end, &sent)))
}

fn send(_: &Stage) -> Made {
    sending(Opcode::Sendmsg)
}

fn send_without_room(_: &Stage) -> Made {
    stuffed(Opcode::Sendmsg)
}

fn send_to_nobodys(_: &Stage) -> Made {
    Ok(hello(Op::on(Opcode::Sendmsg, NOBODYS)).fails(libc::EBADF))
}

fn send_zc(_: &Stage) -> Made {
    sending(Opcode::SendmsgZc)
}

fn send_zc_without_room(_: &Stage) -> Made {
    stuffed(Opcode::SendmsgZc)
}

fn send_zc_to_nobodys(_: &Stage) -> Made {
    Ok(hello(Op::on(Opcode::SendmsgZc, NOBODYS)).fails(libc::EBADF))
}

/// Control data with one descriptor: a `cmsghdr` and its number.
fn descriptor_message(fd: RawFd) -> Vec<u8> {
    const LENGTH: usize = size_of::<libc::cmsghdr>() + size_of::<RawFd>();
    let mut bytes = LENGTH.to_ne_bytes().to_vec();
    bytes.extend(libc::SOL_SOCKET.to_ne_bytes());
    bytes.extend(libc::SCM_RIGHTS.to_ne_bytes());
    bytes.extend(fd.to_ne_bytes());
    bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
    bytes
}

/// The other side gets the reading end of a pipe.
fn send_descriptor(_: &Stage) -> Made {
    let (one, other) = net::unix_stream()?;
    let (out, into) = had(std::io::pipe(), "a pipe")?;
    let op = Op::on(Opcode::Sendmsg, one.as_raw_fd()).sending(&descriptor_message(out.as_raw_fd()));
    let case = Case::segments(op, b"!", 1).keep(one).keep(out);
    Ok(case.then(move |_| {
        assert_eq!(write_now(into.as_raw_fd(), b"x"), 1);
        let got = receive_descriptor(other.as_raw_fd());
        assert_eq!(read_now(got, &mut [0; 8]), 1);
        close_now(got);
    }))
}

fn send_bad_descriptor(_: &Stage) -> Made {
    let (one, other) = net::unix_stream()?;
    let op = Op::on(Opcode::Sendmsg, one.as_raw_fd()).sending(&descriptor_message(NOBODYS));
    Ok(Case::segments(op, b"!", 1).fails(libc::EBADF).keep(one).keep(other))
}

fn message(room: &mut [u8], control: &mut [u8], segment: &mut libc::iovec) -> libc::msghdr {
    *segment = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    // SAFETY: a `msghdr` is numbers and pointers, for which zeroes are good.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = segment;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = control.len() as _;
    header
}

/// recvmsg(2), from outside the driver.
fn receive_descriptor(socket: RawFd) -> RawFd {
    let (mut byte, mut control) = ([0u8], [0u8; 64]);
    let mut segment = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
    let mut header = message(&mut byte, &mut control, &mut segment);
    // SAFETY: what the header names lives through the call.
    assert_eq!(unsafe { libc::recvmsg(socket, &raw mut header, 0) }, 1);
    let number = &control[size_of::<libc::cmsghdr>()..];
    RawFd::from_ne_bytes(*number.first_chunk().expect("four bytes"))
}

/// sendmsg(2), from outside the driver.
fn pass_descriptor(socket: RawFd, fd: RawFd) {
    let (mut byte, mut control) = (*b"!", descriptor_message(fd));
    let mut segment = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
    let header = message(&mut byte, &mut control, &mut segment);
    // SAFETY: what the header names lives through the call.
    assert_eq!(unsafe { libc::sendmsg(socket, &raw const header, 0) }, 1);
}

/// The sender comes along with the bytes, when the case is woken.
fn receiving_from(at: std::net::SocketAddr) -> Made {
    let (one, other) = (net::udp(at)?, net::udp(at)?);
    let (to, from) = (one.local_addr().unwrap(), addresses::of(&other));
    let op = Op::on(Opcode::Recvmsg, one.as_raw_fd()).expecting_address().receiving(0);
    let case = Case::segments(op, &[0; 8], 3).gives(5).keep(one);
    let case = case.then(move |seen| {
        assert_eq!(&seen.room[..5], b"hello");
        assert_eq!(seen.answer.address, from);
    });
    Ok(case.wake(move || assert_eq!(other.send_to(b"hello", to).unwrap(), 5)))
}

fn recv_from_nobody(_: &Stage) -> Made {
    receiving_from(addresses::V4)
}

fn recv_from(_: &Stage) -> Made {
    woken(receiving_from(addresses::V4))
}

fn recv_from_nobody_v6(_: &Stage) -> Made {
    receiving_from(addresses::V6)
}

fn recv_from_v6(_: &Stage) -> Made {
    woken(receiving_from(addresses::V6))
}

fn recv_nothing(_: &Stage) -> Made {
    let (one, other) = net::tcp_v4()?;
    let op = Op::on(Opcode::Recvmsg, one.as_raw_fd()).receiving(0);
    let case = Case::segments(op, &[0; 8], 3).gives(5).keep(one);
    let case = case.then(|seen| assert_eq!(&seen.room[..5], b"hello"));
    Ok(case.wake(move || assert_eq!(net::send(other.as_raw_fd(), b"hello"), 5)))
}

fn recv(stage: &Stage) -> Made {
    woken(recv_nothing(stage))
}

fn recv_of_nobodys(_: &Stage) -> Made {
    let op = Op::on(Opcode::Recvmsg, NOBODYS).receiving(0);
    Ok(Case::segments(op, &[0; 8], 3).fails(libc::EBADF))
}

/// The reading end of a pipe comes when the case is woken.
fn recv_no_descriptor(_: &Stage) -> Made {
    let (one, other) = net::unix_stream()?;
    let (out, into) = had(std::io::pipe(), "a pipe")?;
    let op = Op::on(Opcode::Recvmsg, one.as_raw_fd()).receiving(64);
    let case = Case::segments(op, &[0], 1).keep(one).then(move |seen| {
        let got = seen.answer.descriptor().expect("it came along");
        assert_eq!(write_now(into.as_raw_fd(), b"x"), 1);
        assert_eq!(read_now(got, &mut [0; 8]), 1);
        close_now(got);
    });
    Ok(case.wake(move || pass_descriptor(other.as_raw_fd(), out.as_raw_fd())))
}

fn recv_descriptor(stage: &Stage) -> Made {
    woken(recv_no_descriptor(stage))
}
