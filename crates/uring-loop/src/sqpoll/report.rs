//! What an SQ thread does, for people and for metrics.

#![forbid(unsafe_code)]

use super::policy::{Decision, Route};
use std::time::Duration;
use wakering_core::scheduler::affinity::Warning;

/// An SQ thread and what steers it, at one moment. What the kernel does not tell is `None`.
#[derive(Clone, PartialEq, Debug)]
pub struct SqpollReport {
    /// Its thread id: its name is `iou-sqp-` and the id of the process.
    pub thread: Option<u32>,
    /// The CPU that it is bound to, or last ran on where it is bound to none.
    pub cpu: Option<u32>,
    /// Nothing can be kept off its CPU, because there is no other.
    pub warning: Option<Warning>,
    /// How many loops it serves.
    pub rings: usize,
    /// How new ops go.
    pub route: Route,
    /// How long it looks for work before it sleeps: the longest of all rings attached to it, keeper
    /// included. The kernel rounds up to whole ticks.
    pub idle_ms: u32,
    /// The part of a keeper ring in that.
    pub keeper_ms: Option<u32>,
    /// How often it went to sleep.
    pub sleeps: Option<u64>,
    /// How often a loop woke it, as far as loops have told.
    pub wakeups: u64,
    /// How long it was on a CPU, at work or looking for some.
    pub ran: Option<Duration>,
    /// How long it wanted its CPU and did not get it.
    pub waited: Option<Duration>,
    /// How long it carried something out (Linux 6.12).
    pub worked: Option<Duration>,
    /// The last decisions, the newest last.
    pub decisions: Vec<Decision>,
}

impl SqpollReport {
    /// The share of its time that was work, since it began.
    pub fn duty(&self) -> Option<f64> {
        let (ran, worked) = self.ran.zip(self.worked)?;
        (ran > Duration::ZERO).then(|| (worked.as_secs_f64() / ran.as_secs_f64()).min(1.0))
    }
}

impl std::fmt::Display for SqpollReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = |number: Option<u64>| number.map_or("?".into(), |number| number.to_string());
        write!(
            f,
            "SQ thread {} on CPU {}: {} rings, {:?}, idle {} ms, {} sleeps, {} wakeups, duty {}",
            number(self.thread.map(u64::from)),
            number(self.cpu.map(u64::from)),
            self.rings,
            self.route,
            self.idle_ms,
            number(self.sleeps),
            self.wakeups,
            self.duty().map_or("?".into(), |duty| format!("{:.1} %", duty * 100.0)),
        )?;
        self.decisions.iter().try_for_each(|decision| write!(f, "\n  {decision}"))
    }
}
