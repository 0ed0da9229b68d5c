//! What others shipped as bugs, by name: each test shows that the kernel behaves so, and that this
//! driver does not fall for it.

mod support;

use std::fs::{self, File};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;
use support::net::every_personality;
use support::{Folder, Lane, alone, pipe, skip, transfer, write_to};
use wakering_core::Driver;
use wakering_core::abi::{Opcode, op_flag};
use wakering_core::resource::Prepared;
use wakering_core::slot::Cancel;
use wakering_uring_loop::{UringConfig, homes_kept};

const BLOCK: usize = 65_536;
const READS: usize = 64;

/// A file that is read past the page cache, or a printed reason.
fn direct_file(folder: &Folder) -> Option<File> {
    let path = folder.join("file");
    fs::write(&path, vec![0xA5u8; READS * BLOCK]).unwrap();
    File::open(&path).unwrap().sync_all().unwrap();
    match File::options().read(true).custom_flags(libc::O_DIRECT).open(&path) {
        Ok(file) => Some(file),
        Err(error) => {
            skip(format_args!("no O_DIRECT here: {error}"));
            None
        }
    }
}

fn aligned(memory: &mut [u8]) -> &mut [u8] {
    let skip = memory.as_ptr().align_offset(4096);
    &mut memory[skip..][..READS * BLOCK]
}

/// A disk's reads are nowhere where a cancel looks: ENOENT, and the bytes come all the same.
#[test]
fn enoent_of_a_cancel_proves_nothing() {
    let _alone = alone();
    for mut lane in every_personality(READS as u32) {
        let folder = Folder::new();
        let Some(file) = direct_file(&folder) else { return };
        let mut memory = vec![0u8; READS * BLOCK + 4096];
        let blocks = aligned(&mut memory);
        let tokens: Vec<_> = blocks
            .chunks_mut(BLOCK)
            .enumerate()
            .map(|(index, block)| {
                let offset = (index * BLOCK) as u64;
                lane.start(transfer(Opcode::Read, file.as_raw_fd(), block, offset))
            })
            .collect();
        lane.driver.publish().unwrap();
        for &token in &tokens {
            assert_ne!(lane.cancel(token), Ok(Cancel::Withdrawn));
        }
        // Whatever the requests found, each slot stays in flight until its own completion.
        for (token, block) in tokens.into_iter().zip(blocks.chunks(BLOCK)) {
            match lane.result(token) {
                result if result == BLOCK as i32 => assert!(block.iter().all(|&byte| byte == 0xA5)),
                result => assert_eq!(result, -libc::ECANCELED),
            }
        }
        let counters = lane.driver.counters();
        assert_eq!((lane.driver.in_flight(), counters.stale), (0, 0), "{counters:?}");
    }
}

/// Reads land in their buffers after the ring was unmapped and closed: so those stay, and are counted.
#[test]
fn closing_a_ring_is_no_barrier() {
    let _alone = alone();
    let folder = Folder::new();
    let Some(file) = direct_file(&folder) else { return };
    for round in 0..3 {
        let lanes = every_personality(READS as u32);
        if lanes.is_empty() {
            return;
        }
        for mut lane in lanes {
            // Never freed, as a lane does not free what is in flight.
            let memory = Box::leak(vec![0u8; READS * BLOCK + 4096].into_boxed_slice());
            for (index, block) in aligned(memory).chunks_mut(BLOCK).enumerate() {
                let offset = (index * BLOCK) as u64;
                lane.start(transfer(Opcode::Read, file.as_raw_fd(), block, offset));
            }
            lane.driver.publish().unwrap();
            let (before, in_flight) = (homes_kept(), lane.driver.in_flight());
            assert_eq!(in_flight, READS, "none was reaped");
            let home = std::sync::Arc::downgrade(&lane.home);
            drop(lane);
            assert_eq!(homes_kept(), before + 1, "round {round}");
            assert!(home.upgrade().is_some());
        }
    }
}

/// What completes as task work is there only after a call that asks for it; a turn without a timeout
/// does ask.
#[test]
fn a_deferring_ring_completes_only_when_it_is_entered_for_that() {
    let _alone = alone();
    let Some(mut lane) = Lane::worker(4) else { return };
    let features = lane.driver.given_up();
    if features.iter().any(|feature| feature.name == "defer_taskrun") {
        return skip("this kernel has no DEFER_TASKRUN");
    }
    let (reader, writer) = pipe();
    let mut byte = [0u8];
    let token = lane.start(transfer(Opcode::Read, reader.as_raw_fd(), &mut byte, u64::MAX));
    lane.turn(Some(Duration::ZERO));
    write_to(&writer, b"x");
    // An enter that asks for nothing, as another thread's wake or a publish might make.
    // SAFETY: takes numbers only.
    let entered = unsafe {
        let fd = lane.driver.ring_fd();
        libc::syscall(libc::SYS_io_uring_enter, fd, 0, 0, 0, std::ptr::null::<u8>(), 0)
    };
    assert_eq!(entered, 0);
    std::thread::sleep(Duration::from_millis(2));
    assert_eq!(byte, [0], "nothing was worked off");
    let enters = lane.driver.enters();
    assert_eq!(lane.turn(Some(Duration::ZERO)), 1);
    assert!(lane.driver.enters() > enters);
    assert_eq!((lane.result(token), byte), (1, *b"x"));
}

