//! One turn: look, get on with what was reported, tell.
//!
//! ```text
//! begin what was enqueued ─► look (one system call) ─► attempt what was reported ─► deliver
//! ```

use super::PollDriver;
use super::begin::Tried;
use super::flights::Place;
use crate::streams::writes;
use crate::sys;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use wakering_core::abi::Opcode;
use wakering_core::driver::Sink;
use wakering_core::{Completion, Error, Token};

impl PollDriver {
    /// Waits for a report, up to `timeout`, and gets on with what it is about.
    pub(super) fn look(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        let until = timeout.filter(|timeout| !timeout.is_zero());
        let until = until.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut left = timeout;
        let heard = loop {
            self.enters += 1;
            match self.readiness.look(left, &mut self.reported) {
                Err(Error::Os(libc::EINTR)) => {}
                heard => break heard?,
            }
            left = until.map(|until| until.saturating_duration_since(Instant::now()));
        };
        if heard.bell {
            // Before the inbox is looked at: see `inbox`.
            self.home.doorbell.clear();
        }
        if heard.timer {
            self.armed = None;
            let _ = sys::set_timer(self.timer.as_raw_fd(), None);
        }
        self.get_on();
        self.fire();
        Ok(())
    }

    /// Attempts what was reported.
    fn get_on(&mut self) {
        let mut reported = std::mem::take(&mut self.reported);
        let mut empty_for = None;
        for token in reported.drain(..) {
            // One before it in this list may have ended it.
            let Some(&flight) = self.flights.get(token) else { continue };
            let way = (flight.fd, writes(flight.opcode));
            if flight.place != Place::Readiness {
                continue;
            } else if flight.is_multishot() {
                self.shoot_soon(token);
            } else if flight.opcode == Opcode::PollAdd {
                self.tell_events(token);
            } else if empty_for != Some(way) {
                match self.attempt(token) {
                    Tried::Done(outcome) => {
                        self.readiness.remove(token);
                        self.complete(token, outcome);
                    }
                    // The others in this line need not even try.
                    Tried::Wait | Tried::Pool => {
                        self.readiness.ran_dry(token);
                        empty_for = Some(way);
                    }
                }
            }
        }
        self.reported = reported;
    }

    pub(super) fn finish_waiting(&mut self, token: Token, result: i32) {
        self.readiness.remove(token);
        self.shoot_no_more(token);
        self.timers.remove(token);
        self.end(token, result);
    }

    fn fire(&mut self) {
        if self.timers.is_empty() {
            return;
        }
        let now = sys::now_ns();
        while let Some(token) = self.timers.take_due(now) {
            let Some(&flight) = self.flights.get(token) else { continue };
            if flight.is_multishot() {
                // Of a period of nothing, one shot a turn.
                let period = self.prepared(token).offset.max(1);
                self.timers.insert(now.saturating_add(period), token);
                self.shoot_soon(token);
                continue;
            }
            if let Some(op) = self.unguard(token) {
                self.give_up_on(op);
            }
            self.end(token, -libc::ETIME);
        }
    }

    /// Sets the timer to what comes next. One that is set too early only costs a look.
    pub(super) fn arm(&mut self) {
        if let Some(next) = self.timers.next_due()
            && self.armed.is_none_or(|armed| next < armed)
        {
            let _ = sys::set_timer(self.timer.as_raw_fd(), Some(next));
            self.armed = Some(next);
        }
    }

    /// Hands over at most `completions_max`. Multishot ops come first in every other turn, so that
    /// neither they nor the others are kept waiting.
    pub(super) fn deliver(&mut self, completions_max: usize, sink: Sink<'_>) -> usize {
        self.shots_first = !self.shots_first;
        let mut done = 0;
        if self.shots_first {
            done += self.shoot(completions_max, sink);
        }
        while done < completions_max {
            let Some(token) = self.ready.pop_front() else { break };
            if let Some(outcome) = self.home.slab.slot(token).peek(token) {
                sink(Completion { token, outcome });
                done += 1;
            }
        }
        while done < completions_max {
            let Some(completion) = self.home.next_delivery(&mut self.reader) else { break };
            let Completion { token, outcome } = completion;
            if self.flights.place_of(token) == Place::Pool {
                self.returned += 1;
                let failed = self.flights.has_failed(token, outcome);
                self.flights.set_place(token, Place::Nowhere);
                self.ended(token, failed);
            }
            sink(completion);
            done += 1;
        }
        if !self.shots_first {
            done += self.shoot(completions_max - done, sink);
        }
        if done == completions_max && !self.home.inbox.is_empty() {
            self.home.doorbell.ring();
        }
        done
    }
}
