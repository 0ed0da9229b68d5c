//! A driver without a kernel, for tests: seeded, deterministic, and as unkind as a kernel may be.
//!
//! It scripts *lifecycles*, it imitates no file system: ops complete in a random order, after a
//! random number of turns, some at once; a cancel wins, loses, or comes too late as the seed has
//! it. With [`Faults`] it is worse: ops fail with an error of the kernel's, take long, and are refused
//! where there would be room. The same seed gives the same run.

#![forbid(unsafe_code)]

use super::{Completion, Drained, Driver, Sink};
use crate::abi::{ErrorKind, Opcode};
use crate::error::Error;
use crate::home::Home;
use crate::inbox::InboxReader;
use crate::random::Random;
use crate::slot::{Completed, Outcome, Publish};
use crate::token::Token;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// What goes wrong, each of so many ops in 256.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Ops that fail with one of [`ERRORS`].
    pub failed: u8,
    /// Ops that take many times as long as others.
    pub delayed: u8,
    /// Ops that are refused with Busy.
    pub refused: u8,
    /// Cancels that the op does not hear: it completes as if nobody had asked.
    pub unheard: u8,
}

/// What ops fail with.
pub const ERRORS: [i32; 5] = [libc::EIO, libc::EAGAIN, libc::EINTR, libc::ENOSPC, libc::ECONNRESET];

/// How many times longer an op takes that is delayed.
const DELAY: u32 = 16;

#[derive(Clone, Copy, Debug)]
struct Flight {
    token: Token,
    turns_left: u32,
    result: i32,
}

/// See the module's text.
#[derive(Debug)]
pub struct SimDriver {
    home: Arc<Home>,
    reader: InboxReader,
    random: Random,
    enqueued: Vec<Token>,
    flights: Vec<Flight>,
    queue_max: usize,
    turns_max: u32,
    faults: Faults,
    refusing: bool,
    enters: u64,
}

impl SimDriver {
    /// A driver of at most `queue_max` ops enqueued between two publishes; an op takes up to
    /// `turns_max` turns.
    pub fn new(home: Arc<Home>, seed: u64, queue_max: usize, turns_max: u32) -> Self {
        let slots = home.slab.len() as usize;
        Self {
            home,
            reader: InboxReader::new(),
            random: Random::new(seed),
            enqueued: Vec::with_capacity(queue_max),
            flights: Vec::with_capacity(slots),
            queue_max,
            turns_max,
            // Disk I/O is past cancelling one time in three.
            faults: Faults { unheard: 85, ..Faults::default() },
            refusing: false,
            enters: 0,
        }
    }

    /// With these faults.
    #[must_use]
    pub fn with_faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    /// Whether it strikes this time.
    fn strikes(&mut self, of_256: u8) -> bool {
        of_256 != 0 && self.random.below(256) < u64::from(of_256)
    }

    fn take_off(&mut self, token: Token) -> Flight {
        let mut turns_left = self.random.below(u64::from(self.turns_max) + 1) as u32;
        if self.strikes(self.faults.delayed) {
            turns_left = (turns_left + 1) * DELAY;
        }
        let failed = self.strikes(self.faults.failed);
        let mut error = || -ERRORS[self.random.below(ERRORS.len() as u64) as usize];
        Flight { token, turns_left, result: if failed { error() } else { 0 } }
    }

    fn pass(&mut self, completions_max: usize, sink: Sink<'_>) -> usize {
        let mut done = 0;
        for flight in &mut self.flights {
            flight.turns_left = flight.turns_left.saturating_sub(1);
        }
        while done < completions_max {
            // A random one of those whose time has come: completions are in no order.
            let ripe = self.flights.iter().filter(|flight| flight.turns_left == 0).count();
            if ripe == 0 {
                break;
            }
            let chosen = self.random.below(ripe as u64) as usize;
            let place = self
                .flights
                .iter()
                .enumerate()
                .filter(|(_, flight)| flight.turns_left == 0)
                .nth(chosen)
                .map(|(place, _)| place);
            let Some(place) = place else { break };
            let flight = self.flights.swap_remove(place);
            let outcome = Outcome { result: flight.result, flags: 0 };
            match self.home.slab.slot(flight.token).complete(flight.token, outcome) {
                Completed::Deliver => sink(Completion { token: flight.token, outcome }),
                Completed::Stale => unreachable!("a flight is completed once"),
            }
            done += 1;
        }
        while done < completions_max {
            let Some(completion) = self.home.next_delivery(&mut self.reader) else { break };
            sink(completion);
            done += 1;
        }
        done
    }
}

impl Driver for SimDriver {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn supports(&self, _opcode: Opcode) -> bool {
        true
    }

    fn enqueue(&mut self, token: Token) -> Result<(), Error> {
        if self.refusing {
            return Err(ErrorKind::Closed.into());
        }
        if self.enqueued.len() == self.queue_max || self.strikes(self.faults.refused) {
            return Err(ErrorKind::Busy.into());
        }
        self.enqueued.push(token);
        Ok(())
    }

    fn publish(&mut self) -> Result<(), Error> {
        self.enters += 1;
        let mut enqueued = std::mem::take(&mut self.enqueued);
        for token in enqueued.drain(..) {
            if self.home.slab.slot(token).publish(token) == Publish::Go {
                let flight = self.take_off(token);
                self.flights.push(flight);
            }
        }
        self.enqueued = enqueued;
        Ok(())
    }

    fn turn(
        &mut self,
        _timeout: Option<Duration>,
        completions_max: usize,
        sink: Sink<'_>,
    ) -> Result<usize, Error> {
        self.publish()?;
        self.home.doorbell.clear();
        Ok(self.pass(completions_max, sink))
    }

    fn cancel(&mut self, token: Token) -> Result<(), Error> {
        if self.strikes(self.faults.unheard) {
            return Ok(());
        }
        // It may find nothing: the op is complete, or not published yet.
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.token == token) {
            flight.result = -libc::ECANCELED;
            flight.turns_left = self.random.below(2) as u32;
        }
        Ok(())
    }

    fn drain(&mut self, _deadline: Duration, sink: Sink<'_>) -> Drained {
        self.refusing = true;
        let _ = self.publish();
        for flight in &mut self.flights {
            flight.result = -libc::ECANCELED;
            flight.turns_left = 0;
        }
        while self.pass(usize::MAX, sink) > 0 {}
        Drained { still_in_flight: self.flights.len() }
    }

    fn poll_fd(&self) -> RawFd {
        self.home.doorbell.as_raw_fd()
    }

    fn in_flight(&self) -> usize {
        self.flights.len() + self.enqueued.len()
    }

    fn enters(&self) -> u64 {
        self.enters
    }
}
