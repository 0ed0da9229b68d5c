//! Every number that makes no sense is refused, with exactly one record, and leaves nothing behind.
//!
//! [`Port`] fails by itself on a second record, and on one that nobody asked for.

mod support;

use std::os::fd::AsRawFd;
use std::time::Duration;
use support::*;
use wakering::Config;
use wakering_core::abi::{
    ErrorKind, HandleId, OWNED_BYTES_MAX, OpDescriptor, Opcode, SLOT_NONE, buffer_kind, op_flag,
};

const READ_ONLY: i32 = libc::O_RDONLY;

/// A lane with one open file.
fn with_file(test: impl Fn(&mut Port, HandleId)) {
    each(small(), |port| {
        let path = port.folder.file("file", b"content");
        let file = port.open_file(&path, READ_ONLY);
        test(port, file);
        port.close_file(file);
        port.is_idle();
        assert_eq!(port.lane.open_handles(), 0);
    });
}

#[test]
fn a_slot_that_is_taken_or_not_there_gives_no_record_and_is_counted() {
    each(small(), |port| {
        let slot = port.start(sleep(u64::MAX));
        let mut bad = 0;
        for wrong in [slot, 64, 65, SLOT_NONE, SLOT_NONE - 1, 0xFFFF_0000, 1 << 30] {
            // Past the harness, which would not let it through.
            port.push_cancel(OpDescriptor { slot: wrong, ..OpDescriptor::new(Opcode::Nop) });
            bad += 1;
            assert!(port.stays_silent(slot, Duration::from_millis(2)));
            assert_eq!(port.lane.metrics().malformed, bad);
        }
        assert_eq!(port.lane.in_flight(), 1);
        port.push_cancel(cancel(slot));
        assert_eq!(port.wait(slot).result, -libc::ECANCELED);
        port.is_idle();
    });
}

#[test]
fn an_opcode_that_is_none_is_refused() {
    with_file(|port, file| {
        // The slot's last op left a read of segments behind, which is not to be looked at.
        let first = on_segments(port, Opcode::Readv, file, &[(0, 3), (8, 3)], 0);
        let slot = port.push(first);
        assert_eq!(port.wait(slot).result, 6);
        for opcode in [37, 54, 63, 64, 200, 255] {
            let d = OpDescriptor { opcode, slot, ..on(Opcode::Read, file) };
            let slot = port.push(d);
            assert_eq!(port.wait(slot).result, kind(ErrorKind::BadDescriptor), "{opcode}");
        }
    });
}

#[test]
fn a_buffer_that_leaves_its_memory_is_refused() {
    with_file(|port, file| {
        let good = on_slab(port, Opcode::Read, file, 0..7, 0);
        let end = SLAB_BYTES as u32;
        let bad = [
            OpDescriptor { buffer: port.lent + 1, ..good },
            OpDescriptor { buffer: u32::MAX, ..good },
            OpDescriptor { buffer_offset: end - 6, ..good },
            OpDescriptor { buffer_offset: u32::MAX, ..good },
            OpDescriptor { length: end + 1, ..good },
            OpDescriptor { length: u32::MAX, buffer_offset: u32::MAX, ..good },
            OpDescriptor { buffer_kind: buffer_kind::NONE, ..good },
            OpDescriptor { buffer_kind: 3, ..good },
            OpDescriptor { buffer_kind: 255, ..good },
            OpDescriptor { buffer_kind: buffer_kind::OWNED, length: OWNED_BYTES_MAX + 1, ..good },
            OpDescriptor { buffer_kind: buffer_kind::OWNED, ..on(Opcode::Write, file) },
            OpDescriptor { buffer: 7, ..on_slab(port, Opcode::Write, file, 0..1, 0) },
        ];
        for d in bad {
            assert_eq!(port.run(d).result, kind(ErrorKind::BadBuffer), "{d:?}");
        }
        for (offset, length) in [(end - 6, 7), (u32::MAX, u32::MAX), (0, end + 1)] {
            for opcode in [Opcode::Readv, Opcode::Writev] {
                let d = on_segments(port, opcode, file, &[(0, 1), (offset, length)], 0);
                assert_eq!(port.run(d).result, kind(ErrorKind::BadBuffer));
            }
        }
        // Every one of them was counted out of its handle: the file closes at once (`with_file`).
        assert_eq!(port.run(good).result, 7);
    });
}

