//! Cancelling many ops by what they have in common.

mod support;

use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;
use support::net::every_personality;
use support::{Lane, alone, pipe, transfer, write_to};
use wakering_core::abi::{Opcode, op_flag};
use wakering_core::driver::CancelKey;
use wakering_core::resource::Prepared;
use wakering_core::{Driver, Token};

fn poll(fd: RawFd) -> Prepared {
    let op_flags = libc::POLLIN as u32;
    Prepared { fd, op_flags, ..Prepared::new(Opcode::PollAdd) }
}

fn cancelled(lane: &mut Lane, tokens: &[Token]) -> usize {
    let results = tokens.iter().map(|&token| lane.result(token));
    results.filter(|&result| result == -libc::ECANCELED).count()
}

const HOUR: Prepared = Prepared { offset: 3600 * 1_000_000_000, ..Prepared::new(Opcode::Timeout) };

#[test]
fn by_descriptor_and_by_no_other_that_shares_its_file() {
    let _alone = alone();
    for mut lane in every_personality(16) {
        let (reader, writer) = pipe();
        let shared = reader.try_clone().unwrap();
        let mut bytes = [[0u8; 1]; 3];
        let mut tokens: Vec<_> = bytes
            .iter_mut()
            .map(|byte| lane.start(transfer(Opcode::Read, reader.as_raw_fd(), byte, u64::MAX)))
            .collect();
        tokens.push(lane.start(poll(reader.as_raw_fd())));
        let mut other = [0u8];
        let kept = lane.start(transfer(Opcode::Read, shared.as_raw_fd(), &mut other, u64::MAX));
        lane.turn(Some(Duration::ZERO));
        let key = CancelKey::Fd(reader.as_raw_fd());
        assert_eq!(lane.driver.cancel_where(key), Ok(4));
        assert_eq!(lane.driver.cancel_where(key), Ok(0), "they were asked before");
        assert_eq!(cancelled(&mut lane, &tokens), 4);
        write_to(&writer, b"x");
        assert_eq!(lane.result(kept), 1);
    }
}

#[test]
fn by_opcode_and_by_no_other_that_the_kernel_takes_for_the_same() {
    let _alone = alone();
    for mut lane in every_personality(16) {
        let (reader, _writer) = pipe();
        let (first, second) = (lane.start(poll(reader.as_raw_fd())), lane.start(HOUR));
        let forced = Prepared { flags: op_flag::ASYNC, ..poll(reader.as_raw_fd()) };
        let third = lane.start(forced);
        lane.turn(Some(Duration::ZERO));
        assert_eq!(lane.driver.cancel_where(CancelKey::Opcode(Opcode::Read)), Ok(0));
        assert_eq!(lane.driver.cancel_where(CancelKey::Opcode(Opcode::PollAdd)), Ok(2));
        assert_eq!(cancelled(&mut lane, &[first, third]), 2);
        assert!(!lane.home.slab.slot(second).is_ready(second));
        // The poll of the doorbell is one too, and still there.
        lane.home.doorbell.ring();
        lane.turn(None);
        assert_eq!(lane.driver.cancel_where(CancelKey::Opcode(Opcode::Timeout)), Ok(1));
        assert_eq!(cancelled(&mut lane, &[second]), 1);
    }
}

#[test]
fn all_of_them_published_or_not() {
    let _alone = alone();
    for mut lane in every_personality(32) {
        for round in 0..50 {
            let (reader, _writer) = pipe();
            let mut bytes = [[0u8; 1]; 16];
            let tokens: Vec<_> = bytes
                .iter_mut()
                .enumerate()
                .map(|(number, byte)| {
                    let read = transfer(Opcode::Read, reader.as_raw_fd(), byte, u64::MAX);
                    let flags = if number % 3 == 0 { op_flag::ASYNC } else { 0 };
                    let token = match number % 4 {
                        0 => lane.start(HOUR),
                        _ => lane.start(Prepared { flags, ..read }),
                    };
                    if number == round % 16 {
                        lane.driver.publish().unwrap();
                    }
                    token
                })
                .collect();
            assert_eq!(lane.driver.cancel_where(CancelKey::All), Ok(16));
            assert_eq!(cancelled(&mut lane, &tokens), 16, "round {round}");
            assert_eq!(lane.driver.in_flight(), 0);
        }
        assert_eq!(lane.driver.cancel_where(CancelKey::All), Ok(0));
        // It can still be woken: its own poll of the doorbell was ended with the rest.
        lane.home.doorbell.ring();
        assert_eq!(lane.turn(None), 0);
        assert_eq!(lane.driver.counters().stale, 0);
    }
}
