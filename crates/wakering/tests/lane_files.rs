//! A lane as a port drives it, on both drivers: open, read, write, stat, close, and every kind of
//! memory that data can lie in.

mod support;

use support::*;
use wakering::{Config, Idle, SqpollConfig, Steering};
use wakering_core::abi::{Opcode, POSITION_CURRENT, completion_flag, statx};

const NEW: i32 = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;

fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|index| (index as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

fn size_of(answer: &Answer) -> u64 {
    let bytes = answer.statx.as_ref().expect("a statx");
    u64::from_ne_bytes(bytes[statx::SIZE..][..8].try_into().unwrap())
}

fn round_trip(port: &mut Port) {
    let before = descriptors();
    let path = port.folder.0.join("file");
    let file = port.open_file(&path, NEW);
    assert_eq!(port.lane.open_handles(), 1);
    let data = pattern(10_000, 1);
    port.slab.bytes()[..10_000].copy_from_slice(&data);
    let write = on_slab(port, Opcode::Write, file, 0..10_000, 0);
    assert_eq!(port.run(write).result, 10_000);
    assert_eq!(port.run(on(Opcode::Fdatasync, file)).result, 0);
    for forced_too in [false, true] {
        port.slab.bytes()[20_000..40_000].fill(0xEE);
        let read = on_slab(port, Opcode::Read, file, 20_000..40_000, 0);
        let read = if forced_too { forced(read) } else { read };
        assert_eq!(port.run(read).result, 10_000);
        assert_eq!(port.slab.bytes()[20_000..30_000], data);
        assert!(port.slab.bytes()[30_000..40_000].iter().all(|&byte| byte == 0xEE));
        let by_path = stat(port, &path);
        let by_path = if forced_too { forced(by_path) } else { by_path };
        let answer = port.run(by_path);
        assert_eq!((answer.result, size_of(&answer)), (0, 10_000));
        let by_handle = stat(port, "");
        let answer = port.run(wakering_core::abi::OpDescriptor { handle: file, ..by_handle });
        assert_eq!((answer.result, size_of(&answer)), (0, 10_000));
    }
    port.close_file(file);
    assert_eq!(port.lane.open_handles(), 0);
    assert_eq!(descriptors(), before);
    assert_eq!(std::fs::read(&path).unwrap(), data);
    port.is_idle();
}

#[test]
fn what_is_written_is_read_again_from_a_registered_slab() {
    each(small(), round_trip);
}

#[test]
fn what_is_written_is_read_again_through_a_bounce_region() {
    each(Config { register_buffers: false, ..small() }, round_trip);
}

#[test]
fn what_is_written_is_read_again_over_an_sq_thread() {
    for idle in [Idle::Millis(10), Idle::Auto(Steering::default())] {
        let sqpoll = Some(SqpollConfig { cpu: None, idle, share: true });
        on_a_ring(Config { sqpoll, ..small() }, round_trip);
    }
}

#[test]
fn data_of_the_runtime_is_handed_over_and_taken_once() {
    each(small(), |port| {
        let file = port.open_file(port.folder.0.join("file"), NEW);
        let data = pattern(100_000, 7);
        let write = on_owned(Opcode::Write, file, 100_000, 0);
        let slot = port.push(write);
        port.lane.stage(slot, data.clone()).unwrap();
        assert_eq!(port.wait(slot).result, 100_000);
        for length in [1, 50_000, 200_000] {
            let answer = port.run(on_owned(Opcode::Read, file, length, 0));
            let expected = &data[..data.len().min(length as usize)];
            assert_eq!(answer.result as usize, expected.len());
            assert_ne!(answer.flags & completion_flag::OWNED, 0);
            assert_eq!(answer.owned.as_deref(), Some(expected));
        }
        let slot = port.push(on_owned(Opcode::Read, file, 10, 0));
        port.wait(slot);
        assert_eq!(port.lane.take_owned(slot), None);
        // At the end of the file: an empty result, which is a result.
        let answer = port.run(on_owned(Opcode::Read, file, 10, 100_000));
        assert_eq!((answer.result, answer.owned), (0, Some(Vec::new())));
        port.close_file(file);
        port.is_idle();
    });
}

#[test]
fn more_may_be_staged_than_is_written_but_not_less() {
    each(small(), |port| {
        let file = port.open_file(port.folder.0.join("file"), NEW);
        let slot = port.push(on_owned(Opcode::Write, file, 4, 0));
        port.lane.stage(slot, b"abcdef".to_vec()).unwrap();
        assert_eq!(port.wait(slot).result, 4);
        let slot = port.push(on_owned(Opcode::Write, file, 7, 0));
        port.lane.stage(slot, b"abcdef".to_vec()).unwrap();
        assert_eq!(port.wait(slot).result, kind(wakering_core::abi::ErrorKind::BadBuffer));
        // What was staged went with its op.
        let answer = port.run(on_owned(Opcode::Write, file, 6, 0));
        assert_eq!(answer.result, kind(wakering_core::abi::ErrorKind::BadBuffer));
        assert_eq!(std::fs::read(port.folder.0.join("file")).unwrap(), b"abcd");
        assert!(port.lane.stage(64, Vec::new()).is_err());
        port.close_file(file);
    });
}

fn vectored(port: &mut Port) {
    let path = port.folder.0.join("file");
    let file = port.open_file(&path, NEW);
    let data = pattern(3000, 3);
    port.slab.bytes()[..3000].copy_from_slice(&data);
    let ranges = [(2000, 1000), (0, 0), (1000, 1000), (0, 1000)];
    let write = on_segments(port, Opcode::Writev, file, &ranges, 0);
    assert_eq!(port.run(write).result, 3000);
    let turned = [&data[2000..], &data[1000..2000], &data[..1000]].concat();
    assert_eq!(std::fs::read(&path).unwrap(), turned);
    // The file ends in the middle of the second segment.
    port.slab.bytes()[4000..].fill(0xEE);
    let ranges = [(8000, 2500), (5000, 1000), (4000, 500)];
    let read = on_segments(port, Opcode::Readv, file, &ranges, 0);
    assert_eq!(port.run(read).result, 3000);
    assert_eq!(port.slab.bytes()[8000..10_500], turned[..2500]);
    assert_eq!(port.slab.bytes()[5000..5500], turned[2500..]);
    assert!(port.slab.bytes()[5500..8000].iter().all(|&byte| byte == 0xEE));
    assert!(port.slab.bytes()[4000..5000].iter().all(|&byte| byte == 0xEE));
    // As many segments as there can be: they lie in a block.
    let many: Vec<_> = (0..256).map(|index| (index * 8, 8)).collect();
    port.slab.bytes()[..2048].fill(0);
    let read = on_segments(port, Opcode::Readv, file, &many, 0);
    assert_eq!(port.run(read).result, 2048);
    assert_eq!(port.slab.bytes()[..2048], turned[..2048]);
    let none = on_segments(port, Opcode::Readv, file, &[], 0);
    assert_eq!(port.run(none).result, 0);
    port.close_file(file);
    port.is_idle();
}

#[test]
fn segments_are_gathered_and_scattered_in_their_order() {
    each(small(), vectored);
    each(Config { register_buffers: false, ..small() }, vectored);
}

#[test]
fn a_files_own_position_moves_with_its_ops() {
    each(small(), |port| {
        let path = port.folder.file("file", b"abcdefgh");
        let file = port.open_file(&path, libc::O_RDONLY);
        for expected in [b"abc", b"def"] {
            let read = on_slab(port, Opcode::Read, file, 0..3, POSITION_CURRENT);
            assert_eq!(port.run(read).result, 3);
            assert_eq!(port.slab.bytes()[..3], *expected);
        }
        port.close_file(file);
    });
}

#[test]
fn names_are_made_moved_linked_listed_and_removed() {
    each(small(), |port| {
        let folder = port.folder.0.join("folder");
        let mut make = on_path(port, Opcode::Mkdirat, &folder);
        make.args[4] = 0o700;
        assert_eq!(port.run(make).result, 0);
        let directory = port.open_file(&folder, libc::O_RDONLY | libc::O_DIRECTORY);
        let inside = |d| wakering_core::abi::OpDescriptor { handle: directory, ..d };
        let d = open(port, "a", NEW);
        let file = port.run(inside(d)).handle;
        port.close_file(file);
        let d = on_paths(port, Opcode::Renameat, "a", "b");
        assert_eq!(port.run(inside(d)).result, 0);
        let d = on_paths(port, Opcode::Linkat, "b", "c");
        assert_eq!(port.run(inside(d)).result, 0);
        let d = on_paths(port, Opcode::Symlinkat, "b", "d");
        assert_eq!(port.run(inside(d)).result, 0);
        let d = on_path(port, Opcode::Readlink, "d");
        let answer = port.run(inside(d));
        assert_eq!((answer.result, answer.owned.as_deref()), (1, Some(&b"b"[..])));
        let d = on_path(port, Opcode::Readdir, ".");
        let listed = port.run(inside(d)).owned.unwrap();
        assert_eq!(listed.len(), 3 * 5, "three names of one letter: {listed:?}");
        let d = on_paths(port, Opcode::CopyFile, "b", "e");
        assert_eq!(port.run(inside(d)).result, 0);
        for name in ["b", "c", "d", "e"] {
            let d = on_path(port, Opcode::Unlinkat, name);
            assert_eq!(port.run(inside(d)).result, 0, "{name}");
        }
        port.close_file(directory);
        let mut d = on_path(port, Opcode::Unlinkat, &folder);
        d.op_flags = libc::AT_REMOVEDIR as u32;
        assert_eq!(port.run(d).result, 0);
        assert!(!folder.exists());
        port.is_idle();
    });
}

#[test]
fn no_path_and_no_handle_is_no_file() {
    each(small(), |port| {
        for forced_too in [false, true] {
            let d = stat(port, "");
            let d = if forced_too { forced(d) } else { d };
            assert_eq!(port.run(d).result, -libc::ENOENT, "{} {forced_too}", port.driver);
        }
    });
}

#[test]
fn a_thousand_ops_of_each_batch_are_answered_once_each() {
    each(Config { slots: 1024, ..Config::default() }, |port| {
        let path = port.folder.file("file", &pattern(4096, 0));
        let file = port.open_file(&path, libc::O_RDONLY);
        for _ in 0..10 {
            let slots: Vec<_> = (0..1024)
                .map(|index| {
                    let d = match index % 4 {
                        0 => on_slab(port, Opcode::Read, file, index..index + 64, 100),
                        1 => on_owned(Opcode::Read, file, 64, 100),
                        2 => stat(port, &path),
                        _ => sleep(u64::from(index)),
                    };
                    port.push(d)
                })
                .collect();
            for slot in slots {
                let result = port.wait(slot).result;
                assert!(result == 64 || result == 0 || result == -libc::ETIME, "{result}");
            }
        }
        port.close_file(file);
        port.is_idle();
    });
}
