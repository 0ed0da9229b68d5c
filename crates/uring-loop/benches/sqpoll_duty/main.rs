//! What an SQ thread's idle time costs, by duty cycle: fixed values, none, and a steered one, side by
//! side in one process, in alternating rounds.
//!
//! `npm run bench:sqpoll`, or `cargo bench -p wakering-uring-loop --bench sqpoll_duty -- [--quick] [ROW…]`
//!
//! A burst of cached reads of 4 KiB begins each period: the first one alone, after the pause, then the
//! others eight at a time. Cost = CPU seconds of the whole process, SQ thread included, + weight x delay of
//! the first op. All rows take six minutes, of which a third are the pauses of the two longest.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]
#![expect(clippy::print_stderr, reason = "and how far it is")]

use lane::{Lane, cpu_time};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use wakering_core::scheduler::affinity::CpuSet;

mod busy;
mod lane;

/// A row of the table.
struct Row {
    name: &'static str,
    period_ms: u64,
    /// Microseconds of work at its beginning; as long as the period: no pause at all.
    work_us: u64,
    warm_up: u64,
    periods: u64,
    rounds: usize,
}

const fn row(name: &'static str, period_ms: u64, work_us: u64) -> Row {
    let (warm_up, periods, rounds) = match period_ms {
        0..=99 => (500 / period_ms, 500 / period_ms, 3),
        100..=999 => (1, 3, 3),
        _ => (0, 3, 1),
    };
    Row { name, period_ms, work_us, warm_up, periods, rounds }
}

const ROWS: [Row; 7] = [
    row("duty 1 %", 10, 100),
    row("duty 10 %", 10, 1_000),
    row("duty 50 %", 10, 5_000),
    row("duty 100 %", 10, 10_000),
    row("10 ms every 50 ms", 50, 10_000),
    row("10 ms every 500 ms", 500, 10_000),
    row("10 ms every 5 s", 5_000, 10_000),
];

/// Who takes the submissions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Contender {
    Fixed { idle_ms: u32 },
    Plain,
    Auto { weight: u32, may_leave: bool },
}

use Contender::{Auto, Fixed, Plain};

/// So long into a pause nothing happens any more: every idle time is over.
const PAUSE_MAX: Duration = Duration::from_millis(1_100);
/// What Auto may cost, in costs of the best fixed idle time.
const RATIO_MAX: f64 = 1.3;

/// The first of these is the default.
const WEIGHTS: [u32; 2] = [100, 1000];
const CONTENDERS: [Contender; 9] = [
    Fixed { idle_ms: 1 },
    Fixed { idle_ms: 10 },
    Fixed { idle_ms: 100 },
    Fixed { idle_ms: 1000 },
    Plain,
    Auto { weight: 100, may_leave: true },
    Auto { weight: 100, may_leave: false },
    Auto { weight: 1000, may_leave: true },
    Auto { weight: 1000, may_leave: false },
];

impl std::fmt::Display for Contender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Fixed { idle_ms } => format!("idle {idle_ms} ms"),
            Plain => "no SQPOLL".into(),
            Auto { weight, may_leave: true } => format!("Auto, weight {weight}"),
            Auto { weight, may_leave: false } => format!("Auto, weight {weight}, stays"),
        };
        f.pad(&name)
    }
}

