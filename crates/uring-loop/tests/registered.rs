//! Registered buffers and files, and files that are only in the ring's table.

mod support;

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::time::Duration;
use support::{Folder, Lane, alone, open_fds, pipe, skip, transfer, write_to};
use wakering_core::Error;
use wakering_core::abi::{ErrorKind, Opcode, op_flag};
use wakering_core::resource::Prepared;
use wakering_core::{Completion, Driver};
use wakering_uring_loop::UringConfig;

/// A lane that can register, else a printed skip.
fn lane(config: UringConfig) -> Option<Lane> {
    let lane = Lane::new(4, config)?;
    let features = lane.driver.features();
    for name in ["sparse_buffers", "sparse_files"] {
        if let Some(lacks) = features.iter().find(|feature| feature.name == name)?.reason.as_ref() {
            skip(format_args!("{name}: {lacks}"));
            return None;
        }
    }
    Some(lane)
}

#[test]
fn a_registered_buffer_is_read_into_and_written_from() {
    let _alone = alone();
    let Some(mut lane) = lane(UringConfig::inline(4)) else { return };
    let folder = Folder::new();
    let path = folder.join("file");
    fs::write(&path, b"registered").unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let mut memory = vec![0u8; 8192];
    // SAFETY: `memory` outlives the lane's use of it.
    let first = match unsafe { lane.driver.register_buffer(memory.as_mut_ptr(), 4096) } {
        Err(Error::Os(libc::ENOMEM)) => return skip("locked memory is short"),
        first => first.unwrap(),
    };
    // SAFETY: as above.
    let second = unsafe { lane.driver.register_buffer(memory[4096..].as_mut_ptr(), 4096) }.unwrap();
    assert_eq!((first, second), (0, 1));
    let read = Prepared {
        registered: second,
        ..transfer(Opcode::Read, file.as_raw_fd(), &mut memory[5000..5010], 0)
    };
    assert_eq!(lane.run(read), 10);
    assert_eq!(&memory[5000..5010], b"registered");
    // The kernel checks that the range lies in the buffer of that place.
    assert_eq!(lane.run(Prepared { registered: first, ..read }), -libc::EFAULT);
    assert_eq!(lane.run(Prepared { registered: 63, ..read }), -libc::EFAULT);
    let write = Prepared {
        registered: second,
        offset: 10,
        ..transfer(Opcode::Write, file.as_raw_fd(), &mut memory[5000..5010], 0)
    };
    assert_eq!(lane.run(write), 10);
    assert_eq!(fs::read(&path).unwrap(), b"registeredregistered");
    lane.driver.unregister_buffer(first).unwrap();
    assert_eq!(lane.driver.unregister_buffer(first), Err(ErrorKind::BadBuffer.into()));
    // SAFETY: as above.
    let again = unsafe { lane.driver.register_buffer(memory.as_mut_ptr(), 4096) };
    assert_eq!(again, Ok(first));
}

#[test]
fn a_buffer_unregistered_in_flight_is_held_until_the_op_ends() {
    let _alone = alone();
    let Some(mut lane) = lane(UringConfig::inline(4)) else { return };
    let (reader, writer) = pipe();
    let mut memory = vec![0u8; 4096];
    // SAFETY: `memory` outlives the lane's use of it.
    let place = match unsafe { lane.driver.register_buffer(memory.as_mut_ptr(), 4096) } {
        Err(Error::Os(libc::ENOMEM)) => return skip("locked memory is short"),
        place => place.unwrap(),
    };
    let read = transfer(Opcode::Read, reader.as_raw_fd(), &mut memory[..5], 0);
    let token = lane.start(Prepared { registered: place, ..read });
    lane.driver.publish().unwrap();
    lane.driver.unregister_buffer(place).unwrap();
    write_to(&writer, b"bytes");
    assert_eq!(lane.result(token), 5);
    assert_eq!(&memory[..5], b"bytes");
}

#[test]
fn a_drain_waits_for_an_op_on_a_registered_buffer() {
    let _alone = alone();
    let Some(mut lane) = lane(UringConfig::inline(4)) else { return };
    let (reader, _writer) = pipe();
    let mut memory = vec![0u8; 4096];
    // SAFETY: `memory` outlives the lane's use of it.
    let place = match unsafe { lane.driver.register_buffer(memory.as_mut_ptr(), 4096) } {
        Err(Error::Os(libc::ENOMEM)) => return skip("locked memory is short"),
        place => place.unwrap(),
    };
    let read = transfer(Opcode::Read, reader.as_raw_fd(), &mut memory[..5], 0);
    lane.start(Prepared { registered: place, ..read });
    lane.driver.publish().unwrap();
    let mut results = Vec::new();
    let mut sink = |completion: Completion| results.push(completion.outcome.result);
    let drained = lane.driver.drain(Duration::from_secs(20), &mut sink);
    assert_eq!((drained.still_in_flight, results), (0, vec![-libc::ECANCELED]));
}

