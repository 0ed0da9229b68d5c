//! Ops that answer until they are ended.

use super::super::case::{Case, Made, NOBODYS, Stage};
use super::super::lane::{Answer, Op, close_now, read_now, write_now};
use super::super::stream::Stream;
use super::{addresses, had, many, net};
use crate::matrix::{Linux, Row};
use std::cell::RefCell;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use wakering_core::abi::{Opcode, POSITION_CURRENT, op_flag};
use wakering_core::buffers::BufferGroup;

pub(super) const ROWS: &[Row] = &[
    many("PollAdd, multishot", Opcode::PollAdd, poll, Ok(poll_nobodys), Linux(5, 13)),
    many(
        "Timeout, multishot",
        Opcode::Timeout,
        tick,
        Err("its end is an errno: ETIME"),
        Linux(6, 4),
    ),
    many("Accept, multishot", Opcode::Accept, accept, Ok(accept_of_nobodys), Linux(5, 19)),
    many("Recv, multishot", Opcode::Recv, recv, Ok(recv_of_nobodys), Linux(6, 0)).picking(),
    many("Recvmsg, multishot", Opcode::Recvmsg, recvmsg, Ok(recvmsg_of_nobodys), Linux(6, 0))
        .picking(),
    many("Read, multishot", Opcode::Read, read, Ok(read_of_nobodys), Linux(6, 7)).picking(),
];

type Streamed = Result<Stream, String>;

fn on(opcode: Opcode, fd: i32) -> Op<'static> {
    Op::on(opcode, fd).mode(op_flag::MULTISHOT)
}

fn tick(_: &Stage) -> Streamed {
    let op = on(Opcode::Timeout, NOBODYS).offset(20_000_000);
    Ok(Stream::new(op, || {}, |answer| assert_eq!(answer.result, -libc::ETIME)).ticks())
}

fn poll(_: &Stage) -> Streamed {
    let (out, into) = had(std::io::pipe(), "a pipe")?;
    let (end, other) = (out.as_raw_fd(), into.as_raw_fd());
    let readable = i32::from(libc::POLLIN);
    let feed = move || assert_eq!(write_now(other, b"x"), 1);
    let stream = Stream::new(on(Opcode::PollAdd, end).flags(readable), feed, move |answer| {
        assert_eq!(answer.result & readable, readable);
        assert_eq!(read_now(end, &mut [0; 1]), 1);
    });
    Ok(stream.keep(out).keep(into))
}

fn poll_nobodys(_: &Stage) -> Made {
    Ok(Case::new(on(Opcode::PollAdd, NOBODYS).flags(libc::POLLIN.into())).fails(libc::EBADF))
}

fn accept(_: &Stage) -> Streamed {
    let listener = net::listener(addresses::V4)?;
    let to = listener.local_addr().unwrap();
    let clients = RefCell::new(Vec::new());
    let feed = move || clients.borrow_mut().push(TcpStream::connect(to).unwrap());
    let stream = Stream::new(on(Opcode::Accept, listener.as_raw_fd()), feed, |answer| {
        assert!(answer.result >= 0, "{}", answer.result);
        close_now(answer.result);
    });
    Ok(stream.keep(listener))
}

fn accept_of_nobodys(_: &Stage) -> Made {
    Ok(Case::new(on(Opcode::Accept, NOBODYS)).fails(libc::EBADF))
}

/// The bytes of an answer lie in the buffer that was picked, which goes back.
fn picked(group: Arc<BufferGroup>) -> impl Fn(&Answer) {
    move |answer| {
        assert_eq!(answer.result, 5);
        let number = answer.picked().expect("a buffer was picked");
        // SAFETY: it was picked for this answer, which nobody else has.
        assert_eq!(*unsafe { group.take(number, 5) }, *b"hello");
    }
}

fn recv(stage: &Stage) -> Streamed {
    let (one, other) = net::tcp_v4()?;
    let (number, group) = stage.group();
    let (op, end) = (on(Opcode::Recv, one.as_raw_fd()).picking(number), other.as_raw_fd());
    let feed = move || assert_eq!(net::send(end, b"hello"), 5);
    // SAFETY: two numbers.
    let end = move || assert_eq!(unsafe { libc::shutdown(end, libc::SHUT_WR) }, 0);
    Ok(Stream::new(op, feed, picked(group)).ends(end, 0).keep(one).keep(other))
}

fn recv_of_nobodys(stage: &Stage) -> Made {
    let (number, _) = stage.group();
    Ok(Case::new(on(Opcode::Recv, NOBODYS).picking(number)).fails(libc::EBADF))
}

/// In the buffer: a head, room for the sender's address, the bytes.
fn recvmsg(stage: &Stage) -> Streamed {
    let (one, other) = (net::udp(addresses::V4)?, net::udp(addresses::V4)?);
    let (number, group) = stage.group();
    let (to, from) = (one.local_addr().unwrap(), addresses::of(&other));
    let op = on(Opcode::Recvmsg, one.as_raw_fd()).picking(number).expecting_address().receiving(0);
    let feed = move || assert_eq!(other.send_to(b"hello", to).unwrap(), 5);
    Ok(Stream::new(op, feed, move |answer| {
        let number = answer.picked().expect("a buffer was picked");
        // SAFETY: it was picked for this answer, which nobody else has.
        let bytes = unsafe { group.take(number, answer.result as u32) };
        const HEAD: usize = 16;
        assert_eq!(&bytes[HEAD..HEAD + from.len()], from);
        assert!(bytes.ends_with(b"hello"));
    })
    .keep(one))
}

fn recvmsg_of_nobodys(stage: &Stage) -> Made {
    let (number, _) = stage.group();
    let op = on(Opcode::Recvmsg, NOBODYS).picking(number).receiving(0);
    Ok(Case::new(op).fails(libc::EBADF))
}

fn read(stage: &Stage) -> Streamed {
    let (out, into) = had(std::io::pipe(), "a pipe")?;
    let (number, group) = stage.group();
    let op = on(Opcode::Read, out.as_raw_fd()).picking(number).offset(POSITION_CURRENT);
    let into = std::rc::Rc::new(RefCell::new(Some(into)));
    let feeding = into.clone();
    let feed = move || {
        let into = feeding.borrow();
        assert_eq!(write_now(into.as_ref().expect("open").as_raw_fd(), b"hello"), 5);
    };
    let end = move || drop(into.take());
    Ok(Stream::new(op, feed, picked(group)).ends(end, 0).keep(out))
}

fn read_of_nobodys(stage: &Stage) -> Made {
    let (number, _) = stage.group();
    let op = on(Opcode::Read, NOBODYS).picking(number).offset(POSITION_CURRENT);
    Ok(Case::new(op).fails(libc::EBADF))
}
