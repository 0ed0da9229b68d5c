//! What a ring has registered: files, buffers; and what it can do for another ring.

use super::super::case::{Case, Made, NOBODYS, Stage};
use super::super::lane::{Op, close_now, control, is_readable, read_now};
use super::{NEVER_WAITS, row};
use crate::matrix::Row;
use std::os::fd::AsRawFd;
use std::time::Duration;
use wakering_core::Token;
use wakering_core::abi::Opcode;

pub(super) const ROWS: &[Row] = &[
    row("Read, registered", Opcode::Read, read, read_no_place, NEVER_WAITS).of_a_ring(),
    row("Write, registered", Opcode::Write, write, write_no_place, NEVER_WAITS).of_a_ring(),
    row("InstallFixed", Opcode::InstallFixed, install, install_no_place, NEVER_WAITS).of_a_ring(),
    row("MsgRing", Opcode::MsgRing, message, message_to_no_ring, NEVER_WAITS).of_a_ring(),
];

const NO_PLACE: u32 = 1000;

/// Into registered memory, from a registered file; every case reads the same.
fn read(stage: &Stage) -> Made {
    let ring = stage.ring();
    let op = Op::on(Opcode::Read, NOBODYS).place(ring.place).registered(ring.buffer, ring.memory);
    let (start, length) = ring.memory;
    Ok(Case::new(op).gives(length as i32).then(move |_| {
        // SAFETY: the memory is registered, and the read is over.
        let bytes = unsafe { std::slice::from_raw_parts(start, length) };
        assert!(bytes.iter().all(|&byte| byte == b'r'));
    }))
}

fn read_no_place(_: &Stage) -> Made {
    let op = Op::on(Opcode::Read, NOBODYS).place(NO_PLACE);
    Ok(Case::reading(op, 8).fails(libc::EBADF))
}

fn write(stage: &Stage) -> Made {
    let ring = stage.ring();
    let (path, file) = stage.open(b"");
    let op = Op::on(Opcode::Write, file.as_raw_fd()).registered(ring.buffer, ring.memory);
    let length = ring.memory.1;
    let case = Case::new(op).gives(length as i32).keep(file);
    Ok(case.then(move |_| assert_eq!(std::fs::read(path).unwrap().len(), length)))
}

fn write_no_place(_: &Stage) -> Made {
    let op = Op::on(Opcode::Write, NOBODYS).place(NO_PLACE);
    Ok(Case::writing(op, b"x").fails(libc::EBADF))
}

/// The file gets a descriptor of its own.
fn install(stage: &Stage) -> Made {
    let op = Op::on(Opcode::InstallFixed, NOBODYS).place(stage.ring().place);
    Ok(Case::new(op.flags(libc::O_CLOEXEC)).gives_any().then(|seen| {
        let fd = seen.answer.result;
        assert_eq!(control(fd, libc::F_GETFD) & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        close_now(fd);
    }))
}

fn install_no_place(_: &Stage) -> Made {
    Ok(Case::new(Op::on(Opcode::InstallFixed, NOBODYS).place(NO_PLACE)).fails(libc::EBADF))
}

/// The other loop's bell rings.
fn message(stage: &Stage) -> Made {
    let peer = (stage.ring().peer)()?;
    let nobody = Token::internal(u16::MAX, 0);
    let op = Op::on(Opcode::MsgRing, peer.ring).length(7).offset(nobody.to_bits());
    Ok(Case::new(op).then(move |_| {
        let peer = &peer;
        assert!(is_readable(peer.bell, Duration::from_secs(60)));
        read_now(peer.bell, &mut [0; 8]);
    }))
}

fn message_to_no_ring(stage: &Stage) -> Made {
    let (_, file) = stage.open(b"");
    Ok(Case::new(Op::on(Opcode::MsgRing, file.as_raw_fd())).fails(libc::EBADFD).keep(file))
}
