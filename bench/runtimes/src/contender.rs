//! Who takes part in a suite, and which rows each of them knows.

use crate::measure::Measure;
use crate::row::Row;
use crate::suites::Suite;
use std::time::Duration;

/// Measures one row.
pub type Run = fn(&mut Measure);

/// A runtime and what it can be measured at, by the names of the rows.
pub struct Contender {
    pub name: &'static str,
    pub crates: &'static [&'static str],
    pub cells: fn() -> Vec<(&'static str, Run)>,
}

impl Contender {
    pub fn run_of(&self, row: &Row) -> Option<Run> {
        (self.cells)().into_iter().find(|(name, _)| *name == row.bench).map(|(_, run)| run)
    }
}

/// What a child process does: one row of one contender, told on one line of the standard output.
pub fn measure_here(suite: &str, row: &str, contender: &str, budget_ms: &str) -> ! {
    let suite = Suite::named(suite).expect("a suite's name");
    let row = suite.rows.iter().find(|known| known.name() == row).expect("a row's name");
    let contender = suite.contenders().find(|known| known.name == contender).expect("a contender");
    let run = contender.run_of(row).expect("the contender knows the row");
    let budget = Duration::from_millis(budget_ms.parse().expect("milliseconds"));
    let mut measure = Measure::new(budget, row.workers);
    run(&mut measure);
    tell_and_leave(&measure)
}

/// Ends the child process; some contenders' threads and tasks never end by themselves.
pub fn tell_and_leave(measure: &Measure) -> ! {
    let finding = measure.finding().expect("the row measures something");
    println!("{} {} {}", finding.value, finding.allocations, finding.probe);
    std::process::exit(0);
}
