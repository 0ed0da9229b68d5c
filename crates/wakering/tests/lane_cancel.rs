//! Cancels: of ops that wait, that run, that are over; and what they leave behind, which is nothing.

mod support;

use std::io::Write;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use support::*;
use wakering::Config;
use wakering_core::abi::{HandleId, OpDescriptor, Opcode};
use wakering_core::random::Random;

/// The reading end of a pipe as a handle, and its writing end.
fn stream(port: &mut Port) -> (HandleId, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let handle = port.open_file(format!("/proc/self/fd/{}", reader.as_raw_fd()), libc::O_RDONLY);
    (handle, writer)
}

#[test]
fn an_op_of_the_same_batch_is_cancelled() {
    each(small(), |port| {
        let (stream, _writer) = stream(port);
        let read = read_stream(port, stream, 0..8);
        for d in [sleep(u64::MAX), read] {
            let slot = port.push(d);
            port.push_cancel(cancel(slot));
            assert_eq!(port.wait(slot).result, -libc::ECANCELED);
        }
        let metrics = port.lane.metrics();
        assert_eq!((metrics.cancels, metrics.cancels_won + metrics.withdrawn), (2, 2));
        port.close_file(stream);
        port.is_idle();
    });
}

#[test]
fn an_op_in_flight_is_cancelled_and_loses_no_byte() {
    each(small(), |port| {
        let (stream, mut writer) = stream(port);
        for round in 0..50u8 {
            let read = read_stream(port, stream, 0..8);
            let slot = port.start(read);
            assert!(port.answer(slot).is_none());
            port.push_cancel(cancel(slot));
            assert_eq!(port.wait(slot).result, -libc::ECANCELED);
            writer.write_all(&[round]).unwrap();
            let read = read_stream(port, stream, 0..8);
            assert_eq!(port.run(read).result, 1);
            assert_eq!(port.slab.bytes()[0], round);
        }
        port.close_file(stream);
        port.is_idle();
    });
}

#[test]
fn v13_a_cancel_of_what_is_over_changes_nothing() {
    each(small(), |port| {
        let slot = port.start(OpDescriptor::new(Opcode::Nop));
        let first = port.wait(slot);
        assert_eq!(first.result, 0);
        port.push_cancel(cancel(slot));
        port.push_cancel(cancel(slot));
        port.flush();
        assert_eq!(port.lane.metrics().cancels_lost, 2);
        // The next op in that slot is not what was meant, but it is what the number names: the
        // binding's side sees to that. Here it only has to be answered once.
        let next = port.push(OpDescriptor { slot, ..sleep(1_000_000) });
        assert_eq!(port.wait(next).result, -libc::ETIME);
        port.push_cancel(cancel(64));
        port.push_cancel(cancel(u32::MAX));
        port.flush();
        assert_eq!(port.lane.metrics().malformed, 2);
        port.is_idle();
    });
}

#[test]
fn many_cancels_of_one_op_are_one() {
    each(small(), |port| {
        let slot = port.start(sleep(u64::MAX));
        for _ in 0..10 {
            port.push_cancel(cancel(slot));
        }
        assert_eq!(port.wait(slot).result, -libc::ECANCELED);
        assert_eq!(port.lane.metrics().cancels_won + port.lane.metrics().withdrawn, 1);
        port.is_idle();
    });
}

#[test]
fn a_handles_cancel_ends_its_ops_and_no_others() {
    each(small(), |port| {
        let ((one, _a), (other, _b)) = (stream(port), stream(port));
        let slots: Vec<_> = (0..8)
            .map(|index| {
                let handle = if index % 2 == 0 { one } else { other };
                let read = read_stream(port, handle, index * 8..index * 8 + 8);
                port.push(read)
            })
            .collect();
        let timer = port.push(sleep(u64::MAX));
        port.flush();
        port.push_cancel(on(Opcode::CancelHandle, one));
        port.flush();
        for &slot in slots.iter().step_by(2) {
            assert_eq!(port.wait(slot).result, -libc::ECANCELED);
        }
        assert!(port.stays_silent(slots[1], Duration::from_millis(5)));
        assert!(port.stays_silent(timer, Duration::ZERO));
        port.push_cancel(OpDescriptor::new(Opcode::CancelAll));
        port.flush();
        for &slot in slots.iter().skip(1).step_by(2).chain([&timer]) {
            assert_eq!(port.wait(slot).result, -libc::ECANCELED);
        }
        port.close_file(one);
        port.close_file(other);
        port.is_idle();
    });
}

/// Opens of FIFOs without another end wait: in the kernel, on a pool thread, in the lane's timer.
#[test]
fn an_open_that_waits_is_cancelled_and_leaves_no_descriptor() {
    each(small(), |port| {
        let fifo = port.folder.fifo("fifo");
        let give_up = |port: &mut Port, flags, forced_too, pause| {
            let d = open(port, &fifo, flags);
            let d = if forced_too { forced(d) } else { d };
            let slot = port.start(d);
            assert!(port.stays_silent(slot, Duration::from_millis(pause)));
            port.push_cancel(cancel(slot));
            assert_eq!(port.wait(slot).result, -libc::ECANCELED);
        };
        // The first look at a FIFO makes the lane's own pipe.
        give_up(port, libc::O_RDONLY, false, 40);
        let before = descriptors();
        for flags in [libc::O_RDONLY, libc::O_WRONLY] {
            for forced_too in [false, true] {
                for pause in [0, 1, 5, 40] {
                    give_up(port, flags, forced_too, pause);
                }
            }
        }
        assert_eq!((descriptors(), port.lane.open_handles()), (before, 0));
        port.is_idle();
    });
}

