//! Ops that are linked: what one does decides about the next.

use super::super::case::{Case, Made, NOBODYS, Stage};
use super::super::lane::{Op, write_now};
use super::{Setup, had, row, woken};
use crate::matrix::{Linux, Row};
use std::os::fd::AsRawFd;
use wakering_core::abi::{Opcode, POSITION_CURRENT, op_flag};

/// What takes a chain whole, or not at all.
const SUBMIT_ALL: Linux = Linux(5, 18);

pub(super) const ROWS: &[Row] = &[
    chained("LinkTimeout", Opcode::LinkTimeout, in_time, without_a_head, waits_with_a_limit),
    chained("LinkTimeout, over", Opcode::LinkTimeout, over, without_a_head, waits_with_a_limit),
    chained("Chain, LINK", Opcode::Nop, chain, broken_chain, chain_that_waits),
    chained("Chain, HARDLINK", Opcode::Nop, hard_chain, failing_hard_chain, hard_chain_that_waits),
];

const fn chained(
    name: &'static str,
    opcode: Opcode,
    succeeds: Setup,
    fails: Setup,
    waits: Setup,
) -> Row {
    row(name, opcode, succeeds, fails, Ok(waits)).since(SUBMIT_ALL)
}

const CANCELLED: i32 = -libc::ECANCELED;
const HOUR: u64 = 3_600_000_000_000;

/// A read that gets its bytes when the case is woken.
fn head(link: u8) -> Made {
    let (out, into) = had(std::io::pipe(), "a pipe")?;
    let end = into.as_raw_fd();
    let op = Op::on(Opcode::Read, out.as_raw_fd()).offset(POSITION_CURRENT).mode(link);
    let case = Case::reading(op, 16).gives(5).keep(out).keep(into);
    Ok(case.wake(move || assert_eq!(write_now(end, b"hello"), 5)))
}

fn limit(ns: u64) -> Op<'static> {
    Op::on(Opcode::LinkTimeout, NOBODYS).offset(ns)
}

fn waits_with_a_limit(_: &Stage) -> Made {
    let case = head(op_flag::LINK)?.link(limit(HOUR));
    Ok(case.then(|seen| assert_eq!(seen.linked[0].result, CANCELLED)))
}

fn in_time(stage: &Stage) -> Made {
    woken(waits_with_a_limit(stage))
}

/// Nothing comes: the limit ends the read.
fn over(_: &Stage) -> Made {
    let case = head(op_flag::LINK)?.link(limit(1_000_000)).fails(libc::ECANCELED);
    Ok(case.then(|seen| assert_eq!(seen.linked[0].result, -libc::ETIME)))
}

fn without_a_head(_: &Stage) -> Made {
    Ok(Case::new(limit(HOUR)).fails(libc::EINVAL))
}

/// A byte is written to the file behind the head.
fn behind(stage: &Stage, case: Case, written: bool) -> Case {
    let (path, file) = stage.open(b"");
    let op = Op::on(Opcode::Write, file.as_raw_fd()).from(b"!");
    let case = case.link(op).keep(file);
    case.then(move |seen| {
        assert_eq!(seen.linked[0].result, if written { 1 } else { CANCELLED });
        assert_eq!(std::fs::read(path).unwrap(), if written { &b"!"[..] } else { b"" });
    })
}

fn chain_that_waits(stage: &Stage) -> Made {
    // A read that is short breaks a chain: this one asks for what comes.
    let (out, into) = had(std::io::pipe(), "a pipe")?;
    let end = into.as_raw_fd();
    let op = Op::on(Opcode::Read, out.as_raw_fd()).offset(POSITION_CURRENT).mode(op_flag::LINK);
    let case = Case::reading(op, 5).keep(out).keep(into);
    let case = case.wake(move || assert_eq!(write_now(end, b"hello"), 5));
    Ok(behind(stage, case, true))
}

fn chain(stage: &Stage) -> Made {
    woken(chain_that_waits(stage))
}

fn failing_head(link: u8) -> Case {
    let op = Op::on(Opcode::Read, NOBODYS).offset(POSITION_CURRENT).mode(link);
    Case::reading(op, 5).fails(libc::EBADF)
}

fn broken_chain(stage: &Stage) -> Made {
    Ok(behind(stage, failing_head(op_flag::LINK), false))
}

fn hard_chain_that_waits(stage: &Stage) -> Made {
    Ok(behind(stage, head(op_flag::HARDLINK)?, true))
}

fn hard_chain(stage: &Stage) -> Made {
    woken(hard_chain_that_waits(stage))
}

fn failing_hard_chain(stage: &Stage) -> Made {
    Ok(behind(stage, failing_head(op_flag::HARDLINK), true))
}
