//! The end of a lane, whatever is under way: descriptors and threads are back where they were, lent
//! memory is the lender's again, and what the kernel still holds is not freed.

mod support;

use std::io::Read;
use std::os::fd::FromRawFd;
use std::time::{Duration, Instant};
use support::*;
use wakering::lane::Shutdown;
use wakering::{Config, DriverChoice, Lane};
use wakering_core::abi::{ErrorKind, OpDescriptor, Opcode};

const TIME: Duration = Duration::from_secs(10);
const DONE: Shutdown = Shutdown { stuck: 0, threads: 0 };

/// Runs `begin` on a lane of each driver and shuts the lane down in the middle of what it began.
fn in_the_middle(config: Config, begin: impl Fn(&mut Port)) {
    let ends: [fn(&mut Port); 2] = [
        |port| assert_eq!(port.lane.shut_down(TIME), DONE, "{}", port.driver),
        // Twice, and then dropped.
        |port| {
            let _ = port.lane.shut_down(TIME);
            assert_eq!(port.lane.shut_down(TIME), DONE);
        },
    ];
    each_config(config, |config| {
        for end in ends {
            let before = descriptors();
            {
                let mut port = Port::open(config).unwrap();
                begin(&mut port);
                end(&mut port);
                assert_eq!((port.lane.in_flight(), port.lane.open_handles()), (0, 0));
                // Its memory is ours again: nobody writes to it any more.
                port.slab.bytes().fill(0xAA);
                std::thread::sleep(Duration::from_millis(2));
                assert!(port.slab.bytes().iter().all(|&byte| byte == 0xAA));
            }
            assert_eq!(threads(), Vec::<String>::new());
            assert_eq!(descriptors(), before, "descriptors are back");
        }
        // Dropped in the middle.
        let before = descriptors();
        let mut port = Port::open(config).unwrap();
        begin(&mut port);
        drop(port);
        until("threads end", || threads().is_empty());
        assert_eq!(descriptors(), before, "descriptors are back after a drop");
    });
}

#[test]
fn of_an_idle_lane() {
    in_the_middle(small(), |_| {});
}

#[test]
fn with_open_files() {
    in_the_middle(small(), |port| {
        let path = port.folder.file("file", b"x");
        for _ in 0..20 {
            port.open_file(&path, libc::O_RDONLY);
        }
    });
}

#[test]
fn with_ops_that_were_accepted_and_not_published() {
    in_the_middle(small(), |port| {
        let path = port.folder.file("file", &[1; 4096]);
        let file = port.open_file(&path, libc::O_RDONLY);
        let ops = [
            OpDescriptor::new(Opcode::Nop),
            sleep(u64::MAX),
            on_slab(port, Opcode::Read, file, 0..4096, 0),
            on_owned(Opcode::Read, file, 4096, 0),
            on_owned(Opcode::Read, file, 1 << 20, 0),
            close(file),
        ];
        for (slot, d) in ops.into_iter().enumerate() {
            // Past the harness, which would turn.
            port.lane.accept(&OpDescriptor { slot: slot as u32, ..d }, &[]);
        }
        let name = path.as_os_str().as_encoded_bytes();
        for (slot, opcode) in [(10, Opcode::OpenAt), (11, Opcode::Readdir), (12, Opcode::Statx)] {
            let d = OpDescriptor {
                slot,
                args: [0, name.len() as u32, 0, 0, 0, 0],
                ..OpDescriptor::new(opcode)
            };
            port.lane.accept(&d, name);
        }
    });
}

#[test]
fn with_ops_in_the_ring_and_in_the_pool() {
    in_the_middle(small(), |port| {
        // Opened for both: what reads it waits, for there is always a writer.
        let path = port.folder.fifo("stream");
        let stream = port.open_file(path, libc::O_RDWR);
        let fifo = port.folder.fifo("fifo");
        let folder = port.folder.0.clone();
        for index in 0..4 {
            let read = read_stream(port, stream, index * 8..index * 8 + 8);
            port.push(read);
            port.push(sleep(u64::MAX));
            let mut poll = on(Opcode::PollAdd, stream);
            poll.op_flags = libc::POLLIN as u32;
            port.push(poll);
            let d = on_path(port, Opcode::Readdir, &folder);
            port.push(d);
            for flags in [libc::O_RDONLY, libc::O_WRONLY] {
                // More of them than the pool has threads.
                let d = open(port, &fifo, flags);
                port.push(forced(d));
            }
        }
        port.flush();
        port.push(close(stream));
        port.flush();
    });
}

