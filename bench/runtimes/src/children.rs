//! A process for each measurement, and what they found together.

use crate::measure::{Finding, median};
use crate::quiet;
use crate::row::Row;
use crate::suites::Suite;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What to measure, and how thoroughly.
pub struct Settings {
    pub suite: &'static Suite,
    pub processes: usize,
    pub budget_ms: u64,
    pub rows: Vec<&'static Row>,
    /// Whether the suite's appendix is wanted too.
    pub appendix: bool,
    /// Whether the names are all that is wanted.
    pub lists: bool,
}

impl Settings {
    pub fn from(arguments: &[&str]) -> Result<Self, String> {
        let (suite, arguments) = arguments.split_first().ok_or("which suite?")?;
        let suite = Suite::named(suite).ok_or(format!("no such suite: {suite}"))?;
        let (mut processes, mut budget_ms, mut lists) = (7, 200, false);
        let mut wanted = Vec::new();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--quick" => (processes, budget_ms) = (3, 50),
                "--list" => lists = true,
                "--processes" => {
                    let count = arguments.next().and_then(|count| count.parse().ok());
                    processes = count.ok_or("--processes wants a number")?;
                }
                option if option.starts_with('-') => return Err(format!("unknown: {option}")),
                part => wanted.push(part),
            }
        }
        let is_wanted =
            |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part));
        let rows: Vec<_> = suite.rows.iter().filter(|row| is_wanted(&row.name())).collect();
        let appendix = suite.appendix.is_some_and(|(name, _)| is_wanted(name));
        if processes == 0 || (rows.is_empty() && !appendix) {
            return Err("nothing to measure".into());
        }
        Ok(Self { suite, processes, budget_ms, rows, appendix, lists })
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
        /// How far apart the middle half of the processes lies, as a part of the median.
        spread: f64,
        allocations: f64,
    },
}

/// For each row, an outcome for each contender. Rounds go over all of it, so that a machine that
/// grows slow meanwhile is slow for all.
pub fn run(settings: &Settings) -> Vec<Vec<Outcome>> {
    let suite = settings.suite;
    let mut findings = vec![vec![Vec::new(); suite.contenders().count()]; settings.rows.len()];
    let mut best_probe = f64::MAX;
    for round in 1..=settings.processes {
        for (row, findings) in settings.rows.iter().zip(&mut findings) {
            eprint!("\r\x1b[Kround {round} of {}: {}", settings.processes, row.name());
            for (contender, findings) in suite.contenders().zip(findings) {
                if contender.run_of(row).is_none() {
                    continue;
                }
                // Several threads have their luck from process to process, not from moment to
                // moment: more and shorter ones.
                let processes = if row.workers > 0 { 3 } else { 1 };
                let budget_ms = settings.budget_ms / processes;
                for _ in 0..processes {
                    let asked = Asked { suite, row, contender: contender.name, budget_ms };
                    findings.push(asked.measure_quietly(&mut best_probe));
                }
            }
        }
    }
    eprintln!("\r\x1b[K");
    let sum_up = |found: &Vec<Option<Finding>>| summed_up(found, best_probe);
    findings.iter().map(|row| row.iter().map(sum_up).collect()).collect()
}

fn summed_up(found: &[Option<Finding>], best_probe: f64) -> Outcome {
    if found.is_empty() {
        return Outcome::Absent;
    }
    let found: Vec<Finding> = found.iter().flatten().copied().collect();
    let mut quiet = found.clone();
    quiet.retain(|finding| quiet::is_quiet(finding.probe, best_probe));
    if quiet.is_empty() {
        // It never was: better than nothing.
        quiet = found;
    }
    if quiet.is_empty() {
        return Outcome::Failed;
    }
    let mut values: Vec<f64> = quiet.iter().map(|finding| finding.value).collect();
    values.sort_by(f64::total_cmp);
    let quarter = values.len() / 4;
    let middle_half = values[values.len() - 1 - quarter] - values[quarter];
    let value = median(values);
    let allocations = median(quiet.iter().map(|finding| finding.allocations).collect());
    let spread = if middle_half > 0.0 { middle_half / value } else { 0.0 };
    Outcome::Found { value, spread, allocations }
}

const TRIES: usize = 4;
const PATIENCE: Duration = Duration::from_secs(20);

/// What a child process is asked to measure.
struct Asked<'a> {
    suite: &'a Suite,
    row: &'a Row,
    contender: &'a str,
    budget_ms: u64,
}

impl Asked<'_> {
    /// Measures again where the machine was not quiet, a few times.
    fn measure_quietly(&self, best_probe: &mut f64) -> Option<Finding> {
        let mut finding = None;
        for _ in 0..TRIES {
            finding = self.measure();
            let Some(Finding { probe, .. }) = finding else { break };
            if probe > 0.0 {
                *best_probe = best_probe.min(probe);
            }
            if quiet::is_quiet(probe, *best_probe) {
                break;
            }
        }
        finding
    }

    fn measure(&self) -> Option<Finding> {
        let myself = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(myself)
            .args(["--measure", self.suite.name, &self.row.name(), self.contender])
            .arg(self.budget_ms.to_string())
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
        let mut next = || numbers.next()?.ok();
        Some(Finding { value: next()?, allocations: next()?, probe: next()? })
    }
}
