//! Ops that start one after the other, and what becomes of the rest when one fails.

mod support;

use std::fs;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;
use support::net::every_personality;
use support::{Folder, Lane, alone, has, open_fds, pipe, skip, transfer};
use wakering_core::abi::{ErrorKind, Opcode, op_flag};
use wakering_core::resource::Prepared;
use wakering_core::{Driver, Token};
use wakering_uring_loop::{SharedSqpoll, Sqpoll, UringConfig};

const NOP: Prepared = Prepared::new(Opcode::Nop);

fn linked(prepared: Prepared, flag: u8) -> Prepared {
    Prepared { flags: prepared.flags | flag, ..prepared }
}

fn lanes(slots: u32) -> Vec<Lane> {
    let mut lanes = every_personality(slots);
    lanes.retain(|lane| {
        let features = lane.driver.features();
        let chains = features.iter().find(|feature| feature.name == "chains").unwrap();
        if let Some(reason) = &chains.reason {
            skip(format_args!("chains: {reason}"));
        }
        chains.available
    });
    lanes
}

fn results(lane: &mut Lane, tokens: &[Token]) -> Vec<i32> {
    tokens.iter().map(|&token| lane.result(token)).collect()
}

/// Open, read and close without a descriptor, in one go. Its tokens.
fn read_whole(lane: &mut Lane, path: &Path, place: u32, buffer: &mut [u8], how: u8) -> [Token; 3] {
    let open = Prepared {
        flags: op_flag::DIRECT | op_flag::LINK,
        fd: libc::AT_FDCWD,
        fixed_file: place,
        op_flags: libc::O_RDONLY as u32,
        ..Prepared::new(Opcode::OpenAt)
    };
    let read = Prepared { fixed_file: place, ..transfer(Opcode::Read, -1, buffer, 0) };
    let close =
        Prepared { flags: op_flag::DIRECT, fixed_file: place, ..Prepared::new(Opcode::Close) };
    [lane.start_on_paths(open, &[path]), lane.start(linked(read, how)), lane.start(close)]
}

/// A short read breaks a LINK, and the file would stay open for ever: HARDLINK goes on.
#[test]
fn a_short_read_in_a_chain_leaves_no_file_open() {
    let _alone = alone();
    for mut lane in lanes(8) {
        let folder = Folder::new();
        let path = folder.join("file");
        fs::write(&path, b"short").unwrap();
        let place = match lane.driver.reserve_file() {
            Ok(place) => place,
            Err(error) => return skip(format_args!("no table of files: {error:?}")),
        };
        let fds = open_fds();
        let mut buffer = [0u8; 64];
        for _ in 0..100 {
            let tokens = read_whole(&mut lane, &path, place, &mut buffer, op_flag::HARDLINK);
            assert_eq!(results(&mut lane, &tokens), [0, 5, 0]);
        }
        let tokens = read_whole(&mut lane, &path, place, &mut buffer, op_flag::LINK);
        assert_eq!(results(&mut lane, &tokens), [0, 5, -libc::ECANCELED]);
        lane.driver.unregister_file(place).unwrap();
        let place = lane.driver.reserve_file().unwrap();
        let none = folder.join("none");
        let tokens = read_whole(&mut lane, &none, place, &mut buffer, op_flag::HARDLINK);
        let [open, read, close] = results(&mut lane, &tokens).try_into().unwrap();
        assert_eq!((open, read, close), (-libc::ENOENT, -libc::ECANCELED, -libc::ECANCELED));
        assert_eq!((open_fds(), lane.driver.in_flight()), (fds, 0));
    }
}

#[test]
fn a_linked_timeout_ends_the_op_before_it() {
    let _alone = alone();
    for mut lane in lanes(8) {
        let (reader, writer) = pipe();
        let mut byte = [0u8];
        let read = transfer(Opcode::Read, reader.as_raw_fd(), &mut byte, u64::MAX);
        let timeout = |ns| Prepared { offset: ns, ..Prepared::new(Opcode::LinkTimeout) };
        let tokens = [lane.start(linked(read, op_flag::LINK)), lane.start(timeout(1_000_000))];
        assert_eq!(results(&mut lane, &tokens), [-libc::ECANCELED, -libc::ETIME]);
        support::write_to(&writer, b"x");
        let hour = timeout(3600 * 1_000_000_000);
        let tokens = [lane.start(linked(read, op_flag::LINK)), lane.start(hour)];
        assert_eq!(results(&mut lane, &tokens), [1, -libc::ECANCELED]);
        assert_eq!(lane.driver.in_flight(), 0);
    }
}

