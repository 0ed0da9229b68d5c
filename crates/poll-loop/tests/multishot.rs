//! Ops of many completions, and buffers that are picked, through the poll driver.

#[path = "support/net.rs"]
mod net;

use net::*;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use wakering_core::Driver;
use wakering_core::abi::{ErrorKind, Opcode, POSITION_CURRENT, op_flag};
use wakering_core::buffers::BufferGroup;
use wakering_core::driver::CancelKey;
use wakering_core::resource::{Control, Prepared};
use wakering_core::slot::Cancel;

fn multishot(mut op: Prepared) -> Prepared {
    op.flags |= op_flag::MULTISHOT;
    op
}

/// An op whose buffer is picked from this group.
fn picking(opcode: Opcode, fd: i32, group: u16) -> Prepared {
    let mut op = op(opcode, fd);
    (op.group, op.offset) = (group, POSITION_CURRENT);
    op
}

/// The bytes of a completion, whose buffer then goes back.
fn take(group: &Arc<BufferGroup>, answer: &Answer) -> Vec<u8> {
    let number = answer.picked().expect("a buffer was picked");
    // SAFETY: this completion picked it, and nobody else takes it.
    unsafe { group.take(number, answer.result as u32) }.to_vec()
}

fn end_multishot(net: &mut Net, token: wakering_core::Token) {
    assert_eq!(net.cancel(token), Cancel::Ask);
    let last = net.finish(token);
    assert_eq!((last.result, last.flags), (-libc::ECANCELED, 0));
}

#[test]
fn one_accept_takes_many_connections() {
    let mut net = Net::new(8);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect(address).unwrap();
    let before: Vec<_> = (0..3).map(|_| connect()).collect();
    let token = net.start(multishot(op(Opcode::Accept, listener.as_raw_fd())));
    let after: Vec<_> = (0..60).map(|_| connect()).collect();
    for _ in 0..before.len() + after.len() {
        let answer = net.finish(token);
        assert!(answer.result >= 0 && answer.has_more(), "{answer:?}");
        close_now(answer.result);
    }
    end_multishot(&mut net, token);
    net.end();
}

#[test]
fn one_recv_brings_everything_in_order_until_the_end() {
    let mut net = Net::new(8);
    let group = BufferGroup::new(4, 100);
    let number = net.driver.add_buffers(group.clone()).unwrap();
    let (one, mut other) = UnixStream::pair().unwrap();
    let token = net.start(multishot(picking(Opcode::Recv, one.as_raw_fd(), number)));
    let sent: Vec<u8> = (0..10_000u32).map(|i| (i >> 3) as u8).collect();
    let (mut seen, mut rest) = (Vec::new(), &sent[..]);
    while seen.len() < sent.len() {
        // As much as the buffers hold: they are back before the next.
        let (now, later) = rest.split_at(rest.len().min(390));
        other.write_all(now).unwrap();
        rest = later;
        while seen.len() < sent.len() - rest.len() {
            let answer = net.finish(token);
            assert!(answer.has_more() && answer.result <= 100, "{answer:?}");
            seen.extend(take(&group, &answer));
        }
    }
    assert!(seen == sent);
    drop(other);
    let last = net.finish(token);
    assert_eq!((last.result, last.flags), (0, 0), "the end takes no buffer");
    net.driver.remove_buffers(number);
    net.end();
}

#[test]
fn without_a_buffer_it_ends_and_loses_nothing() {
    let mut net = Net::new(8);
    let group = BufferGroup::new(2, 4);
    let number = net.driver.add_buffers(group.clone()).unwrap();
    let (one, mut other) = UnixStream::pair().unwrap();
    let receive = multishot(picking(Opcode::Recv, one.as_raw_fd(), number));
    let mut seen = Vec::new();
    other.write_all(b"0123456789ab").unwrap();
    while seen.len() < 12 {
        let token = net.start(receive);
        let mut kept = Vec::new();
        loop {
            let answer = net.finish(token);
            if !answer.has_more() {
                assert_eq!(answer.result, -libc::ENOBUFS);
                break;
            }
            kept.push(answer);
            if seen.len() + 4 * kept.len() == 12 && kept.len() < 2 {
                end_multishot(&mut net, token);
                break;
            }
        }
        kept.iter().for_each(|answer| seen.extend(take(&group, answer)));
    }
    assert_eq!(seen, b"0123456789ab");
    // One shot picks too, and gives back what it did not use.
    let mut single = receive;
    single.flags = 0;
    for _ in 0..5 {
        let token = net.start(single);
        net.turn(SHORT);
        assert_eq!(net.cancel(token), Cancel::Ask);
        assert_eq!(net.finish(token).result, -libc::ECANCELED);
    }
    let token = net.start(single);
    other.write_all(b"xyz").unwrap();
    let answer = net.finish(token);
    assert!(!answer.has_more());
    assert_eq!(take(&group, &answer), b"xyz");
    net.end();
}

