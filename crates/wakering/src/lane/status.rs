//! What a lane says of itself.

#![forbid(unsafe_code)]

use super::Lane;
use crate::engine::Capabilities;
use crate::metrics::Metrics;
use wakering_uring_loop::{Counters, SqpollReport};

impl Lane {
    /// Ops under way that keep the process alive.
    pub fn keeping_alive(&self) -> u32 {
        self.keeping_alive
    }

    /// Ops under way.
    pub fn in_flight(&self) -> usize {
        self.pending as usize
    }

    /// Files that are open.
    pub fn open_handles(&self) -> usize {
        self.handles.open_count()
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// System calls that the driver made to publish or wait.
    pub fn enters(&mut self) -> u64 {
        self.engine.driver().enters()
    }

    /// What the ring has done, where the driver is one.
    pub fn ring_counters(&self) -> Option<Counters> {
        self.engine.counters()
    }

    /// What the SQ thread does, where its idle time is chosen by itself. Reads a few small files.
    pub fn sqpoll_report(&self) -> Option<SqpollReport> {
        self.engine.sqpoll_report()
    }

    /// Looks for what a thread of the pool answers: in which it came, and in vain.
    pub fn pool_looks(&self) -> [u64; 2] {
        [self.spin.hits, self.spin.misses]
    }

    /// Which driver, why, and what it can do: looked for now, which takes about a millisecond.
    pub fn capabilities(&self) -> Capabilities {
        let mut found = self.capabilities.clone();
        found.features.extend(self.engine.features());
        found
    }
}
