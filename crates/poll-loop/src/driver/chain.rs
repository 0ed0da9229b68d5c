//! Ops that begin when the one before them is over.
//!
//! ```text
//!            first ─ over: in full, or HARDLINK ─► second begins ─ over ─► …
//!              │       └─ failed ─► second and all behind it: ECANCELED
//!              └─ guarded by a LinkTimeout: begins with it, ends with it, or ends it
//! ```
//!
//! - **C1** What is linked stays Queued until it begins, so that a cancel withdraws it. A withdrawn op
//!   has failed when its turn comes, or when [`PollDriver::sweep_chains`] finds that nobody told of it.
//! - **C2** A LinkTimeout is Queued until the op that it guards begins, and then a timer.

#![forbid(unsafe_code)]

use super::flights::{Flights, Place};
use super::{PollDriver, begin};
use crate::sys;
use wakering_core::Token;
use wakering_core::slot::{Cancel, Outcome};

const CANCELED: Outcome = Outcome { result: -libc::ECANCELED, flags: 0 };

#[derive(Clone, Copy, Debug)]
struct Link {
    after: Token,
    token: Token,
    hard: bool,
}

#[derive(Clone, Copy, Debug)]
struct Guard {
    op: Token,
    timeout: Token,
}

/// What is linked behind what. Few ops are, so these are searched from end to end.
#[derive(Debug)]
pub(super) struct Chains {
    links: Vec<Link>,
    guards: Vec<Guard>,
}

impl Chains {
    pub(super) fn new(slots: usize) -> Self {
        Self { links: Vec::with_capacity(slots), guards: Vec::with_capacity(slots) }
    }

    fn is_empty(&self) -> bool {
        self.links.is_empty() && self.guards.is_empty()
    }

    /// Ops that have not begun and are in no other list.
    pub(super) fn waiting(&self, flights: &Flights) -> usize {
        let queued = |guard: &&Guard| flights.place_of(guard.timeout) == Place::Queued;
        self.links.len() + self.guards.iter().filter(queued).count()
    }

    /// Links `token` behind `after`. Whether there was room.
    fn link(&mut self, after: Token, token: Token, hard: bool) -> bool {
        let room = self.links.len() < self.links.capacity();
        if room {
            self.links.push(Link { after, token, hard });
        }
        room
    }

    fn guard(&mut self, op: Token, timeout: Token) -> bool {
        let room = self.guards.len() < self.guards.capacity();
        if room {
            self.guards.push(Guard { op, timeout });
        }
        room
    }

    fn take_next(&mut self, after: Token) -> Option<Link> {
        let place = self.links.iter().position(|link| link.after == after)?;
        Some(self.links.swap_remove(place))
    }

    fn guard_of(&self, op: Token) -> Option<Token> {
        self.guards.iter().find(|guard| guard.op == op).map(|guard| guard.timeout)
    }

    /// Takes the guard away that `is` the one.
    fn take_guard(&mut self, is: impl Fn(&Guard) -> bool) -> Option<Guard> {
        let place = self.guards.iter().position(is)?;
        Some(self.guards.swap_remove(place))
    }
}

/// Behind what the next op of a batch is linked, while chains are put together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behind {
    after: Token,
    hard: bool,
}

impl PollDriver {
    /// Puts one enqueued op behind the one before it, or in line to begin. What the next one is behind.
    pub(super) fn put_in_line(
        &mut self,
        op: begin::Enqueued,
        behind: Option<Behind>,
    ) -> Option<Behind> {
        let token = op.token;
        let mut after = token;
        match behind {
            None if op.guards => self.end(token, -libc::EINVAL),
            None => self.due.push_back(token),
            Some(behind) if op.guards => {
                after = behind.after;
                if !self.chains.guard(after, token) {
                    self.end(token, wakering_core::abi::ErrorKind::Busy.to_result());
                }
            }
            Some(behind) => {
                if !self.chains.link(behind.after, token, behind.hard) {
                    self.end(token, wakering_core::abi::ErrorKind::Busy.to_result());
                }
            }
        }
        op.is_linked().then_some(Behind { after, hard: op.is_hard() })
    }

    /// Starts the clock of the LinkTimeout that guards an op which begins now (C2).
    pub(super) fn start_guard(&mut self, op: Token) {
        let Some(timeout) = self.chains.guard_of(op) else { return };
        if self.publish_here(timeout) {
            let offset = self.prepared(timeout).offset;
            self.timers.insert(sys::now_ns().saturating_add(offset), timeout);
            self.flights.set_place(timeout, Place::Timers);
        } else {
            let _ = self.chains.take_guard(|guard| guard.timeout == timeout);
        }
    }

    /// A LinkTimeout is over, or was cancelled: the op that it guarded.
    pub(super) fn unguard(&mut self, timeout: Token) -> Option<Token> {
        self.chains.take_guard(|guard| guard.timeout == timeout).map(|guard| guard.op)
    }

    /// An op is over: goes on with what is linked behind it.
    pub(super) fn ended(&mut self, token: Token, failed: bool) {
        if self.chains.is_empty() {
            return;
        }
        self.end_guard(token);
        let Some(next) = self.chains.take_next(token) else { return };
        if !failed || next.hard {
            return self.due.push_back(next.token);
        }
        let mut rest = Some(next);
        while let Some(Link { token, .. }) = rest {
            self.end_guard(token);
            self.settle(token, CANCELED);
            rest = self.chains.take_next(token);
        }
    }

    fn end_guard(&mut self, op: Token) {
        if let Some(guard) = self.chains.take_guard(|guard| guard.op == op) {
            self.timers.remove(guard.timeout);
            self.settle(guard.timeout, CANCELED);
        }
    }

    /// Goes on behind ops that were withdrawn, of which nobody tells the driver (C1).
    pub(super) fn sweep_chains(&mut self) {
        if self.chains.is_empty() {
            return;
        }
        loop {
            let links = self.chains.links.iter().map(|link| link.after);
            let guarded = self.chains.guards.iter().map(|guard| guard.op);
            let Some(gone) = links.chain(guarded).find(|&op| self.was_withdrawn(op)) else {
                return;
            };
            self.ended(gone, true);
        }
    }

    /// Whether nobody will tell of this op's end. One that is Ready otherwise is on its way here.
    fn was_withdrawn(&self, op: Token) -> bool {
        let slot = self.home.slab.slot(op);
        let linked = self.chains.links.iter().any(|link| link.token == op);
        match slot.peek(op) {
            // It has its turn still: then it is told that it has failed.
            _ if linked => false,
            Some(outcome) => outcome == CANCELED,
            None => slot.current(op.index()) != Some(op),
        }
    }

    /// Asks an op to end, as its owner would. Whether there was something to ask.
    pub(super) fn give_up_on(&mut self, op: Token) -> bool {
        match self.home.slab.slot(op).request_cancel(op) {
            Cancel::Withdrawn => {
                self.flights.set_place(op, Place::Nowhere);
                self.tell(op);
                self.ended(op, true);
                true
            }
            Cancel::Ask | Cancel::AskedBefore => {
                self.cancel_one(op);
                true
            }
            Cancel::TooLate | Cancel::Stale => false,
        }
    }
}
