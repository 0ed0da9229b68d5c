//! Nothing, time, readiness, and the end of a child.

use super::super::case::{Case, Made, NOBODYS, Stage};
use super::super::lane::{Op, write_now};
use super::{NEVER_WAITS, had, row, woken};
use crate::matrix::Row;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::process::{Child, Command, Stdio};
use wakering_core::abi::Opcode;

pub(super) const ROWS: &[Row] = &[
    cannot_fail(row("Nop", Opcode::Nop, nop, nop, NEVER_WAITS), "never fails"),
    cannot_fail(
        row("Timeout", Opcode::Timeout, timeout, timeout, Ok(long_timeout)),
        "its end is an errno: ETIME",
    ),
    row("PollAdd, pipe", Opcode::PollAdd, poll, poll_nobodys, Ok(poll_nothing)),
    row("PollAdd, pidfd", Opcode::PollAdd, poll_the_dead, poll_nobodys, Ok(poll_the_living)),
    row("Waitid", Opcode::Waitid, wait, wait_for_a_stranger, Ok(wait_for_the_living)),
];

const fn cannot_fail(row: Row, why: &'static str) -> Row {
    Row { fails: Err(why), ..row }
}

fn nop(_: &Stage) -> Made {
    Ok(Case::new(Op::new(Opcode::Nop)))
}

fn after(ns: u64) -> Made {
    Ok(Case::new(Op::new(Opcode::Timeout).offset(ns)).fails(libc::ETIME))
}

fn timeout(_: &Stage) -> Made {
    after(1_000)
}

fn long_timeout(_: &Stage) -> Made {
    after(3_600_000_000_000)
}

const READABLE: i32 = libc::POLLIN as i32;

fn poll_nothing(_: &Stage) -> Made {
    let (out, into) = had(std::io::pipe(), "a pipe")?;
    let end = into.as_raw_fd();
    let op = Op::on(Opcode::PollAdd, out.as_raw_fd()).flags(READABLE);
    let case = Case::new(op).gives(READABLE).keep(out).keep(into);
    Ok(case.wake(move || assert_eq!(write_now(end, b"x"), 1)))
}

fn poll(stage: &Stage) -> Made {
    woken(poll_nothing(stage))
}

fn poll_nobodys(_: &Stage) -> Made {
    Ok(Case::new(Op::on(Opcode::PollAdd, NOBODYS).flags(READABLE)).fails(libc::EBADF))
}

/// A child that lives until it is killed, which the case does at the latest when it is dropped.
struct Kept(std::cell::RefCell<Child>);

impl Kept {
    fn new() -> Result<Self, String> {
        let mut command = Command::new("sleep");
        command.arg("1000").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(std::cell::RefCell::new(had(command.spawn(), "a child")?)))
    }

    fn kill(&self) {
        let _ = self.0.borrow_mut().kill();
    }

    fn pidfd(&self) -> Result<OwnedFd, String> {
        pidfd(self.0.borrow().id())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.kill();
        // Where the op has waited for it, there is nobody left to wait for.
        let _ = self.0.borrow_mut().wait();
    }
}

fn pidfd(process: u32) -> Result<OwnedFd, String> {
    // SAFETY: two numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
    let fd = if fd < 0 { Err(std::io::Error::last_os_error()) } else { Ok(fd as RawFd) };
    // SAFETY: it is open, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(had(fd, "a pidfd")?) })
}

/// A case about a child that lives until the case is woken.
fn of_a_child(case: fn(&OwnedFd) -> Case) -> Made {
    let child = Kept::new()?;
    let pidfd = child.pidfd()?;
    let case = case(&pidfd).keep(pidfd);
    Ok(case.wake(move || child.kill()))
}

fn poll_of(pidfd: &OwnedFd) -> Case {
    let op = Op::on(Opcode::PollAdd, pidfd.as_raw_fd()).flags(READABLE);
    Case::new(op).gives(READABLE)
}

fn poll_the_living(_: &Stage) -> Made {
    of_a_child(poll_of)
}

fn poll_the_dead(_: &Stage) -> Made {
    woken(of_a_child(poll_of))
}

fn wait_of(pidfd: &OwnedFd) -> Case {
    let op = Op::on(Opcode::Waitid, pidfd.as_raw_fd()).flags(libc::WEXITED);
    Case::new(op).then(|seen| {
        let field = |at: usize| {
            i32::from_ne_bytes(seen.answer.back[at..at + 4].try_into().expect("four bytes"))
        };
        // Of a siginfo_t: si_signo, si_code, si_status.
        assert_eq!((field(0), field(8)), (libc::SIGCHLD, libc::CLD_KILLED));
        assert_eq!(field(24), libc::SIGKILL);
    })
}

fn wait_for_the_living(_: &Stage) -> Made {
    of_a_child(wait_of)
}

fn wait(_: &Stage) -> Made {
    woken(of_a_child(wait_of))
}

fn wait_for_a_stranger(_: &Stage) -> Made {
    let own = pidfd(std::process::id())?;
    let op = Op::on(Opcode::Waitid, own.as_raw_fd()).flags(libc::WEXITED);
    Ok(Case::new(op).fails(libc::ECHILD).keep(own))
}
