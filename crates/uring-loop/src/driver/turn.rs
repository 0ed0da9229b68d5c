//! One turn: publish, reap, wait.
//!
//! ```text
//! enter ─► silence the bell where it may have rung ─► publish ─► reap ring and inbox ─► leave
//!                                                       ▲          │ nothing, and time left
//!                                                       └── sleep ◄┘
//! ```
//!
//! - **T1** The bell is silenced before the inbox and the queue are looked at: whoever comes later
//!   rings again.
//! - **T2** A turn that publishes and finds nothing old leaves the bell alone: whatever rings it
//!   then is heard by a later turn, and the call is saved.
//!   Another loop's message is heard where it is reaped, before the inbox is looked at.
//! - **T3** Whoever waits by the bell is told when a turn leaves something behind.

#![forbid(unsafe_code)]

use super::{UringDriver, Waiting};
use crate::encode;
use crate::ring::wait_readable;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use wakering_core::Error;
use wakering_core::driver::Sink;

impl UringDriver {
    #[inline]
    pub(super) fn one_turn(
        &mut self,
        timeout: Option<Duration>,
        completions_max: usize,
        sink: Sink<'_>,
    ) -> Result<usize, Error> {
        let may_wait = timeout != Some(Duration::ZERO) && completions_max > 0;
        self.rang = false;
        self.enter(may_wait)?;
        let mut done = self.reap(completions_max, sink)?;
        if may_wait && done == 0 && !self.rang {
            let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
            done = self.wait_and_reap(deadline, completions_max, sink)?;
        }
        done += self.leave(completions_max - done, sink)?;
        Ok(done)
    }

    /// Silences the bell where it may have rung (T1, T2) and publishes.
    fn enter(&mut self, may_wait: bool) -> Result<(), Error> {
        let old = self.ring.has_completions() || self.has_more();
        self.groups.refill();
        self.push_late_cancels();
        let news = self.ring.has_news();
        let may_look = !std::mem::take(&mut self.look_not);
        if self.waiting.get() == Waiting::ByTheBell {
            self.ring.mute();
            let spared = std::mem::take(&mut self.bell_not) && !self.ring.has_completions();
            if (old || !news) && !spared {
                self.rang = self.home.doorbell.clear();
            }
        } else if may_wait && !old {
            // The call that sleeps publishes too.
            return Ok(());
        }
        self.ring.publish().map_err(Error::Os)?;
        if news && may_look && self.ring.is_sqpoll() && !old {
            let Self { ring, spin, .. } = self;
            spin.until(|| ring.has_completions());
        }
        Ok(())
    }

    /// Whether something is there that does not come through the ring.
    pub(super) fn has_more(&self) -> bool {
        self.has_inbox() || !self.answers.is_empty()
    }

    fn has_inbox(&self) -> bool {
        self.reader.has_rest() || !self.home.inbox.is_empty()
    }

    /// Hands over what is there, the ring and the inbox going first in turns so that neither can
    /// keep the other waiting.
    fn reap(&mut self, completions_max: usize, sink: Sink<'_>) -> Result<usize, Error> {
        let mut done = 0;
        while done < completions_max
            && let Some(completion) = self.answers.pop()
        {
            sink(completion);
            done += 1;
        }
        self.inbox_first = !self.inbox_first;
        if self.inbox_first {
            done += self.reap_inbox(completions_max - done, sink);
        }
        done += self.reap_ring(completions_max - done, sink)?;
        self.rang |= std::mem::take(&mut self.tally.message_heard);
        if !self.inbox_first || self.tally.bell_heard || self.rang {
            done += self.reap_inbox(completions_max - done, sink);
        }
        self.ring_unheard();
        self.ask_again()?;
        Ok(done)
    }

    #[inline]
    fn reap_ring(&mut self, completions_max: usize, sink: Sink<'_>) -> Result<usize, Error> {
        let Self { ring, tally, home, .. } = self;
        let mut done = 0;
        while done < completions_max {
            let before = done;
            let emptied = ring.reap(|cqe| {
                if let Some(completion) = tally.settle(home, cqe) {
                    sink(completion);
                    done += 1;
                }
                done < completions_max
            });
            if !emptied || !ring.must_collect() {
                break;
            }
            ring.collect().map_err(Error::Os)?;
            if done == before && !ring.has_completions() {
                break;
            }
        }
        Ok(done)
    }

    #[inline]
    fn reap_inbox(&mut self, completions_max: usize, sink: Sink<'_>) -> usize {
        if self.tally.bell_heard || self.home.inbox.take_rung() {
            self.rang |= std::mem::take(&mut self.tally.bell_heard);
            self.home.doorbell.clear();
        }
        let mut done = 0;
        while done < completions_max && self.has_inbox() {
            let Some(completion) = self.home.next_delivery(&mut self.reader) else { break };
            sink(completion);
            done += 1;
        }
        done
    }

    /// Sleeps until something comes, the bell rings or the time is over.
    fn wait_and_reap(
        &mut self,
        deadline: Option<Instant>,
        completions_max: usize,
        sink: Sink<'_>,
    ) -> Result<usize, Error> {
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                // Nothing enqueued may be left unpublished.
                self.ring.publish().map_err(Error::Os)?;
                return self.reap(completions_max, sink);
            }
            self.waits += 1;
            match self.waiting.get() {
                Waiting::ByTheBell => self.sleep_by_the_bell(left),
                Waiting::InTheRing => self.sleep_in_the_ring(left)?,
            }
            let done = self.reap(completions_max, sink)?;
            if done > 0 || self.rang {
                return Ok(done);
            }
        }
    }

    fn sleep_by_the_bell(&mut self, timeout: Option<Duration>) {
        let doorbell = self.home.doorbell.as_raw_fd();
        self.ring.unmute();
        if !self.ring.has_anything() && !self.has_more() {
            self.ppolls += 1;
            wait_readable(&[doorbell], timeout);
        }
        self.ring.mute();
        self.rang |= self.home.doorbell.clear();
    }

    fn sleep_in_the_ring(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        if !self.tally.bell_armed {
            if !self.ring.has_room() {
                self.make_room(1)?;
            }
            let armed = encode::bell(&mut self.ring, self.home.doorbell.as_raw_fd());
            self.tally.bell_armed = armed.is_ok();
        }
        self.ring.wait(timeout).map_err(Error::Os)
    }

    /// Lets completions ring again and looks once more (T3). How many it handed over.
    fn leave(&mut self, completions_max: usize, sink: Sink<'_>) -> Result<usize, Error> {
        if self.waiting.get() == Waiting::InTheRing {
            return Ok(0);
        }
        let mut done = 0;
        loop {
            self.ring.unmute();
            if !self.ring.has_anything() && !self.has_more() {
                return Ok(done);
            }
            let more = self.reap(completions_max - done, sink)?;
            done += more;
            if more == 0 {
                if self.ring.has_anything() || self.has_more() {
                    self.home.doorbell.ring();
                }
                return Ok(done);
            }
        }
    }
}