fn enter_elsewhere(fd: RawFd) -> i32 {
    let enter = move || {
        // SAFETY: takes numbers only.
        let entered = unsafe {
            libc::syscall(libc::SYS_io_uring_enter, fd, 1, 0, 0, std::ptr::null::<u8>(), 0)
        };
        if entered >= 0 { 0 } else { std::io::Error::last_os_error().raw_os_error().unwrap() }
    };
    std::thread::spawn(enter).join().unwrap()
}

/// The thread that made a ring is the only one that may enter it.
#[test]
fn a_ring_of_one_issuer_refuses_a_foreign_thread() {
    let _alone = alone();
    for mut lane in [UringConfig::inline(4), UringConfig::worker(4)]
        .into_iter()
        .filter_map(|config| Lane::new(4, config))
    {
        let given_up = lane.driver.given_up();
        if given_up.iter().any(|feature| feature.name == "single_issuer") {
            return skip("this kernel has no SINGLE_ISSUER");
        }
        let token = lane.start(Prepared::new(Opcode::Nop));
        assert_eq!(enter_elsewhere(lane.driver.ring_fd()), libc::EEXIST);
        assert_eq!(lane.result(token), 0);
    }
}

/// Every source of this crate names none of these.
fn nobody_here_says(banned: &[&str]) {
    fn sources(folder: &Path, each: &mut dyn FnMut(&Path)) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => sources(&path, each),
                Some("rs") => each(&path),
                _ => {}
            }
        }
    }
    let mut seen = 0;
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut |path| {
        let text = fs::read_to_string(path).unwrap();
        for banned in banned {
            assert!(!text.contains(banned), "{banned} in {}", path.display());
        }
        seen += 1;
    });
    assert!(seen > 20, "{seen} files");
}

/// `IORING_REGISTER_EVENTFD_ASYNC` is silent for what an SQ thread, a deferring ring or task work
/// completes: nobody here asks for it.
#[test]
fn eventfd_async_is_used_nowhere() {
    nobody_here_says(&["register_eventfd_async", "EVENTFD_ASYNC"]);
}

/// A wait on a private futex that was begun while the process had one thread is never woken: loops are
/// woken by messages and by eventfds.
#[test]
fn futex_ops_wake_nobody() {
    nobody_here_says(&["FutexWait", "FUTEX_WAIT", "FutexWake", "FUTEX_WAKE"]);
}

/// The kernel keeps the file for the op: bytes that come later still land in its buffer. So a close cancels
/// first and waits, and a number alone never tells that an op is over.
#[test]
fn closing_a_descriptor_cancels_nothing() {
    let _alone = alone();
    for mut lane in every_personality(4) {
        let (reader, writer) = pipe();
        let mut byte = [0u8];
        let token = lane.start(transfer(Opcode::Read, reader.as_raw_fd(), &mut byte, u64::MAX));
        lane.turn(Some(Duration::ZERO));
        // An SQ thread takes entries in their order: this one it has when the next is answered.
        assert_eq!(lane.run(Prepared::new(Opcode::Nop)), 0);
        drop(reader);
        lane.turn(Some(Duration::from_millis(1)));
        assert!(!lane.home.slab.slot(token).is_ready(token), "its file is closed, it is not");
        write_to(&writer, b"x");
        assert_eq!((lane.result(token), byte), (1, *b"x"));
        assert_eq!(lane.driver.in_flight(), 0);
    }
}

/// Neither an SQ thread nor a thread of the kernel's has carried a cancel out when it is published: until
/// the op's own answer its buffer is the kernel's.
#[test]
fn a_cancel_is_not_over_when_it_was_asked_for() {
    let _alone = alone();
    for mut lane in every_personality(4) {
        let (reader, writer) = pipe();
        for flags in [0, op_flag::ASYNC] {
            for round in 0..100u8 {
                let mut byte = [0u8];
                let read = transfer(Opcode::Read, reader.as_raw_fd(), &mut byte, u64::MAX);
                let token = lane.start(Prepared { flags, ..read });
                (0..round % 3).for_each(|_| _ = lane.turn(Some(Duration::ZERO)));
                let _ = lane.cancel(token).unwrap();
                lane.driver.publish().unwrap();
                assert!(!lane.home.slab.slot(token).is_ready(token), "nobody has reaped");
                assert_eq!(lane.driver.in_flight(), 1);
                assert_eq!(lane.result(token), -libc::ECANCELED);
                write_to(&writer, &[round]);
                assert_eq!((lane.run(read), byte), (1, [round]));
            }
        }
    }
}

/// An op that was cancelled and answered leaves its slot to the next, which the late answer of the
/// request does not touch.
#[test]
fn a_late_answer_does_not_reach_the_next_user_of_a_slot() {
    let _alone = alone();
    for mut lane in every_personality(1) {
        let (reader, writer) = pipe();
        for round in 0..2_000u32 {
            let mut byte = [0u8];
            let read = transfer(Opcode::Read, reader.as_raw_fd(), &mut byte, u64::MAX);
            let first = lane.start(read);
            if round % 2 == 0 {
                lane.turn(Some(Duration::ZERO));
            }
            let _ = lane.cancel(first).unwrap();
            assert_eq!(lane.result(first), -libc::ECANCELED);
            let next = lane.start(read);
            assert_eq!(next.index(), first.index());
            write_to(&writer, b"x");
            assert_eq!((lane.result(next), byte), (1, *b"x"), "round {round}");
        }
        assert_eq!(lane.driver.counters().stale, 0);
    }
}
