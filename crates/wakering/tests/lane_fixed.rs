//! Files that are used so much that they get a place in the ring's table.

mod support;

use std::time::Duration;
use support::*;
use wakering::Config;
use wakering_core::abi::{HandleId, Opcode};
use wakering_core::policy::{FIXED_FILE_TRANSFERS, WORKER_BYTES_MIN};

/// Reads until the file is hot, two at a time: a lonely read does without the ring.
fn heat(port: &mut Port, file: HandleId) {
    for _ in 0..=FIXED_FILE_TRANSFERS / 2 {
        let slots = [0, 8].map(|start| {
            let d = on_slab(port, Opcode::Read, file, start..start + 8, 0);
            port.push(d)
        });
        for slot in slots {
            assert_eq!(port.wait(slot).result, 8);
        }
    }
}

#[test]
fn a_hot_file_gets_a_place_once_and_reads_as_before() {
    on_a_ring(small(), |port| {
        let path = port.folder.file("hot", b"eight by");
        let file = port.open_file(&path, libc::O_RDWR);
        heat(port, file);
        assert_eq!(port.lane.metrics().fixed_files, 1);
        heat(port, file);
        assert_eq!(port.lane.metrics().fixed_files, 1);
        port.slab.bytes()[..16].copy_from_slice(b"written, written");
        let d = on_slab(port, Opcode::Write, file, 0..16, 0);
        assert_eq!(port.run(d).result, 16);
        assert_eq!(std::fs::read(&path).unwrap(), b"written, written");
        port.close_file(file);
        port.is_idle();
    });
}

#[test]
fn reads_that_were_answered_without_the_ring_count_and_cost_it_no_place() {
    on_a_ring(small(), |port| {
        let path = port.folder.file("hot", b"eight by");
        let file = port.open_file(&path, libc::O_RDONLY);
        for _ in 0..2 * FIXED_FILE_TRANSFERS {
            let d = on_slab(port, Opcode::Read, file, 0..8, 0);
            assert_eq!(port.run(d).result, 8);
        }
        let lonely = port.lane.metrics().fixed_files;
        heat(port, file);
        assert_eq!(port.lane.metrics().fixed_files, 1, "{lonely} while it was read alone");
        port.close_file(file);
    });
}

#[test]
fn its_place_is_another_files_after_the_close_and_never_before() {
    on_a_ring(Config { slots: 8, ..Config::default() }, |port| {
        let before = descriptors();
        for round in 0..50u8 {
            let path = port.folder.file("file", &[round; 8]);
            let file = port.open_file(&path, libc::O_RDONLY);
            heat(port, file);
            assert_eq!(port.slab.bytes()[..8], [round; 8]);
            // The close waits for the read, and lets go of the place after it.
            let d = on_slab(port, Opcode::Read, file, 0..8, 0);
            let last = port.push(d);
            let closing = port.push(close(file));
            assert_eq!((port.wait(last).result, port.wait(closing).result), (8, 0));
            std::fs::remove_file(&path).unwrap();
        }
        assert_eq!(port.lane.metrics().fixed_files, 50);
        assert_eq!(descriptors(), before);
        port.is_idle();
    });
}

#[test]
fn the_worker_loop_has_a_table_of_its_own() {
    on_a_ring(small(), |port| {
        let length = WORKER_BYTES_MIN as usize;
        let hot = port.folder.file("hot", &vec![b'h'; length]);
        let other = port.folder.file("other", &vec![b'o'; length]);
        let (hot, other) =
            (port.open_file(&hot, libc::O_RDONLY), port.open_file(&other, libc::O_RDONLY));
        heat(port, hot);
        heat(port, other);
        for (file, byte) in [(hot, b'h'), (other, b'o')] {
            let answer = port.run(on_owned(Opcode::Read, file, length as u32, 0));
            assert!(answer.owned.is_some_and(|bytes| bytes == vec![byte; length]));
        }
        port.close_file(hot);
        port.close_file(other);
    });
}

#[test]
fn a_completion_that_comes_beside_cached_work_is_still_announced() {
    each(small(), |port| {
        let fifo = port.folder.fifo("fifo");
        let path = port.folder.file("file", b"cached");
        let pipe = port.open_file(&fifo, libc::O_RDWR);
        let d = read_stream(port, pipe, 0..5);
        let waiting = port.start(d);
        let stat_of = |port: &mut Port| {
            let d = stat(port, &path);
            port.run(d).result
        };
        assert_eq!(stat_of(port), 0);
        std::fs::write(&fifo, b"bytes").unwrap();
        assert!(port.is_rung(Duration::from_secs(5)));
        // Batches that the driver has no part in neither hear the bell nor silence it.
        for _ in 0..10 {
            let d = stat(port, &path);
            port.push(d);
            port.flush();
        }
        assert!(!port.is_under_way(waiting) || port.is_rung(Duration::ZERO));
        assert_eq!(port.wait(waiting).result, 5);
        port.close_file(pipe);
    });
}