#[test]
fn with_opens_that_wait_in_the_pool() {
    in_the_middle(Config { pool_threads: 2, ..small() }, |port| {
        let fifo = port.folder.fifo("fifo");
        for _ in 0..10 {
            let d = open(port, &fifo, libc::O_WRONLY);
            port.push(d);
        }
        port.flush();
        until("two threads are at it", || {
            threads().iter().filter(|name| name.starts_with("wakering-pool")).count() == 2
        });
        std::thread::sleep(Duration::from_millis(10));
    });
}

#[test]
fn with_copies_that_wait_in_the_pool() {
    in_the_middle(small(), |port| {
        let fifo = port.folder.fifo("fifo");
        for number in 0..3 {
            let copy = port.folder.0.join(format!("copy{number}"));
            let d = on_paths(port, Opcode::CopyFile, &fifo, copy);
            port.push(d);
        }
        port.flush();
        std::thread::sleep(Duration::from_millis(10));
    });
}

#[test]
fn with_large_copies_at_the_worker() {
    in_the_middle(Config { slots: 256, ..Config::default() }, |port| {
        let path = port.folder.file("file", &vec![1; 1 << 20]);
        let file = port.open_file(&path, libc::O_RDONLY);
        for _ in 0..200 {
            port.push(on_owned(Opcode::Read, file, 1 << 20, 0));
        }
        port.flush();
        std::thread::sleep(Duration::from_millis(3));
    });
}

/// The only reads that the kernel does not let go of: a disk's.
#[test]
fn with_reads_of_the_disk_in_flight() {
    in_the_middle(small(), |port| {
        let path = port.folder.file("file", &vec![1; 4 << 20]);
        std::fs::File::open(&path).unwrap().sync_all().unwrap();
        let d = open(port, &path, libc::O_RDONLY | libc::O_DIRECT);
        let answer = port.run(d);
        if answer.result < 0 {
            return skip(format!("O_DIRECT: {}", answer.result));
        }
        for index in 0..50 {
            let range = index % 4 * 262_144..(index % 4 + 1) * 262_144;
            let read =
                on_slab(port, Opcode::Read, answer.handle, range, u64::from(index % 16) * 262_144);
            port.push(read);
        }
        port.flush();
    });
}

#[test]
fn with_an_open_that_succeeds_too_late() {
    in_the_middle(small(), |port| {
        let path = port.folder.file("file", b"x");
        for _ in 0..30 {
            let d = open(port, &path, libc::O_RDONLY);
            port.push(forced(d));
        }
        port.flush();
    });
}

#[test]
fn with_a_close_that_waits_for_its_ops() {
    in_the_middle(small(), |port| {
        let path = port.folder.file("file", &vec![1; 1 << 20]);
        for _ in 0..10 {
            let file = port.open_file(&path, libc::O_RDONLY);
            for _ in 0..3 {
                port.push(forced(on_slab(port, Opcode::Read, file, 0..262_144, 0)));
            }
            port.push(close(file));
        }
        port.flush();
    });
}

#[test]
fn with_bounce_regions_in_use() {
    in_the_middle(Config { register_buffers: false, ..small() }, |port| {
        let path = port.folder.file("file", &vec![1; 1 << 20]);
        let file = port.open_file(&path, libc::O_RDWR);
        for index in 0..20 {
            let opcode = if index % 2 == 0 { Opcode::Read } else { Opcode::Write };
            let d = on_slab(port, opcode, file, index * 4096..index * 4096 + 40_960, 0);
            port.push(forced(d));
        }
        let ranges: Vec<_> = (0..100).map(|index| (index * 4096, 4096)).collect();
        let d = on_segments(port, Opcode::Readv, file, &ranges, 0);
        port.push(forced(d));
        port.flush();
    });
}

#[test]
fn a_lane_that_is_shut_down_refuses_everything_and_answers_it() {
    each(small(), |port| {
        let path = port.folder.file("file", b"x");
        let file = port.open_file(&path, libc::O_RDONLY);
        assert_eq!(port.lane.shut_down(TIME), DONE);
        for d in [
            OpDescriptor::new(Opcode::Nop),
            sleep(1),
            on_slab(port, Opcode::Read, file, 0..1, 0),
            on_owned(Opcode::Read, file, 1 << 20, 0),
            close(file),
            on(Opcode::Fsync, file),
        ] {
            let slot = port.push(d);
            port.flush();
            port.flush();
            let answer = port.answer(slot).expect("an answer at once");
            assert_eq!(answer.result, kind(ErrorKind::Closed));
        }
        let d = open(port, &path, libc::O_RDONLY);
        let slot = port.push(d);
        port.flush();
        assert_eq!(port.answer(slot).unwrap().result, kind(ErrorKind::Closed));
        port.push_cancel(OpDescriptor::new(Opcode::CancelAll));
        port.push_cancel(on(Opcode::CancelHandle, file));
        port.flush();
        port.is_idle();
    });
}

