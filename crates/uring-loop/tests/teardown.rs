//! Nothing is freed that the kernel still holds.

mod support;

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Folder, Lane, alone, open_fds, pipe, skip, transfer};
use wakering_core::Driver;
use wakering_core::abi::{Opcode, op_flag};
use wakering_core::resource::Prepared;
use wakering_uring_loop::{Sqpoll, UringConfig, homes_kept};

const BLOCK: usize = 65_536;
const READS: usize = 64;

fn configs() -> [UringConfig; 3] {
    let sqpoll = Sqpoll { cpu: None, idle_ms: 20, share: None };
    [
        UringConfig::inline(READS as u32),
        UringConfig::worker(READS as u32),
        UringConfig::inline(READS as u32).with_sqpoll(sqpoll),
    ]
}

/// A page-aligned part of `memory`.
fn aligned(memory: &mut [u8]) -> &mut [u8] {
    let skip = memory.as_ptr().align_offset(4096);
    &mut memory[skip..][..READS * BLOCK]
}

#[test]
fn reads_past_cancelling_are_waited_for() {
    let _alone = alone();
    let folder = Folder::new();
    let path = folder.join("file");
    fs::write(&path, vec![0xA5u8; READS * BLOCK]).unwrap();
    File::open(&path).unwrap().sync_all().unwrap();
    let direct = File::options().read(true).custom_flags(libc::O_DIRECT).open(&path);
    let file = match direct {
        Ok(file) => file,
        Err(error) => return skip(format_args!("no O_DIRECT here: {error}")),
    };
    for config in configs() {
        let Some(mut lane) = Lane::new(READS as u32, config) else { return };
        for round in 0..5 {
            let mut memory = vec![0u8; READS * BLOCK + 4096];
            let blocks = aligned(&mut memory);
            for (index, block) in blocks.chunks_mut(BLOCK).enumerate() {
                let offset = (index * BLOCK) as u64;
                lane.start(transfer(Opcode::Read, file.as_raw_fd(), block, offset));
            }
            lane.driver.publish().unwrap();
            let mut results = Vec::new();
            let Lane { driver, .. } = &mut lane;
            let drained =
                driver.drain(Duration::from_secs(20), &mut |completion| results.push(completion));
            // Every last CQE is here: each read either filled its block or was cancelled.
            assert_eq!((drained.still_in_flight, results.len()), (0, READS), "round {round}");
            for completion in results {
                let token = completion.token;
                let address = lane.with(token, |resource| resource.prepared.address);
                let place = address as usize - blocks.as_ptr() as usize;
                match completion.outcome.result {
                    result if result == BLOCK as i32 => {
                        assert!(blocks[place..][..BLOCK].iter().all(|&byte| byte == 0xA5));
                    }
                    result => assert_eq!(result, -libc::ECANCELED),
                }
                lane.take(token);
            }
            blocks.fill(0x5A);
            // Nothing comes late.
            std::thread::sleep(Duration::from_millis(2));
            assert!(blocks.iter().all(|&byte| byte == 0x5A), "round {round}: a late write");
            let Some(next) = Lane::new(READS as u32, configs()[round % 3].clone()) else { return };
            lane = next;
        }
    }
}

#[test]
fn draining_ends_what_is_blocked_and_what_was_not_published() {
    let _alone = alone();
    let fds = open_fds();
    for config in configs() {
        let Some(mut lane) = Lane::new(READS as u32, config) else { return };
        let (reader, _writer) = pipe();
        let mut buffers = [[0u8; 1]; 16];
        for (index, buffer) in buffers.iter_mut().enumerate() {
            let mut read = transfer(Opcode::Read, reader.as_raw_fd(), buffer, 0);
            if index % 2 == 0 {
                read.flags = op_flag::ASYNC;
            }
            lane.start(read);
            if index == 8 {
                lane.driver.publish().unwrap();
            }
        }
        lane.start(Prepared { offset: u64::MAX / 2, ..Prepared::new(Opcode::Timeout) });
        let start = Instant::now();
        let mut results = Vec::new();
        let drained = lane
            .driver
            .drain(Duration::from_secs(20), &mut |completion| results.push(completion.outcome));
        assert_eq!((drained.still_in_flight, results.len()), (0, 17));
        assert!(results.iter().all(|outcome| outcome.result == -libc::ECANCELED), "{results:?}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
    assert_eq!(open_fds(), fds);
}

#[test]
fn a_drain_without_time_says_what_is_left() {
    let _alone = alone();
    let Some(mut lane) = Lane::inline(4) else { return };
    let folder = Folder::new();
    let fifo = folder.join("fifo");
    let name = std::ffi::CString::new(fifo.to_str().unwrap()).unwrap();
    // SAFETY: the name is terminated and outlives the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    // Opening a FIFO for reading waits for a writer, in a worker thread of the kernel. (Without
    // ASYNC it would be opened at once: the kernel's first attempt is made with O_NONBLOCK.)
    let open = Prepared {
        flags: op_flag::ASYNC,
        fd: libc::AT_FDCWD,
        op_flags: libc::O_RDONLY as u32,
        ..Prepared::new(Opcode::OpenAt)
    };
    lane.start_on_paths(open, &[&fifo]);
    lane.driver.publish().unwrap();
    let mut results = Vec::new();
    let drained =
        lane.driver.drain(Duration::ZERO, &mut |completion| results.push(completion.outcome));
    assert_eq!(drained.still_in_flight + results.len(), 1);
    // With time it ends: the thread is interrupted.
    let drained = lane
        .driver
        .drain(Duration::from_secs(10), &mut |completion| results.push(completion.outcome));
    assert_eq!((drained.still_in_flight, results.len()), (0, 1));
    assert_eq!(results[0].result, -libc::ECANCELED);
}

#[test]
fn a_driver_dropped_with_ops_in_flight_leaves_the_slots_to_the_kernel() {
    let _alone = alone();
    for config in configs() {
        let Some(mut lane) = Lane::new(READS as u32, config) else { return };
        let weak = Arc::downgrade(&lane.home);
        let (reader, _writer) = pipe();
        let mut byte = [0u8];
        lane.start(transfer(Opcode::Read, reader.as_raw_fd(), &mut byte, 0));
        lane.driver.publish().unwrap();
        drop(lane);
        assert!(weak.upgrade().is_some(), "the home was freed under the kernel");
    }
    assert!(homes_kept() >= 3);
    let Some(lane) = Lane::inline(4) else { return };
    let weak = Arc::downgrade(&lane.home);
    drop(lane);
    assert!(weak.upgrade().is_none(), "a home that nobody uses was kept");
}

#[test]
fn a_thousand_drivers_leave_nothing_behind() {
    let _alone = alone();
    let Some(lane) = Lane::inline(4) else { return };
    drop(lane);
    let fds = open_fds();
    for round in 0..1000 {
        let lane = if round % 2 == 0 { Lane::inline(8) } else { Lane::worker(8) };
        // The thread has sixteen places for registered rings: a leak of those would show, too.
        let mut lane = lane.expect("a ring, as before");
        assert_eq!(lane.run(Prepared::new(Opcode::Nop)), 0);
    }
    assert_eq!(open_fds(), fds);
}
