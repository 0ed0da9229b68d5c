//! The rows in the order of the table, and what must be reached: data, and nothing else.

/// How a row's number is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Nanoseconds for an operation.
    Nanos,
    /// Microseconds for an operation.
    Micros,
    /// Milliseconds for a run of so many operations.
    MillisOf(u32),
    /// Microseconds for a run of so many operations.
    MicrosOf(u32),
    Bytes,
}

/// What the subject must reach. Factors are the peer's number by ours.
#[derive(Clone, Copy, Debug)]
pub enum Must {
    /// So many times as good as the best peer.
    Best(f64),
    /// So many times as good as the best peer, and as this one.
    BestAnd(f64, &'static str, f64),
    /// So many times as good as this one.
    Peer(&'static str, f64),
    /// At most so much, in the row's unit.
    AtMost(f64),
    /// Nothing is asked.
    Free,
}

#[derive(Debug)]
pub struct Row {
    title: &'static str,
    /// The definition that it runs.
    pub bench: &'static str,
    /// Worker threads, for definitions of many threads; none for the others.
    pub workers: usize,
    pub unit: Unit,
    pub must: Must,
    /// The number that we aim for, in the row's unit.
    pub aim: Option<f64>,
    /// Whether allocations are the operation's own. They are not where other tasks run beside it.
    pub counts_allocations: bool,
}

impl Row {
    pub fn name(&self) -> String {
        match self.workers {
            0 => self.title.into(),
            workers => format!("{}, {workers} workers", self.title),
        }
    }

    const fn beside_others(mut self) -> Self {
        self.counts_allocations = false;
        self
    }

    const fn aim(mut self, aim: f64) -> Self {
        self.aim = Some(aim);
        self
    }
}

const fn many(bench: &'static str, workers: usize, unit: Unit, must: Must, aim: f64) -> Row {
    let aim = Some(aim);
    Row { title: bench, bench, workers, unit, must, aim, counts_allocations: true }
}

const fn one(title: &'static str, bench: &'static str, unit: Unit, must: Must) -> Row {
    Row { title, bench, workers: 0, unit, must, aim: None, counts_allocations: true }
}

use Must::{AtMost, Best, BestAnd, Free, Peer};
use Unit::{Bytes, Micros, MicrosOf, MillisOf, Nanos};

pub const ROWS: &[Row] = &[
    many("spawn_many_local", 2, MillisOf(10_000), BestAnd(1.2, "tokio", 2.0), 0.4),
    many("spawn_many_local", 4, MillisOf(10_000), BestAnd(1.2, "tokio", 2.0), 0.4),
    many("spawn_many_remote_idle", 2, MillisOf(10_000), Best(1.2), 0.5),
    many("spawn_many_remote_idle", 4, MillisOf(10_000), Best(1.2), 0.5),
    many("spawn_many_remote_busy1", 2, MillisOf(10_000), Best(1.2), 0.7).beside_others(),
    many("spawn_many_remote_busy1", 4, MillisOf(10_000), Best(1.2), 0.7).beside_others(),
    many("spawn_many_remote_busy2", 2, MillisOf(1_000), Best(1.0), 0.08).beside_others(),
    many("spawn_many_remote_busy2", 4, MillisOf(1_000), Best(1.0), 0.08).beside_others(),
    many("yield_many", 2, MillisOf(200_000), Peer("tokio", 1.5), 1.5),
    many("yield_many", 4, MillisOf(200_000), Peer("tokio", 1.5), 1.5),
    many("ping_pong", 2, MillisOf(1_000), Best(1.2), 0.13),
    many("ping_pong", 4, MillisOf(1_000), Best(1.2), 0.13),
    many("chained_spawn", 2, MicrosOf(1_000), Best(1.0), 65.0),
    many("chained_spawn", 4, MicrosOf(1_000), Best(1.0), 65.0),
    many("memory", 2, Bytes, AtMost(100.0), 72.0),
    one("memory, one thread", "memory, one thread", Bytes, AtMost(100.0)).aim(72.0),
    one("spawn and join, one at a time", "spawn_join", Nanos, Best(1.0)).aim(18.0),
    one("spawn and join, batches of 1,000", "spawn_join_batch", Nanos, Best(1.0)).aim(11.0),
    one("yield, 1 task", "yield_1", Nanos, Best(2.0)).aim(7.0),
    one("yield, 100 tasks", "yield_100", Nanos, Best(1.5)).aim(7.0),
    one("wake round trip", "wake_round_trip", Nanos, Best(2.0)).aim(20.0),
    one("mpsc round trip", "mpsc_round_trip", Nanos, Peer("tokio", 2.0)).aim(40.0),
    one("request and reply", "request_reply", Nanos, Peer("tokio", 2.0)).aim(45.0),
    one("notify round trip", "notify", Nanos, Peer("tokio", 2.0)).aim(25.0),
    one("mutex, free", "mutex_free", Nanos, Best(1.2)).aim(2.5),
    one("mutex, contended", "mutex_contended", Nanos, Best(1.2)).aim(25.0),
    one("semaphore, free", "semaphore_free", Nanos, Best(1.2)).aim(2.5),
    one("oneshot, ready", "oneshot_ready", Nanos, Best(1.5)).aim(6.0),
    one("timer, start and cancel", "timer_cancel", Nanos, Free),
    one("timer, start and cancel beside 10,000", "timer_cancel_beside", Nanos, Free),
    one("timer, 1,000 tasks sleep, CPU time", "timer_fire", Nanos, Free),
    one("wake of another thread, parked", "cross_parked", Micros, Free),
    one("wake of another thread, hot", "cross_hot", Micros, AtMost(1.0)),
];
