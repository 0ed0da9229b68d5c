//! Pipes, and other files that are read as things come.

use super::super::case::{Case, Made, NOBODYS, Stage};
use super::super::lane::{Op, close_now, control, read_now, write_now};
use super::{NEVER_WAITS, had, row, woken};
use crate::matrix::Row;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use wakering_core::abi::{Opcode, POSITION_CURRENT};

pub(super) const ROWS: &[Row] = &[
    row("Read, pipe", Opcode::Read, read, read_the_wrong_end, Ok(read_of_nothing)),
    row("Write, pipe", Opcode::Write, write, write_to_no_reader, Ok(write_without_room)),
    row("Readv, pipe", Opcode::Readv, readv, readv_the_wrong_end, Ok(readv_of_nothing)),
    row("Writev, pipe", Opcode::Writev, writev, writev_to_no_reader, Ok(writev_without_room)),
    row("Read, eventfd", Opcode::Read, read_event, read_event_shortly, Ok(read_no_event)),
    row("Splice", Opcode::Splice, splice, splice_without_a_pipe, Ok(splice_nothing)),
    row("Pipe", Opcode::Pipe, pipe, pipe_with_bad_flags, NEVER_WAITS),
];

fn ends() -> Result<(PipeReader, PipeWriter), String> {
    had(std::io::pipe(), "a pipe")
}

fn on(opcode: Opcode, fd: &impl AsRawFd) -> Op<'static> {
    Op::on(opcode, fd.as_raw_fd()).offset(POSITION_CURRENT)
}

/// A pipe with nothing in it, until it is woken.
fn empty(case: impl FnOnce(&PipeReader) -> Case) -> Made {
    let (out, into) = ends()?;
    let end = into.as_raw_fd();
    let case = case(&out).keep(out).keep(into);
    Ok(case.wake(move || assert_eq!(write_now(end, b"hello"), 5)))
}

/// The same, woken already.
fn filled(case: impl FnOnce(&PipeReader) -> Case) -> Made {
    woken(empty(case))
}

fn read_of(out: &PipeReader) -> Case {
    let case = Case::reading(on(Opcode::Read, out), 16).gives(5);
    case.then(|seen| assert_eq!(&seen.room[..5], b"hello"))
}

fn readv_of(out: &PipeReader) -> Case {
    let case = Case::segments(on(Opcode::Readv, out), &[0; 8], 3).gives(5);
    case.then(|seen| assert_eq!(&seen.room[..5], b"hello"))
}

fn read(_: &Stage) -> Made {
    filled(read_of)
}

fn read_of_nothing(_: &Stage) -> Made {
    empty(read_of)
}

fn readv(_: &Stage) -> Made {
    filled(readv_of)
}

fn readv_of_nothing(_: &Stage) -> Made {
    empty(readv_of)
}

fn read_the_wrong_end(_: &Stage) -> Made {
    let (out, into) = ends()?;
    let case = Case::reading(on(Opcode::Read, &into), 8);
    Ok(case.fails(libc::EBADF).keep(out).keep(into))
}

fn readv_the_wrong_end(_: &Stage) -> Made {
    let (out, into) = ends()?;
    let case = Case::segments(on(Opcode::Readv, &into), &[0; 8], 3);
    Ok(case.fails(libc::EBADF).keep(out).keep(into))
}

fn write_to(into: &PipeWriter) -> Case {
    Case::writing(on(Opcode::Write, into), b"hello")
}

fn writev_to(into: &PipeWriter) -> Case {
    Case::segments(on(Opcode::Writev, into), b"hello", 2)
}

/// A pipe with room; the bytes arrive.
fn roomy(case: fn(&PipeWriter) -> Case) -> Made {
    let (out, into) = ends()?;
    let case = case(&into).keep(into);
    Ok(case.then(move |_| {
        let mut room = [0; 16];
        assert_eq!(read_now(out.as_raw_fd(), &mut room), 5);
        assert_eq!(&room[..5], b"hello");
    }))
}