#[test]
fn with_a_writer_that_waits_for_room() {
    in_the_middle(small(), |port| {
        let path = port.folder.fifo("stream");
        let stream = port.open_file(path, libc::O_RDWR);
        for _ in 0..20 {
            let write = on_slab(port, Opcode::Write, stream, 0..65_536, u64::MAX);
            port.push(write);
        }
        port.flush();
        std::thread::sleep(Duration::from_millis(5));
    });
}

/// A write to a terminal that nobody reads, on a pool thread: nothing ends it but the reader.
#[test]
fn what_cannot_be_ended_is_counted_and_its_memory_stays() {
    each_config(Config { register_buffers: false, ..small() }, |config| {
        if config.driver == DriverChoice::Uring {
            // The kernel's own threads end such a write.
            return;
        }
        let Some((mut master, terminal)) = terminal() else { return skip("no pseudo-terminal") };
        let before = descriptors();
        let mut port = Port::open(config).unwrap();
        let stream = port.open_file(&terminal, libc::O_WRONLY | libc::O_NOCTTY);
        port.slab.bytes().fill(b'w');
        let write = on_slab(&port, Opcode::Write, stream, 0..1 << 20, u64::MAX);
        let write = port.start(write);
        let fifo = port.folder.fifo("fifo");
        let d = open(&mut port, fifo, libc::O_WRONLY);
        let open = port.start(d);
        assert!(port.stays_silent(write, Duration::from_millis(20)));
        assert!(port.stays_silent(open, Duration::ZERO));
        let begin = Instant::now();
        let left = port.lane.shut_down(Duration::from_millis(300));
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        assert_eq!(left, Shutdown { stuck: 1, threads: 1 });
        // The lender does with its memory what it likes.
        port.slab.bytes().fill(b'X');
        drop(port);
        assert_eq!(threads().len(), 1);
        // The write goes on from the memory that was left to it, and its thread ends.
        let mut read = Vec::new();
        let mut buffer = [0; 4096];
        while read.len() < 1 << 20 {
            let count = master.read(&mut buffer).unwrap();
            read.extend_from_slice(&buffer[..count]);
        }
        assert!(read.iter().all(|&byte| byte == b'w'), "memory was given away under the write");
        until("the thread ends", || threads().is_empty());
        // All but the descriptor that the write was made on: nobody was there to close it.
        assert_eq!(descriptors(), before + 1);
    });
}

/// The reading end of a new pseudo-terminal, in raw mode, and the path of the other.
fn terminal() -> Option<(std::fs::File, String)> {
    // SAFETY: takes numbers.
    let fd = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) };
    if fd < 0 {
        return None;
    }
    // SAFETY: the descriptor is new and nobody else's.
    let master = unsafe { std::fs::File::from_raw_fd(fd) };
    // SAFETY: all zero is a valid `termios`.
    let mut raw: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: fills a local.
    unsafe { libc::cfmakeraw(&raw mut raw) };
    // SAFETY: reads a local.
    unsafe { libc::tcsetattr(fd, libc::TCSANOW, &raw const raw) };
    let mut name = [0; 64];
    // SAFETY: takes a number.
    if unsafe { libc::unlockpt(fd) } != 0 {
        return None;
    }
    // SAFETY: the room is as long as is said.
    if unsafe { libc::ptsname_r(fd, name.as_mut_ptr(), name.len()) } != 0 {
        return None;
    }
    // SAFETY: NUL-terminated by the call above.
    let name = unsafe { std::ffi::CStr::from_ptr(name.as_ptr()) };
    Some((master, name.to_str().unwrap().to_string()))
}

#[test]
fn a_hundred_lanes_come_and_go() {
    each_config(Config { slots: 16, ..Config::default() }, |config| {
        drop(Lane::new(config).unwrap());
        let before = descriptors();
        for round in 0..100 {
            let mut port = Port::open(config).unwrap();
            let path = port.folder.file("file", &[1; 4096]);
            let file = port.open_file(&path, libc::O_RDONLY);
            for index in 0..10 {
                port.push(match (index + round) % 3 {
                    0 => sleep(u64::MAX),
                    1 => forced(on_slab(&port, Opcode::Read, file, 0..4096, 0)),
                    _ => OpDescriptor::new(Opcode::Nop),
                });
            }
            port.flush();
        }
        until("threads end", || threads().is_empty());
        assert_eq!(descriptors(), before);
    });
}
