//! Pipes, FIFOs and what else is read without a position.

use super::lane::{Lane, Op, close_now, control, make_fifo, pipe, read_now, write_now};
use std::time::Duration;
use wakering_core::Driver;
use wakering_core::abi::{Opcode, POSITION_CURRENT};

const SHORT: Option<Duration> = Some(Duration::from_millis(20));

fn read<'a>(fd: i32, buffer: &mut [u8]) -> Op<'a> {
    Op::on(Opcode::Read, fd).into(buffer).offset(POSITION_CURRENT)
}

fn write<'a>(fd: i32, bytes: &[u8]) -> Op<'a> {
    Op::on(Opcode::Write, fd).from(bytes).offset(POSITION_CURRENT)
}

pub(crate) fn a_read_waits_for_bytes<D: Driver>(lane: &mut Lane<D>) {
    let (out, into) = pipe();
    let mut buffer = [0; 16];
    let token = lane.start(&read(out, &mut buffer));
    assert_eq!(lane.turn(SHORT), 0);
    assert_eq!(lane.driver.in_flight(), 1);
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        write_now(into, b"hello")
    });
    assert_eq!(lane.finish(token).result, 5);
    assert_eq!(&buffer[..5], b"hello");
    assert_eq!(writer.join().unwrap(), 5);
    write_now(into, b"again");
    let mut parts = [[0u8; 2], [0; 2]];
    let places = parts.each_mut().map(|part| (part.as_mut_ptr(), part.len()));
    let op = Op::on(Opcode::Readv, out).segments(places).offset(POSITION_CURRENT);
    assert_eq!(lane.result(&op), 4);
    assert_eq!(parts.concat(), b"agai");
    close_now(out);
    close_now(into);
}

/// In which order is the kernel's affair: it keeps none for several reads of one pipe.
pub(crate) fn reads_of_one_pipe_share_its_bytes<D: Driver>(lane: &mut Lane<D>) {
    let (out, into) = pipe();
    let mut buffers = [[0u8; 1]; 20];
    let tokens: Vec<_> = buffers.iter_mut().map(|buffer| lane.start(&read(out, buffer))).collect();
    let bytes: Vec<u8> = (0..20).collect();
    for chunk in bytes.chunks(3) {
        write_now(into, chunk);
        lane.turn(SHORT);
    }
    for token in tokens {
        assert_eq!(lane.finish(token).result, 1);
    }
    let mut seen = buffers.concat();
    seen.sort_unstable();
    assert_eq!(seen, bytes);
    close_now(out);
    close_now(into);
}

pub(crate) fn a_write_waits_for_room<D: Driver>(lane: &mut Lane<D>) {
    let (out, into) = pipe();
    let chunk = [7; 4096];
    let mut written = 0;
    let waiting = loop {
        let token = lane.start(&write(into, &chunk));
        lane.turn(SHORT);
        match lane.answer(token) {
            Some(answer) => written += answer.result,
            None => break token,
        }
        assert!(written <= 1 << 20, "a pipe is full some time");
    };
    let mut buffer = vec![0; 8192];
    let mut seen = read_now(out, &mut buffer) as i32;
    written += lane.finish(waiting).result;
    while seen < written {
        seen += read_now(out, &mut buffer) as i32;
    }
    assert_eq!(seen, written);
    close_now(out);
    close_now(into);
}

pub(crate) fn ends_are_told_apart<D: Driver>(lane: &mut Lane<D>) {
    let (out, into) = pipe();
    let mut buffer = [0; 8];
    write_now(into, b"last");
    close_now(into);
    assert_eq!(lane.result(&read(out, &mut buffer)), 4);
    assert_eq!(lane.result(&read(out, &mut buffer)), 0);
    close_now(out);
    let (out, into) = pipe();
    let token = lane.start(&read(out, &mut buffer));
    lane.turn(SHORT);
    close_now(into);
    assert_eq!(lane.finish(token).result, 0, "the end ends a read that waits");
    close_now(out);
    let (out, into) = pipe();
    close_now(out);
    assert_eq!(lane.result(&write(into, b"nobody")), -libc::EPIPE);
    close_now(into);
}

pub(crate) fn a_fifo_is_a_stream_too<D: Driver>(lane: &mut Lane<D>) {
    let path = lane.file("fifo");
    make_fifo(&path);
    // Both ends at once, so that neither open waits.
    let fd = lane.open(&path, libc::O_RDWR);
    let mut buffer = [0; 32];
    let token = lane.start(&read(fd, &mut buffer));
    assert_eq!(lane.turn(SHORT), 0);
    assert_eq!(lane.result(&write(fd, b"through the fifo")), 16);
    assert_eq!(lane.finish(token).result, 16);
    assert_eq!(&buffer[..16], b"through the fifo");
    lane.close(fd);
}

pub(crate) fn status_flags_stay_as_they_were<D: Driver>(lane: &mut Lane<D>) {
    let (out, into) = pipe();
    let path = lane.file("fifo");
    make_fifo(&path);
    let fifo = lane.open(&path, libc::O_RDWR);
    let mut buffer = [0; 4];
    for fd in [out, fifo] {
        let before = control(fd, libc::F_GETFL);
        let token = lane.start(&read(fd, &mut buffer));
        lane.turn(SHORT);
        assert_eq!(control(fd, libc::F_GETFL), before, "while it waits");
        write_now(if fd == out { into } else { fifo }, b"data");
        assert_eq!(lane.finish(token).result, 4);
        assert_eq!(control(fd, libc::F_GETFL), before);
        assert_eq!(before & libc::O_NONBLOCK, 0);
    }
    lane.close(fifo);
    close_now(out);
    close_now(into);
}

pub(crate) fn tells_which_events_are_ready<D: Driver>(lane: &mut Lane<D>) {
    let (out, into) = pipe();
    let poll = |fd, events: i16| Op::on(Opcode::PollAdd, fd).flags(i32::from(events));
    assert_eq!(lane.result(&poll(into, libc::POLLOUT)), i32::from(libc::POLLOUT));
    let token = lane.start(&poll(out, libc::POLLIN));
    let other = lane.start(&poll(out, libc::POLLIN));
    assert_eq!(lane.turn(SHORT), 0);
    write_now(into, b"x");
    assert_eq!(lane.finish(token).result, i32::from(libc::POLLIN));
    assert_eq!(lane.finish(other).result, i32::from(libc::POLLIN));
    read_now(out, &mut [0; 1]);
    let token = lane.start(&poll(out, libc::POLLIN));
    lane.turn(SHORT);
    close_now(into);
    assert_eq!(lane.finish(token).result & i32::from(libc::POLLHUP), i32::from(libc::POLLHUP));
    close_now(out);
}
