//! Where each op goes when it is published.

use super::{Place, PollDriver};
use crate::readiness::Interest;
use crate::sockets;
use crate::streams::{Class, Step, writes};
use crate::sys;
use std::os::fd::RawFd;
use wakering_core::abi::Opcode;
use wakering_core::resource::{Prepared, Resource};
use wakering_core::slab::Slab;
use wakering_core::{Error, Token};

/// Whether the op under this token still waits to begin: neither withdrawn nor somebody else's.
pub(super) fn waits_to_begin(slab: &Slab, token: Token) -> bool {
    let slot = slab.slot(token);
    slot.current(token.index()) == Some(token) && !slot.is_ready(token)
}

impl PollDriver {
    /// Sends everything enqueued on its way.
    pub(super) fn begin_all(&mut self) -> Result<(), Error> {
        let mut enqueued = std::mem::take(&mut self.enqueued);
        for token in enqueued.drain(..) {
            if waits_to_begin(&self.home.slab, token) {
                self.begin(token);
            }
        }
        self.enqueued = enqueued;
        if !self.for_pool.is_empty() {
            self.enters += 1;
            self.pool.publish(&mut self.for_pool)?;
        }
        Ok(())
    }

    fn begin(&mut self, token: Token) {
        let prepared = self.prepared(token);
        self.flights[token.index() as usize].done = 0;
        match prepared.opcode {
            Opcode::Nop => self.complete(token, 0),
            Opcode::Timeout => {
                if self.publish_here(token) {
                    self.timers.insert(sys::now_ns().saturating_add(prepared.offset), token);
                    self.set_place(token, Place::Timers);
                }
            }
            Opcode::PollAdd => self.begin_poll(token, &prepared),
            Opcode::Read | Opcode::Readv | Opcode::Write | Opcode::Writev
                if self.streams.class(&prepared) != Class::Blocking =>
            {
                self.begin_stream(token, &prepared);
            }
            opcode if sockets::waits(opcode) => self.begin_stream(token, &prepared),
            opcode if sockets::never_waits(opcode) => {
                let result = self.with_resource(token, sockets::carry_out);
                self.complete(token, result);
            }
            _ => self.hand_to_pool(token),
        }
    }

    fn hand_to_pool(&mut self, token: Token) {
        self.handed += 1;
        self.set_place(token, Place::Pool);
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
        let interest = if writes(prepared.opcode) { Interest::WRITE } else { Interest::READ };
        // Whoever came first gets the first bytes.
        let queues = prepared.opcode != Opcode::Connect;
        let step = if queues && self.readiness.is_awaited(prepared.fd, interest) {
            Step::Wait
        } else {
            self.attempt(token)
        };
        match step {
            Step::Done(result) => self.complete(token, result),
            Step::Pool => self.hand_to_pool(token),
            Step::Wait => match self.wait(token, prepared.fd, interest) {
                Ok(()) => {}
                // Never ready, never waited for: a device that only a thread can wait for.
                Err(Error::Os(libc::EPERM)) => self.hand_to_pool(token),
                Err(error) => self.complete(token, error.to_result()),
            },
        }
    }

    pub(super) fn attempt(&mut self, token: Token) -> Step {
        let slot = self.home.slab.slot(token);
        let done = &mut self.flights[token.index() as usize].done;
        let streams = &mut self.streams;
        let attempt = |resource: &mut Resource| match resource.prepared.opcode {
            opcode if sockets::waits(opcode) => sockets::attempt(resource, done),
            _ => streams.attempt(resource),
        };
        // SAFETY: as in `with_resource`, which would borrow all of `self`.
        unsafe { slot.with_resource(attempt) }
    }

    fn begin_poll(&mut self, token: Token, prepared: &Prepared) {
        let events = prepared.op_flags as u16 as i16;
        match sys::ready_events(prepared.fd, events) {
            0 => {}
            result => return self.complete(token, result),
        }
        let interest = interest_of(events);
        // EPOLLRDHUP alone cannot be asked for here: without a look at the bytes it never ends.
        if interest == Interest::default() {
            return self.complete(token, -libc::EINVAL);
        }
        if let Err(error) = self.wait(token, prepared.fd, interest) {
            self.complete(token, error.to_result());
        }
    }

    /// Publishes an op that waits here, and lets it wait.
    fn wait(&mut self, token: Token, fd: RawFd, interest: Interest) -> Result<(), Error> {
        self.readiness.wait(token, fd, interest)?;
        if self.publish_here(token) {
            self.set_place(token, Place::Readiness);
        } else {
            self.readiness.remove(token);
        }
        Ok(())
    }
}

fn interest_of(events: i16) -> Interest {
    Interest {
        readable: events & (libc::POLLIN | libc::POLLRDNORM) != 0,
        writable: events & (libc::POLLOUT | libc::POLLWRNORM) != 0,
        priority: events & libc::POLLPRI != 0,
    }
}
