//! From a completion queue entry to the slot that it answers.

#![forbid(unsafe_code)]

use crate::ring::Cqe;
use std::os::fd::RawFd;
use wakering_core::abi::{Opcode, completion_flag};
use wakering_core::slot::{Completed, Outcome, Slot};
use wakering_core::{Completion, Home, Token};

const CQE_BUFFER: u32 = 1 << 0;
const CQE_MORE: u32 = 1 << 1;
const CQE_SOCKET_NONEMPTY: u32 = 1 << 2;
const CQE_NOTIFICATION: u32 = 1 << 3;
/// A notification's result where bytes were copied, if the op asked for it.
const NOTIFIED_COPY: u32 = 1 << 31;
/// Where a CQE's flags name the buffer that was picked; ours do in the same place.
const BUFFER_NUMBER: u32 = u32::MAX << completion_flag::PICKED_SHIFT;
/// What an op ends with when the kernel's thread that carries it out is stopped in the middle: EINTR
/// and, before it was tidied up (seen on 6.1), the kernel's own numbers for "start again".
const INTERRUPTED: [i32; 5] = [libc::EINTR, 512, 513, 514, 516];

/// The most loops that a driver sends messages to: bits of [`Tally::unheard`].
pub(crate) const PEERS_MAX: u32 = u64::BITS;

/// The driver's own entries, told from slots by [`Token::internal_tag`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub(crate) enum Tag {
    /// The answer to a cancel request.
    Cancel = 1,
    /// The answer to a cancel request of teardown, which nobody counts.
    Drain = 2,
    /// The doorbell was rung.
    Bell = 3,
    /// Of the trial at the start.
    Trial = 4,
    /// The answer to a cancel request that was made before, in vain.
    CancelAgain = 5,
    /// It is time to make cancel requests again.
    Again = 6,
    /// The answer to a request to cancel everything.
    CancelAll = 7,
    /// Another loop's message: the same as the doorbell.
    Rung = 8,
    /// A message to another loop that did not arrive.
    Unheard = 9,
}

impl Tag {
    pub(crate) const fn token(self, payload: u32) -> Token {
        Token::internal(self as u16, payload)
    }
}

/// What cancel requests found. None of it says what became of the op: its own completion does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CancelOutcomes {
    /// The op was found and ended.
    pub found: u64,
    /// There was no such op any more, or it is one that cannot be found (a disk's).
    pub not_found: u64,
    /// The op is being carried out and may or may not be interrupted.
    pub running: u64,
}

/// What is remembered of an op in flight, beside its slot, which is the kernel's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted {
    pub(crate) opcode: Opcode,
    pub(crate) fd: RawFd,
    /// Of a send without copying: its result, which comes before the buffer is free.
    sent: i32,
    in_flight: bool,
}

impl Noted {
    const NOTHING: Self = Self { opcode: Opcode::Nop, fd: -1, sent: 0, in_flight: false };

    pub(crate) const fn new(opcode: Opcode, fd: RawFd) -> Self {
        Self { opcode, fd, ..Self::NOTHING }
    }

    const fn has_notification(&self) -> bool {
        matches!(self.opcode, Opcode::SendZc | Opcode::SendmsgZc)
    }
}

/// What is in flight, and what came.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Entries of ops whose last CQE is owed.
    pub(crate) in_flight: usize,
    /// CQEs for ops that were not in flight.
    pub(crate) stale: u64,
    pub(crate) cancels: CancelOutcomes,
    /// Everything was asked to end.
    pub(crate) draining: bool,
    /// A poll of the doorbell is in the ring.
    pub(crate) bell_armed: bool,
    /// The doorbell was heard through the ring and not silenced since.
    pub(crate) bell_heard: bool,
    /// A message of another loop came.
    pub(crate) message_heard: bool,
    /// Loops that a message did not reach, one bit for each.
    pub(crate) unheard: u64,
    /// Ops whose cancel was asked for and found nothing to end, although they are in flight.
    pub(crate) in_vain: Vec<Token>,
    /// It is time to ask for those again.
    pub(crate) again_due: bool,
    /// By the slot's index.
    noted: Box<[Noted]>,
}

impl Tally {
    pub(crate) fn new(slots_max: usize) -> Self {
        Self {
            in_flight: 0,
            stale: 0,
            cancels: CancelOutcomes::default(),
            draining: false,
            bell_armed: false,
            bell_heard: false,
            message_heard: false,
            unheard: 0,
            in_vain: Vec::with_capacity(slots_max),
            again_due: false,
            noted: vec![Noted::NOTHING; slots_max].into(),
        }
    }

    /// An op's entry is in the queue, or will be with the rest of its chain.
    pub(crate) fn note(&mut self, token: Token, noted: Noted) {
        self.in_flight += 1;
        self.noted[token.index() as usize] = Noted { in_flight: true, ..noted };
    }

    /// Its entry is in no queue after all.
    pub(crate) fn forget(&mut self, token: Token) {
        self.in_flight -= 1;
        self.noted[token.index() as usize].in_flight = false;
    }

