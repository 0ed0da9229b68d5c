//! Small files that come whole with their open.

mod support;

use std::time::Duration;
use support::*;
use wakering::Config;
use wakering_core::abi::{
    CONTENT_BYTES_MAX, ErrorKind, OpDescriptor, Opcode, POSITION_CURRENT, completion_flag, op_flag,
};

fn content(port: &mut Port, path: impl AsRef<std::path::Path>, bytes_max: u32) -> OpDescriptor {
    let d = open(port, path, libc::O_RDONLY);
    OpDescriptor { flags: op_flag::CONTENT, length: bytes_max, ..d }
}

#[test]
fn a_small_file_comes_whole_and_is_closed() {
    each(small(), |port| {
        let path = port.folder.file("first", &[1; 300_000]);
        let d = content(port, &path, CONTENT_BYTES_MAX);
        assert_eq!(port.run(d).result, 300_000, "which starts the worker loop or a thread");
        for length in [1usize, 4096, 65_536, 65_537, 300_000, CONTENT_BYTES_MAX as usize] {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 7 + i / 251) as u8).collect();
            let path = port.folder.file("small", &bytes);
            let before = descriptors();
            for _ in 0..3 {
                let d = content(port, &path, CONTENT_BYTES_MAX);
                let answer = port.run(d);
                assert_eq!(answer.result, length as i32, "{}", port.driver);
                assert_ne!(answer.flags & completion_flag::CONTENT, 0);
                assert_eq!(answer.flags & completion_flag::OPENED, 0);
                assert!(answer.content.as_ref() == Some(&bytes), "{length} bytes");
            }
            assert_eq!(descriptors(), before, "{length} bytes");
        }
        assert_eq!(port.lane.metrics().contents, 19);
        assert_eq!(port.lane.open_handles(), 0);
        port.is_idle();
    });
}

#[test]
fn many_at_once_share_the_room_and_the_rest_comes_in_memory_of_its_own() {
    each(Config { slots: 128, ..Config::default() }, |port| {
        port.content.truncate(10_000);
        let paths: Vec<_> = (0..100u32)
            .map(|i| port.folder.file(&format!("{i}"), format!("{i} ").repeat(100).as_bytes()))
            .collect();
        let slots: Vec<_> = paths
            .iter()
            .map(|path| {
                let d = content(port, path, 65_536);
                port.push(d)
            })
            .collect();
        for (i, slot) in slots.into_iter().enumerate() {
            let answer = port.wait(slot);
            assert_eq!(answer.content.unwrap(), format!("{i} ").repeat(100).as_bytes());
        }
        assert_eq!(port.lane.open_handles(), 0);
        port.is_idle();
    });
}

#[test]
fn everything_else_is_answered_with_a_handle() {
    each(small(), |port| {
        let large = port.folder.file("large", &[1; 5000]);
        let empty = port.folder.file("empty", b"");
        let folder = port.folder.0.clone();
        for path in [large, empty, folder, "/proc/self/status".into(), "/dev/null".into()] {
            let d = content(port, &path, 4999);
            let answer = port.run(d);
            assert_ne!(answer.flags & completion_flag::OPENED, 0, "{}", path.display());
            assert_eq!(answer.flags & completion_flag::CONTENT, 0);
            port.close_file(answer.handle);
        }
        port.is_idle();
    });
}

#[test]
fn what_is_not_there_or_not_to_be_read_is_refused() {
    each(small(), |port| {
        let path = port.folder.0.join("absent");
        let d = content(port, &path, 4096);
        assert_eq!(port.run(d).result, -libc::ENOENT);
        let path = port.folder.file("file", b"bytes");
        for (flags, length) in [
            (libc::O_RDWR, 4096),
            (libc::O_WRONLY, 4096),
            (libc::O_PATH, 4096),
            (libc::O_RDONLY, CONTENT_BYTES_MAX + 1),
        ] {
            let d = open(port, &path, flags);
            let d = OpDescriptor { flags: op_flag::CONTENT, length, ..d };
            assert_eq!(port.run(d).result, kind(ErrorKind::BadDescriptor));
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"bytes");
        port.is_idle();
    });
}

#[test]
fn a_fifo_is_waited_for_as_by_any_open() {
    each(small(), |port| {
        let path = port.folder.fifo("fifo");
        let d = content(port, &path, 4096);
        let slot = port.start(d);
        assert!(port.stays_silent(slot, Duration::from_millis(50)));
        let writer = std::thread::spawn(move || std::fs::write(path, b"through the fifo").unwrap());
        let answer = port.wait(slot);
        assert_ne!(answer.flags & completion_flag::OPENED, 0);
        let read = port.run(on_owned(Opcode::Read, answer.handle, 100, POSITION_CURRENT));
        assert_eq!(read.owned.as_deref(), Some(&b"through the fifo"[..]));
        writer.join().unwrap();
        port.close_file(answer.handle);
    });
}

#[test]
fn a_cancelled_one_leaves_no_descriptor_behind() {
    each(small(), |port| {
        let path = port.folder.file("file", &[5; 400_000]);
        let d = content(port, &path, CONTENT_BYTES_MAX);
        port.run(d);
        let before = descriptors();
        let (mut came, mut ended) = (0, 0);
        for turn in 0..200 {
            let d = content(port, &path, CONTENT_BYTES_MAX);
            let slot = port.push(d);
            if turn % 2 == 0 {
                port.flush();
            }
            port.push_cancel(cancel(slot));
            let answer = port.wait(slot);
            match answer.result {
                400_000 => came += 1,
                result => {
                    assert_eq!(result, -libc::ECANCELED, "{answer:?} {turn} {}", port.driver);
                    ended += 1;
                }
            }
        }
        assert_eq!(came + ended, 200);
        assert_eq!(descriptors(), before, "{came} came, {ended} were cancelled");
        port.is_idle();
    });
}

#[test]
fn a_lane_that_ends_closes_what_it_was_reading() {
    each_config(small(), |config| {
        let before = descriptors();
        let mut port = Port::open(config).unwrap();
        let path = port.folder.file("file", &[5; 900_000]);
        for _ in 0..20 {
            let d = content(&mut port, &path, CONTENT_BYTES_MAX);
            port.push(d);
        }
        port.flush();
        let end = port.lane.shut_down(PATIENCE);
        assert_eq!((end.stuck, end.threads), (0, 0));
        drop(port);
        assert_eq!(descriptors(), before);
    });
}
