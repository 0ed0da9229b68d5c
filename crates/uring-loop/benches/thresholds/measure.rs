//! Compares ways to do the same: round by round, each in its turn, because this second's machine is
//! another than the last second's. Medians count.

use std::time::Duration;

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    rounds: usize,
    slice: Duration,
}

/// What was asked for: `-- --quick` for a look.
pub fn effort() -> Effort {
    if is_quick() {
        Effort { rounds: 3, slice: Duration::from_millis(3) }
    } else {
        Effort { rounds: 15, slice: Duration::from_millis(20) }
    }
}

/// Whether a look is all that was asked for.
pub fn is_quick() -> bool {
    std::env::args().any(|argument| argument == "--quick")
}

/// Nanoseconds per op, of each way, and of each clock that `run` reads: it does so many times `ops`
/// operations in the way with this number and says how long that took.
pub fn medians<const CLOCKS: usize>(
    ways: usize,
    ops: u64,
    mut run: impl FnMut(usize, u64) -> [Duration; CLOCKS],
) -> Vec<[f64; CLOCKS]> {
    let Effort { rounds, slice } = effort();
    let times: Vec<u64> =
        (0..ways).map(|way| times_in(slice, |times| longest(run(way, times)))).collect();
    let mut found = vec![[const { Vec::new() }; CLOCKS]; ways];
    for round in 0..rounds {
        for turn in 0..ways {
            // None is always measured after the same other one.
            let way = if round % 2 == 0 { turn } else { ways - 1 - turn };
            let taken = run(way, times[way]);
            for (list, taken) in found[way].iter_mut().zip(taken) {
                list.push(taken.as_nanos() as f64 / (times[way] * ops) as f64);
            }
        }
    }
    found.into_iter().map(|clocks| clocks.map(median)).collect()
}

/// How many times fill the slice; warms up on the way.
fn times_in(slice: Duration, mut run: impl FnMut(u64) -> Duration) -> u64 {
    let mut times = 1;
    loop {
        let taken = run(times);
        if taken >= slice / 4 {
            let fill = slice.as_nanos() * u128::from(times) / taken.as_nanos().max(1);
            return (fill as u64).max(1);
        }
        times *= 4;
    }
}

fn longest<const CLOCKS: usize>(taken: [Duration; CLOCKS]) -> Duration {
    taken.into_iter().max().unwrap_or_default()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A Markdown table under its title; numbers to the right.
pub fn print_table(title: &str, head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count(), 4]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let aligned = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        line(cells.collect())
    };
    let rule = widths.iter().enumerate().map(|(column, &width)| match column {
        0 => "-".repeat(width),
        _ => format!("{}:", "-".repeat(width - 1)),
    });
    println!("\n{title}\n");
    println!("{}", aligned(&head.iter().map(ToString::to_string).collect::<Vec<_>>()));
    println!("{}", line(rule.collect()));
    for row in rows {
        println!("{}", aligned(row));
    }
}

/// 512, 4 Ki, 1 Mi.
pub fn size_of_bytes(bytes: usize) -> String {
    match bytes {
        0..=1023 => format!("{bytes} B"),
        1024..=1_048_575 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// Nanoseconds, as microseconds to three digits.
pub fn micros(ns: f64) -> String {
    let us = ns / 1000.0;
    match us {
        us if us < 10.0 => format!("{us:.2}"),
        us if us < 100.0 => format!("{us:.1}"),
        us => format!("{us:.0}"),
    }
}
