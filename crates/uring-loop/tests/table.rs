//! The rest of the opcode table: attributes, pipes, what tells of children and signals, and files
//! that are only in the ring's table.

mod support;

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::net::every_personality;
use support::{Folder, Lane, alone, has, open_fds, pipe, skip, transfer, write_to};
use wakering_core::Driver;
use wakering_core::abi::{ErrorKind, Opcode, POSITION_CURRENT, op_flag};
use wakering_core::resource::Prepared;
use wakering_uring_loop::UringConfig;

fn on(opcode: Opcode, fd: RawFd) -> Prepared {
    Prepared { fd, ..Prepared::new(opcode) }
}

fn owned(fd: i32) -> OwnedFd {
    assert!(fd >= 0, "{}", std::io::Error::from_raw_os_error(-fd));
    // SAFETY: it was just made for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

#[test]
fn attributes_of_a_name_and_of_an_open_file() {
    let _alone = alone();
    for mut lane in every_personality(4) {
        if !has(&lane, Opcode::Setxattr) {
            return;
        }
        let folder = Folder::new();
        let path = folder.join("file");
        let file = File::create(&path).unwrap();
        let name = Path::new("user.wakering");
        let (nowhere, fd) = (Path::new(""), file.as_raw_fd());
        let mut value = *b"value";
        let set = transfer(Opcode::Setxattr, -1, &mut value, 0);
        let result = lane.run_on_paths(set, &[&path, name]);
        if result == -libc::EOPNOTSUPP {
            return skip("the file system takes no attributes");
        }
        assert_eq!(result, 0);
        let mut read = [0u8; 16];
        let get = transfer(Opcode::Getxattr, fd, &mut read, 0);
        assert_eq!(lane.run_on_paths(get, &[nowhere, name]), 5);
        assert_eq!(&read[..5], b"value");
        let create = Prepared { fd, op_flags: libc::XATTR_CREATE as u32, ..set };
        assert_eq!(lane.run_on_paths(create, &[nowhere, name]), -libc::EEXIST);
        let other = Path::new("user.other");
        assert_eq!(lane.run_on_paths(create, &[nowhere, other]), 0);
        let by_name = Prepared { fd: -1, ..get };
        assert_eq!(lane.run_on_paths(by_name, &[&path, other]), 5);
        let none = Path::new("user.none");
        assert_eq!(lane.run_on_paths(by_name, &[&path, none]), -libc::ENODATA);
        assert_eq!(lane.run_on_paths(by_name, &[&folder.join("no"), none]), -libc::ENOENT);
    }
}

#[test]
fn bytes_are_moved_and_written_out_inside_the_kernel() {
    let _alone = alone();
    for mut lane in every_personality(4) {
        let folder = Folder::new();
        let path = folder.join("file");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        file.write_all_at(b"0123456789", 0).unwrap();
        let (reader, writer) = pipe();
        let splice = |from: RawFd, offset_from, to, offset, length| Prepared {
            length,
            offset,
            offset_from,
            extra: [from as u32, 0],
            ..on(Opcode::Splice, to)
        };
        let fd = file.as_raw_fd();
        let into = splice(fd, 2, writer.as_raw_fd(), POSITION_CURRENT, 5);
        assert_eq!(lane.run(into), 5);
        assert_eq!(lane.run(splice(reader.as_raw_fd(), POSITION_CURRENT, fd, 20, 100)), 5);
        assert_eq!(fs::read(&path).unwrap(), b"0123456789\0\0\0\0\0\0\0\0\0\x0023456");
        assert_eq!(lane.run(splice(fd, 0, fd, 0, 1)), -libc::EINVAL, "neither is a pipe");

        let all = libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
        let sync = Prepared { length: 10, op_flags: all, ..on(Opcode::SyncFileRange, fd) };
        assert_eq!(lane.run(sync), 0);
        assert_eq!(lane.run(Prepared { fd: reader.as_raw_fd(), ..sync }), -libc::ESPIPE);
        let random = libc::POSIX_FADV_RANDOM as u32;
        let advise = Prepared { length: 10, op_flags: random, ..on(Opcode::Fadvise, fd) };
        assert_eq!(lane.run(advise), 0);
        assert_eq!(lane.run(Prepared { op_flags: 999, ..advise }), -libc::EINVAL);
    }
}

#[test]
fn a_pipe_is_made() {
    let _alone = alone();
    for mut lane in every_personality(4) {
        if !has(&lane, Opcode::Pipe) {
            return;
        }
        let token = lane.start(Prepared::new(Opcode::Pipe));
        assert_eq!(lane.result_kept(token), 0);
        let ends = lane.with(token, |resource| {
            let words = resource.back_bytes()[..8].chunks_exact(4);
            words.map(|word| i32::from_ne_bytes(word.try_into().unwrap())).collect::<Vec<_>>()
        });
        lane.take(token);
        let [reader, writer] = [owned(ends[0]), owned(ends[1])];
        // SAFETY: asks for flags only.
        let flags = unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags, libc::FD_CLOEXEC);
        write_to(&writer, b"x");
        let mut byte = [0u8];
        assert_eq!(lane.run(transfer(Opcode::Read, reader.as_raw_fd(), &mut byte, u64::MAX)), 1);
    }
}

