//! Each row of the opcode table, against the kernel.

mod support;

use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};
use support::{Folder, Lane, has, pipe, transfer, write_to};
use wakering_core::Driver;
use wakering_core::abi::{ErrorKind, Opcode, POSITION_CURRENT, op_flag};
use wakering_core::resource::Prepared;

const HERE: Prepared = Prepared { fd: libc::AT_FDCWD, ..Prepared::new(Opcode::Nop) };

fn on_path(opcode: Opcode) -> Prepared {
    Prepared { opcode, ..HERE }
}

#[test]
fn nop() {
    let Some(mut lane) = Lane::inline(4) else { return };
    assert_eq!(lane.run(Prepared::new(Opcode::Nop)), 0);
}

#[test]
fn open_makes_a_descriptor_that_is_closed_on_exec() {
    let Some(mut lane) = Lane::inline(4) else { return };
    let folder = Folder::new();
    let path = folder.join("new");
    let flags = (libc::O_CREAT | libc::O_RDWR | libc::O_EXCL) as u32;
    let open = Prepared { op_flags: flags, extra: [0o640, 0], ..on_path(Opcode::OpenAt) };
    let fd = lane.run_on_paths(open, &[&path]);
    assert!(fd >= 0, "{fd}");
    // SAFETY: the descriptor was just opened for us.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    // SAFETY: asks for flags only.
    assert_eq!(unsafe { libc::fcntl(fd, libc::F_GETFD) }, libc::FD_CLOEXEC);
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o640);
    assert_eq!(lane.run_on_paths(open, &[&path]), -libc::EEXIST);
}

#[test]
fn open_with_a_restricted_lookup() {
    let Some(mut lane) = Lane::inline(4) else { return };
    let folder = Folder::new();
    fs::create_dir(folder.join("inside")).unwrap();
    fs::write(folder.join("outside"), b"x").unwrap();
    let directory = File::open(folder.join("inside")).unwrap();
    let resolve_beneath = 8;
    let open = Prepared {
        fd: directory.as_raw_fd(),
        op_flags: (libc::O_CREAT | libc::O_WRONLY) as u32,
        extra: [libc::S_IFREG | 0o600, resolve_beneath],
        ..Prepared::new(Opcode::OpenAt)
    };
    assert_eq!(lane.run_on_paths(open, &[Path::new("../outside")]), -libc::EXDEV);
    let fd = lane.run_on_paths(open, &[Path::new("made")]);
    assert!(fd >= 0, "{fd}");
    assert_eq!(lane.run(Prepared { fd, ..Prepared::new(Opcode::Close) }), 0);
    assert!(folder.join("inside/made").exists());
    // A mode without anything to make is nothing, as for open(2).
    let reading = Prepared { op_flags: libc::O_RDONLY as u32, ..open };
    let fd = lane.run_on_paths(reading, &[Path::new("made")]);
    assert!(fd >= 0, "{fd}");
    assert_eq!(lane.run(Prepared { fd, ..Prepared::new(Opcode::Close) }), 0);
    assert_eq!(lane.run(Prepared { fd, ..Prepared::new(Opcode::Close) }), -libc::EBADF);
}

#[test]
fn read_and_write_at_a_position_and_at_the_current_one() {
    let Some(mut lane) = Lane::inline(4) else { return };
    let folder = Folder::new();
    let path = folder.join("file");
    fs::write(&path, b"0123456789").unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let fd = file.as_raw_fd();
    let mut buffer = [0u8; 4];
    assert_eq!(lane.run(transfer(Opcode::Read, fd, &mut buffer, 8)), 2);
    assert_eq!(&buffer[..2], b"89");
    for expected in [b"0123", b"4567"] {
        assert_eq!(lane.run(transfer(Opcode::Read, fd, &mut buffer, POSITION_CURRENT)), 4);
        assert_eq!(&buffer, expected);
    }
    assert_eq!(lane.run(transfer(Opcode::Write, fd, &mut b"ab".to_owned(), 1)), 2);
    assert_eq!(fs::read(&path).unwrap(), b"0ab3456789");
    assert_eq!(lane.run(transfer(Opcode::Read, -1, &mut buffer, 0)), -libc::EBADF);
    let forced = transfer(Opcode::Read, fd, &mut buffer, 0);
    assert_eq!(lane.run(Prepared { flags: op_flag::ASYNC, ..forced }), 4);
    assert_eq!(&buffer, b"0ab3");
}