#[test]
fn the_table_of_buffers_is_bounded() {
    let _alone = alone();
    let config = UringConfig { buffers_max: 2, ..UringConfig::inline(4) };
    let Some(mut lane) = lane(config) else { return };
    let mut memory = vec![0u8; 4096];
    for expected in [Ok(0), Ok(1), Err(Error::Kind(ErrorKind::Busy))] {
        // SAFETY: `memory` outlives the lane's use of it.
        let place = unsafe { lane.driver.register_buffer(memory.as_mut_ptr(), 4096) };
        assert_eq!(place, expected);
    }
    // SAFETY: nothing is there, which the kernel finds out.
    let nowhere = unsafe { lane.driver.register_buffer(std::ptr::null_mut(), 4096) };
    assert!(nowhere.is_err());
}

#[test]
fn l25_a_registered_file_is_used_by_its_place() {
    let _alone = alone();
    let Some(mut lane) = lane(UringConfig::inline(4)) else { return };
    let folder = Folder::new();
    let path = folder.join("file");
    fs::write(&path, b"0123456789").unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let place = lane.driver.register_file(file.as_raw_fd()).unwrap();
    drop(file);
    let mut buffer = [0u8; 3];
    let by_place = |opcode, buffer: &mut [u8], offset| Prepared {
        fixed_file: place,
        ..transfer(opcode, -1, buffer, offset)
    };
    assert_eq!(lane.run(by_place(Opcode::Read, &mut buffer, 2)), 3);
    assert_eq!(&buffer, b"234");
    assert_eq!(lane.run(by_place(Opcode::Write, &mut buffer, 0)), 3);
    assert_eq!(lane.run(by_place(Opcode::Fsync, &mut [], 0)), 0);
    if lane.driver.supports(Opcode::Ftruncate) {
        assert_eq!(lane.run(by_place(Opcode::Ftruncate, &mut [], 4)), 0);
        assert_eq!(fs::read(&path).unwrap(), b"2343");
    }
    lane.driver.unregister_file(place).unwrap();
    assert_eq!(lane.run(by_place(Opcode::Read, &mut buffer, 0)), -libc::EBADF);
    assert_eq!(lane.driver.unregister_file(place), Err(ErrorKind::StaleHandle.into()));
    assert_eq!(lane.driver.register_file(-7).unwrap_err(), Error::Os(libc::EBADF));
}

#[test]
fn a_file_opened_into_the_table_has_no_descriptor() {
    let _alone = alone();
    let Some(mut lane) = lane(UringConfig::inline(4)) else { return };
    let folder = Folder::new();
    let path = folder.join("file");
    let fds = open_fds();
    for round in 0..100u32 {
        fs::write(&path, round.to_ne_bytes()).unwrap();
        let place = lane.driver.reserve_file().unwrap();
        let open = Prepared {
            flags: op_flag::DIRECT,
            fd: libc::AT_FDCWD,
            fixed_file: place,
            op_flags: (libc::O_RDONLY | libc::O_CLOEXEC) as u32,
            ..Prepared::new(Opcode::OpenAt)
        };
        assert_eq!(lane.run_on_paths(open, &[&path]), 0);
        let mut buffer = [0u8; 4];
        let read = Prepared { fixed_file: place, ..transfer(Opcode::Read, -1, &mut buffer, 0) };
        assert_eq!(lane.run(read), 4);
        assert_eq!(buffer, round.to_ne_bytes());
        assert_eq!(open_fds(), fds);
        let close =
            Prepared { flags: op_flag::DIRECT, fixed_file: place, ..Prepared::new(Opcode::Close) };
        assert_eq!(lane.run(close), 0);
        assert_eq!(lane.run(close), -libc::EBADF);
        lane.driver.release_file(place).unwrap();
        assert_eq!(lane.driver.release_file(place), Err(ErrorKind::StaleHandle.into()));
    }
    assert_eq!(open_fds(), fds);
}

#[test]
fn the_table_of_files_is_bounded() {
    let _alone = alone();
    let config = UringConfig { files_max: 2, ..UringConfig::inline(4) };
    let Some(mut lane) = lane(config) else { return };
    assert_eq!(lane.driver.reserve_file(), Ok(0));
    assert_eq!(lane.driver.reserve_file(), Ok(1));
    assert_eq!(lane.driver.reserve_file(), Err(ErrorKind::Busy.into()));
    lane.driver.release_file(0).unwrap();
    assert_eq!(lane.driver.reserve_file(), Ok(0));
}
