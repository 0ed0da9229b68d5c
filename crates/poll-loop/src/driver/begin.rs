//! Where each op goes when its turn comes.

use super::PollDriver;
use super::flights::Place;
use crate::children;
use crate::readiness::Interest;
use crate::sockets;
use crate::streams::{Class, Step, Streams, writes};
use crate::sys::{self, Data};
use crate::syscalls;
use std::os::fd::RawFd;
use wakering_core::abi::{Opcode, completion_flag, io_flag, op_flag};
use wakering_core::resource::{NOT_PICKED, Prepared, Resource};
use wakering_core::slab::Slab;
use wakering_core::slot::Outcome;
use wakering_core::{Error, Token};

/// An op that waits for the next publish. What matters of it is kept here, because it may be withdrawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Enqueued {
    pub(super) token: Token,
    /// It is a LinkTimeout.
    pub(super) guards: bool,
    flags: u8,
}

impl Enqueued {
    pub(super) const fn new(token: Token, prepared: &Prepared) -> Self {
        let guards = matches!(prepared.opcode, Opcode::LinkTimeout);
        Self { token, guards, flags: prepared.flags }
    }

    /// Whether the next op is linked behind it.
    pub(super) const fn is_linked(&self) -> bool {
        self.flags & (op_flag::LINK | op_flag::HARDLINK) != 0
    }

    pub(super) const fn is_hard(&self) -> bool {
        self.flags & op_flag::HARDLINK != 0
    }
}

/// What became of one attempt.
#[must_use]
pub(super) enum Tried {
    Done(Outcome),
    Wait,
    Pool,
}

/// Whether the op under this token still waits to begin: neither withdrawn nor somebody else's.
fn waits_to_begin(slab: &Slab, token: Token) -> bool {
    let slot = slab.slot(token);
    slot.current(token.index()) == Some(token) && !slot.is_ready(token)
}

/// What an op waits for.
pub(super) fn interest_of(prepared: &Prepared) -> Interest {
    const ASIDE: u32 = (libc::MSG_OOB | libc::MSG_ERRQUEUE) as u32;
    match prepared.opcode {
        Opcode::PollAdd => Interest::Any,
        // Not the bytes that others read.
        Opcode::Recv | Opcode::Recvmsg if prepared.op_flags & ASIDE != 0 => Interest::Any,
        opcode if writes(opcode) => Interest::Write,
        _ => Interest::Read,
    }
}

/// Whether it says itself that it is not to wait.
const fn must_not_wait(prepared: &Prepared) -> bool {
    let flag = match prepared.opcode {
        Opcode::Read | Opcode::Readv | Opcode::Write | Opcode::Writev => libc::RWF_NOWAIT,
        _ => libc::MSG_DONTWAIT,
    };
    prepared.op_flags & flag as u32 != 0
}

/// The result that an op needs to have for what is linked behind it to begin, as the kernel has it:
/// all of a read or write; of a socket, only where all was asked for.
fn expected(resource: &mut Resource) -> u32 {
    let prepared = resource.prepared;
    let whole = prepared.op_flags as i32 & libc::MSG_WAITALL != 0;
    match prepared.opcode {
        Opcode::Read | Opcode::Write | Opcode::Splice => prepared.length,
        Opcode::Readv | Opcode::Writev => Data::of(resource).total() as u32,
        Opcode::Send | Opcode::SendZc | Opcode::Recv if whole => prepared.length,
        Opcode::Sendmsg | Opcode::SendmsgZc | Opcode::Recvmsg if whole => {
            sys::Message::of(resource).total() as u32
        }
        _ => 0,
    }
}

/// Whether a read took all that was there.
const fn is_less(prepared: &Prepared, result: i32, room: u32) -> bool {
    const LEAVES: i32 = libc::MSG_PEEK | libc::MSG_OOB | libc::MSG_ERRQUEUE;
    let takes = prepared.op_flags as i32 & LEAVES == 0;
    matches!(prepared.opcode, Opcode::Recv) && takes && 0 < result && (result as u32) < room
}

fn attempt_now(resource: &mut Resource, streams: &mut Streams, done: &mut u32) -> Step {
    match resource.prepared.opcode {
        Opcode::Waitid => children::attempt(resource),
        opcode if sockets::waits(opcode) => sockets::attempt(resource, done),
        _ => streams.attempt(resource),
    }
}

/// What was to be sent without copying is copied here.
const fn copied(prepared: &Prepared) -> u32 {
    let asks = prepared.extra[0] & io_flag::REPORT_COPY != 0;
    match prepared.opcode {
        Opcode::SendZc | Opcode::SendmsgZc if asks => completion_flag::COPIED,
        _ => 0,
    }
}

impl PollDriver {
    /// Sends everything enqueued on its way, in chains where it is linked.
    pub(super) fn begin_all(&mut self) -> Result<(), Error> {
        let mut enqueued = std::mem::take(&mut self.enqueued);
        let mut behind = None;
        for op in enqueued.drain(..) {
            behind = self.put_in_line(op, behind);
        }
        self.enqueued = enqueued;
        self.begin_due()
    }

    /// Begins what is in line.
    pub(super) fn begin_due(&mut self) -> Result<(), Error> {
        while let Some(token) = self.due.pop_front() {
            if waits_to_begin(&self.home.slab, token) {
                self.begin(token);
            } else {
                self.ended(token, true);
            }
        }
        if !self.for_pool.is_empty() {
            self.enters += 1;
            self.pool.publish(&mut self.for_pool)?;
        }
        Ok(())
    }