#[test]
fn readv_and_writev() {
    let Some(mut lane) = Lane::inline(4) else { return };
    let folder = Folder::new();
    let path = folder.join("file");
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    // More than fit into a slot, so that a block is borrowed.
    let mut memory: Vec<u8> = (0..80).collect();
    for (opcode, expected) in [(Opcode::Writev, 80), (Opcode::Readv, 80)] {
        if opcode == Opcode::Readv {
            memory.fill(0);
        }
        let length = memory.len() as u32;
        let fd = file.as_raw_fd();
        let token = lane.claim(Prepared { fd, length, ..Prepared::new(opcode) });
        let start = memory.as_mut_ptr();
        let Lane { home, blocks, .. } = &mut lane;
        // SAFETY: Queued, on the owning thread.
        unsafe {
            home.slab.slot(token).with_resource(|resource| {
                resource.set_iovecs(80, blocks, |index| {
                    // Backwards, one byte each.
                    let iov_base = start.wrapping_add(79 - index).cast();
                    Ok(libc::iovec { iov_base, iov_len: 1 })
                })
            })
        }
        .unwrap();
        lane.driver.enqueue(token).unwrap();
        assert_eq!(lane.result(token), expected);
    }
    assert_eq!(memory, (0..80).collect::<Vec<u8>>());
    assert_eq!(fs::read(&path).unwrap(), (0..80).rev().collect::<Vec<u8>>());
    assert_eq!(lane.blocks.available(), 8);
}

#[test]
fn fsync_fdatasync_ftruncate_and_fallocate() {
    let Some(mut lane) = Lane::inline(4) else { return };
    let folder = Folder::new();
    let path = folder.join("file");
    let file = File::create(&path).unwrap();
    file.write_all_at(b"12345", 0).unwrap();
    let on_file = |opcode| Prepared { fd: file.as_raw_fd(), ..Prepared::new(opcode) };
    assert_eq!(lane.run(on_file(Opcode::Fsync)), 0);
    assert_eq!(lane.run(on_file(Opcode::Fdatasync)), 0);
    let reserve = Prepared { offset: 4096, extra: [8192, 0], ..on_file(Opcode::Fallocate) };
    assert_eq!(lane.run(reserve), 0);
    assert_eq!(fs::metadata(&path).unwrap().len(), 4096 + 8192);
    let too_long = Prepared { extra: [0, u32::MAX], ..reserve };
    assert!(lane.run(too_long) < 0);
    if has(&lane, Opcode::Ftruncate) {
        assert_eq!(lane.run(Prepared { offset: 2, ..on_file(Opcode::Ftruncate) }), 0);
        assert_eq!(fs::read(&path).unwrap(), b"12");
    }
}

#[test]
fn statx_of_a_name_of_an_open_file_and_of_nothing() {
    let Some(mut lane) = Lane::inline(4) else { return };
    let folder = Folder::new();
    let path = folder.join("file");
    fs::write(&path, b"seven..").unwrap();
    let file = File::open(&path).unwrap();
    let mask = libc::STATX_BASIC_STATS;
    let by_name = Prepared { extra: [mask, 0], ..on_path(Opcode::Statx) };
    let by_file = Prepared { fd: file.as_raw_fd(), ..by_name };
    for (prepared, path) in [(by_name, path.as_path()), (by_file, Path::new(""))] {
        let token = lane.start_on_paths(prepared, &[path]);
        assert_eq!(lane.result_kept(token), 0);
        let size = lane.with(token, |resource| {
            // SAFETY: the kernel wrote a statx there, and its first field has an aligned place.
            unsafe { resource.back().cast::<libc::statx>().read() }.stx_size
        });
        assert_eq!(size, 7);
        lane.take(token);
    }
    assert_eq!(lane.run_on_paths(by_name, &[Path::new("")]), -libc::ENOENT);
    assert_eq!(lane.run_on_paths(by_name, &[&folder.join("none")]), -libc::ENOENT);
}

