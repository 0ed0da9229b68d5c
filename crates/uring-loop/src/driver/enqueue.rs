//! The way of an op into the queue: alone, or together with the chain that it belongs to.

#![forbid(unsafe_code)]

use super::UringDriver;
use crate::encode::{self, CHAIN_MAX, Encoded, Pending};
use std::time::{Duration, Instant};
use wakering_core::abi::ErrorKind;
use wakering_core::{Completion, Error, Token};

/// An SQ thread that takes nothing for so long is not running.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(1);

impl UringDriver {
    /// Of a chain there is room for all that has come, before its next op is taken up.
    #[inline]
    pub(super) fn take_up(&mut self, token: Token) -> Result<(), Error> {
        if self.refusing {
            return Err(ErrorKind::Closed.into());
        }
        if self.ring.is_sqpoll() {
            // Its thread may take the op at once, and is to find what was given back before.
            self.groups.refill();
        }
        let count = self.chain.len() + 1;
        if !self.ring.fits(count) {
            self.make_room(count)?;
        }
        match encode::encode(&self.home, token, &self.kernel) {
            Encoded::Entry(pending) => self.place(pending),
            Encoded::Gone => self.break_chain(false),
            Encoded::Answered { outcome, links } => {
                self.answers.push(Completion { token, outcome });
                self.break_chain(links);
            }
        }
        Ok(())
    }

    #[inline]
    fn place(&mut self, pending: Pending) {
        let Pending { token, noted, links, .. } = pending;
        if self.chain.is_broken() {
            self.answer(token, -libc::ECANCELED);
            self.break_chain(links);
        } else if links && self.chain.len() + 1 == self.chain_max() {
            self.answer(token, ErrorKind::BadDescriptor.to_result());
            self.break_chain(true);
        } else {
            self.tally.note(token, noted);
            if self.chain.is_empty() && !links {
                pending.push(&mut self.ring);
            } else if self.chain.add(pending) {
                self.chain.push(&mut self.ring);
            }
        }
    }

    fn chain_max(&self) -> usize {
        CHAIN_MAX.min(self.ring.params().sq_entries() as usize)
    }

    /// Nothing of a chain starts that cannot start whole.
    pub(super) fn break_chain(&mut self, goes_on: bool) {
        for token in self.chain.break_off(goes_on) {
            self.tally.forget(token);
            let outcome = encode::answer(&self.home, token, -libc::ECANCELED);
            self.answers.extend(outcome.map(|outcome| Completion { token, outcome }));
        }
    }

    fn answer(&mut self, token: Token, result: i32) {
        let outcome = encode::answer(&self.home, token, result);
        self.answers.extend(outcome.map(|outcome| Completion { token, outcome }));
    }

    /// Room for so many entries, by publishing those that are there. An SQ thread takes them when it
    /// runs, which is waited for: it is a matter of its being scheduled, not of any op's progress.
    pub(super) fn make_room(&mut self, count: usize) -> Result<(), Error> {
        self.groups.refill();
        self.ring.publish().map_err(Error::Os)?;
        let Self { ring, spin, .. } = self;
        if ring.fits(count) || (ring.is_sqpoll() && spin.until(|| ring.fits(count))) {
            return Ok(());
        }
        // Again and again, because a wait ends early: for a signal, and on older kernels as soon as
        // the thread has begun with an entry, while its place is given back after the last of them.
        let start = Instant::now();
        while ring.is_sqpoll() && start.elapsed() < ROOM_WAIT_MAX {
            ring.wait_for_room().map_err(Error::Os)?;
            if ring.fits(count) {
                return Ok(());
            }
            std::thread::yield_now();
        }
        Err(ErrorKind::Busy.into())
    }
}
