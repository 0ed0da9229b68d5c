//! The rows in the order of the table, and what must be reached: data, and nothing else.

use crate::row::Must::{AtMost, Best, BestAnd, Free, Peer};
use crate::row::Unit::{Bytes, Micros, MicrosOf, MillisOf, Nanos};
use crate::row::{Must, Row, Unit};

const fn many(bench: &'static str, workers: usize, unit: Unit, must: Must, aim: f64) -> Row {
    Row::new(bench, bench, unit, must).workers(workers).aim(aim)
}

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
    Row::new("memory, one thread", "memory, one thread", Bytes, AtMost(100.0)).aim(72.0),
    Row::new("spawn and join, one at a time", "spawn_join", Nanos, Best(1.0)).aim(18.0),
    Row::new("spawn and join, batches of 1,000", "spawn_join_batch", Nanos, Best(1.0)).aim(11.0),
    Row::new("yield, 1 task", "yield_1", Nanos, Best(2.0)).aim(7.0),
    Row::new("yield, 100 tasks", "yield_100", Nanos, Best(1.5)).aim(7.0),
    Row::new("wake round trip", "wake_round_trip", Nanos, Best(2.0)).aim(20.0),
    Row::new("mpsc round trip", "mpsc_round_trip", Nanos, Peer("tokio", 2.0)).aim(40.0),
    Row::new("request and reply", "request_reply", Nanos, Peer("tokio", 2.0)).aim(45.0),
    Row::new("notify round trip", "notify", Nanos, Peer("tokio", 2.0)).aim(25.0),
    Row::new("mutex, free", "mutex_free", Nanos, Best(1.2)).aim(2.5),
    Row::new("mutex, contended", "mutex_contended", Nanos, Best(1.2)).aim(25.0),
    Row::new("semaphore, free", "semaphore_free", Nanos, Best(1.2)).aim(2.5),
    Row::new("oneshot, ready", "oneshot_ready", Nanos, Best(1.5)).aim(6.0),
    Row::new("timer, start and cancel", "timer_cancel", Nanos, Free),
    Row::new("timer, start and cancel beside 10,000", "timer_cancel_beside", Nanos, Free),
    Row::new("timer, 1,000 tasks sleep, CPU time", "timer_fire", Nanos, Free),
    Row::new("wake of another thread, parked", "cross_parked", Micros, Free),
    Row::new("wake of another thread, hot", "cross_hot", Micros, AtMost(1.0)),
];
