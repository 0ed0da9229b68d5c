//! Linked ops through the poll driver: what begins when, and what a failure does.

#[path = "support/net.rs"]
mod net;

use net::*;
use std::io::Write;
use std::os::fd::AsRawFd;
use wakering_core::abi::{ErrorKind, Opcode, POSITION_CURRENT, op_flag};
use wakering_core::resource::Prepared;
use wakering_core::slot::Cancel;
use wakering_core::{Driver, Token};

const SECOND: u64 = 1_000_000_000;

fn linked(mut op: Prepared) -> Prepared {
    op.flags |= op_flag::LINK;
    op
}

fn hard(mut op: Prepared) -> Prepared {
    op.flags |= op_flag::HARDLINK;
    op
}

fn nop() -> Prepared {
    op(Opcode::Nop, -1)
}

fn read(fd: i32, room: &mut [u8]) -> Prepared {
    let mut read = with_room(Opcode::Read, fd, room);
    read.offset = POSITION_CURRENT;
    read
}

fn after(opcode: Opcode, time_ns: u64) -> Prepared {
    let mut op = op(opcode, -1);
    op.offset = time_ns;
    op
}

fn start_all(net: &mut Net, ops: &[Prepared]) -> Vec<Token> {
    let tokens = ops.iter().map(|&op| net.enqueue(op, |_, _| ())).collect();
    net.driver.publish().unwrap();
    tokens
}

fn results(net: &mut Net, tokens: &[Token]) -> Vec<i32> {
    tokens.iter().map(|&token| net.finish(token).result).collect()
}

#[test]
fn the_next_begins_when_the_one_before_is_over() {
    let mut net = Net::new(16);
    let (out, mut into) = std::io::pipe().unwrap();
    let fd = out.as_raw_fd();
    let mut rooms = [[0; 2]; 3];
    let ops = rooms.each_mut().map(|room| linked(read(fd, room)));
    let tokens = start_all(&mut net, &[ops[0], ops[1], ops[2], nop(), nop()]);
    assert_eq!(net.finish(tokens[4]).result, 0, "it is linked to nothing");
    for (place, byte) in (0..).zip(b"abc") {
        net.turn(SHORT);
        assert!(tokens[place..4].iter().all(|&token| net.answer(token).is_none()));
        into.write_all(&[*byte; 2]).unwrap();
        assert_eq!(net.finish(tokens[place]).result, 2);
    }
    assert_eq!(net.finish(tokens[3]).result, 0);
    assert_eq!(rooms, [*b"aa", *b"bb", *b"cc"]);
    net.end();
}

#[test]
fn threads_and_the_loop_take_turns() {
    let mut net = Net::new(16);
    let path = std::env::temp_dir().join(format!("wakering-chain-{}", std::process::id()));
    let mut options = std::fs::File::options();
    let file = options.read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    let fd = file.as_raw_fd();
    let (mut one, mut two) = ([0; 4], [0; 3]);
    let mut cut = op(Opcode::Ftruncate, fd);
    cut.offset = 3;
    let ops = [
        linked(with_bytes(Opcode::Write, fd, b"data")),
        linked(op(Opcode::Fdatasync, fd)),
        linked(with_room(Opcode::Read, fd, &mut one)),
        linked(nop()),
        linked(cut),
        linked(with_room(Opcode::Read, fd, &mut two)),
        nop(),
    ];
    let tokens = start_all(&mut net, &ops);
    assert_eq!(results(&mut net, &tokens), [4, 0, 4, 0, 0, 3, 0]);
    assert_eq!((&one, &two), (b"data", b"dat"));
    std::fs::remove_file(&path).unwrap();
    net.end();
}

#[test]
fn a_failure_and_a_short_read_cancel_what_is_behind_and_a_hard_link_does_not_care() {
    let mut net = Net::new(16);
    let canceled = -libc::ECANCELED;
    let bad = recv(1 << 20, &mut [0; 4]);
    let tokens = start_all(&mut net, &[linked(bad), hard(nop()), linked(nop()), nop(), nop()]);
    // Once a chain is broken, all the rest of it is.
    let expected = [-libc::EBADF, canceled, canceled, canceled, 0];
    assert_eq!(results(&mut net, &tokens), expected);
    let (out, mut into) = std::io::pipe().unwrap();
    let mut room = [0; 8];
    for (short, next) in [(false, 0), (true, canceled)] {
        into.write_all(if short { b"few" } else { b"all of i" }).unwrap();
        let first = linked(read(out.as_raw_fd(), &mut room));
        let tokens = start_all(&mut net, &[first, nop()]);
        assert_eq!(results(&mut net, &tokens)[1], next);
        into.write_all(b"few").unwrap();
        let tokens = start_all(&mut net, &[hard(read(out.as_raw_fd(), &mut room)), nop()]);
        assert_eq!(results(&mut net, &tokens), [3, 0]);
    }
    let (one, other) = pair(libc::SOCK_STREAM);
    for (flags, next) in [(0, 0), (libc::MSG_WAITALL, canceled)] {
        assert_eq!(net.result(send(other, b"few")), 3);
        let mut short = linked(recv(one, &mut room));
        short.op_flags = flags as u32;
        let tokens = start_all(&mut net, &[short, nop()]);
        if flags != 0 {
            net.turn(SHORT);
            close_now(other);
        }
        assert_eq!(
            results(&mut net, &tokens),
            [3, next],
            "a socket's only where all was asked for"
        );
    }
    close_now(one);
    net.end();
}

