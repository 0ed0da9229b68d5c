//! What is neither a socket's nor a plain file's: pipes, splices, children, attributes, hints.

#[path = "support/net.rs"]
mod net;

use net::*;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::process::{Child, Command};
use wakering_core::abi::{Opcode, POSITION_CURRENT};
use wakering_core::resource::{PathRole, Prepared};
use wakering_core::slot::Cancel;

fn temporary(name: &str) -> (std::path::PathBuf, File) {
    let path = std::env::temp_dir().join(format!("wakering-{}-{name}", std::process::id()));
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    (path, file)
}

#[test]
fn a_pipe_is_made_and_closes_on_exec() {
    let mut net = Net::new(4);
    let token = net.start(op(Opcode::Pipe, -1));
    let answer = net.finish(token);
    assert_eq!(answer.result, 0);
    let end = |at: usize| i32::from_ne_bytes(answer.back[at..at + 4].try_into().unwrap());
    let (out, into) = (end(0), end(4));
    for fd in [out, into] {
        // SAFETY: touches no memory.
        assert_eq!(unsafe { libc::fcntl(fd, libc::F_GETFD) }, libc::FD_CLOEXEC);
    }
    assert_eq!(status_flags(out) & libc::O_NONBLOCK, 0);
    let mut write = with_bytes(Opcode::Write, into, b"through");
    write.offset = POSITION_CURRENT;
    assert_eq!(net.result(write), 7);
    for fd in [out, into] {
        assert_eq!(net.result(op(Opcode::Close, fd)), 0);
    }
    net.end();
}

fn splice(from: i32, to: i32, length: u32) -> Prepared {
    let mut op = op(Opcode::Splice, to);
    (op.extra[0], op.length) = (from as u32, length);
    (op.offset, op.offset_from) = (POSITION_CURRENT, POSITION_CURRENT);
    op
}

#[test]
fn bytes_are_spliced_from_a_place_in_a_file_and_waited_for_in_a_pipe() {
    let mut net = Net::new(4);
    let (path, mut file) = temporary("splice");
    file.write_all(b"some bytes").unwrap();
    let (mut out, mut into) = std::io::pipe().unwrap();
    let mut op = splice(file.as_raw_fd(), into.as_raw_fd(), 100);
    op.offset_from = 5;
    assert_eq!(net.result(op), 5);
    let mut seen = [0; 5];
    out.read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"bytes");
    let mut op = splice(out.as_raw_fd(), file.as_raw_fd(), 4);
    op.offset = 2;
    let token = net.start(op);
    net.turn(SHORT);
    assert!(net.answer(token).is_none(), "the pipe is empty");
    into.write_all(b"late").unwrap();
    assert_eq!(net.finish(token).result, 4);
    assert_eq!(std::fs::read(&path).unwrap(), b"solateytes");
    let token = net.start(splice(out.as_raw_fd(), file.as_raw_fd(), 4));
    net.turn(SHORT);
    let _ = net.cancel(token);
    assert_eq!(net.finish(token).result, -libc::ECANCELED);
    assert_eq!(net.result(splice(file.as_raw_fd(), file.as_raw_fd(), 4)), -libc::EINVAL);
    std::fs::remove_file(&path).unwrap();
    net.end();
}

