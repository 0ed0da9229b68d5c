//! One pass of a lane: what was accepted is published, what is done becomes records.
//!
//! ```text
//! to the pool, to the worker ─► look for the pool's answer ─► answered here ─► driver.turn ─► finish
//! ```

#![forbid(unsafe_code)]

use super::finish::RecordSink;
use super::{BATCH_MAX, Lane};
use std::os::fd::RawFd;
use std::time::Duration;
use wakering_core::Error;
use wakering_core::slot::Outcome;

impl Lane {
    /// One pass: publishes what was accepted, reaps what is complete without waiting, and hands at
    /// most `records_max` records to `sink`. How many. What finds no room there rings
    /// [`Self::poll_fd`] at once. An error is the ring's end: no more ops can be carried out.
    pub fn turn(&mut self, records_max: usize, sink: &mut dyn RecordSink) -> Result<usize, Error> {
        self.driver_has_news = true;
        self.turn_after_batch(records_max, sink)
    }

    /// As [`Self::turn`], for whoever has just handed over a batch and waits by [`Self::poll_fd`]
    /// besides: passes by a driver that got nothing of that batch. What comes there meanwhile
    /// rings, and asking after the bell would be a system call for nothing.
    pub fn turn_after_batch(
        &mut self,
        records_max: usize,
        sink: &mut dyn RecordSink,
    ) -> Result<usize, Error> {
        let batch_len = std::mem::take(&mut self.batch_len);
        let looks = batch_len > 0
            && self.pooled == batch_len
            && self.answered.is_empty()
            // A thread that sleeps takes longer to wake than this one may look.
            && self.pool.is_awake();
        self.publish_to_pool();
        if let Some(worker) = &mut self.worker {
            worker.publish();
        }
        if looks {
            self.look_for_answer()?;
        }
        let mut done = self.finish_answered(records_max, sink);
        let mut turned = Ok(());
        if std::mem::take(&mut self.driver_has_news) {
            let room = (records_max - done).min(BATCH_MAX);
            if done > 0 {
                self.engine.skip_look();
            }
            let mut batch = std::mem::take(&mut self.batch);
            let driver = self.engine.driver();
            turned = driver.turn(Some(Duration::ZERO), room, &mut |c| batch.push(c)).map(|_| ());
            for completion in batch.drain(..) {
                done += usize::from(self.finish(completion.token, sink));
            }
            self.batch = batch;
        }
        self.learn_from_tried();
        // Finishing may have answered others: the close that waited for the last op of its handle.
        done += self.finish_answered(records_max - done, sink);
        let mut published = Ok(());
        if std::mem::take(&mut self.started_late) {
            // The caller may have no reason to turn again before that is done.
            published = self.engine.driver().publish();
            self.publish_to_pool();
        }
        if let Some(worker) = &mut self.worker {
            // What found no room before. The worker rings when there is some, and the driver's turn
            // has silenced such a ring: from here on it is heard.
            worker.publish();
        }
        if !self.answered.is_empty() {
            // The driver rings for what it has left, and knows nothing of these.
            self.home.doorbell.ring();
        }
        turned.and(published).map(|()| done)
    }

    /// Looks a while for an answer of the threads of the pool.
    fn look_for_answer(&mut self) -> Result<(), Error> {
        let Self { engine, spin, home, .. } = self;
        home.inbox.attend();
        // The poll driver hands its own over with that.
        let published = engine.driver().publish();
        spin.until(|| !home.inbox.is_empty());
        if home.inbox.leave() {
            self.driver_has_news = true;
            engine.spare_the_bell();
        }
        published
    }

    fn publish_to_pool(&mut self) {
        if let Err(error) = self.pool.publish(&mut self.for_pool) {
            let outcome = Outcome { result: error.to_result(), flags: 0 };
            while let Some(token) = self.for_pool.pop() {
                self.answer(token, outcome);
            }
        }
    }

    /// Whether a turn would bring records at once.
    pub fn has_answers(&self) -> bool {
        !self.answered.is_empty()
    }

    /// Wakes whoever waits for [`Self::poll_fd`], so that it turns again.
    pub fn ring_doorbell(&self) {
        self.home.doorbell.ring();
    }

    /// Readable when a turn would get on.
    pub fn poll_fd(&mut self) -> RawFd {
        self.engine.driver().poll_fd()
    }
}
