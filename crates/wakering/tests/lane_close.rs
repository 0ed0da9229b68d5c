//! Closing: what runs on a file is let finish, what waits on a stream is cancelled, and a number is
//! given back to the kernel once.

mod support;

use std::io::Write;
use std::os::fd::AsRawFd;
use std::time::Duration;
use support::*;
use wakering_core::abi::{ErrorKind, HandleId, OpDescriptor, Opcode};

const NEW: i32 = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;

#[test]
fn a_close_lets_the_writes_of_its_file_finish() {
    each(small(), |port| {
        for round in 0..20 {
            let path = port.folder.0.join(format!("file{round}"));
            let file = port.open_file(&path, NEW);
            port.slab.bytes()[..50_000].fill(round);
            let writes: Vec<_> = (0..20)
                .map(|index| {
                    let write = on_slab(port, Opcode::Write, file, 0..50_000, index * 50_000);
                    port.push(forced(write))
                })
                .collect();
            let closing = port.push(close(file));
            // After the close nothing more begins.
            let late = port.push(on_slab(port, Opcode::Write, file, 0..1, 2_000_000));
            assert_eq!(port.wait(late).result, kind(ErrorKind::StaleHandle));
            assert_eq!(port.wait(closing).result, 0);
            for slot in writes {
                // The close came last: the others were answered before, or with it.
                assert_eq!(port.wait(slot).result, 50_000);
            }
            assert_eq!(std::fs::read(&path).unwrap(), vec![round; 1_000_000]);
            port.is_idle();
        }
    });
}

#[test]
fn u7_the_answer_to_a_close_comes_after_those_of_its_ops() {
    each(small(), |port| {
        let path = port.folder.file("file", &[1; 4096]);
        let file = port.open_file(&path, libc::O_RDONLY);
        let read = port.push(forced(on_slab(port, Opcode::Read, file, 0..4096, 0)));
        let closing = port.push(close(file));
        while port.is_under_way(closing) {
            if port.is_under_way(read) {
                assert_eq!(port.lane.open_handles(), 1, "closed under an op");
            }
            port.flush();
        }
        assert!(!port.is_under_way(read));
        assert_eq!(port.wait(read).result, 4096);
        assert_eq!(port.wait(closing).result, 0);
    });
}

#[test]
fn u7_a_close_ends_what_waits_on_a_stream() {
    each(small(), |port| {
        close_under_reads(port);
        // From here on: the poll driver made a pipe of its own for the first one it could not ask.
        let before = descriptors();
        for _ in 0..20 {
            close_under_reads(port);
        }
        assert_eq!(descriptors(), before);
    });
}

fn close_under_reads(port: &mut Port) {
    {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let stream = port.open_file(format!("/proc/self/fd/{}", reader.as_raw_fd()), 0);
        let reads: Vec<_> = (0..5)
            .map(|index| {
                let read = read_stream(port, stream, index..index + 1);
                port.push(read)
            })
            .collect();
        let mut poll = on(Opcode::PollAdd, stream);
        poll.op_flags = libc::POLLIN as u32;
        let poll = port.push(poll);
        port.flush();
        assert!(port.stays_silent(poll, Duration::from_millis(5)));
        port.close_file(stream);
        for slot in reads.into_iter().chain([poll]) {
            assert_eq!(port.wait(slot).result, -libc::ECANCELED);
        }
        writer.write_all(b"x").unwrap();
        drop((reader, writer));
        port.is_idle();
    }
}

#[test]
fn l25_a_second_close_finds_no_file_whether_the_first_is_done_or_not() {
    each(small(), |port| {
        let path = port.folder.file("file", &[1; 4096]);
        let file = port.open_file(&path, libc::O_RDONLY);
        let read = port.push(forced(on_slab(port, Opcode::Read, file, 0..4096, 0)));
        let first = port.push(close(file));
        let second = port.push(close(file));
        assert_eq!(port.wait(second).result, kind(ErrorKind::StaleHandle));
        assert_eq!(port.wait(first).result, 0);
        assert_eq!(port.wait(read).result, 4096);
        assert_eq!(port.run(close(file)).result, kind(ErrorKind::StaleHandle));
        port.is_idle();
    });
}

#[test]
fn v13_a_close_is_not_cancelled() {
    each(small(), |port| {
        let before = descriptors();
        let path = port.folder.file("file", &[1; 4096]);
        for waits in [false, true] {
            let file = port.open_file(&path, libc::O_RDONLY);
            let read = waits.then(|| {
                let read = forced(on_slab(port, Opcode::Read, file, 0..4096, 0));
                port.push(read)
            });
            let closing = port.push(close(file));
            port.push_cancel(cancel(closing));
            port.push_cancel(OpDescriptor::new(Opcode::CancelAll));
            assert_eq!(port.wait(closing).result, 0);
            if let Some(read) = read {
                assert!([4096, -libc::ECANCELED].contains(&port.wait(read).result));
            }
        }
        assert_eq!(descriptors(), before);
        port.is_idle();
    });
}

#[test]
fn a_descriptors_number_names_no_other_file_while_an_op_is_under_way() {
    each(small(), |port| {
        let (one, other) =
            (port.folder.file("one", &[1; 512]), port.folder.file("other", &[2; 512]));
        for round in 0..300 {
            let file = port.open_file(&one, libc::O_RDONLY);
            let reads: Vec<_> = (0..8)
                .map(|index| {
                    let read = on_slab(port, Opcode::Read, file, index * 512..index * 512 + 512, 0);
                    port.push(forced(read))
                })
                .collect();
            let closing = port.push(close(file));
            // Each takes the lowest number that is free.
            let opening = open(port, &other, libc::O_RDONLY);
            let opening = port.push(opening);
            let opened = port.wait(opening).handle;
            for slot in reads {
                assert_eq!(port.wait(slot).result, 512);
            }
            assert!(port.slab.bytes()[..4096].iter().all(|&byte| byte == 1), "round {round}");
            port.slab.bytes()[..4096].fill(0);
            assert_eq!(port.wait(closing).result, 0);
            port.close_file(opened);
        }
        port.is_idle();
    });
}

#[test]
fn a_folder_that_is_closed_under_its_names_ops_waits_for_them() {
    each(small(), |port| {
        let before = descriptors();
        for name in 0..10 {
            port.folder.file(&format!("file{name}"), b"x");
        }
        let path = port.folder.0.clone();
        let folder = port.open_file(&path, libc::O_RDONLY | libc::O_DIRECTORY);
        let ops: Vec<_> = (0..10)
            .map(|name| {
                let d = stat(port, format!("file{name}"));
                port.push(forced(OpDescriptor { handle: folder, ..d }))
            })
            .collect();
        let listing = on_path(port, Opcode::Readdir, ".");
        let listing = port.push(OpDescriptor { handle: folder, ..listing });
        let closing = port.push(close(folder));
        assert_eq!(port.wait(closing).result, 0);
        for slot in ops {
            assert_eq!(port.wait(slot).result, 0);
        }
        assert_eq!(port.wait(listing).result, 10 * 9);
        assert_eq!(descriptors(), before);
        assert!(port.run(close(HandleId::NONE)).result < 0);
        port.is_idle();
    });
}
