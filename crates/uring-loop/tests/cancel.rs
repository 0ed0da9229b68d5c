//! Cancelling tells the truth: each op has exactly one outcome, and no byte is lost.

mod support;

use std::os::fd::AsRawFd;
use std::time::Duration;
use support::{Lane, alone, open_fds, pipe, transfer, write_to};
use wakering_core::Driver;
use wakering_core::abi::Opcode;
use wakering_core::random::Random;
use wakering_core::resource::Prepared;
use wakering_core::slot::Cancel;
use wakering_uring_loop::Sqpoll;
use wakering_uring_loop::UringConfig;

fn lanes(slots: u32) -> Vec<Lane> {
    let sqpoll = Sqpoll { cpu: None, idle_ms: 20, share: None };
    let configs = [
        UringConfig::inline(slots),
        UringConfig::worker(slots),
        UringConfig::inline(slots).with_sqpoll(sqpoll),
    ];
    configs.into_iter().filter_map(|config| Lane::new(slots, config)).collect()
}

#[test]
fn a_cancelled_pipe_read_loses_no_byte() {
    let _alone = alone();
    const ROUNDS: u32 = 10_000;
    for mut lane in lanes(4) {
        let (reader, writer) = pipe();
        let mut buffer = [0u8; 4];
        let (mut cancelled, mut read_first) = (0, 0);
        for round in 0..ROUNDS {
            let sent = round.to_ne_bytes();
            let token = lane.start(transfer(Opcode::Read, reader.as_raw_fd(), &mut buffer, 0));
            lane.turn(Some(Duration::ZERO));
            // The request long before the bytes, both at once, or the bytes first.
            if round % 3 < 2 {
                assert_eq!(lane.cancel(token), Ok(Cancel::Ask));
            }
            if round % 3 == 0 {
                while lane.turn(Some(Duration::from_secs(10))) == 0 {}
            }
            write_to(&writer, &sent);
            if round % 3 == 2 {
                let _ = lane.cancel(token).unwrap();
            }
            match lane.result(token) {
                4 => read_first += 1,
                result => {
                    assert_eq!(result, -libc::ECANCELED, "round {round}");
                    cancelled += 1;
                    // The bytes are still there, for the next read.
                    let next = transfer(Opcode::Read, reader.as_raw_fd(), &mut buffer, 0);
                    assert_eq!(lane.run(next), 4);
                }
            }
            assert_eq!(buffer, sent, "round {round}");
        }
        assert_eq!(cancelled + read_first, ROUNDS);
        assert!(cancelled > 0 && read_first > 0, "{cancelled} cancelled, {read_first} read");
        assert_eq!(lane.driver.in_flight(), 0);
    }
}