    /// What is remembered of the op in flight at this slot.
    pub(crate) fn noted(&self, index: u32) -> Option<Noted> {
        self.noted.get(index as usize).copied().filter(|op| op.in_flight)
    }

    /// Makes transition 3 where the entry is an op's last. `None` where there is nobody to tell.
    #[inline]
    pub(crate) fn settle(&mut self, home: &Home, cqe: Cqe) -> Option<Completion> {
        if let Some(tag) = cqe.token.internal_tag() {
            self.hear(home, tag, cqe);
            return None;
        }
        let token = cqe.token;
        let slot = home.slab.get(token.index())?;
        let op = &mut self.noted[token.index() as usize];
        let mut outcome = Outcome { result: cqe.result, flags: 0 };
        if cqe.flags != 0 {
            outcome.flags = flags_of(cqe);
            if cqe.flags & CQE_MORE != 0 {
                return self.more(slot, token, outcome);
            }
            if cqe.flags & CQE_NOTIFICATION != 0 {
                let is_copied = cqe.result as u32 & NOTIFIED_COPY != 0;
                let flags = if is_copied { completion_flag::COPIED } else { 0 };
                outcome = Outcome { result: op.sent, flags };
            }
        }
        if outcome.result < 0 && INTERRUPTED.contains(&-outcome.result) {
            let asked = self.draining || slot.is_cancel_requested(token);
            // A close that is interrupted has given its number back, and must not look as if it
            // had not begun: whoever closes it then closes somebody else's file.
            let closed = op.opcode == Opcode::Close;
            outcome.result = if asked && !closed { -libc::ECANCELED } else { -libc::EINTR };
        }
        match slot.complete_at_home(token, outcome) {
            Completed::Deliver => {
                op.in_flight = false;
                self.in_flight -= 1;
                Some(Completion { token, outcome })
            }
            Completed::Stale => {
                self.stale += 1;
                None
            }
        }
    }

    /// An entry of an op that goes on.
    fn more(&mut self, slot: &Slot, token: Token, outcome: Outcome) -> Option<Completion> {
        if slot.current(token.index()) != Some(token) || slot.is_ready(token) {
            self.stale += 1;
            return None;
        }
        let op = &mut self.noted[token.index() as usize];
        if op.has_notification() {
            // The buffer is the kernel's until the notification: nothing is told before.
            op.sent = outcome.result;
            return None;
        }
        Some(Completion { token, outcome })
    }

    #[cold]
    fn hear(&mut self, home: &Home, tag: u16, cqe: Cqe) {
        const CANCEL: u16 = Tag::Cancel as u16;
        const CANCEL_AGAIN: u16 = Tag::CancelAgain as u16;
        const BELL: u16 = Tag::Bell as u16;
        const AGAIN: u16 = Tag::Again as u16;
        const CANCEL_ALL: u16 = Tag::CancelAll as u16;
        const RUNG: u16 = Tag::Rung as u16;
        const UNHEARD: u16 = Tag::Unheard as u16;
        match tag {
            CANCEL | CANCEL_AGAIN => {
                let first = u64::from(tag == CANCEL);
                match -cqe.result {
                    libc::ENOENT => self.cancels.not_found += first,
                    libc::EALREADY => self.cancels.running += first,
                    _ => {
                        self.cancels.found += first;
                        return;
                    }
                }
                // A tag's payload is where a slot's generation is: here, the slot's index.
                self.keep_in_vain(home, cqe.token.generation());
            }
            BELL => {
                self.bell_armed = false;
                self.bell_heard |= cqe.result > 0;
            }
            AGAIN => self.again_due = true,
            CANCEL_ALL => {
                self.cancels.found += cqe.result.max(0) as u64;
                (0..home.slab.len()).for_each(|index| self.keep_in_vain(home, index));
            }
            RUNG => self.message_heard = true,
            UNHEARD => self.unheard |= 1 << (cqe.token.generation() % PEERS_MAX),
            _ => {}
        }
    }

    /// An op between two states of the kernel's is not found, and a worker thread that has not begun
    /// to wait is not woken: such a request has to be made again.
    fn keep_in_vain(&mut self, home: &Home, index: u32) {
        let Some(slot) = home.slab.get(index) else { return };
        let Some(token) = slot.current(index) else { return };
        let waits = slot.is_cancel_requested(token) && !slot.is_ready(token);
        if waits && self.in_vain.len() < self.in_vain.capacity() {
            self.in_vain.push(token);
        }
    }
}

fn flags_of(cqe: Cqe) -> u32 {
    let mut flags = 0;
    if cqe.flags & CQE_MORE != 0 {
        flags |= completion_flag::MORE;
    }
    if cqe.flags & CQE_SOCKET_NONEMPTY != 0 {
        flags |= completion_flag::NONEMPTY;
    }
    if cqe.flags & CQE_BUFFER != 0 {
        flags |= completion_flag::PICKED | cqe.flags & BUFFER_NUMBER;
    }
    flags
}

#[cfg(test)]
#[path = "completion/tests.rs"]
mod tests;
