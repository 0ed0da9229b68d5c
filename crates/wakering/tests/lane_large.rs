//! Large copies, which a thread with a ring of its own carries out; without a ring, the pool.

mod support;

use std::io::Write;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use support::*;
use wakering::Config;
use wakering_core::abi::{HandleId, Opcode, POSITION_CURRENT};
use wakering_core::policy::{Lane, WORKER_BYTES_MIN};

const MIB: u32 = 1 << 20;

fn pattern(length: u32) -> Vec<u8> {
    (0..length).map(|index| (index ^ (index >> 8) ^ (index >> 16)) as u8).collect()
}

fn large_file(port: &mut Port, length: u32) -> HandleId {
    let path = port.folder.file("large", &pattern(length));
    port.open_file(path, libc::O_RDWR)
}

#[test]
fn large_reads_and_writes_go_to_the_worker_and_come_back_whole() {
    each(small(), |port| {
        let content = pattern(8 * MIB);
        let file = large_file(port, 8 * MIB);
        for length in [WORKER_BYTES_MIN, WORKER_BYTES_MIN + 1, MIB, 8 * MIB, 9 * MIB] {
            let answer = port.run(on_owned(Opcode::Read, file, length, 0));
            let expected = &content[..content.len().min(length as usize)];
            assert_eq!(answer.result as usize, expected.len());
            assert!(answer.owned.as_deref() == Some(expected));
        }
        let data: Vec<u8> = content.iter().rev().copied().collect();
        let slot = port.push(on_owned(Opcode::Write, file, 8 * MIB, 0));
        port.lane.stage(slot, data.clone()).unwrap();
        assert_eq!(port.wait(slot).result, (8 * MIB) as i32);
        assert!(std::fs::read(port.folder.0.join("large")).unwrap() == data);
        let by_worker = port.lane.metrics().by_lane[Lane::Worker as usize];
        assert_eq!(by_worker, if port.driver == "uring" { 6 } else { 0 });
        let worker = threads().iter().filter(|name| *name == "wakering-worker").count();
        assert_eq!(worker, usize::from(port.driver == "uring"));
        port.close_file(file);
        port.is_idle();
    });
    until("threads end", || threads().is_empty());
}

#[test]
fn more_large_reads_than_the_worker_takes_at_a_time_all_come() {
    each(Config { slots: 256, ..Config::default() }, |port| {
        let content = pattern(MIB);
        let file = large_file(port, MIB);
        for _ in 0..3 {
            let slots: Vec<_> = (0..200)
                .map(|_| port.push(on_owned(Opcode::Read, file, WORKER_BYTES_MIN, 4096)))
                .collect();
            for slot in slots {
                let answer = port.wait(slot);
                assert_eq!(answer.result, WORKER_BYTES_MIN as i32);
                let expected = &content[4096..][..WORKER_BYTES_MIN as usize];
                assert!(answer.owned.as_deref() == Some(expected));
            }
        }
        port.close_file(file);
        port.is_idle();
    });
}

#[test]
fn the_lanes_own_thread_does_not_wait_for_the_worker() {
    on_a_ring(Config { slots: 512, ..Config::default() }, |port| {
        let file = large_file(port, 4 * MIB);
        // More than its ring takes at a time, so that it copies while it makes room.
        let slots: Vec<_> =
            (0..200).map(|_| port.push(on_owned(Opcode::Read, file, 4 * MIB, 0))).collect();
        let start = Instant::now();
        port.flush();
        let mut longest = Duration::ZERO;
        let mut small = 0;
        while slots.iter().any(|&slot| port.is_under_way(slot)) {
            let begin = Instant::now();
            // Each hands the worker an order, too.
            let large = port.push(on_owned(Opcode::Read, file, WORKER_BYTES_MIN, 0));
            port.push_cancel(cancel(large));
            let read = on_slab(port, Opcode::Read, file, 0..64, 0);
            let slot = port.push(read);
            let waits = times_waited();
            port.flush();
            if times_waited() > waits {
                longest = longest.max(begin.elapsed());
            }
            assert_eq!(port.wait(slot).result, 64);
            assert!([-libc::ECANCELED, WORKER_BYTES_MIN as i32].contains(&port.wait(large).result));
            small += 1;
            for &slot in &slots {
                // Their memory is not needed.
                drop(port.answer(slot));
            }
        }
        assert!(small > 10, "{small}");
        // A third of all used to be copied in one call of the worker's, with its lock held. That a
        // busy machine stops this thread does not count: only that it waits.
        let all = start.elapsed();
        assert!(longest < all / 4, "the lane's thread stood for {longest:?} of {all:?}");
        port.close_file(file);
        port.is_idle();
    });
}

/// How often this thread has given up its core because it had to wait.
fn times_waited() -> i64 {
    // SAFETY: all zero is a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the place is a local.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) }, 0);
    usage.ru_nvcsw
}