/// A copy opens its source as open(2) does: that of a FIFO waits for a writer, and then for bytes.
#[test]
fn a_copy_that_waits_is_cancelled_and_leaves_nothing() {
    each(small(), |port| {
        let fifo = port.folder.fifo("fifo");
        let copy = port.folder.0.join("copy");
        let before = descriptors();
        for has_writer in [false, true] {
            // Opened for both, so that it waits for nobody.
            let both = || std::fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
            let writer = has_writer.then(both);
            let d = on_paths(port, Opcode::CopyFile, &fifo, &copy);
            let slot = port.start(d);
            if has_writer {
                until("it waits for bytes", || copy.exists());
            }
            assert!(port.stays_silent(slot, Duration::from_millis(20)));
            assert_eq!(copy.exists(), has_writer);
            port.push_cancel(cancel(slot));
            assert_eq!(port.wait(slot).result, -libc::ECANCELED);
            assert!(!copy.exists());
            drop(writer);
        }
        assert_eq!(descriptors(), before);
        port.is_idle();
    });
}

#[test]
fn v11_an_open_that_succeeds_after_its_cancel_closes_what_it_opened() {
    each(small(), |port| {
        let path = port.folder.file("file", b"content");
        let d = open(port, &path, libc::O_RDONLY);
        assert!(port.run(forced(d)).result >= 0);
        let before = descriptors();
        let mut won = 0;
        for _ in 0..2000 {
            let d = open(port, &path, libc::O_RDONLY);
            let slot = port.start(forced(d));
            port.push_cancel(cancel(slot));
            let answer = port.wait(slot);
            if answer.result == -libc::ECANCELED {
                assert!(answer.handle.is_none());
                won += 1;
            } else {
                assert!(answer.result >= 0, "{}", answer.result);
                port.close_file(answer.handle);
            }
            assert_eq!(descriptors(), before);
        }
        assert!(won > 0, "{}: no cancel came in time", port.driver);
        port.is_idle();
    });
}

#[test]
fn a_cancel_reaches_a_pool_thread_at_whatever_moment() {
    each(Config { pool_threads: 2, ..small() }, |port| {
        let fifo = port.folder.fifo("fifo");
        let mut random = Random::new(5);
        for _ in 0..1000 {
            let d = open(port, &fifo, libc::O_WRONLY);
            // Through a ring, ENXIO sends it on to the pool.
            let slot = port.start(d);
            let until = Instant::now() + Duration::from_nanos(random.below(200_000));
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            port.push_cancel(cancel(slot));
            assert_eq!(port.wait(slot).result, -libc::ECANCELED);
        }
        port.is_idle();
    });
}

#[test]
fn cancels_that_race_with_completions_give_one_answer_each() {
    let config = Config { slots: 256, ..Config::default() };
    each(config, |port| {
        let path = port.folder.file("file", &[7; 4096]);
        let file = port.open_file(&path, libc::O_RDONLY);
        let (stream, mut writer) = stream(port);
        // The poll driver makes a pipe of its own for the first pipe that it cannot ask not to wait.
        writer.write_all(b"x").unwrap();
        let read = read_stream(port, stream, 0..1);
        assert_eq!(port.run(read).result, 1);
        let before = descriptors();
        let mut random = Random::new(11);
        let mut taken = 0;
        let mut written = 0;
        for _ in 0..200 {
            let slots: Vec<_> = (0..100)
                .map(|_| {
                    let d = match random.below(5) {
                        0 => forced(on_slab(port, Opcode::Read, file, 0..4096, 0)),
                        1 => read_stream(port, stream, 8192..8193),
                        2 => sleep(random.below(200_000)),
                        3 => on_owned(Opcode::Read, file, 4096, 0),
                        _ => forced(stat(port, &path)),
                    };
                    (port.push(d), d.handle == stream)
                })
                .collect();
            port.flush();
            written += writer.write(&[1; 10]).unwrap();
            for &(slot, _) in &slots {
                if random.below(2) == 0 {
                    port.push_cancel(cancel(slot));
                }
            }
            port.flush();
            // What is still to read waits for bytes that do not come.
            for &(slot, is_stream) in &slots {
                if is_stream && port.is_under_way(slot) {
                    port.push_cancel(cancel(slot));
                }
            }
            port.flush();
            for (slot, is_stream) in slots {
                let result = port.wait(slot).result;
                match result {
                    1 if is_stream => taken += 1,
                    0 | 4096 => assert!(!is_stream),
                    _ => assert!([-libc::ECANCELED, -libc::ETIME].contains(&result), "{result}"),
                }
            }
        }
        // The bytes that no read took are all still there.
        drop(writer);
        let mut rest = 0;
        loop {
            let read = read_stream(port, stream, 0..65_536);
            match port.run(read).result {
                0 => break,
                count => rest += count,
            }
        }
        assert_eq!(taken + rest, written as i32, "{}", port.driver);
        assert_eq!(descriptors(), before - 1);
        port.close_file(stream);
        port.close_file(file);
        port.is_idle();
    });
}

#[test]
fn where_every_slot_is_taken_the_next_op_is_refused_and_cancels_still_get_through() {
    each(small(), |port| {
        let slots: Vec<_> = (0..64).map(|_| port.push(sleep(u64::MAX))).collect();
        port.flush();
        assert_eq!(port.lane.in_flight(), 64);
        assert_eq!(port.lane.keeping_alive(), 64);
        port.push_cancel(OpDescriptor { slot: slots[9], ..OpDescriptor::new(Opcode::Nop) });
        port.flush();
        assert_eq!(port.lane.metrics().malformed, 1);
        for &slot in &slots {
            port.push_cancel(cancel(slot));
        }
        port.flush();
        for slot in slots {
            assert_eq!(port.wait(slot).result, -libc::ECANCELED);
        }
        port.is_idle();
    });
}
