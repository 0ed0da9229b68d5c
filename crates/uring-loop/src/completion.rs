//! From a completion queue entry to the slot that it answers.

#![forbid(unsafe_code)]

use crate::ring::Cqe;
use wakering_core::abi::completion_flag;
use wakering_core::slot::{Completed, Outcome};
use wakering_core::{Completion, Home, Token};

const CQE_MORE: u32 = 1 << 1;
/// What an op ends with when the kernel's thread that carries it out is stopped in the middle: EINTR
/// and, before it was tidied up (seen on 6.1), the kernel's own numbers for "start again".
const INTERRUPTED: [i32; 5] = [libc::EINTR, 512, 513, 514, 516];
/// The upper half of a CQE's flags: which provided buffer was used.
const CQE_BUFFER: u32 = 0xFFFF_0000;

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
    /// Ops whose cancel was asked for and found nothing to end, although they are in flight.
    pub(crate) in_vain: Vec<Token>,
    /// It is time to ask for those again.
    pub(crate) again_due: bool,
    /// Of each slot, whether its op closes a descriptor.
    pub(crate) closes: Box<[bool]>,
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
            in_vain: Vec::with_capacity(slots_max),
            again_due: false,
            closes: vec![false; slots_max].into(),
        }
    }

    /// Makes transition 3 where the entry is an op's last. `None` where there is nobody to tell.
    pub(crate) fn settle(&mut self, home: &Home, cqe: Cqe) -> Option<Completion> {
        if let Some(tag) = cqe.token.internal_tag() {
            self.note(home, tag, cqe);
            return None;
        }
        let token = cqe.token;
        let slot = home.slab.get(token.index())?;
        let buffer = cqe.flags & CQE_BUFFER;
        if cqe.flags & CQE_MORE != 0 {
            let outcome = Outcome { result: cqe.result, flags: buffer | completion_flag::MORE };
            return (slot.current(token.index()) == Some(token))
                .then_some(Completion { token, outcome });
        }
        self.in_flight -= 1;
        let mut outcome = Outcome { result: cqe.result, flags: buffer };
        if INTERRUPTED.contains(&-cqe.result) {
            let asked = self.draining || slot.is_cancel_requested(token);
            // A close that is interrupted has given its number back, and must not look as if it
            // had not begun: whoever closes it then closes somebody else's file.
            let closed = self.closes.get(token.index() as usize) == Some(&true);
            outcome.result = if asked && !closed { -libc::ECANCELED } else { -libc::EINTR };
        }
        match slot.complete(token, outcome) {
            Completed::Deliver => Some(Completion { token, outcome }),
            Completed::Stale => {
                self.stale += 1;
                None
            }
        }
    }

    fn note(&mut self, home: &Home, tag: u16, cqe: Cqe) {
        const CANCEL: u16 = Tag::Cancel as u16;
        const CANCEL_AGAIN: u16 = Tag::CancelAgain as u16;
        const BELL: u16 = Tag::Bell as u16;
        const AGAIN: u16 = Tag::Again as u16;
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

#[cfg(test)]
mod tests {
    use super::*;
    use wakering_core::slot::{Cancel, Publish};
    use wakering_core::waker::WakerRef;

    fn cqe(token: Token, result: i32, flags: u32) -> Cqe {
        Cqe { token, result, flags }
    }

    #[test]
    fn a_late_entry_touches_nothing() {
        let home = Home::new(2).unwrap();
        let token = home.slab.claim_at(0, WakerRef::NOBODY).unwrap();
        let mut tally = Tally { in_flight: 1, ..Tally::new(2) };
        assert_eq!(tally.settle(&home, cqe(token, 7, 0)), None);
        assert_eq!((tally.stale, tally.in_flight), (1, 0));
        assert!(!home.slab.slot(token).is_ready(token));
    }

    #[test]
    fn an_entry_with_more_to_come_leaves_the_op_in_flight() {
        let home = Home::new(2).unwrap();
        let token = home.slab.claim_at(1, WakerRef::NOBODY).unwrap();
        let slot = home.slab.slot(token);
        assert_eq!(slot.publish(token), Publish::Go);
        let mut tally = Tally { in_flight: 1, ..Tally::new(2) };
        let more = tally.settle(&home, cqe(token, 4, CQE_MORE)).unwrap();
        assert_eq!(more.outcome, Outcome { result: 4, flags: completion_flag::MORE });
        assert!(!slot.is_ready(token));
        let last = tally.settle(&home, cqe(token, -125, 0)).unwrap();
        assert_eq!(last.outcome.result, -125);
        assert!(slot.is_ready(token));
        assert_eq!(tally.in_flight, 0);
    }

    #[test]
    fn a_cancel_in_vain_is_kept_while_its_op_is_in_flight() {
        let home = Home::new(1).unwrap();
        let mut tally = Tally::new(1);
        let token = home.slab.claim_at(0, WakerRef::NOBODY).unwrap();
        let slot = home.slab.slot(token);
        let answer = cqe(Tag::Cancel.token(0), -libc::EALREADY, 0);
        assert_eq!(slot.publish(token), Publish::Go);
        assert_eq!(tally.settle(&home, answer), None);
        assert!(tally.in_vain.is_empty(), "nobody asked for this op");
        assert_eq!(slot.request_cancel(token), Cancel::Ask);
        assert_eq!(tally.settle(&home, answer), None);
        assert_eq!(tally.in_vain, [token]);
        tally.in_vain.clear();
        tally.in_flight += 1;
        tally.settle(&home, cqe(token, 1, 0)).unwrap();
        assert_eq!(tally.settle(&home, cqe(Tag::CancelAgain.token(0), -libc::ENOENT, 0)), None);
        assert!(tally.in_vain.is_empty(), "it is over");
        assert_eq!(tally.cancels.not_found, 0, "counted once, by its first answer");
    }

    #[test]
    fn an_op_that_was_interrupted_because_of_a_cancel_was_cancelled() {
        let home = Home::new(1).unwrap();
        let mut tally = Tally::new(2);
        for (asked, errno) in [(false, libc::EINTR), (true, libc::EINTR), (false, 512), (true, 512)]
        {
            let token = home.slab.claim_at(0, WakerRef::NOBODY).unwrap();
            let slot = home.slab.slot(token);
            assert_eq!(slot.publish(token), Publish::Go);
            tally.in_flight += 1;
            if asked {
                assert_eq!(slot.request_cancel(token), Cancel::Ask);
            }
            let ended = tally.settle(&home, cqe(token, -errno, 0)).unwrap();
            let expected = if asked { -libc::ECANCELED } else { -libc::EINTR };
            assert_eq!(ended.outcome.result, expected);
            slot.take(token, |_, _| ()).unwrap();
        }
    }

    #[test]
    fn a_close_that_was_interrupted_is_not_one_that_never_began() {
        let home = Home::new(1).unwrap();
        let mut tally = Tally { draining: true, ..Tally::new(1) };
        for (errno, expected) in [(512, libc::EINTR), (libc::ECANCELED, libc::ECANCELED)] {
            let token = home.slab.claim_at(0, WakerRef::NOBODY).unwrap();
            assert_eq!(home.slab.slot(token).publish(token), Publish::Go);
            tally.in_flight += 1;
            tally.closes[0] = true;
            let ended = tally.settle(&home, cqe(token, -errno, 0)).unwrap();
            assert_eq!(ended.outcome.result, -expected);
            home.slab.slot(token).take(token, |_, _| ()).unwrap();
        }
    }

    #[test]
    fn cancel_answers_are_counted_and_told_nobody() {
        let home = Home::new(1).unwrap();
        let mut tally = Tally::new(2);
        for result in [0, -libc::ENOENT, -libc::EALREADY, -libc::ENOENT] {
            assert_eq!(tally.settle(&home, cqe(Tag::Cancel.token(0), result, 0)), None);
        }
        assert_eq!(tally.settle(&home, cqe(Tag::Drain.token(0), -libc::ENOENT, 0)), None);
        assert_eq!(tally.cancels, CancelOutcomes { found: 1, not_found: 2, running: 1 });
    }
}
