//! A process for each measurement, and what they found together.

use crate::contender::CONTENDERS;
use crate::measure::{Finding, median};
use crate::rows::{ROWS, Row};
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What to measure, and how thoroughly.
#[derive(Debug)]
pub struct Settings {
    pub processes: usize,
    pub budget_ms: u64,
    pub rows: Vec<&'static Row>,
}

impl Settings {
    pub fn from(arguments: &[&str]) -> Result<Self, String> {
        let mut settings = Self { processes: 5, budget_ms: 200, rows: Vec::new() };
        let mut wanted = Vec::new();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--quick" => (settings.processes, settings.budget_ms) = (3, 40),
                "--processes" => {
                    let count = arguments.next().and_then(|count| count.parse().ok());
                    settings.processes = count.ok_or("--processes wants a number")?;
                }
                option if option.starts_with('-') => return Err(format!("unknown: {option}")),
                part => wanted.push(part),
            }
        }
        let is_wanted =
            |row: &&Row| wanted.is_empty() || wanted.iter().any(|part| row.name().contains(part));
        settings.rows = ROWS.iter().filter(is_wanted).collect();
        if settings.rows.is_empty() || settings.processes == 0 {
            return Err("nothing to measure".into());
        }
        Ok(settings)
    }
}

/// What the processes of one row and one contender found.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The contender has nothing of the kind.
    Absent,
    /// It was there, and no process came to an end in time.
    Failed,
    Found {
        value: f64,
        /// From the least to the greatest of the processes, as a part of the median.
        spread: f64,
        allocations: f64,
    },
}

/// For each row, an outcome for each contender. Rounds go over all of it, so that a machine that
/// grows slow meanwhile is slow for all.
pub fn run(settings: &Settings) -> Vec<Vec<Outcome>> {
    let mut findings = vec![vec![Vec::new(); CONTENDERS.len()]; settings.rows.len()];
    for round in 1..=settings.processes {
        for (row, findings) in settings.rows.iter().zip(&mut findings) {
            eprint!("\r\x1b[Kround {round} of {}: {}", settings.processes, row.name());
            for (contender, findings) in CONTENDERS.iter().zip(findings) {
                if contender.run_of(row).is_some() {
                    findings.push(measure(row, contender.name, settings.budget_ms));
                }
            }
        }
    }
    eprintln!("\r\x1b[K");
    findings.iter().map(|row| row.iter().map(|found| summed_up(found)).collect()).collect()
}

fn summed_up(found: &[Option<Finding>]) -> Outcome {
    if found.is_empty() {
        return Outcome::Absent;
    }
    let mut values: Vec<f64> = found.iter().flatten().map(|finding| finding.value).collect();
    let mut allocations: Vec<f64> =
        found.iter().flatten().map(|finding| finding.allocations).collect();
    if values.is_empty() {
        return Outcome::Failed;
    }
    let value = median(&mut values);
    let spread = (values[values.len() - 1] - values[0]) / value;
    Outcome::Found { value, spread, allocations: median(&mut allocations) }
}

const PATIENCE: Duration = Duration::from_secs(20);

fn measure(row: &Row, contender: &str, budget_ms: u64) -> Option<Finding> {
    let myself = std::env::current_exe().expect("this program has a path");
    let mut child = Command::new(myself)
        .args(["--measure", &row.name(), contender, &budget_ms.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process can be started");
    let began = Instant::now();
    while child.try_wait().expect("the child is ours").is_none() {
        if began.elapsed() > PATIENCE {
            child.kill().expect("the child is ours");
            child.wait().expect("the child is ours");
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut line = String::new();
    child.stdout.take()?.read_to_string(&mut line).ok()?;
    let mut numbers = line.split_whitespace().map(str::parse);
    let (Some(Ok(value)), Some(Ok(allocations))) = (numbers.next(), numbers.next()) else {
        return None;
    };
    Some(Finding { value, allocations })
}
