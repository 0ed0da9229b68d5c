//! One measurement in this process: warm up, time, then count allocations.

use crate::counting;
use std::time::{Duration, Instant};

/// What a process found out.
#[derive(Clone, Copy, Debug)]
pub struct Finding {
    /// Nanoseconds for an operation, the median of the iterations. Or bytes, for memory.
    pub value: f64,
    /// Heap allocations for an operation.
    pub allocations: f64,
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
    times: Vec<f64>,
    allocations: u64,
}

impl Phases {
    fn new(budget: Duration, operations: u64) -> Self {
        let warm_up = Phase::WarmUp { until: Instant::now() + budget / 4, left: 2 };
        Self {
            budget,
            operations,
            phase: warm_up,
            times: Vec::with_capacity(1 << 16),
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
                self.times.push(took.as_nanos() as f64 / self.operations as f64);
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

    fn finding(mut self) -> Finding {
        let allocations = self.allocations as f64 / (ITERATIONS_COUNTED * self.operations) as f64;
        Finding { value: median(&mut self.times), allocations }
    }
}

/// The middle one; of an even number the upper one of the two.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Measure {
    pub fn new(budget: Duration, workers: usize) -> Self {
        Self { budget, workers, finding: None }
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
        self.finding = Some(Finding { value, allocations });
    }

    /// Measures an iteration of so many operations.
    pub fn run(&mut self, operations: u64, mut iteration: impl FnMut()) {
        let mut phases = Phases::new(self.budget, operations);
        while !phases.over() {
            let began = Instant::now();
            iteration();
            phases.note(began.elapsed());
        }
        self.finding = Some(phases.finding());
    }

    /// [`Measure::run`] inside a runtime.
    pub async fn run_async(&mut self, operations: u64, mut iteration: impl AsyncFnMut()) {
        self.run_async_timed(operations, async || {
            let began = Instant::now();
            iteration().await;
            began.elapsed()
        })
        .await;
    }

    /// The same where the iteration says itself what of it counts.
    pub async fn run_async_timed(
        &mut self,
        operations: u64,
        mut iteration: impl AsyncFnMut() -> Duration,
    ) {
        let mut phases = Phases::new(self.budget, operations);
        while !phases.over() {
            let took = iteration().await;
            phases.note(took);
        }
        self.finding = Some(phases.finding());
    }
}