#[test]
fn a_path_or_segments_outside_the_arena_are_refused() {
    with_file(|port, file| {
        let path = port.folder.0.clone();
        for opcode in [
            Opcode::OpenAt,
            Opcode::Statx,
            Opcode::Unlinkat,
            Opcode::Mkdirat,
            Opcode::Readdir,
            Opcode::Readlink,
            Opcode::Realpath,
            Opcode::Access,
        ] {
            for range in [[1, u32::MAX], [u32::MAX, 1], [u32::MAX, u32::MAX], [9999, 1], [0, 9999]]
            {
                let mut d = on_path(port, opcode, &path);
                [d.args[0], d.args[1]] = range;
                assert_eq!(port.run(d).result, kind(ErrorKind::BadDescriptor), "{opcode:?}");
            }
        }
        for opcode in [Opcode::Renameat, Opcode::Linkat, Opcode::Symlinkat, Opcode::CopyFile] {
            let mut d = on_paths(port, opcode, &path, &path);
            d.args[2] = 50_000;
            assert_eq!(port.run(d).result, kind(ErrorKind::BadDescriptor), "{opcode:?}");
        }
        for range in [[0, 257], [0, 3], [u32::MAX, 1], [0, u32::MAX]] {
            let mut d = on_segments(port, Opcode::Readv, file, &[(0, 1), (1, 1)], 0);
            [d.args[0], d.args[1]] = range;
            assert_eq!(port.run(d).result, kind(ErrorKind::BadDescriptor), "{range:?}");
        }
        let many = vec![(0, 1); 257];
        let d = on_segments(port, Opcode::Writev, file, &many, 0);
        assert_eq!(port.run(d).result, kind(ErrorKind::BadDescriptor));
    });
}

#[test]
fn paths_that_no_call_takes_are_refused() {
    each(small(), |port| {
        let d = stat(port, "a\0b");
        assert_eq!(port.run(d).result, kind(ErrorKind::BadPath));
        let d = on_paths(port, Opcode::Renameat, "a", "b\0");
        assert_eq!(port.run(d).result, kind(ErrorKind::BadPath));
        let long = "x".repeat(4096);
        let d = open(port, &long, READ_ONLY);
        assert_eq!(port.run(d).result, -libc::ENAMETOOLONG);
        // The longest that there is goes to the kernel, which finds nothing.
        let long = format!("{}x", "./".repeat(2047));
        assert_eq!(long.len(), 4095);
        for forced_too in [false, true] {
            let d = stat(port, format!("/{}", &long[1..]));
            let d = if forced_too { forced(d) } else { d };
            assert_eq!(port.run(d).result, -libc::ENOENT);
        }
        port.is_idle();
    });
}

#[test]
fn long_paths_find_their_blocks_used_up_and_given_back() {
    each(Config { slots: 256, ..Config::default() }, |port| {
        let fifo = port.folder.fifo("fifo");
        let name = fifo.file_name().unwrap().to_str().unwrap();
        let long = format!("{}/{}{name}", port.folder.0.display(), "./".repeat(1000));
        for _ in 0..3 {
            let slots: Vec<_> = (0..100)
                .map(|_| {
                    let d = open(port, &long, libc::O_WRONLY);
                    // Forced, so that a ring too lets it wait in the kernel.
                    port.push(forced(d))
                })
                .collect();
            port.flush();
            let refused: Vec<_> =
                slots.iter().filter_map(|&slot| port.answer(slot)).map(|a| a.result).collect();
            assert_eq!(refused, vec![kind(ErrorKind::Busy); 36], "64 blocks are all");
            port.push_cancel(OpDescriptor::new(Opcode::CancelAll));
            let slots: Vec<_> = slots.into_iter().filter(|&s| port.is_under_way(s)).collect();
            assert_eq!(slots.len(), 64);
            port.flush();
            for slot in slots {
                assert_eq!(port.wait(slot).result, -libc::ECANCELED);
            }
            port.is_idle();
        }
    });
}

