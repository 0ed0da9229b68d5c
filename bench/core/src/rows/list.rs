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
    pub name: &'static str,
    /// The definition that it runs.
    pub bench: &'static str,
    /// Worker threads, for definitions of many threads.
    pub workers: usize,
    pub unit: Unit,
    pub must: Must,
    /// The number that we aim for, in the row's unit.
    pub aim: Option<f64>,
    /// Whether allocations are the operation's own. They are not where other tasks run beside it.
    pub counts_allocations: bool,
}

const fn row(name: &'static str, bench: &'static str, unit: Unit, must: Must) -> Row {
    Row { name, bench, workers: 1, unit, must, aim: None, counts_allocations: true }
}

impl Row {
    const fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    const fn aim(mut self, aim: f64) -> Self {
        self.aim = Some(aim);
        self
    }

    const fn beside_others(mut self) -> Self {
        self.counts_allocations = false;
        self
    }
}

use Must::{AtMost, Best, BestAnd, Free, Peer};
use Unit::{Bytes, Micros, MicrosOf, MillisOf, Nanos};

pub const ROWS: &[Row] = &[
    row(
        "spawn_many_local, 2 workers",
        "spawn_many_local",
        MillisOf(10_000),
        BestAnd(1.2, "tokio", 2.0),
    )
    .workers(2)
    .aim(0.4),
    row(
        "spawn_many_local, 4 workers",
        "spawn_many_local",
        MillisOf(10_000),
        BestAnd(1.2, "tokio", 2.0),
    )
    .workers(4)
    .aim(0.4),
    row("spawn_many_remote_idle, 2 workers", "spawn_many_remote_idle", MillisOf(10_000), Best(1.2))
        .workers(2)
        .aim(0.5),
    row("spawn_many_remote_idle, 4 workers", "spawn_many_remote_idle", MillisOf(10_000), Best(1.2))
        .workers(4)
        .aim(0.5),
    row(
        "spawn_many_remote_busy1, 2 workers",
        "spawn_many_remote_busy1",
        MillisOf(10_000),
        Best(1.2),
    )
    .workers(2)
    .aim(0.7)
    .beside_others(),
    row(
        "spawn_many_remote_busy1, 4 workers",
        "spawn_many_remote_busy1",
        MillisOf(10_000),
        Best(1.2),
    )
    .workers(4)
    .aim(0.7)
    .beside_others(),
    row(
        "spawn_many_remote_busy2, 2 workers",
        "spawn_many_remote_busy2",
        MillisOf(1_000),
        Best(1.0),
    )
    .workers(2)
    .aim(0.08)
    .beside_others(),
    row(
        "spawn_many_remote_busy2, 4 workers",
        "spawn_many_remote_busy2",
        MillisOf(1_000),
        Best(1.0),
    )
    .workers(4)
    .aim(0.08)
    .beside_others(),
    row("yield_many, 2 workers", "yield_many", MillisOf(200_000), Peer("tokio", 1.5))
        .workers(2)
        .aim(1.5),
    row("yield_many, 4 workers", "yield_many", MillisOf(200_000), Peer("tokio", 1.5))
        .workers(4)
        .aim(1.5),
    row("ping_pong, 2 workers", "ping_pong", MillisOf(1_000), Best(1.2)).workers(2).aim(0.13),
    row("ping_pong, 4 workers", "ping_pong", MillisOf(1_000), Best(1.2)).workers(4).aim(0.13),
    row("chained_spawn, 2 workers", "chained_spawn", MicrosOf(1_000), Best(1.0))
        .workers(2)
        .aim(65.0),
    row("chained_spawn, 4 workers", "chained_spawn", MicrosOf(1_000), Best(1.0))
        .workers(4)
        .aim(65.0),
    row("spawn and join, one at a time", "spawn_join", Nanos, Best(1.0)).aim(18.0),
    row("spawn and join, batches of 1,000", "spawn_join_batch", Nanos, Best(1.0)).aim(11.0),
    row("yield, 1 task", "yield_1", Nanos, Best(2.0)).aim(7.0),
    row("yield, 100 tasks", "yield_100", Nanos, Best(1.5)).aim(7.0),
    row("wake round trip", "wake_round_trip", Nanos, Best(2.0)).aim(20.0),
    row("mpsc round trip", "mpsc_round_trip", Nanos, Peer("tokio", 2.0)).aim(40.0),
    row("request and reply", "request_reply", Nanos, Peer("tokio", 2.0)).aim(45.0),
    row("notify round trip", "notify", Nanos, Peer("tokio", 2.0)).aim(25.0),
    row("mutex, free", "mutex_free", Nanos, Best(1.2)).aim(2.5),
    row("mutex, contended", "mutex_contended", Nanos, Best(1.2)).aim(25.0),
    row("semaphore, free", "semaphore_free", Nanos, Best(1.2)).aim(2.5),
    row("oneshot, ready", "oneshot_ready", Nanos, Best(1.5)).aim(6.0),
    row("timer, start and cancel", "timer_cancel", Nanos, Free),
    row("timer, start and cancel beside 10,000", "timer_cancel_beside", Nanos, Free),
    row("timer, 1,000 fire", "timer_fire", Nanos, Free),
    row("wake of another thread, parked", "cross_parked", Micros, Free),
    row("wake of another thread, hot", "cross_hot", Micros, AtMost(1.0)),
    row("memory of a parked task", "memory", Bytes, AtMost(100.0)).workers(2).aim(72.0),
];
