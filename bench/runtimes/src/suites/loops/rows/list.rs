//! The rows in the order of the table, and what must be reached: data, and nothing else.

use crate::row::Must::{AtMost, Best, Free, Peer};
use crate::row::Row;
use crate::row::Unit::{Micros, Nanos, Percent, ThousandsPerSecond};

pub const ROWS: &[Row] = &[
    Row::new("NOP, one at a time", "nop_1", Nanos, Best(1.2)).aim(370.0),
    Row::new("NOP, 100 tasks", "nop_100", Nanos, Best(1.2)).aim(78.0),
    Row::new("read 4 KiB, depth 1", "read_1", Nanos, Best(1.2)).aim(1_000.0),
    Row::new("read 4 KiB, depth 32", "read_32", Nanos, Best(1.1)).aim(840.0),
    Row::new("read 4 KiB, depth 128", "read_128", Nanos, Best(1.1)).aim(840.0),
    Row::new("TCP echo, 64 connections", "echo_64", ThousandsPerSecond, Best(1.0)).aim(240.0),
    Row::new("TCP echo, 64 connections, server CPU", "echo_cpu_64", Micros, Best(1.0)),
    Row::new("TCP echo, 256 connections", "echo_256", ThousandsPerSecond, Best(1.0)).aim(240.0),
    Row::new("TCP echo, 256 connections, server CPU", "echo_cpu_256", Micros, Best(1.0)),
    Row::new(
        "TCP echo, 64 connections",
        "echo_64_stealing",
        ThousandsPerSecond,
        Peer("tokio", 1.2),
    )
    .workers(2),
    Row::new(
        "TCP echo, 256 connections",
        "echo_256_stealing",
        ThousandsPerSecond,
        Peer("tokio", 1.2),
    )
    .workers(2),
    Row::new("recv dropped in flight", "recv_in_flight", Nanos, Best(1.0)).aim(1_000.0),
    Row::new("recv polled and dropped", "recv_unsubmitted", Nanos, AtMost(20.0)).aim(8.0),
    Row::new("bytes lost by select", "lost", Percent, AtMost(0.0)).beside_others(),
    Row::new("message to a busy loop", "cross_busy", Nanos, Free).beside_others(),
    Row::new("fallback: read 4 KiB", "poll_read", Nanos, Peer("tokio", 8.0)),
    Row::new("fallback: stat", "poll_stat", Nanos, Peer("tokio", 5.0)),
    Row::new("fallback: open and close", "poll_open", Nanos, Peer("tokio", 5.0)),
    Row::new(
        "fallback: TCP echo, 64 connections",
        "poll_echo_64",
        ThousandsPerSecond,
        Peer("tokio", 0.95),
    ),
    Row::new(
        "fallback: TCP echo, 256 connections",
        "poll_echo_256",
        ThousandsPerSecond,
        Peer("tokio", 0.95),
    ),
];