#[test]
fn one_read_of_a_pipe_and_one_poll_tell_again_and_again() {
    let mut net = Net::new(8);
    let group = BufferGroup::new(4, 16);
    let number = net.driver.add_buffers(group.clone()).unwrap();
    let (out, mut into) = std::io::pipe().unwrap();
    let mut poll = multishot(op(Opcode::PollAdd, out.as_raw_fd()));
    poll.op_flags = libc::POLLIN as u32;
    let polling = net.start(poll);
    let reading = net.start(multishot(picking(Opcode::Read, out.as_raw_fd(), number)));
    for round in 0..50u8 {
        into.write_all(&[round; 5]).unwrap();
        let answer = net.finish(reading);
        assert!(answer.has_more(), "{answer:?}");
        assert_eq!(take(&group, &answer), [round; 5]);
    }
    let told = std::iter::from_fn(|| net.answer(polling)).count();
    assert!(told > 0, "it was readable before it was read, some time");
    end_multishot(&mut net, polling);
    drop(into);
    assert_eq!(net.finish(reading).result, 0);
    net.end();
}

#[test]
fn one_timeout_ticks_until_it_is_cancelled() {
    let mut net = Net::new(8);
    let mut timeout = multishot(op(Opcode::Timeout, -1));
    timeout.offset = 1_000_000;
    let token = net.start(timeout);
    for _ in 0..5 {
        let answer = net.finish(token);
        assert_eq!((answer.result, answer.has_more()), (-libc::ETIME, true));
    }
    assert_eq!(net.driver.in_flight(), 1);
    let _ = net.cancel(token);
    let last = loop {
        let answer = net.finish(token);
        if !answer.has_more() {
            break answer;
        }
    };
    assert_eq!(last.result, -libc::ECANCELED);
    net.end();
}

/// A socket that is never empty, and a turn that may tell three things: the others have their turn too.
#[test]
fn a_flood_keeps_nobody_waiting() {
    let mut net = Net::new(8);
    let group = BufferGroup::new(64, 4);
    let number = net.driver.add_buffers(group.clone()).unwrap();
    let (one, mut other) = UnixStream::pair().unwrap();
    let token = net.start(multishot(picking(Opcode::Recv, one.as_raw_fd(), number)));
    other.write_all(&[7; 64 * 4]).unwrap();
    let nothing = net.start(op(Opcode::Nop, -1));
    let mut turns = 0;
    while net.answer(nothing).is_none() {
        assert!(net.turn_at_most(SHORT, 3) <= 3);
        turns += 1;
    }
    assert!(turns <= 3, "{turns} turns");
    let mut seen = 0;
    while seen < 64 * 4 {
        let answer = net.finish(token);
        seen += take(&group, &answer).len();
    }
    end_multishot(&mut net, token);
    net.end();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut net = Net::new(8);
    let (one, mut other) = UnixStream::pair().unwrap();
    let fd = one.as_raw_fd();
    let write = with_bytes(Opcode::Write, fd, b"x");
    for op in [recv(fd, &mut [0; 4]), send(fd, b"x"), write, op(Opcode::Nop, -1)] {
        assert_eq!(net.result(multishot(op)), -libc::EINVAL, "{:?}", op.opcode);
    }
    other.write_all(b"x").unwrap();
    let token = net.start(picking(Opcode::Recv, fd, 3));
    assert_eq!(net.finish(token).result, -libc::ENOBUFS, "there is no such group");
    let refused = net.refused(picking(Opcode::Send, fd, 3));
    assert_eq!(refused, ErrorKind::Unsupported.into());
    net.end();
}

