//! The table: a row for each definition, a column for each contender, and whether the bar is met.

use crate::children::{Outcome, Settings};
use crate::row::{Must, Row, Unit};
use crate::suites::Suite;

const LOCK: &str = include_str!("../Cargo.lock");

pub fn print(settings: &Settings, outcomes: &[Vec<Outcome>]) {
    println!(
        "Medians of {} processes, and three times as many where several threads work; ± half of what\n\
         the middle half of them spans; in brackets heap allocations for an operation. The ratio is\n\
         the best peer's number by ours.\n",
        settings.processes
    );
    println!("{}.\n", versions(settings.suite));
    let names: Vec<_> = settings.suite.contenders().map(|contender| contender.name).collect();
    println!("| row | unit | {} | best peer | ratio | must | aim |", names.join(" | "));
    println!("| --- | --- |{} --- | --- | --- | --- |", " --- |".repeat(names.len()));
    for (row, outcomes) in settings.rows.iter().zip(outcomes) {
        println!("{}", line(settings.suite, row, outcomes));
    }
}

fn versions(suite: &Suite) -> String {
    let of = |name: &&str| {
        let entry = format!("name = \"{name}\"\nversion = \"");
        // The newest, where there are several.
        let version = LOCK.split(&entry).skip(1).last().and_then(|rest| rest.split('"').next());
        format!("{name} {}", version.unwrap_or("?"))
    };
    let names: Vec<_> = suite.contenders().flat_map(|contender| contender.crates).map(of).collect();
    names.join(", ")
}

fn line(suite: &Suite, row: &Row, outcomes: &[Outcome]) -> String {
    let cells: Vec<String> = outcomes
        .iter()
        .enumerate()
        .map(|(place, outcome)| cell(row, outcome, place == 0))
        .collect();
    let ours = value(&outcomes[0]);
    let best = best_peer(suite, outcomes);
    let (best_name, ratio) = match (best, ours) {
        (Some((name, value)), Some(ours)) if ours > 0.0 => (name, format!("{:.2}", value / ours)),
        (Some((name, _)), _) => (name, "–".into()),
        (None, _) => ("–", "–".into()),
    };
    let aim = row.aim.map_or("–".into(), |aim| aim.to_string());
    let must = must(suite, row, outcomes);
    let unit = unit(row.unit);
    format!(
        "| {} | {unit} | {} | {best_name} | {ratio} | {must} | {aim} |",
        row.name(),
        cells.join(" | ")
    )
}

fn value(outcome: &Outcome) -> Option<f64> {
    match outcome {
        Outcome::Found { value, .. } => Some(*value),
        Outcome::Absent | Outcome::Failed => None,
    }
}

fn best_peer(suite: &Suite, outcomes: &[Outcome]) -> Option<(&'static str, f64)> {
    let peers = suite.peers.iter().zip(&outcomes[1..]);
    let found = peers.filter_map(|(peer, outcome)| Some((peer.name, value(outcome)?)));
    found.min_by(|one, other| one.1.total_cmp(&other.1))
}

fn cell(row: &Row, outcome: &Outcome, is_subject: bool) -> String {
    match outcome {
        Outcome::Absent if is_subject => "not there yet".into(),
        Outcome::Absent => "–".into(),
        Outcome::Failed => "did not end".into(),
        Outcome::Found { value, spread, allocations } => {
            let time = format!("{} ±{:.0} %", digits(shown(row.unit, *value)), spread * 50.0);
            if row.counts_allocations { format!("{time} ({})", digits(*allocations)) } else { time }
        }
    }
}

/// The bar in words, and whether it is met.
fn must(suite: &Suite, row: &Row, outcomes: &[Outcome]) -> String {
    let ours = value(&outcomes[0]);
    let of = |name: &str| {
        let place = suite.contenders().position(|contender| contender.name == name)?;
        value(&outcomes[place])
    };
    let best = best_peer(suite, outcomes).map(|(_, value)| value);
    let reached = |factor: f64, peer: Option<f64>| Some(peer? / ours? >= factor);
    let (bar, met) = match row.must {
        Must::Free => return "–".into(),
        Must::Best(factor) => (format!("{factor} × best"), reached(factor, best)),
        Must::Peer(name, factor) => (format!("{factor} × {name}"), reached(factor, of(name))),
        Must::BestAnd(factor, name, by) => (
            format!("{factor} × best, {by} × {name}"),
            reached(factor, best).zip(reached(by, of(name))).map(|(one, other)| one && other),
        ),
        Must::AtMost(most) => (format!("≤ {most}"), ours.map(|ours| shown(row.unit, ours) <= most)),
    };
    match met {
        None => bar,
        Some(true) => format!("{bar}: met"),
        Some(false) => format!("{bar}: **missed**"),
    }
}

fn unit(unit: Unit) -> String {
    match unit {
        Unit::Nanos => "ns".into(),
        Unit::Micros => "us".into(),
        Unit::MillisOf(operations) => format!("ms, {operations}"),
        Unit::MicrosOf(operations) => format!("us, {operations}"),
        Unit::Bytes => "bytes".into(),
        Unit::ThousandsPerSecond => "k/s".into(),
        Unit::Percent => "%".into(),
    }
}

/// From nanoseconds for an operation to what the row shows.
fn shown(unit: Unit, value: f64) -> f64 {
    match unit {
        Unit::Nanos | Unit::Bytes | Unit::Percent => value,
        Unit::Micros => value / 1e3,
        Unit::MillisOf(operations) => value * f64::from(operations) / 1e6,
        Unit::MicrosOf(operations) => value * f64::from(operations) / 1e3,
        Unit::ThousandsPerSecond => 1e6 / value,
    }
}

/// Three that matter.
fn digits(value: f64) -> String {
    match value {
        value if value < 0.005 => "0".into(),
        value if value < 9.995 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}
