//! Coming back at intervals, and what to do about those that were missed.

#![forbid(unsafe_code)]

use super::sleep::{Slept, sleep_until};
use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, Instant};

/// What happens when a whole period or more has passed before a tick was asked for.
///
/// With a period of 10 and somebody who is busy from 10 to 35, ticks come at these moments:
///
/// ```text
/// Burst    0  10  35  35  40  50     20 and 30 are made up for at once
/// Delay    0  10  35  45  55  65     the schedule begins anew at the late one
/// Skip     0  10  35  40  50  60     30 is left out, and the schedule is kept
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MissedTicks {
    /// Missed ticks come at once, one after the other, until the schedule is caught up with.
    #[default]
    Burst,
    /// The next tick comes a period after the late one.
    Delay,
    /// The next tick comes at the next multiple of the period.
    Skip,
}

/// Ticks at intervals: made by [`interval`] and [`interval_at`]. It holds no timer between ticks
/// and may be moved.
#[derive(Debug)]
pub struct Interval {
    /// When the next tick is due; nothing before the first.
    due: Option<Instant>,
    period: Duration,
    missed_ticks: MissedTicks,
    missed: u64,
}

/// Ticks every `period`. The first tick comes at once when it is first asked for, and begins the
/// schedule.
///
/// # Panics
///
/// Where `period` is zero.
pub fn interval(period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an interval is not zero");
    Interval { due: None, period, missed_ticks: MissedTicks::default(), missed: 0 }
}

/// Ticks every `period` from `start` on, where the first tick comes.
///
/// # Panics
///
/// Where `period` is zero.
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    Interval { due: Some(start), ..interval(period) }
}

impl Interval {
    /// The same interval with another idea of what a missed tick is worth.
    #[must_use]
    pub fn with_missed_ticks(mut self, missed_ticks: MissedTicks) -> Self {
        self.missed_ticks = missed_ticks;
        self
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// How many ticks were left out so far ([`MissedTicks::Delay`] and [`MissedTicks::Skip`]).
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Begins anew: the next tick comes a period after `now`.
    pub fn reset(&mut self, now: Instant) {
        self.due = Some(now + self.period);
    }

    /// Waits for the next tick, and says when it was due.
    ///
    /// Cancel-safe: a tick that nobody waited for to the end is still there for the next call. The
    /// timer lies in the future that is returned here.
    ///
    /// # Panics
    ///
    /// When it is polled on a thread without timers: see [`super::enter`].
    pub async fn tick(&mut self) -> Instant {
        let timers = super::expect_current();
        let due = *self.due.get_or_insert_with(|| timers.clock().now());
        let mut sleep = pin!(sleep_until(due));
        let Slept { ended, .. } = poll_fn(|cx| sleep.as_mut().as_ref().poll_slept(cx)).await;
        self.plan(due, timers.clock().moment(ended));
        due
    }

    /// When the tick after the one at `due` comes, it being `now`.
    fn plan(&mut self, due: Instant, now: Instant) {
        let periods = now.saturating_duration_since(due).as_nanos() / self.period.as_nanos();
        let periods = u64::try_from(periods).unwrap_or(u64::MAX);
        let next = match self.missed_ticks {
            MissedTicks::Delay if periods > 0 => now + self.period,
            MissedTicks::Skip if periods > 0 => {
                let nanos = super::clock::saturated(self.period).saturating_mul(periods);
                due + Duration::from_nanos(nanos) + self.period
            }
            _ => due + self.period,
        };
        if self.missed_ticks != MissedTicks::Burst {
            self.missed = self.missed.saturating_add(periods);
        }
        self.due = Some(next);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "interval/tests.rs"]
mod tests;