#[test]
#[expect(clippy::print_stderr, reason = "what is skipped is printed with its reason")]
fn attributes_are_set_and_read_by_path_and_by_file() {
    let mut net = Net::new(4);
    let (path, file) = temporary("xattr");
    let by_path = path.to_str().unwrap().as_bytes();
    for place in [by_path, b""] {
        let mut run = |op: Prepared, name: &[u8]| {
            let token = net.start_with(op, |resource, blocks| {
                resource.set_path(PathRole::First, place, blocks).unwrap();
                resource.set_path(PathRole::Second, name, blocks).unwrap();
            });
            net.finish(token).result
        };
        let set = with_bytes(Opcode::Setxattr, file.as_raw_fd(), b"value");
        match run(set, b"user.wakering") {
            0 => {}
            unsupported if unsupported == -libc::EOPNOTSUPP => {
                eprintln!("SKIP: this file system has no attributes");
                break;
            }
            result => panic!("{result}"),
        }
        let mut room = [0; 16];
        let get = with_room(Opcode::Getxattr, file.as_raw_fd(), &mut room);
        assert_eq!(run(get, b"user.wakering"), 5);
        assert_eq!(&room[..5], b"value");
        assert_eq!(run(get, b"user.nothing"), -libc::ENODATA);
        let mut only_new = set;
        only_new.op_flags = libc::XATTR_CREATE as u32;
        assert_eq!(run(only_new, b"user.wakering"), -libc::EEXIST);
    }
    std::fs::remove_file(&path).unwrap();
    net.end();
}

#[test]
fn hints_are_taken_and_ranges_written() {
    let mut net = Net::new(4);
    let (path, mut file) = temporary("hints");
    file.write_all(&[1; 8192]).unwrap();
    let mut hint = op(Opcode::Fadvise, file.as_raw_fd());
    hint.op_flags = libc::POSIX_FADV_SEQUENTIAL as u32;
    assert_eq!(net.result(hint), 0);
    hint.op_flags = 1000;
    assert_eq!(net.result(hint), -libc::EINVAL);
    let mut sync = op(Opcode::SyncFileRange, file.as_raw_fd());
    (sync.length, sync.op_flags) = (4096, libc::SYNC_FILE_RANGE_WRITE);
    assert_eq!(net.result(sync), 0);
    let (out, _into) = std::io::pipe().unwrap();
    sync.fd = out.as_raw_fd();
    assert_eq!(net.result(sync), -libc::ESPIPE);
    hint.fd = out.as_raw_fd();
    assert_eq!(net.result(hint), -libc::ESPIPE);
    std::fs::remove_file(&path).unwrap();
    net.end();
}

/// A child that lives until its input ends, and its pidfd.
fn child() -> (Child, i32) {
    let child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    // SAFETY: numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id(), 0) };
    assert!(fd >= 0);
    (child, fd as i32)
}

fn wait_for(fd: i32, options: i32) -> Prepared {
    let mut op = op(Opcode::Waitid, fd);
    op.op_flags = options as u32;
    op
}

#[test]
fn a_child_is_waited_for() {
    let mut net = Net::new(8);
    let (mut cat, fd) = child();
    let token = net.start(wait_for(fd, libc::WEXITED | libc::WNOHANG));
    let answer = net.finish(token);
    assert_eq!((answer.result, &answer.back[..4]), (0, &[0; 4][..]), "it has not ended");
    let given_up = net.start(wait_for(fd, libc::WEXITED));
    let token = net.start(wait_for(fd, libc::WEXITED));
    net.turn(SHORT);
    assert!(net.answer(token).is_none());
    assert_eq!(net.cancel(given_up), Cancel::Ask);
    assert_eq!(net.finish(given_up).result, -libc::ECANCELED);
    drop(cat.stdin.take());
    let answer = net.finish(token);
    assert_eq!(answer.result, 0);
    assert_eq!(&answer.back[..4], libc::SIGCHLD.to_ne_bytes());
    assert_eq!(net.result(wait_for(fd, libc::WEXITED)), -libc::ECHILD, "it was waited for");
    close_now(fd);
    // Stops are not told by the pidfd: a thread waits.
    let (mut cat, fd) = child();
    let token = net.start(wait_for(fd, libc::WEXITED | libc::WSTOPPED));
    net.turn(SHORT);
    let _ = net.cancel(token);
    assert_eq!(net.finish(token).result, -libc::ECANCELED);
    drop(cat.stdin.take());
    assert_eq!(net.result(wait_for(fd, libc::WEXITED)), 0);
    close_now(fd);
    assert_eq!(net.result(wait_for(-1, libc::WEXITED)), -libc::EINVAL);
    net.end();
}