#[test]
fn a_child_s_end_is_told_through_its_pidfd() {
    let _alone = alone();
    for mut lane in every_personality(4) {
        let mut shell = Command::new("sh");
        let waiting = shell.args(["-c", "read line; exit 7"]).stdin(Stdio::piped());
        let mut child = waiting.spawn().unwrap();
        // SAFETY: takes numbers only.
        let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id(), 0) };
        let pidfd = owned(pidfd as i32);
        let poll =
            Prepared { op_flags: libc::POLLIN as u32, ..on(Opcode::PollAdd, pidfd.as_raw_fd()) };
        let ended = lane.start(poll);
        // What became of it is left for `Child::wait`.
        let options = (libc::WEXITED | libc::WNOWAIT) as u32;
        let waitid = Prepared { op_flags: options, ..on(Opcode::Waitid, pidfd.as_raw_fd()) };
        let waits = has(&lane, Opcode::Waitid).then(|| lane.start(waitid));
        lane.turn(Some(Duration::from_millis(1)));
        assert!(lane.done.is_empty(), "it still runs");
        drop(child.stdin.take());
        assert_eq!(lane.result(ended), libc::POLLIN.into());
        if let Some(token) = waits {
            assert_eq!(lane.result_kept(token), 0);
            let status = lane.with(token, |resource| {
                // SAFETY: the kernel wrote it there, and `back` is aligned.
                let told = unsafe { resource.back().cast::<libc::siginfo_t>().read() };
                // SAFETY: of a child's end.
                (told.si_code, unsafe { told.si_status() })
            });
            assert_eq!(status, (libc::CLD_EXITED, 7));
            lane.take(token);
        }
        assert_eq!(child.wait().unwrap().code(), Some(7));
    }
}

/// Of a thread's own signal only that thread is told, not an SQ thread: there the signal has to be the
/// process's.
#[test]
fn a_signal_is_told_through_its_descriptor() {
    let _alone = alone();
    for mut lane in every_personality(4) {
        if lane.driver.has_sq_thread() {
            continue;
        }
        // SAFETY: a set of signals is numbers, for which zeroes are good.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set outlives the call.
        unsafe { libc::sigaddset(&raw mut set, libc::SIGUSR2) };
        // SAFETY: as above; only this thread's mask changes.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        // SAFETY: as above.
        let signals = owned(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC) });
        let mut told = [0u8; size_of::<libc::signalfd_siginfo>()];
        let read = transfer(Opcode::Read, signals.as_raw_fd(), &mut told, POSITION_CURRENT);
        let token = lane.start(read);
        lane.turn(Some(Duration::ZERO));
        // SAFETY: takes nothing.
        let this_thread = unsafe { libc::pthread_self() };
        // SAFETY: takes numbers only; this thread has blocked the signal.
        unsafe { libc::pthread_kill(this_thread, libc::SIGUSR2) };
        assert_eq!(lane.result(token), told.len() as i32);
        assert_eq!(told[..4], libc::SIGUSR2.to_ne_bytes());
    }
}

#[test]
fn an_event_is_read_from_its_descriptor() {
    let _alone = alone();
    for mut lane in every_personality(4) {
        // SAFETY: takes numbers only.
        let event = owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) });
        let mut count = [0u8; 8];
        let read = transfer(Opcode::Read, event.as_raw_fd(), &mut count, POSITION_CURRENT);
        let token = lane.start(read);
        let mut three = 3u64.to_ne_bytes();
        let write = transfer(Opcode::Write, event.as_raw_fd(), &mut three, POSITION_CURRENT);
        assert_eq!(lane.run(write), 8);
        assert_eq!((lane.result(token), count), (8, three));
    }
}

