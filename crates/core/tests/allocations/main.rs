//! What each operation allocates, compared with the table in `table.txt`: more is a defect, less is
//! a line of the table that is out of date.
//!
//! `WAKERING_GENERATE=1 cargo test -p wakering-core --test allocations` writes the table anew.

#[path = "../support/counting.rs"]
mod counting;
mod ops;
mod queues;
mod sync;
mod tasks;
mod time;
mod workers;

use counting::{allocations, bytes};
use std::fmt::Write;
use std::path::Path;

/// Rounds that are counted together.
const ROUNDS: usize = 1_000;
/// Times that they are: where threads share a pool, how full each one's part of it is settles only
/// after a while. What each round allocates is in every one of these counts.
const COUNTS: usize = 20;

/// The table as it is measured.
struct Table(String);

impl Table {
    fn new() -> Self {
        Self(format!(
            "# Allocations and their bytes in {ROUNDS} rounds of each operation, once it has been used.\n\
             # Written by `WAKERING_GENERATE=1 cargo test -p wakering-core --test allocations`.\n"
        ))
    }

    /// A line: what `round` allocates. It is run some times before.
    fn row(&mut self, name: &str, mut round: impl FnMut()) {
        self.rounds(name, ROUNDS, &mut round);
    }

    /// The same for what takes long.
    fn rounds(&mut self, name: &str, rounds: usize, mut round: impl FnMut()) {
        (0..rounds).for_each(|_| round());
        let mut least = (u64::MAX, u64::MAX);
        for _ in 0..COUNTS {
            let before = (allocations(), bytes());
            (0..rounds).for_each(|_| round());
            least = least.min((allocations() - before.0, bytes() - before.1));
            if least == (0, 0) {
                break;
            }
        }
        self.line(name, least);
    }

    fn line(&mut self, name: &str, (allocations, bytes): (u64, u64)) {
        writeln!(self.0, "{name:52} {allocations:8} {bytes:10}").unwrap();
    }
}

/// One test: whatever ran beside it would be counted.
#[test]
fn f2_t7_every_operation_allocates_what_the_table_says() {
    let mut table = Table::new();
    tasks::rows(&mut table);
    workers::rows(&mut table);
    time::rows(&mut table);
    sync::rows(&mut table);
    ops::rows(&mut table);
    queues::rows(&mut table);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/allocations/table.txt");
    if std::env::var_os("WAKERING_GENERATE").is_some() {
        std::fs::write(&path, &table.0).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == table.0, "{}", differences(&committed, &table.0));
}

fn differences(committed: &str, measured: &str) -> String {
    let mut text = String::from("tests/allocations/table.txt says otherwise. The differences:\n");
    let only = |a: &str, b: &str, sign| {
        let lines = a.lines().filter(|line| !b.lines().any(|other| other == *line));
        lines.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    text.push_str(&only(committed, measured, '-'));
    text.push_str(&only(measured, committed, '+'));
    write!(text, "The new table:\n{measured}").unwrap();
    text
}
