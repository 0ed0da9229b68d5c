//! One measurement in this process: warm up, time, then count allocations.

use crate::{counting, quiet};
use std::time::{Duration, Instant};

/// What a process found out.
#[derive(Clone, Copy, Debug)]
pub struct Finding {
    /// Nanoseconds for an operation. Or bytes, for memory.
    pub value: f64,
    /// Heap allocations for an operation.
    pub allocations: f64,
    /// How quiet the machine was at its best moment; nothing where that does not matter.
    pub probe: f64,
}

/// How long to measure, and what came of it.
#[derive(Debug)]
pub struct Measure {
    budget: Duration,
    workers: usize,
    finding: Option<Finding>,
}

const ITERATIONS_MIN: usize = 5;
const ITERATIONS_COUNTED: u64 = 5;

/// Where an iteration belongs.
enum Phase {
    WarmUp { until: Instant, left: usize },
    Timed { until: Instant, left: usize },
    Counted { left: u64 },
    Over,
}

/// The phases of one measurement, told after each iteration.
struct Phases {
    budget: Duration,
    operations: u64,
    phase: Phase,
    /// Each with what the probe after it said.
    times: Vec<(f64, f64)>,
    probes: bool,
    allocations: u64,
}

impl Phases {
    fn new(budget: Duration, operations: u64, probes: bool) -> Self {
        let warm_up = Phase::WarmUp { until: Instant::now() + budget / 4, left: 2 };
        Self {
            budget,
            operations,
            phase: warm_up,
            times: Vec::with_capacity(1 << 16),
            probes,
            allocations: 0,
        }
    }

    fn over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    fn note(&mut self, took: Duration) {
        let now = Instant::now();
        match &mut self.phase {
            Phase::WarmUp { until, left } => {
                *left = left.saturating_sub(1);
                if *left == 0 && now >= *until {
                    self.phase = Phase::Timed { until: now + self.budget, left: ITERATIONS_MIN };
                }
            }
            Phase::Timed { until, left } => {
                let time = took.as_nanos() as f64 / self.operations as f64;
                self.times.push((time, if self.probes { quiet::probe() } else { 0.0 }));
                *left = left.saturating_sub(1);
                let full = self.times.len() == self.times.capacity();
                if (*left == 0 && now >= *until) || full {
                    self.phase = Phase::Counted { left: ITERATIONS_COUNTED };
                    counting::start();
                }
            }
            Phase::Counted { left } => {
                *left -= 1;
                if *left == 0 {
                    self.allocations = counting::stop();
                    self.phase = Phase::Over;
                }
            }
            Phase::Over => {}
        }
    }

    fn finding(self) -> Finding {
        let allocations = self.allocations as f64 / (ITERATIONS_COUNTED * self.operations) as f64;
        let probe = quiet::best_probe(&self.times);
        Finding { value: median(quiet::of_quiet_moments(&self.times)), allocations, probe }
    }
}

/// The middle one; of an even number the upper one of the two.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Measure {
    pub fn new(budget: Duration, workers: usize) -> Self {
        Self { budget, workers, finding: None }
    }

    /// How long to measure.
    pub fn budget(&self) -> Duration {
        self.budget
    }

    /// How many workers the row wants.
    pub fn workers(&self) -> usize {
        self.workers
    }

    pub fn finding(&self) -> Option<Finding> {
        self.finding
    }

    /// For what is not a time.
    pub fn found(&mut self, value: f64, allocations: f64) {
        self.finding = Some(Finding { value, allocations, probe: 0.0 });
    }

    /// Measures an iteration of so many operations: what several threads do together.
    pub fn run(&mut self, operations: u64, mut iteration: impl FnMut()) {
        let mut phases = Phases::new(self.budget, operations, false);
        while !phases.over() {
            let began = Instant::now();
            iteration();
            phases.note(began.elapsed());
        }
        self.finding = Some(phases.finding());
    }

    /// The same inside a runtime of one thread, which does it by itself.
    pub async fn run_async(&mut self, operations: u64, mut iteration: impl AsyncFnMut()) {
        let mut phases = Phases::new(self.budget, operations, true);
        while !phases.over() {
            let began = Instant::now();
            iteration().await;
            phases.note(began.elapsed());
        }
        self.finding = Some(phases.finding());
    }

    /// The same where others take part, and the iteration says itself what of it counts.
    pub async fn run_async_timed(
        &mut self,
        operations: u64,
        mut iteration: impl AsyncFnMut() -> Duration,
    ) {
        let mut phases = Phases::new(self.budget, operations, false);
        while !phases.over() {
            let took = iteration().await;
            phases.note(took);
        }
        self.finding = Some(phases.finding());
    }
}