    fn begin(&mut self, token: Token) {
        let prepared = self.prepared(token);
        if prepared.flags & (op_flag::LINK | op_flag::HARDLINK) != 0 {
            let expected = self.with_resource(token, expected);
            if let Some(flight) = self.flights.get_mut(token) {
                flight.expected = expected;
            }
            self.start_guard(token);
        }
        match prepared.opcode {
            _ if Self::is_multishot(&prepared) => self.begin_shots(token, &prepared),
            Opcode::Nop => self.end(token, 0),
            Opcode::Timeout => self.begin_timer(token, prepared.offset),
            Opcode::PollAdd => self.begin_poll(token, &prepared),
            Opcode::Close => self.begin_close(token, prepared.fd),
            Opcode::Read | Opcode::Readv | Opcode::Write | Opcode::Writev
                if self.streams.class(&prepared) != Class::Blocking =>
            {
                self.begin_stream(token, &prepared);
            }
            Opcode::Waitid => self.begin_stream(token, &prepared),
            opcode if sockets::waits(opcode) => self.begin_stream(token, &prepared),
            opcode if syscalls::never_waits(opcode) => {
                let outcome = self.with_resource(token, syscalls::carry_out);
                self.complete(token, outcome);
            }
            // Nothing is picked by a thread.
            _ if prepared.group != NOT_PICKED => self.end(token, -libc::EOPNOTSUPP),
            _ => self.hand_to_pool(token),
        }
    }

    fn hand_to_pool(&mut self, token: Token) {
        self.handed += 1;
        self.flights.set_place(token, Place::Pool);
        if self.for_pool.len() == self.for_pool.capacity() {
            // Withdrawn while the pool had no room for them (D4).
            let slab = &self.home.slab;
            let before = self.for_pool.len();
            self.for_pool.retain(|&token| waits_to_begin(slab, token));
            self.handed -= (before - self.for_pool.len()) as u64;
        }
        self.for_pool.push(token);
    }

    fn begin_stream(&mut self, token: Token, prepared: &Prepared) {
        let interest = interest_of(prepared);
        let (fd, handle) = (prepared.fd, prepared.handle);
        // Whoever came first gets the first bytes.
        let tries = prepared.opcode == Opcode::Connect
            || must_not_wait(prepared)
            || self.readiness.is_worth_trying(fd, handle, interest);
        let tried = if tries { self.attempt(token) } else { Tried::Wait };
        match tried {
            Tried::Done(outcome) => self.complete(token, outcome),
            Tried::Pool => self.hand_to_pool(token),
            Tried::Wait => match self.wait(token, prepared, interest) {
                Ok(()) if tries => self.readiness.ran_dry(token),
                Ok(()) => {}
                // Never ready, never waited for: a device that only a thread can wait for.
                Err(Error::Os(libc::EPERM)) => self.hand_to_pool(token),
                Err(error) => self.end(token, error.to_result()),
            },
        }
    }

    /// One attempt, into a buffer that is picked for it where the op asks for that.
    pub(super) fn attempt(&mut self, token: Token) -> Tried {
        let Self { home, streams, groups, flights, readiness, .. } = self;
        let Some(flight) = flights.get_mut(token) else { return Tried::Wait };
        let attempt = |resource: &mut Resource| {
            let asked = resource.prepared;
            let (mut pick, mut fresh) = (None, 0);
            let mut done = &mut flight.done;
            if asked.group != NOT_PICKED {
                match groups.pick(&mut resource.prepared) {
                    Ok(picked) => pick = Some(picked),
                    // Nothing has come that would need one.
                    Err(_) if sys::ready_events(asked.fd, libc::POLLIN) == 0 => return Tried::Wait,
                    Err(result) => return Tried::Done(Outcome { result, flags: 0 }),
                }
                // What is picked is filled once.
                resource.prepared.op_flags &= !(libc::MSG_WAITALL as u32);
                done = &mut fresh;
            }
            let room = resource.prepared.length;
            let step = attempt_now(resource, streams, done);
            if pick.is_some() {
                resource.prepared = asked;
            }
            let result = match step {
                Step::Done(result) => result,
                Step::Wait | Step::Pool => 0,
            };
            if result <= 0
                && let Some(pick) = pick.take()
            {
                groups.put_back(pick);
            }
            if is_less(&asked, result, room) {
                readiness.got_less(asked.fd, asked.handle);
            }
            match step {
                Step::Done(result) => {
                    let flags = pick.map_or(copied(&asked), |pick| pick.flags());
                    Tried::Done(Outcome { result, flags })
                }
                Step::Wait => Tried::Wait,
                Step::Pool => Tried::Pool,
            }
        };
        // SAFETY: as in `with_resource`, which would borrow all of `self`.
        unsafe { home.slab.slot(token).with_resource(attempt) }
    }

    /// Publishes an op that waits here, and lets it wait.
    pub(super) fn wait(
        &mut self,
        token: Token,
        prepared: &Prepared,
        interest: Interest,
    ) -> Result<(), Error> {
        self.readiness.wait(token, prepared.fd, prepared.handle, interest)?;
        if self.publish_here(token) {
            self.flights.set_place(token, Place::Readiness);
        } else {
            self.readiness.remove(token);
        }
        Ok(())
    }

    /// Ops that wait for the file end before it does.
    fn begin_close(&mut self, token: Token, fd: RawFd) {
        while let Some(waiter) = self.readiness.first_waiter(fd) {
            self.finish_waiting(waiter, -libc::ECANCELED);
        }
        self.readiness.forget(fd);
        if sys::closes_at_once(fd) {
            self.end(token, sys::close(fd));
        } else {
            self.hand_to_pool(token);
        }
    }
}