/// What a contender took for a row in one round.
#[derive(Clone, Copy, Debug)]
struct Taken {
    cpu_us_per_op: f64,
    first_op_us: f64,
    /// Microseconds for each op, by weight.
    costs: [f64; WEIGHTS.len()],
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// One round: a lane of its own, once nobody else's SQ thread is awake any more.
fn measure(contender: Contender, row: &Row, burst: u64, fd: i32) -> Option<(Taken, String)> {
    lane::wait_for_sq_threads();
    let mut lane = Lane::new(contender, fd)?;
    let period = Duration::from_millis(row.period_ms);
    let pauses = row.work_us < row.period_ms * 1000;
    let run = |lane: &mut Lane, periods: u64| -> Vec<f64> {
        let start = Instant::now();
        (0..periods)
            .map(|number| {
                let first = lane.burst(burst);
                if pauses {
                    let end = start + period * (number as u32 + 1);
                    let last = number + 1 == periods;
                    lane.wait_until(if last { end.min(Instant::now() + PAUSE_MAX) } else { end });
                }
                first.as_secs_f64() * 1e6
            })
            .collect()
    };
    // A pause stands before the first burst too.
    lane.burst(1);
    lane.wait_until(Instant::now() + period.min(PAUSE_MAX));
    run(&mut lane, row.warm_up);
    let before = cpu_time();
    let delays = run(&mut lane, row.periods);
    let cpu_us = (cpu_time() - before).as_secs_f64() * 1e6;
    let ops = (burst * row.periods) as f64;
    let first_op_us = median(delays);
    // The median for all, because one preemption of a millisecond would outweigh every other pause.
    let delayed_us = if pauses { first_op_us * row.periods as f64 } else { 0.0 };
    let taken = Taken {
        cpu_us_per_op: cpu_us / ops,
        first_op_us,
        costs: WEIGHTS.map(|weight| (cpu_us + f64::from(weight) * delayed_us) / ops),
    };
    Some((taken, lane.state()))
}

/// The highest ratio of an Auto.
fn print_row(row: &Row, rounds: usize, burst: u64, fd: i32) -> Option<f64> {
    let mut taken = vec![Vec::new(); CONTENDERS.len()];
    let mut states = vec![String::new(); CONTENDERS.len()];
    for round in 1..=rounds {
        for (place, &contender) in CONTENDERS.iter().enumerate() {
            eprintln!("{}, round {round} of {rounds}: {contender}", row.name);
            let (one, state) = measure(contender, row, burst, fd)?;
            taken[place].push(one);
            states[place] = state;
        }
    }
    let of = |place: usize, number: fn(&Taken) -> f64| -> f64 {
        median(taken[place].iter().map(number).collect())
    };
    let costs: [fn(&Taken) -> f64; 2] = [|taken| taken.costs[0], |taken| taken.costs[1]];
    let best = costs.map(|cost| {
        let fixed =
            (0..CONTENDERS.len()).filter(|&place| matches!(CONTENDERS[place], Fixed { .. }));
        fixed.map(|place| of(place, cost)).fold(f64::MAX, f64::min)
    });
    println!("\n{}: {burst} reads, {rounds} rounds", row.name);
    println!(
        "{:<26} {:>10} {:>12} {:>13} {:>6} {:>13} {:>6}",
        "", "CPU us/op", "first op us", "cost (w 100)", "ratio", "cost (w 1000)", "ratio"
    );
    let mut worst = 0.0_f64;
    for (place, contender) in CONTENDERS.iter().enumerate() {
        // A policy is measured by the weight that it goes by.
        let judged = |weight: u32| match contender {
            Auto { weight: own, .. } => *own == weight,
            _ => true,
        };
        let columns = [0, 1].map(|column| {
            let cost = of(place, costs[column]);
            if !judged(WEIGHTS[column]) {
                return format!("{cost:>13.2} {:>6}", "");
            }
            let ratio = cost / best[column];
            if matches!(contender, Auto { .. }) {
                worst = worst.max(ratio);
            }
            format!("{cost:>13.2} {ratio:>6.2}")
        });
        println!(
            "{contender:<26} {:>10.2} {:>12.1} {}  {}",
            of(place, |taken| taken.cpu_us_per_op),
            of(place, |taken| taken.first_op_us),
            columns.join(" "),
            states[place],
        );
    }
    Some(worst)
}

fn all_names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name).chain([busy::NAME])
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let names: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let wanted =
        |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()));
    if let Some(unknown) =
        names.iter().find(|part| !all_names().any(|name| name.contains(part.as_str())))
    {
        eprintln!("no row has {unknown:?} in its name; there are:");
        return all_names().for_each(|name| eprintln!("  {name}"));
    }
    let available = CpuSet::of_this_thread().expect("this thread's CPUs");
    let mut cpus = available.iter();
    let (Some(own), Some(theirs)) = (cpus.next(), cpus.last()) else {
        println!("SKIP: an SQ thread and its loop want a CPU each");
        return;
    };
    CpuSet::from_iter([own]).bind_this_thread().expect("a CPU of this process");
    lane::SQ_CPU.store(theirs as u32, std::sync::atomic::Ordering::Relaxed);
    let file = lane::file_to_read();
    let fd = file.as_raw_fd();
    let Some(op_ns) = lane::plain_op_ns(fd) else { return };
    println!(
        "loop on CPU {own}, SQ thread on CPU {theirs}; a read takes {op_ns:.0} ns without one"
    );
    println!("ratio: to the best fixed idle time; cost in us of CPU an op");
    for row in ROWS.iter().filter(|row| wanted(row.name)) {
        if quick && row.period_ms >= 100 {
            println!("\n{}: SKIP: its pauses are long; leave --quick away", row.name);
            continue;
        }
        let rounds = if quick { 1 } else { row.rounds };
        let burst = (row.work_us as f64 * 1e3 / op_ns).max(1.0) as u64;
        if let Some(worst) = print_row(row, rounds, burst, fd) {
            let met = if worst <= RATIO_MAX { "met" } else { "MISSED" };
            println!("Auto: {worst:.2} at the worst, {RATIO_MAX} at the most: {met}");
        }
    }
    if wanted(busy::NAME) {
        busy::print_row(theirs, if quick { 1 } else { 3 }, fd);
    }
}