/// Neither a publish nor a turn nor a full queue between two links comes between them.
#[test]
fn nothing_comes_between_the_links_of_a_chain() {
    let _alone = alone();
    for mut lane in lanes(64) {
        let bad = transfer(Opcode::Read, -1, &mut [], 0);
        for round in 0..200 {
            // So that the chain begins at any place of the queue.
            let before: Vec<_> = (0..round % 7).map(|_| lane.start(NOP)).collect();
            let mut chain = vec![lane.start(linked(bad, op_flag::LINK))];
            for link in 0..6 {
                match (round + link) % 3 {
                    0 => lane.driver.publish().unwrap(),
                    1 => _ = lane.turn(Some(Duration::ZERO)),
                    _ => {}
                }
                let flag = if link < 5 { op_flag::LINK } else { 0 };
                chain.push(lane.start(linked(NOP, flag)));
            }
            let mut expected = [-libc::ECANCELED; 7];
            expected[0] = -libc::EBADF;
            assert_eq!(results(&mut lane, &chain), expected, "round {round}");
            assert!(results(&mut lane, &before).iter().all(|&result| result == 0));
        }
    }
}

/// An SQ thread that serves several rings takes eight entries at a time.
#[test]
fn a_shared_sq_thread_takes_a_chain_whole() {
    let _alone = alone();
    let share = SharedSqpoll::new();
    let config = || {
        let sqpoll = Sqpoll { cpu: None, idle_ms: 20, share: Some(share.clone()) };
        UringConfig::inline(64).with_sqpoll(sqpoll)
    };
    let (Some(mut lane), Some(_other)) = (Lane::new(64, config()), Lane::new(4, config())) else {
        return;
    };
    let bad = transfer(Opcode::Read, -1, &mut [], 0);
    for round in 0..500 {
        let before: Vec<_> = (0..round % 11).map(|_| lane.start(NOP)).collect();
        let mut chain = vec![lane.start(linked(bad, op_flag::LINK))];
        chain.extend((0..6).map(|_| lane.start(linked(NOP, op_flag::LINK))));
        chain.push(lane.start(NOP));
        let mut expected = [-libc::ECANCELED; 8];
        expected[0] = -libc::EBADF;
        assert_eq!(results(&mut lane, &chain), expected, "round {round}");
        results(&mut lane, &before);
    }
}

#[test]
fn a_chain_that_cannot_start_whole_does_not_start() {
    let _alone = alone();
    for mut lane in lanes(32) {
        let cancelled = -libc::ECANCELED;
        // One of its ops is none for a ring.
        let readdir = linked(Prepared::new(Opcode::Readdir), op_flag::LINK);
        let ops = [linked(NOP, op_flag::LINK), readdir, linked(NOP, op_flag::HARDLINK), NOP];
        let tokens = ops.map(|op| lane.start(op));
        let unsupported = ErrorKind::Unsupported.to_result();
        assert_eq!(results(&mut lane, &tokens), [cancelled, unsupported, cancelled, cancelled]);
        // What comes behind it is a matter of its own.
        assert_eq!(lane.run(NOP), 0);
        // It is longer than any may be.
        let tokens: Vec<_> = (0..9).map(|_| lane.start(linked(NOP, op_flag::LINK))).collect();
        let last = lane.start(NOP);
        let mut expected = [cancelled; 9];
        expected[7] = ErrorKind::BadDescriptor.to_result();
        assert_eq!(results(&mut lane, &tokens), expected);
        assert_eq!(lane.result(last), cancelled);
        // One of them was withdrawn.
        let first = lane.start(linked(NOP, op_flag::LINK));
        let withdrawn = lane.claim(NOP);
        let _ = lane.cancel(withdrawn).unwrap();
        lane.driver.enqueue(withdrawn).unwrap();
        assert_eq!(lane.result(first), cancelled);
        lane.take(withdrawn);
        assert_eq!((lane.driver.in_flight(), lane.run(NOP)), (0, 0));
    }
}

#[test]
fn a_drain_answers_a_chain_whose_end_never_came() {
    let _alone = alone();
    for mut lane in lanes(8) {
        lane.start(linked(NOP, op_flag::LINK));
        lane.start(linked(NOP, op_flag::LINK));
        assert_eq!(lane.driver.in_flight(), 2);
        let mut results = Vec::new();
        let sink = &mut |completion: wakering_core::Completion| {
            results.push(completion.outcome.result);
        };
        assert_eq!(lane.driver.drain(Duration::from_secs(5), sink).still_in_flight, 0);
        assert_eq!(results, [-libc::ECANCELED; 2]);
    }
}

#[test]
fn each_link_waits_for_the_one_before() {
    let _alone = alone();
    for mut lane in lanes(16) {
        if !has(&lane, Opcode::LinkTimeout) {
            return;
        }
        let (reader, writer) = pipe();
        let mut sent = [7u8];
        let mut came = [0u8];
        // The write could not be read if the order were another.
        let timer = Prepared { offset: 1_000_000, ..Prepared::new(Opcode::Timeout) };
        let write = transfer(Opcode::Write, writer.as_raw_fd(), &mut sent, u64::MAX);
        let read = transfer(Opcode::Read, reader.as_raw_fd(), &mut came, u64::MAX);
        let ops = [linked(timer, op_flag::HARDLINK), linked(write, op_flag::LINK), read];
        let tokens = ops.map(|op| lane.start(op));
        assert_eq!(results(&mut lane, &tokens), [-libc::ETIME, 1, 1]);
        assert_eq!(came, sent);
    }
}
