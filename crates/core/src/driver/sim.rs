//! A driver without a kernel, for tests: seeded, deterministic, and as unkind as a kernel may be.
//!
//! It scripts *lifecycles*, it imitates no file system: ops complete in a random order, after a
//! random number of turns, some at once; a cancel wins, loses, or comes too late as the seed has
//! it. The same seed gives the same run.

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

#[derive(Clone, Copy, Debug)]
struct Flight {
    token: Token,
    turns_left: u32,
    cancelled: bool,
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
            refusing: false,
            enters: 0,
        }
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
            let result = if flight.cancelled { -libc::ECANCELED } else { 0 };
            let outcome = Outcome { result, flags: 0 };
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
        if self.enqueued.len() == self.queue_max {
            return Err(ErrorKind::Busy.into());
        }
        self.enqueued.push(token);
        Ok(())
    }

    fn publish(&mut self) -> Result<(), Error> {
        self.enters += 1;
        for token in self.enqueued.drain(..) {
            if self.home.slab.slot(token).publish(token) == Publish::Go {
                let turns_left = self.random.below(u64::from(self.turns_max) + 1) as u32;
                self.flights.push(Flight { token, turns_left, cancelled: false });
            }
        }
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
        // One time in three the op is past cancelling, as disk I/O is.
        if self.random.below(3) != 0
            && let Some(flight) = self.flights.iter_mut().find(|flight| flight.token == token)
        {
            flight.cancelled = true;
            flight.turns_left = self.random.below(2) as u32;
        }
        Ok(())
    }

    fn drain(&mut self, _deadline: Duration, sink: Sink<'_>) -> Drained {
        self.refusing = true;
        let _ = self.publish();
        for flight in &mut self.flights {
            flight.cancelled = true;
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