#[test]
fn ops_of_one_kind_or_of_one_file_are_cancelled_together() {
    let mut net = Net::new(16);
    let group = BufferGroup::new(2, 8);
    let number = net.driver.add_buffers(group).unwrap();
    let pairs = [UnixStream::pair().unwrap(), UnixStream::pair().unwrap()];
    let [one, other] = [0, 1].map(|place: usize| pairs[place].0.as_raw_fd());
    let mut rooms = [[0; 4]; 4];
    let reads: Vec<_> =
        rooms.iter_mut().zip([one, one, other, other]).map(|(room, fd)| recv(fd, room)).collect();
    let mut tokens: Vec<_> = reads.into_iter().map(|op| net.start(op)).collect();
    tokens.push(net.start(multishot(picking(Opcode::Recv, other, number))));
    let mut timeout = op(Opcode::Timeout, -1);
    timeout.offset = u64::MAX / 2;
    let timer = net.start(timeout);
    let queued = net.enqueue(recv(one, &mut [0; 4]), |_, _| ());
    assert_eq!(net.driver.cancel_where(CancelKey::Fd(one)), Ok(3), "the queued one too");
    for token in [tokens[0], tokens[1], queued] {
        assert_eq!(net.finish(token).result, -libc::ECANCELED);
    }
    assert_eq!(net.turn(SHORT), 0);
    assert_eq!(net.driver.cancel_where(CancelKey::Opcode(Opcode::Recv)), Ok(3));
    for &token in &tokens[2..] {
        assert_eq!(net.finish(token).result, -libc::ECANCELED);
    }
    assert_eq!(net.driver.cancel_where(CancelKey::All), Ok(1));
    assert_eq!(net.finish(timer).result, -libc::ECANCELED);
    assert_eq!(net.driver.cancel_where(CancelKey::All), Ok(0));
    net.end();
}

/// The four numbers, the sender's address and the bytes of a message in a picked buffer.
fn message_in(bytes: &[u8]) -> ([u32; 4], &[u8], &[u8]) {
    let number = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    ([number(0), number(4), number(8), number(12)], &bytes[16..144], &bytes[144..])
}

#[test]
fn one_recvmsg_brings_datagrams_with_their_senders() {
    let mut net = Net::new(8);
    let group = BufferGroup::new(4, 160);
    let number = net.driver.add_buffers(group.clone()).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = socket.local_addr().unwrap();
    let op = multishot(picking(Opcode::Recvmsg, socket.as_raw_fd(), number));
    let token = net.start_message(op, &[], Control::NONE, &[]);
    let others = [UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap()];
    for round in 0..20 {
        let other = &others[round % 2];
        other.send_to(if round == 7 { &[7; 40] } else { b"hello" }, to).unwrap();
        let answer = net.finish(token);
        assert!(answer.has_more());
        let bytes = take(&group, &answer);
        let ([name, control, payload, flags], address, data) = message_in(&bytes);
        assert_eq!((name, control), (16, 0));
        assert_eq!(port_of(address), other.local_addr().unwrap().port());
        if round == 7 {
            assert_eq!((payload, data), (16, &[7; 16][..]), "the buffer holds no more");
            assert_ne!(flags as i32 & libc::MSG_TRUNC, 0);
        } else {
            assert_eq!((payload, data, flags), (5, &b"hello"[..], 0));
        }
    }
    end_multishot(&mut net, token);
    let mut single = op;
    single.flags = 0;
    assert_eq!(net.refused(single), ErrorKind::Unsupported.into());
    let tiny = net.driver.add_buffers(BufferGroup::new(1, 100)).unwrap();
    let op = multishot(picking(Opcode::Recvmsg, socket.as_raw_fd(), tiny));
    let token = net.start_message(op, &[], Control::NONE, &[]);
    assert_eq!(net.finish(token).result, -libc::EFAULT, "no room for what is in front");
    net.end();
}

/// As a ring has it: a message of nothing is the last, and is told like the others.
#[test]
fn one_recvmsg_of_a_stream_ends_with_it() {
    let mut net = Net::new(8);
    let group = BufferGroup::new(4, 64);
    let number = net.driver.add_buffers(group.clone()).unwrap();
    let (one, mut other) = UnixStream::pair().unwrap();
    let mut op = multishot(picking(Opcode::Recvmsg, one.as_raw_fd(), number));
    let token = net.start_with(op, |resource, blocks| {
        let none = |_: usize| unreachable!("there are no segments");
        resource.set_message(0, Control::NONE, blocks, none).unwrap();
    });
    other.write_all(b"bytes").unwrap();
    let answer = net.finish(token);
    assert!(answer.has_more());
    assert_eq!(&take(&group, &answer)[16..], b"bytes");
    drop(other);
    let answer = net.finish(token);
    assert_eq!((answer.result, answer.has_more()), (16, false));
    assert_eq!(take(&group, &answer), [0; 16]);
    op.op_flags = libc::MSG_PEEK as u32;
    assert_eq!(net.result(op), -libc::EINVAL);
    net.end();
}
