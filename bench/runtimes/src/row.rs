//! What a row of the table is.

/// How a row's number is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Nanoseconds for an operation.
    Nanos,
    /// Microseconds for an operation.
    Micros,
    /// Milliseconds for a run of so many operations.
    MillisOf(u32),
    /// Microseconds for a run of so many operations.
    MicrosOf(u32),
    Bytes,
    /// Thousands of operations a second: of all numbers the one where more is better.
    ThousandsPerSecond,
    Percent,
}

/// What the subject must reach. Factors are the peer's number by ours.
#[derive(Clone, Copy, Debug)]
pub enum Must {
    /// So many times as good as the best peer.
    Best(f64),
    /// So many times as good as the best peer, and as this one.
    BestAnd(f64, &'static str, f64),
    /// So many times as good as this one.
    Peer(&'static str, f64),
    /// At most so much, in the row's unit.
    AtMost(f64),
    /// Nothing is asked.
    Free,
}

#[derive(Debug)]
pub struct Row {
    title: &'static str,
    /// The definition that it runs.
    pub bench: &'static str,
    /// Worker threads, for definitions of many threads; none for the others.
    pub workers: usize,
    pub unit: Unit,
    pub must: Must,
    /// The number that we aim for, in the row's unit.
    pub aim: Option<f64>,
    /// Whether allocations are the operation's own. They are not where other tasks run beside it.
    pub counts_allocations: bool,
}

impl Row {
    pub fn name(&self) -> String {
        match self.workers {
            0 => self.title.into(),
            workers => format!("{}, {workers} workers", self.title),
        }
    }

    pub const fn new(title: &'static str, bench: &'static str, unit: Unit, must: Must) -> Self {
        Self { title, bench, workers: 0, unit, must, aim: None, counts_allocations: true }
    }

    pub const fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    pub const fn beside_others(mut self) -> Self {
        self.counts_allocations = false;
        self
    }

    pub const fn aim(mut self, aim: f64) -> Self {
        self.aim = Some(aim);
        self
    }
}
