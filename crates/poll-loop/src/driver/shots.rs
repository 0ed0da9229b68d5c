//! Ops of many completions.
//!
//! ```text
//! publish ─► waits ─ reported, or its time has come ─► shooting ─► completions with MORE ─┐
//!              ▲                                                                          │
//!              └── nothing left ◄─────────────────────────────────────────────────────────┤
//!                  last completion ◄── the end, an error, no buffer, cancelled ◄──────────┘
//! ```
//!
//! Completions with MORE go straight to the sink, while the slot stays InFlight; so none is kept
//! anywhere, and the last one, which is kept like any other's, comes behind them. No op shoots more than
//! `SHOTS_MAX` times before the next one has its turn.

use super::PollDriver;
use super::begin::{Tried, interest_of};
use super::flights::Place;
use crate::readiness::Interest;
use crate::streams::file_kind;
use crate::sys;
use std::os::fd::RawFd;
use wakering_core::abi::{Opcode, completion_flag, op_flag};
use wakering_core::driver::Sink;
use wakering_core::handle::FileKind;
use wakering_core::resource::{NOT_PICKED, Prepared, Resource};
use wakering_core::slot::Outcome;
use wakering_core::{Completion, Error, Token};

/// Completions of one op in a row.
const SHOTS_MAX: usize = 16;

/// Whether an op may have its buffer picked.
pub(super) const fn may_pick(prepared: &Prepared) -> bool {
    match prepared.opcode {
        Opcode::Recv | Opcode::Read => true,
        Opcode::Recvmsg => prepared.flags & op_flag::MULTISHOT != 0,
        _ => false,
    }
}

/// Whether the numbers of a multishot op make sense.
const fn is_sound(prepared: &Prepared) -> bool {
    match prepared.opcode {
        Opcode::Accept | Opcode::PollAdd | Opcode::Timeout => true,
        Opcode::Recv | Opcode::Recvmsg => {
            let whole = prepared.op_flags as i32 & (libc::MSG_WAITALL | libc::MSG_PEEK) != 0;
            prepared.group != NOT_PICKED && !whole
        }
        Opcode::Read => prepared.group != NOT_PICKED,
        _ => false,
    }
}

impl PollDriver {
    /// Begins a multishot op: it waits, and shoots in the same turn what is there already.
    pub(super) fn begin_shots(&mut self, token: Token, prepared: &Prepared) {
        if !is_sound(prepared) {
            return self.end(token, -libc::EINVAL);
        }
        if prepared.opcode == Opcode::Timeout {
            return self.begin_timer(token, prepared.offset.max(1));
        }
        let interest = interest_of(prepared);
        match self.wait(token, prepared, interest) {
            Ok(()) => self.shoot_soon(token),
            Err(error) => self.end(token, error.to_result()),
        }
    }

    /// Has an op shoot when completions are delivered next.
    pub(super) fn shoot_soon(&mut self, token: Token) {
        if let Some(flight) = self.flights.get_mut(token)
            && !std::mem::replace(&mut flight.shooting, true)
        {
            self.shooting.push_back(token);
        }
    }

    /// Ends that.
    pub(super) fn shoot_no_more(&mut self, token: Token) {
        if let Some(flight) = self.flights.get_mut(token)
            && std::mem::take(&mut flight.shooting)
        {
            self.shooting.retain(|&other| other != token);
        }
    }

    /// Lets each have its shots.
    pub(super) fn shoot(&mut self, completions_max: usize, sink: Sink<'_>) -> usize {
        let mut done = 0;
        for _ in 0..self.shooting.len() {
            if done == completions_max {
                break;
            }
            let Some(token) = self.shooting.pop_front() else { break };
            let shots_max = SHOTS_MAX.min(completions_max - done);
            let (shots, more) = self.shoot_one(token, shots_max, sink);
            done += shots;
            if more {
                self.shooting.push_back(token);
            } else if let Some(flight) = self.flights.get_mut(token) {
                flight.shooting = false;
            }
        }
        done
    }

    /// How often it shot, and whether there may be more.
    fn shoot_one(&mut self, token: Token, shots_max: usize, sink: Sink<'_>) -> (usize, bool) {
        let Some(&flight) = self.flights.get(token) else { return (0, false) };
        let mut tell = |outcome: Outcome| {
            let flags = outcome.flags | completion_flag::MORE;
            sink(Completion { token, outcome: Outcome { flags, ..outcome } });
        };
        match flight.opcode {
            Opcode::Timeout => {
                tell(Outcome { result: -libc::ETIME, flags: 0 });
                return (1, false);
            }
            Opcode::PollAdd => {
                return match self.events_now(token, flight.fd) {
                    0 => (0, false),
                    failed @ ..0 => {
                        self.finish_waiting(token, failed);
                        (0, false)
                    }
                    result => {
                        tell(Outcome { result, flags: 0 });
                        (1, false)
                    }
                };
            }
            _ => {}
        }
        let least = self.least(token, flight.opcode);
        for shots in 0..shots_max {
            match self.attempt(token) {
                Tried::Done(outcome) if outcome.result >= least => tell(outcome),
                Tried::Done(last) => {
                    self.readiness.remove(token);
                    self.complete(token, last);
                    return (shots, false);
                }
                Tried::Wait => {
                    self.readiness.ran_dry(token);
                    return (shots, false);
                }
                Tried::Pool => {
                    self.finish_waiting(token, -libc::EOPNOTSUPP);
                    return (shots, false);
                }
            }
            if self.readiness.is_dry(token) {
                return (shots + 1, false);
            }
        }
        (shots_max, true)
    }

    /// A smaller result is the last: an error, or the end.
    fn least(&self, token: Token, opcode: Opcode) -> i32 {
        let front = |resource: &mut Resource| sys::Message::of(resource).front_bytes() as i32;
        match opcode {
            Opcode::Accept => 0,
            Opcode::Recvmsg => self.with_resource(token, front) + 1,
            _ => 1,
        }
    }

    /// Answers a PollAdd if there is something to tell.
    pub(super) fn tell_events(&mut self, token: Token) {
        let Some(&flight) = self.flights.get(token) else { return };
        match self.events_now(token, flight.fd) {
            0 => {}
            result => self.finish_waiting(token, result),
        }
    }

    fn events_now(&self, token: Token, fd: RawFd) -> i32 {
        sys::ready_events(fd, self.prepared(token).op_flags as u16 as i16)
    }

    /// Begins a PollAdd. A file or directory, which nobody can wait for, is refused even though it is always
    /// ready; a device that is always ready says so.
    pub(super) fn begin_poll(&mut self, token: Token, prepared: &Prepared) {
        match self.wait(token, prepared, Interest::Any) {
            Ok(()) => self.tell_events(token),
            Err(error) => {
                let device =
                    error == Error::Os(libc::EPERM) && file_kind(prepared.fd) == FileKind::Stream;
                let events = if device { self.events_now(token, prepared.fd) } else { 0 };
                self.end(token, if events == 0 { error.to_result() } else { events });
            }
        }
    }

    pub(super) fn begin_timer(&mut self, token: Token, time_ns: u64) {
        if self.publish_here(token) {
            self.timers.insert(sys::now_ns().saturating_add(time_ns), token);
            self.flights.set_place(token, Place::Timers);
        }
    }

    pub(super) const fn is_multishot(prepared: &Prepared) -> bool {
        prepared.flags & op_flag::MULTISHOT != 0
    }
}
