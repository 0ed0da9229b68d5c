//! Ends ops before their time.

#![forbid(unsafe_code)]

use super::PollDriver;
use super::flights::Place;
use std::time::{Duration, Instant};
use wakering_core::Token;
use wakering_core::driver::{CancelKey, Drained, Sink};

impl PollDriver {
    /// Ends an op, or asks the thread that carries it out.
    pub(super) fn cancel_one(&mut self, token: Token) {
        match self.flights.place_of(token) {
            Place::Readiness | Place::Timers => {
                // The op that a LinkTimeout guards goes on without.
                let _ = self.unguard(token);
                self.finish_waiting(token, -libc::ECANCELED);
            }
            Place::Pool => {
                self.pool.interrupt(token);
            }
            Place::Queued | Place::Nowhere => {}
        }
    }

    /// Asks for each op that `key` names. How many those were.
    pub(super) fn cancel_all_of(&mut self, key: CancelKey) -> usize {
        let mut asked = 0;
        for index in 0..self.flights.len() {
            if let Some(token) = self.flights.matching(index, key) {
                asked += usize::from(self.give_up_on(token));
            }
        }
        asked
    }

    /// Ends what can be ended, and waits for the rest.
    pub(super) fn drain_until(&mut self, until: Instant, sink: Sink<'_>) -> Drained {
        let left = || until.saturating_duration_since(Instant::now());
        self.refusing = true;
        self.cancel_all_of(CancelKey::All);
        loop {
            let pause = left().min(Duration::from_millis(10));
            let turned = wakering_core::Driver::turn(self, Some(pause), usize::MAX, sink);
            let over = wakering_core::Driver::in_flight(self) == 0;
            if turned.is_err() || over || left().is_zero() {
                break;
            }
        }
        let _ = self.pool.shutdown(left());
        // What the last threads brought.
        self.home.doorbell.clear();
        self.deliver(usize::MAX, sink);
        Drained { still_in_flight: wakering_core::Driver::in_flight(self) }
    }
}