/// A pipe that is full, until it is woken; the bytes arrive as the last.
fn stuffed(case: fn(&PipeWriter) -> Case) -> Made {
    let (out, into) = ends()?;
    // The smallest there is: a page.
    // SAFETY: the command takes a number.
    let size = unsafe { libc::fcntl(into.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) };
    assert!(size > 0);
    let rest = vec![b'.'; size as usize];
    assert_eq!(write_now(into.as_raw_fd(), &rest), rest.len() as isize);
    let end = out.as_raw_fd();
    let case = case(&into).keep(into);
    let case = case.wake(move || {
        let mut room = rest.clone();
        assert_eq!(read_now(end, &mut room), room.len() as isize);
    });
    Ok(case.then(move |_| {
        let mut room = [0; 16];
        assert_eq!(read_now(out.as_raw_fd(), &mut room), 5);
        assert_eq!(&room[..5], b"hello");
    }))
}

/// A pipe whose other end is closed.
fn broken(case: fn(&PipeWriter) -> Case) -> Made {
    let (out, into) = ends()?;
    drop(out);
    Ok(case(&into).fails(libc::EPIPE).keep(into))
}

fn write(_: &Stage) -> Made {
    roomy(write_to)
}

fn write_without_room(_: &Stage) -> Made {
    stuffed(write_to)
}

fn write_to_no_reader(_: &Stage) -> Made {
    broken(write_to)
}

fn writev(_: &Stage) -> Made {
    roomy(writev_to)
}

fn writev_without_room(_: &Stage) -> Made {
    stuffed(writev_to)
}

fn writev_to_no_reader(_: &Stage) -> Made {
    broken(writev_to)
}

fn event() -> OwnedFd {
    // SAFETY: two numbers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    assert!(fd >= 0);
    // SAFETY: it is open, and nobody else's.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn read_no_event(_: &Stage) -> Made {
    let event = event();
    let fd = event.as_raw_fd();
    let case = Case::reading(on(Opcode::Read, &event), 8).keep(event);
    let case = case.then(|seen| assert_eq!(seen.room, 7u64.to_ne_bytes()));
    Ok(case.wake(move || assert_eq!(write_now(fd, &7u64.to_ne_bytes()), 8)))
}

fn read_event(stage: &Stage) -> Made {
    woken(read_no_event(stage))
}

fn read_event_shortly(_: &Stage) -> Made {
    let event = event();
    assert_eq!(write_now(event.as_raw_fd(), &7u64.to_ne_bytes()), 8);
    Ok(Case::reading(on(Opcode::Read, &event), 7).fails(libc::EINVAL).keep(event))
}

/// From a pipe into a file.
fn splicing(stage: &Stage, out: &PipeReader) -> Case {
    let (path, file) = stage.open(b"");
    let from = out.as_raw_fd() as u32;
    let op = Op::on(Opcode::Splice, file.as_raw_fd()).length(16).extra([from, 0]);
    let case = Case::new(op).gives(5).keep(file);
    case.then(move |_| assert_eq!(std::fs::read(path).unwrap(), b"hello"))
}

fn splice(stage: &Stage) -> Made {
    filled(|out| splicing(stage, out))
}

fn splice_nothing(stage: &Stage) -> Made {
    empty(|out| splicing(stage, out))
}

fn splice_without_a_pipe(stage: &Stage) -> Made {
    let ((_, from), (_, to)) = (stage.open(b"from"), stage.open(b""));
    let op = Op::on(Opcode::Splice, to.as_raw_fd()).length(4);
    let op = op.extra([from.as_raw_fd() as u32, 0]);
    Ok(Case::new(op).fails(libc::EINVAL).keep(from).keep(to))
}

fn pipe(_: &Stage) -> Made {
    let case = Case::new(Op::on(Opcode::Pipe, NOBODYS).flags(libc::O_CLOEXEC));
    Ok(case.then(|seen| {
        let [out, into] = seen.answer.ends();
        assert_eq!(write_now(into, b"through"), 7);
        let mut room = [0; 8];
        assert_eq!(read_now(out, &mut room), 7);
        for end in [out, into] {
            assert_eq!(control(end, libc::F_GETFD) & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
            close_now(end);
        }
    }))
}

fn pipe_with_bad_flags(_: &Stage) -> Made {
    Ok(Case::new(Op::on(Opcode::Pipe, NOBODYS).flags(libc::O_APPEND)).fails(libc::EINVAL))
}
