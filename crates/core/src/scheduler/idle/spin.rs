//! How long a thread looks for work before it sleeps.
//!
//! ```text
//!   spins for `limit` ──1 work within SHORT──► limit = 2 × the gap, at most LIMIT_MAX
//!        │      ▲
//!        │      └──────2 work within SHORT of the start of a sleep──┐
//!        └─3 nothing within SHORT──► limit / 2, below LIMIT_MIN: 0 ─┴► sleeps at once
//! ```
//!
//! To wake a sleeping core costs 40 to 56 us, so a look of that length wastes as much as a sleep
//! would have, at the worst. Gaps that are longer halve the look each time: after six of them a
//! thread does not look any more, and costs nothing while it is idle.
//!
//! After the first looks it offers its CPU to others before each (0.3 us where nobody wants it): who brings
//! the work may be waiting for this very CPU. Where busy workers share two CPUs with a thread that spawns
//! and joins, that makes joins three to five times as fast: the joiner does not interrupt at each
//! task that it waits for.

#![forbid(unsafe_code)]

use crate::loom::{MODEL, spin_loop, yield_now};
use std::time::{Duration, Instant};

/// The longest look.
pub(super) const LIMIT_MAX: Duration = Duration::from_micros(50);
/// A look that is shorter than this is none.
pub(super) const LIMIT_MIN: Duration = Duration::from_micros(2);
/// A gap after which a look would have been right: [`LIMIT_MAX`], and as long again for the wake
/// that the gap of a sleeper includes.
pub(super) const SHORT: Duration = Duration::from_micros(100);

/// So long it keeps the CPU for itself: an answer of a thread that is awake takes less.
const ALONE: Duration = Duration::from_micros(2);
/// Pauses between two looks meanwhile: about 100 ns with the clock.
const PAUSES: usize = 4;

/// A thread's own policy. See the module's text.
#[derive(Clone, Copy, Debug)]
pub struct Spin {
    limit: Duration,
    /// There is a second CPU on which what is waited for can happen.
    useful: bool,
}

/// One search: from the moment when nothing was found.
#[derive(Debug)]
pub struct Look {
    pub(super) began: Instant,
    limit: Duration,
}

impl Spin {
    /// A policy that has learned nothing yet. With one CPU it never spins.
    pub const fn new(cpus: usize) -> Self {
        // In a model there is no time.
        let useful = cpus > 1 && !MODEL;
        Self { limit: if useful { LIMIT_MAX } else { Duration::ZERO }, useful }
    }

    /// How long the next look will be.
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// The worker has found nothing at `now`.
    pub const fn start(&self, now: Instant) -> Look {
        Look { began: now, limit: self.limit }
    }

    /// There is work, at `now`: in the look itself (1), or after the sleep that followed (2, 3).
    pub fn learn(&mut self, look: &Look, now: Instant) {
        let gap = now.saturating_duration_since(look.began);
        self.limit = if !self.useful {
            Duration::ZERO
        } else if gap <= SHORT {
            (2 * gap).clamp(LIMIT_MIN, LIMIT_MAX)
        } else if self.limit >= 2 * LIMIT_MIN {
            self.limit / 2
        } else {
            Duration::ZERO
        };
    }
}

impl Look {
    /// Looks until `come` says yes or the look is over. Whether it came.
    pub fn until(&self, come: impl Fn() -> bool) -> bool {
        loop {
            if come() {
                return true;
            }
            if !self.pause() {
                return false;
            }
        }
    }

    /// Pauses a little. False once the look is over: then sleep.
    pub fn pause(&self) -> bool {
        if self.limit.is_zero() {
            return false;
        }
        let elapsed = self.began.elapsed();
        if elapsed < ALONE {
            (0..PAUSES).for_each(|_| spin_loop());
        } else {
            yield_now();
        }
        elapsed < self.limit
    }
}