/// Whoever withdraws an op tells nobody: the driver finds out by itself.
#[test]
fn a_cancel_anywhere_ends_the_rest() {
    let mut net = Net::new(16);
    let (out, mut into) = std::io::pipe().unwrap();
    let fd = out.as_raw_fd();
    let canceled = -libc::ECANCELED;
    let mut rooms = [[0; 1]; 4];
    for victim in 0..4 {
        let mut ops = rooms.each_mut().map(|room| linked(read(fd, room)));
        ops[3].flags = 0;
        let tokens = start_all(&mut net, &ops);
        net.turn(SHORT);
        let asked = net.cancel(tokens[victim]);
        assert_eq!(asked, if victim == 0 { Cancel::Ask } else { Cancel::Withdrawn });
        for _ in 0..victim {
            into.write_all(b"x").unwrap();
            net.turn(SHORT);
        }
        let expected: Vec<_> = (0..4).map(|k| if k < victim { 1 } else { canceled }).collect();
        assert_eq!(results(&mut net, &tokens), expected, "{victim}");
    }
    // Before they were published, too: also the first of them.
    for victim in 0..3 {
        let ops = [linked(nop()), linked(nop()), nop(), nop()];
        let tokens: Vec<_> = ops.iter().map(|&op| net.enqueue(op, |_, _| ())).collect();
        assert_eq!(net.cancel(tokens[victim]), Cancel::Withdrawn);
        let expected: Vec<_> = (0..3).map(|k| if k < victim { 0 } else { canceled }).collect();
        assert_eq!(results(&mut net, &tokens[..3]), expected);
        assert_eq!(net.finish(tokens[3]).result, 0);
    }
    net.end();
}

/// The head waits for a thread behind another op, and is withdrawn there.
#[test]
fn a_head_that_is_withdrawn_in_the_pool_ends_the_rest() {
    let mut net = Net::new(64);
    for _ in 0..200 {
        let head = linked(with_bytes(Opcode::Fsync, 1 << 20, b""));
        let tokens = start_all(&mut net, &[head, nop(), nop()]);
        let asked = net.cancel(tokens[0]);
        let found = results(&mut net, &tokens);
        let head = if asked == Cancel::Withdrawn { -libc::ECANCELED } else { -libc::EBADF };
        assert_eq!(found, [head, -libc::ECANCELED, 0]);
    }
    net.end();
}

#[test]
fn a_link_timeout_ends_its_op_or_ends_with_it() {
    let mut net = Net::new(16);
    let (out, mut into) = std::io::pipe().unwrap();
    let fd = out.as_raw_fd();
    let canceled = -libc::ECANCELED;
    let mut room = [0; 4];
    // Too late: the chain goes on behind the two.
    let guard = after(Opcode::LinkTimeout, SECOND / 100);
    let late = [linked(read(fd, &mut room)), guard, nop()];
    let tokens = start_all(&mut net, &late);
    assert_eq!(results(&mut net, &tokens), [canceled, -libc::ETIME, 0]);
    let late = [linked(read(fd, &mut room)), linked(guard), nop()];
    let tokens = start_all(&mut net, &late);
    assert_eq!(results(&mut net, &tokens), [canceled, -libc::ETIME, canceled]);
    // In time.
    let guard = after(Opcode::LinkTimeout, 3600 * SECOND);
    let tokens = start_all(&mut net, &[linked(read(fd, &mut room)), linked(guard), nop()]);
    net.turn(SHORT);
    assert_eq!(net.driver.in_flight(), 3);
    into.write_all(b"four").unwrap();
    assert_eq!(results(&mut net, &tokens), [4, canceled, 0]);
    // The clock of one begins when its op does.
    let (first, mut other) = (linked(read(fd, &mut room)), [0; 4]);
    let guard = after(Opcode::LinkTimeout, SECOND / 100);
    let second = linked(read(fd, &mut other));
    let tokens = start_all(&mut net, &[first, second, guard]);
    net.turn(SHORT);
    assert_eq!(net.turn(SHORT), 0, "not begun, not over");
    into.write_all(b"four").unwrap();
    assert_eq!(results(&mut net, &tokens), [4, canceled, -libc::ETIME]);
    // A cancelled one leaves its op alone; one without an op makes no sense.
    let guard = after(Opcode::LinkTimeout, 3600 * SECOND);
    let tokens = start_all(&mut net, &[linked(read(fd, &mut room)), guard]);
    net.turn(SHORT);
    assert_eq!(net.cancel(tokens[1]), Cancel::Ask);
    assert_eq!(net.finish(tokens[1]).result, canceled);
    into.write_all(b"four").unwrap();
    assert_eq!(net.finish(tokens[0]).result, 4);
    assert_eq!(net.result(guard), -libc::EINVAL);
    net.end();
}

#[test]
fn a_chain_as_long_as_the_table_begins_and_fails_without_a_deep_stack() {
    let mut net = Net::new(4096);
    let mut ops = vec![linked(nop()); 4095];
    ops.push(nop());
    let tokens = start_all(&mut net, &ops);
    assert!(results(&mut net, &tokens).iter().all(|&result| result == 0));
    ops[0] = linked(op(Opcode::Listen, 1 << 20));
    let tokens = start_all(&mut net, &ops);
    let found = results(&mut net, &tokens);
    assert_eq!(found[0], -libc::EBADF);
    assert!(found[1..].iter().all(|&result| result == -libc::ECANCELED));
    let refused = net.refused(op(Opcode::MsgRing, 0));
    assert_eq!(refused, ErrorKind::Unsupported.into());
    net.end();
}