#[test]
fn segments_of_a_registered_buffer() {
    let _alone = alone();
    let Some(mut lane) = Lane::inline(4) else { return };
    let (reader, writer) = pipe();
    let mut memory = vec![0u8; 4096];
    // SAFETY: `memory` outlives the lane's use of it.
    let Ok(registered) = (unsafe { lane.driver.register_buffer(memory.as_mut_ptr(), 4096) }) else {
        return skip("no registered buffers");
    };
    memory[..4].copy_from_slice(b"abcd");
    let start = memory.as_mut_ptr();
    let mut run = |opcode, fd, at: usize| {
        let length = 2;
        let offset = POSITION_CURRENT;
        let token = lane.claim(Prepared { length, offset, registered, ..on(opcode, fd) });
        let Lane { home, blocks, .. } = &mut lane;
        let fill = |index: usize| {
            let iov_base = start.wrapping_add(at + 2 * index).cast();
            Ok(libc::iovec { iov_base, iov_len: 2 })
        };
        // SAFETY: Queued, on the owning thread.
        unsafe {
            let slot = home.slab.slot(token);
            slot.with_resource(|resource| resource.set_iovecs(2, blocks, fill))
        }
        .unwrap();
        lane.driver.enqueue(token).unwrap();
        lane.result(token)
    };
    let written = run(Opcode::Writev, writer.as_raw_fd(), 0);
    if written == ErrorKind::Unsupported.to_result() {
        return skip("this kernel has no vectors of registered buffers");
    }
    assert_eq!(written, 4);
    assert_eq!(run(Opcode::Readv, reader.as_raw_fd(), 100), 4);
    // Outside of the buffer.
    assert_eq!(run(Opcode::Writev, writer.as_raw_fd(), 4094), -libc::EFAULT);
    assert_eq!(memory[100..104], *b"abcd");
}

fn close(lane: &mut Lane, place: u32) -> i32 {
    let fixed_file = place;
    lane.run(Prepared { flags: op_flag::DIRECT, fixed_file, ..Prepared::new(Opcode::Close) })
}

/// Sockets that never have a descriptor, in places of the kernel's choice behind our own.
#[test]
fn the_kernel_chooses_places_that_are_not_ours() {
    let _alone = alone();
    let config = UringConfig { files_max: 16, files_chosen_max: 4, ..UringConfig::worker(16) };
    let Some(mut lane) = Lane::new(16, config) else { return };
    let given_up = lane.driver.given_up();
    if let Some(lacks) = given_up.iter().find(|feature| feature.name == "files_chosen_max") {
        return skip(format_args!("{lacks:?}"));
    }
    let ours = lane.driver.reserve_file().unwrap();
    let fds = open_fds();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let accept = Prepared {
        flags: op_flag::DIRECT | op_flag::MULTISHOT,
        ..on(Opcode::Accept, listener.as_raw_fd())
    };
    let token = lane.start(accept);
    let mut places = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        while lane.done.is_empty() {
            lane.turn(Some(Duration::from_secs(10)));
        }
        let (_, outcome) = lane.done.remove(0);
        assert!(outcome.result >= 16, "{outcome:?}");
        places.push(outcome.result as u32);
    }
    let mut byte = *b"!";
    let send = transfer(Opcode::Send, -1, &mut byte, 0);
    assert_eq!(lane.run(Prepared { fixed_file: places[2], ..send }), 1);
    std::io::Read::read_exact(&mut clients[2], &mut byte).unwrap();
    let socket = Prepared {
        flags: op_flag::DIRECT,
        extra: [libc::AF_INET as u32, libc::SOCK_STREAM as u32],
        ..Prepared::new(Opcode::Socket)
    };
    assert_eq!(lane.run(socket), -libc::ENFILE, "all four are taken");
    assert_eq!(close(&mut lane, places[0]), 0);
    assert_eq!(lane.run(socket), places[0] as i32);
    assert_eq!(lane.run(Prepared { fixed_file: ours, ..socket }), 0, "in a place of our own");
    assert_eq!(open_fds(), fds + 1 + 4, "the listener and the clients");

    if has(&lane, Opcode::InstallFixed) {
        let install = Prepared { fixed_file: places[1], ..Prepared::new(Opcode::InstallFixed) };
        let server = TcpStream::from(owned(lane.run(install)));
        assert_eq!(server.peer_addr().unwrap(), clients[1].local_addr().unwrap());
    }
    for place in places.into_iter().chain([ours]) {
        assert_eq!(close(&mut lane, place), 0);
    }
    let _ = lane.cancel(token).unwrap();
    lane.result(token);
    let unnamed = Prepared { flags: op_flag::DIRECT, ..Prepared::new(Opcode::InstallFixed) };
    assert_eq!(lane.run(unnamed), ErrorKind::BadDescriptor.to_result());
}

#[test]
fn a_completion_is_posted_to_another_ring() {
    let _alone = alone();
    let (Some(mut lane), Some(mut other)) = (Lane::inline(4), Lane::worker(4)) else { return };
    if !has(&lane, Opcode::MsgRing) {
        return;
    }
    // As if an op of that loop had completed, which is one that nobody carries out.
    let token = other.claim(Prepared::new(Opcode::Nop));
    let message = Prepared {
        length: 42,
        offset: token.to_bits(),
        ..on(Opcode::MsgRing, other.driver.ring_fd())
    };
    assert_eq!(lane.run(message), 0);
    assert_eq!(other.turn(Some(Duration::from_millis(1))), 0);
    assert_eq!(other.driver.counters().stale, 1, "it was not in flight");
    let (reader, _writer) = pipe();
    assert_eq!(lane.run(Prepared { fd: reader.as_raw_fd(), ..message }), -libc::EBADFD);
}