#[test]
fn names_are_made_linked_moved_and_removed() {
    let Some(mut lane) = Lane::inline(4) else { return };
    let folder = Folder::new();
    let long = "d".repeat(200);
    let directory = folder.join(&long);
    let (file, other, link) = (directory.join("file"), directory.join("other"), folder.join("ln"));
    if has(&lane, Opcode::Mkdirat) {
        let mkdir = Prepared { extra: [0o750, 0], ..on_path(Opcode::Mkdirat) };
        assert_eq!(lane.run_on_paths(mkdir, &[&directory]), 0);
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o750);
        assert_eq!(lane.run_on_paths(mkdir, &[&directory]), -libc::EEXIST);
    } else {
        fs::create_dir(&directory).unwrap();
    }
    fs::write(&file, b"x").unwrap();
    if has(&lane, Opcode::Linkat) {
        assert_eq!(lane.run_on_paths(on_path(Opcode::Linkat), &[&file, &other]), 0);
        assert_eq!(fs::metadata(&other).unwrap().nlink(), 2);
    }
    if has(&lane, Opcode::Symlinkat) {
        let symlink = on_path(Opcode::Symlinkat);
        assert_eq!(lane.run_on_paths(symlink, &[Path::new("any where"), &link]), 0);
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("any where"));
    }
    let moved = folder.join("moved");
    assert_eq!(lane.run_on_paths(on_path(Opcode::Renameat), &[&file, &moved]), 0);
    assert!(moved.exists() && !file.exists());
    fs::write(&file, b"y").unwrap();
    let keep = Prepared { op_flags: libc::RENAME_NOREPLACE, ..on_path(Opcode::Renameat) };
    assert_eq!(lane.run_on_paths(keep, &[&file, &moved]), -libc::EEXIST);
    let unlink = on_path(Opcode::Unlinkat);
    let rmdir = Prepared { op_flags: libc::AT_REMOVEDIR as u32, ..unlink };
    assert_eq!(lane.run_on_paths(rmdir, &[&directory]), -libc::ENOTEMPTY);
    assert_eq!(lane.run_on_paths(unlink, &[&directory]), -libc::EISDIR);
    assert_eq!(lane.run_on_paths(unlink, &[&file]), 0);
    let _ = fs::remove_file(&other);
    assert_eq!(lane.run_on_paths(rmdir, &[&directory]), 0);
    assert_eq!(lane.run_on_paths(unlink, &[&file]), -libc::ENOENT);
}

#[test]
fn timeout_ends_with_etime_and_not_before() {
    for lane in [Lane::inline(4), Lane::worker(4)] {
        let Some(mut lane) = lane else { return };
        let start = Instant::now();
        let ten_ms = Prepared { offset: 10_000_000, ..Prepared::new(Opcode::Timeout) };
        assert_eq!(lane.run(ten_ms), -libc::ETIME);
        assert!(start.elapsed() >= Duration::from_millis(10));
    }
}

#[test]
fn poll_add_says_what_is_ready() {
    let Some(mut lane) = Lane::inline(4) else { return };
    let (reader, writer) = pipe();
    let events = libc::POLLIN as u32;
    let poll =
        Prepared { fd: reader.as_raw_fd(), op_flags: events, ..Prepared::new(Opcode::PollAdd) };
    let token = lane.start(poll);
    assert_eq!(lane.turn(Some(Duration::ZERO)), 0);
    write_to(&writer, b"x");
    assert_eq!(lane.result(token), libc::POLLIN.into());
    drop(writer);
    let ready = lane.run(poll);
    assert_eq!(ready & i32::from(libc::POLLIN), i32::from(libc::POLLIN));
}

#[test]
fn what_a_ring_cannot_do_is_answered_so() {
    let Some(mut lane) = Lane::inline(4) else { return };
    for opcode in [Opcode::Readdir, Opcode::Readlink, Opcode::Realpath, Opcode::CopyFile] {
        assert!(!lane.driver.supports(opcode));
        let unsupported = ErrorKind::Unsupported.to_result();
        assert_eq!(
            lane.run_on_paths(on_path(opcode), &[Path::new("/"), Path::new("/")]),
            unsupported
        );
    }
    let open = Prepared { flags: op_flag::DIRECT, ..on_path(Opcode::OpenAt) };
    let bad = ErrorKind::BadDescriptor.to_result();
    assert_eq!(lane.run_on_paths(open, &[Path::new("/")]), bad);
    assert_eq!(lane.driver.in_flight(), 0);
}
