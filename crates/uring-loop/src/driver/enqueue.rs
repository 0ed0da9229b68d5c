//! The way of an op into the queue: alone, or together with the chain that it belongs to.

#![forbid(unsafe_code)]

use super::UringDriver;
use crate::completion::Tally;
use crate::encode::{self, CHAIN_MAX, Chain, Encoded, Pending};
use std::time::{Duration, Instant};
use wakering_core::abi::ErrorKind;
use wakering_core::{Completion, Error, Token};

/// An SQ thread that takes nothing for so long is not running.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(1);

/// What became of an entry.
enum Added {
    /// It is in the queue.
    Alone,
    /// It waits for the rest of its chain.
    NotLast,
    /// Its chain is whole.
    Last,
    /// Its chain does not start: more of it will come, or not.
    Refused { result: i32, goes_on: bool },
}

#[cold]
fn add_to(
    chain: &mut Chain,
    chain_max: usize,
    token: Token,
    pending: Pending<'_>,
    tally: &mut Tally,
) -> Added {
    if chain.is_broken() {
        return Added::Refused { result: -libc::ECANCELED, goes_on: pending.links };
    }
    if pending.links && chain.len() + 1 == chain_max {
        return Added::Refused { result: ErrorKind::BadDescriptor.to_result(), goes_on: true };
    }
    tally.note(token, pending.noted);
    if chain.add(token, pending) { Added::Last } else { Added::NotLast }
}

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
        let Self { home, kernel, ring, chain, tally, .. } = self;
        let encoded = encode::encode(home, token, kernel, |pending| {
            if pending.links || !chain.is_empty() || chain.is_broken() {
                let chain_max = CHAIN_MAX.min(ring.params().sq_entries() as usize);
                return add_to(chain, chain_max, token, pending, tally);
            }
            tally.note(token, pending.noted);
            pending.push(ring);
            Added::Alone
        });
        match encoded {
            Encoded::Entry(Added::Alone | Added::NotLast) => {}
            Encoded::Entry(Added::Last) => self.chain.push(&mut self.ring),
            Encoded::Entry(Added::Refused { result, goes_on }) => {
                self.answer(token, result);
                self.break_chain(goes_on);
            }
            Encoded::Gone => self.break_chain(false),
            Encoded::Answered { outcome, links } => {
                self.answers.push(Completion { token, outcome });
                self.break_chain(links);
            }
        }
        Ok(())
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