#[test]
fn twenty_thousand_races_have_one_outcome_each() {
    let _alone = alone();
    const OPS: u32 = 20_000;
    for mut lane in lanes(64) {
        let fds_before = open_fds();
        let mut random = Random::new(7);
        let mut buffers = [[0u8; 1]; 64];
        let (reader, writer) = pipe();
        let (mut outcomes, mut started, mut written) = (0, 0, 0u32);
        let (mut read, mut cancelled) = (0, 0);
        while outcomes < OPS {
            while started < OPS && lane.free.available() > 0 {
                let timer = random.below(2) == 0;
                let prepared = if timer {
                    Prepared { offset: random.below(50_000), ..Prepared::new(Opcode::Timeout) }
                } else {
                    transfer(Opcode::Read, reader.as_raw_fd(), &mut [], 0)
                };
                let token = lane.claim(prepared);
                if !timer {
                    let buffer = &mut buffers[token.index() as usize];
                    let read = transfer(Opcode::Read, reader.as_raw_fd(), buffer, 0);
                    lane.with(token, |resource| resource.prepared = read);
                }
                lane.driver.enqueue(token).unwrap();
                started += 1;
                if random.below(4) == 0 {
                    lane.driver.publish().unwrap();
                }
                if random.below(3) == 0 {
                    write_to(&writer, b"x");
                    written += 1;
                }
            }
            let in_use: Vec<_> = lane.home.slab.in_use().collect();
            for token in in_use {
                if random.below(2) == 0 {
                    let _ = lane.cancel(token).unwrap();
                }
            }
            lane.turn(Some(Duration::from_millis(1)));
            for (token, outcome) in std::mem::take(&mut lane.done) {
                match outcome.result {
                    1 => read += 1,
                    result if result == -libc::ECANCELED => cancelled += 1,
                    result => assert_eq!(result, -libc::ETIME),
                }
                // Taking it twice would panic: the one outcome is this one.
                lane.take(token);
                outcomes += 1;
            }
        }
        assert_eq!(lane.driver.in_flight(), 0);
        assert_eq!(lane.home.slab.in_use().count(), 0);
        assert_eq!(lane.driver.counters().stale, 0);
        assert!(cancelled > 0 && read > 0, "{read} read, {cancelled} cancelled");
        // Every byte written was read by an op that says so, or is still in the pipe.
        let mut rest = 0;
        while read + rest < written {
            let mut byte = [0u8];
            assert_eq!(lane.run(transfer(Opcode::Read, reader.as_raw_fd(), &mut byte, 0)), 1);
            rest += 1;
        }
        drop((reader, writer));
        assert_eq!(open_fds(), fds_before);
    }
}

#[test]
fn what_cancels_found_is_counted() {
    let _alone = alone();
    let Some(mut lane) = Lane::inline(4) else { return };
    let (reader, _writer) = pipe();
    let mut byte = [0u8];
    let token = lane.start(transfer(Opcode::Read, reader.as_raw_fd(), &mut byte, 0));
    lane.turn(Some(Duration::ZERO));
    assert_eq!(lane.cancel(token), Ok(Cancel::Ask));
    assert_eq!(lane.cancel(token), Ok(Cancel::AskedBefore));
    assert_eq!(lane.result(token), -libc::ECANCELED);
    // A request for an op that is over: nothing is found, nothing is touched.
    lane.driver.cancel(token).unwrap();
    lane.turn(Some(Duration::ZERO));
    lane.turn(Some(Duration::ZERO));
    let cancels = lane.driver.counters().cancels;
    assert_eq!((cancels.found, cancels.not_found, cancels.running), (1, 1, 0));
}

#[test]
fn an_op_withdrawn_before_it_is_enqueued_is_dropped() {
    let _alone = alone();
    let Some(mut lane) = Lane::inline(4) else { return };
    let token = lane.claim(Prepared::new(Opcode::Nop));
    assert_eq!(lane.cancel(token), Ok(Cancel::Withdrawn));
    lane.driver.enqueue(token).unwrap();
    assert_eq!(lane.driver.in_flight(), 0);
    lane.take(token);
    assert_eq!(lane.turn(Some(Duration::ZERO)), 0);
}

#[test]
fn cancels_find_room_when_the_queue_has_none() {
    let _alone = alone();
    // More ops than the queue has places, all blocked, all cancelled between two publishes.
    let config = UringConfig { entries: 8, completions: 16, ..UringConfig::inline(64) };
    let Some(mut lane) = Lane::new(64, config) else { return };
    let (reader, _writer) = pipe();
    let mut buffers = [[0u8; 1]; 64];
    let tokens: Vec<_> = buffers
        .iter_mut()
        .map(|buffer| lane.start(transfer(Opcode::Read, reader.as_raw_fd(), buffer, 0)))
        .collect();
    for &token in &tokens {
        assert_eq!(lane.cancel(token), Ok(Cancel::Ask));
    }
    for token in tokens {
        assert_eq!(lane.result(token), -libc::ECANCELED);
    }
    assert_eq!(lane.driver.counters().cancels.found, 64);
}