#[test]
fn a_handle_that_was_closed_or_never_was_names_no_file() {
    with_file(|port, file| {
        let path = port.folder.0.join("file");
        let old = port.open_file(&path, READ_ONLY);
        port.close_file(old);
        let new = port.open_file(&path, READ_ONLY);
        assert_eq!(new.index, old.index, "the place is used again");
        let stale = [
            old,
            HandleId { generation: new.generation.wrapping_add(1), ..new },
            HandleId { generation: 0, ..new },
            HandleId { index: 5000, generation: 1 },
            HandleId { index: u32::MAX - 1, generation: 1 },
            HandleId::NONE,
        ];
        for handle in stale {
            let ops = [
                on_slab(port, Opcode::Read, handle, 0..4, 0),
                on_slab(port, Opcode::Write, handle, 0..4, 0),
                on_owned(Opcode::Read, handle, 4, 0),
                on(Opcode::Fsync, handle),
                on(Opcode::Fdatasync, handle),
                on(Opcode::Ftruncate, handle),
                on(Opcode::Fallocate, handle),
                on(Opcode::PollAdd, handle),
                close(handle),
            ];
            for d in ops {
                assert_eq!(port.run(d).result, kind(ErrorKind::StaleHandle), "{d:?}");
            }
            if !handle.is_none() {
                let d = OpDescriptor { handle, ..open(port, "file", READ_ONLY) };
                assert_eq!(port.run(d).result, kind(ErrorKind::StaleHandle));
            }
        }
        port.close_file(new);
        assert!(std::fs::metadata(&path).is_ok_and(|file| file.len() == 7));
        let _ = file;
    });
}

#[test]
fn an_op_into_the_rings_own_table_is_refused() {
    with_file(|port, _| {
        let path = port.folder.0.join("file");
        let d = open(port, &path, READ_ONLY);
        let d = OpDescriptor { flags: op_flag::DIRECT, ..d };
        assert_eq!(port.run(d).result, kind(ErrorKind::Unsupported));
    });
}

#[test]
fn a_file_that_finds_no_place_in_the_table_is_closed_again() {
    each(Config { handles_max: 2, ..small() }, |port| {
        let path = port.folder.file("file", b"content");
        let before = descriptors();
        let first = port.open_file(&path, READ_ONLY);
        let second = port.open_file(&path, READ_ONLY);
        for _ in 0..10 {
            let d = open(port, &path, READ_ONLY);
            let answer = port.run(d);
            assert_eq!((answer.result, answer.handle), (kind(ErrorKind::Busy), HandleId::NONE));
        }
        assert_eq!(descriptors(), before + 2);
        port.close_file(first);
        let third = port.open_file(&path, READ_ONLY);
        port.close_file(second);
        port.close_file(third);
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn a_cancel_of_no_handle_cancels_nothing() {
    each(small(), |port| {
        let timer = port.start(sleep(u64::MAX));
        port.push_cancel(on(Opcode::CancelHandle, HandleId::NONE));
        assert!(port.stays_silent(timer, Duration::from_millis(20)), "{}", port.driver);
        assert_eq!(port.lane.metrics().malformed, 1);
        assert_eq!(port.lane.metrics().cancels, 0);
        port.push_cancel(cancel(timer));
        assert_eq!(port.wait(timer).result, -libc::ECANCELED);
    });
}

#[test]
fn a_position_on_a_pipe_is_refused_before_a_byte_is_taken() {
    each(small(), |port| {
        let (reader, writer) = std::io::pipe().unwrap();
        let name = format!("/proc/self/fd/{}", reader.as_raw_fd());
        let stream = port.open_file(name, READ_ONLY);
        let read = on_slab(port, Opcode::Read, stream, 0..4, 0);
        assert_eq!(port.run(read).result, -libc::ESPIPE);
        drop(writer);
        port.close_file(stream);
        port.is_idle();
    });
}