#[test]
fn the_first_of_many_large_reads_does_not_wait_for_the_last() {
    on_a_ring(Config { slots: 64, ..Config::default() }, |port| {
        let file = large_file(port, 8 * MIB);
        let slots: Vec<_> =
            (0..50).map(|_| port.push(on_owned(Opcode::Read, file, 8 * MIB, 0))).collect();
        assert_eq!(port.wait(slots[0]).result, (8 * MIB) as i32);
        // Not a matter of time, which a busy machine makes long: of the order.
        let rest = slots.iter().filter(|&&slot| port.is_under_way(slot)).count();
        assert!(rest >= 5, "{rest} of 50 were under way when the first came");
        for &slot in &slots[1..] {
            assert_eq!(port.wait(slot).result, (8 * MIB) as i32);
        }
        port.close_file(file);
        port.is_idle();
    });
}

#[test]
fn large_reads_are_cancelled_wherever_they_are() {
    each(Config { slots: 256, ..Config::default() }, |port| {
        let file = large_file(port, MIB);
        let (mut won, mut lost) = (0, 0);
        for round in 0..20 {
            let slots: Vec<_> =
                (0..100).map(|_| port.push(on_owned(Opcode::Read, file, MIB, 0))).collect();
            port.flush();
            std::thread::sleep(Duration::from_micros(100 * round));
            for &slot in &slots {
                port.push_cancel(cancel(slot));
            }
            for slot in slots {
                match port.wait(slot).result {
                    result if result == -libc::ECANCELED => won += 1,
                    result => {
                        assert_eq!(result, MIB as i32);
                        lost += 1;
                    }
                }
            }
            assert_eq!(port.lane.in_flight(), 0);
        }
        assert!(won > 0 && lost > 0, "{}: {won} won, {lost} lost", port.driver);
        port.close_file(file);
        port.is_idle();
    });
}

#[test]
fn a_large_read_of_a_pipe_waits_is_cancelled_and_loses_no_byte() {
    each(small(), |port| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let stream = port.open_file(format!("/proc/self/fd/{}", reader.as_raw_fd()), 0);
        for round in 0..20u8 {
            let slot = port.start(on_owned(Opcode::Read, stream, MIB, POSITION_CURRENT));
            let silent = Duration::from_micros(u64::from(round) * 100);
            assert!(port.stays_silent(slot, silent));
            port.push_cancel(cancel(slot));
            assert_eq!(port.wait(slot).result, -libc::ECANCELED);
            writer.write_all(&[round; 3]).unwrap();
            let answer = port.run(on_owned(Opcode::Read, stream, MIB, POSITION_CURRENT));
            assert_eq!(answer.owned.unwrap(), [round; 3]);
        }
        // A close ends it, too.
        let slot = port.start(on_owned(Opcode::Read, stream, MIB, POSITION_CURRENT));
        port.close_file(stream);
        assert_eq!(port.wait(slot).result, -libc::ECANCELED);
        port.is_idle();
    });
}

/// Ops that are taken back while the worker is busy leave their orders behind in its queue.
#[test]
fn orders_that_nobody_waits_for_any_more_keep_no_other_from_coming() {
    on_a_ring(Config { slots: 2, ..Config::default() }, |port| {
        let file = large_file(port, 8 * MIB);
        for _ in 0..10 {
            let busy = port.start(on_owned(Opcode::Read, file, 8 * MIB, 0));
            for _ in 0..30 {
                let slot = port.push(on_owned(Opcode::Read, file, WORKER_BYTES_MIN, 0));
                port.flush();
                port.push_cancel(cancel(slot));
                let result = port.wait(slot).result;
                assert!([-libc::ECANCELED, WORKER_BYTES_MIN as i32].contains(&result), "{result}");
            }
            let last = port.push(on_owned(Opcode::Read, file, WORKER_BYTES_MIN, 0));
            assert_eq!(port.wait(last).result, WORKER_BYTES_MIN as i32);
            assert_eq!(port.wait(busy).result, (8 * MIB) as i32);
        }
        assert_eq!(port.lane.metrics().busy, 0);
        port.close_file(file);
        port.is_idle();
    });
}

#[test]
fn where_the_worker_gets_no_descriptors_the_lanes_own_ring_copies() {
    on_a_ring(small(), |port| {
        let file = large_file(port, MIB);
        let limit = Limit::to_those_there_are();
        for _ in 0..3 {
            let answer = port.run(on_owned(Opcode::Read, file, MIB, 0));
            assert_eq!(answer.result, MIB as i32);
        }
        drop(limit);
        assert_eq!(port.lane.metrics().by_lane[Lane::Worker as usize], 0);
        port.close_file(file);
    });
}

/// A bound on the numbers of descriptors, until this is dropped.
struct Limit(libc::rlimit);

impl Limit {
    fn to_those_there_are() -> Self {
        let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the place is a local.
        let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut before) };
        assert_eq!(known, 0);
        // The number 0 is taken.
        let less = libc::rlimit { rlim_cur: 1, ..before };
        // SAFETY: reads a local.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const less) }, 0);
        Self(before)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        // SAFETY: reads what was there before.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const self.0) };
    }
}
