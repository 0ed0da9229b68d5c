//! Small writes over a ring: a thread of the pool does them, with what the memory held when they were
//! handed over.

mod support;

use std::os::fd::AsRawFd;
use support::*;
use wakering_core::abi::{Opcode, POSITION_CURRENT};
use wakering_core::policy::Lane;
use wakering_poll_loop::Mounts;
use wakering_poll_loop::writes::wake_a_thread;

const NEW: i32 = libc::O_RDWR | libc::O_CREAT;

fn by_pool(port: &Port) -> u64 {
    port.lane.metrics().by_lane[Lane::Pool as usize]
}

/// Whether the folder's file system is one where a ring would wake a thread.
fn is_slow_over_a_ring(port: &Port) -> bool {
    let file = std::fs::File::create(port.folder.0.join("probe")).unwrap();
    let mounts = Mounts::new();
    mounts.learn_from(file.as_raw_fd());
    let slow = wake_a_thread(file.as_raw_fd(), &mounts) == Some(true);
    if !slow {
        skip("a ring wakes no thread on this file system");
    }
    slow
}

#[test]
fn a_small_write_goes_to_the_pool_with_what_was_there_when_it_was_handed_over() {
    on_a_ring(small(), |port| {
        if !is_slow_over_a_ring(port) {
            return;
        }
        let path = port.folder.0.join("file");
        let file = port.open_file(&path, NEW);
        let before = by_pool(port);
        for round in 0..20u8 {
            port.slab.bytes()[..100].fill(round);
            let write = on_slab(port, Opcode::Write, file, 0..100, u64::from(round) * 100);
            let slot = port.start(write);
            port.slab.bytes()[..100].fill(0xEE);
            assert_eq!(port.wait(slot).result, 100);
        }
        assert_eq!(by_pool(port) - before, 20);
        let content = std::fs::read(&path).unwrap();
        assert!(content.iter().enumerate().all(|(at, &byte)| usize::from(byte) == at / 100));
        assert_eq!(content.len(), 2000);
        port.close_file(file);
        port.is_idle();
    });
}

#[test]
fn large_writes_and_those_at_the_files_own_position_stay_with_the_ring() {
    on_a_ring(small(), |port| {
        let file = port.open_file(port.folder.0.join("file"), NEW);
        let before = by_pool(port);
        for (bytes, offset) in [(100_000, 0), (100, POSITION_CURRENT), (100, POSITION_CURRENT)] {
            let write = on_slab(port, Opcode::Write, file, 0..bytes, offset);
            assert_eq!(port.run(write).result, bytes as i32);
        }
        assert_eq!(by_pool(port), before);
        port.close_file(file);
    });
}

#[test]
fn a_batch_of_small_writes_that_is_cancelled_is_written_or_withdrawn() {
    on_a_ring(small(), |port| {
        if !is_slow_over_a_ring(port) {
            return;
        }
        let path = port.folder.0.join("file");
        let file = port.open_file(&path, NEW);
        for round in 1..=100u8 {
            port.slab.bytes()[..8].fill(round);
            let slots: Vec<u32> = (0..8)
                .map(|at| {
                    let write = on_slab(port, Opcode::Write, file, 0..8, at * 8);
                    port.push(write)
                })
                .collect();
            if round % 2 == 0 {
                port.flush();
            }
            port.push_cancel(on(Opcode::CancelHandle, file));
            let results: Vec<i32> = slots.iter().map(|&slot| port.wait(slot).result).collect();
            let content = std::fs::read(&path).unwrap();
            for (at, result) in results.into_iter().enumerate() {
                let there = content.get(at * 8..at * 8 + 8) == Some(&[round; 8][..]);
                assert_eq!(result, if there { 8 } else { -libc::ECANCELED }, "round {round}");
            }
        }
        port.close_file(file);
        port.is_idle();
    });
}
