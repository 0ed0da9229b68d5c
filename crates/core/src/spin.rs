//! How long to look for an answer before going to sleep.
//!
//! A sleeper is woken in tens of microseconds where another CPU answers in one or two, so looking a
//! while is worth it as long as answers come: each look in vain halves the next, and after some of them
//! only every `TRY_AGAIN_AFTER`th turn looks at all.

#![forbid(unsafe_code)]

use crate::cpus;
use std::time::{Duration, Instant};

/// Shorter looks find nothing any more: an answer of a thread that is awake takes two to five.
const SPIN_NS_MIN: u64 = 8_000;
/// Turns between looks where they came to nothing.
const TRY_AGAIN_AFTER: u32 = 64;

/// See the module's text.
#[derive(Debug)]
pub struct Spin {
    max_ns: u64,
    budget_ns: u64,
    skipped: u32,
    /// Looks in which it came.
    pub hits: u64,
    /// Looks in vain.
    pub misses: u64,
    /// What those took.
    pub vain_ns: u64,
}

impl Spin {
    /// Looks of at most `max_ns`; none at all for zero, or where there is one CPU only: nobody else
    /// could run meanwhile.
    pub fn new(max_ns: u64) -> Self {
        let max_ns = if cpus() < 2 { 0 } else { max_ns };
        Self { max_ns, budget_ns: max_ns, skipped: 0, hits: 0, misses: 0, vain_ns: 0 }
    }

    /// Looks until `come` says yes or the budget is spent. Whether it came.
    pub fn until(&mut self, mut come: impl FnMut() -> bool) -> bool {
        if self.max_ns == 0 {
            return false;
        }
        if self.budget_ns < SPIN_NS_MIN {
            self.skipped += 1;
            if self.skipped < TRY_AGAIN_AFTER {
                return false;
            }
            self.skipped = 0;
            self.budget_ns = SPIN_NS_MIN;
        }
        let start = Instant::now();
        let budget = Duration::from_nanos(self.budget_ns);
        loop {
            for _ in 0..16 {
                if come() {
                    self.budget_ns = (self.budget_ns * 2).min(self.max_ns);
                    self.hits += 1;
                    return true;
                }
                std::hint::spin_loop();
            }
            let elapsed = start.elapsed();
            if elapsed >= budget {
                self.vain_ns += elapsed.as_nanos() as u64;
                self.budget_ns /= 2;
                self.misses += 1;
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::SPIN_NS_MAX;

    #[test]
    fn spinning_in_vain_stops_and_is_tried_again_later() {
        let mut spin = counted(SPIN_NS_MAX);
        for _ in 0..8 {
            assert!(!spin.until(|| false));
        }
        assert_eq!((spin.hits, spin.misses), (0, 3), "32, 16 and 8 us, then none");
        let mut looks = 0;
        for _ in 1..TRY_AGAIN_AFTER - 8 {
            spin.until(|| {
                looks += 1;
                false
            });
        }
        assert_eq!(looks, 0);
        for _ in 0..16 {
            spin.until(|| true);
        }
        assert_eq!(spin.budget_ns, SPIN_NS_MAX);
    }

    /// As on a machine of several CPUs.
    fn counted(max_ns: u64) -> Spin {
        Spin { max_ns, budget_ns: max_ns, skipped: 0, hits: 0, misses: 0, vain_ns: 0 }
    }

    #[test]
    fn a_thousand_turns_in_vain_cost_a_handful_of_looks() {
        let mut spin = counted(SPIN_NS_MAX);
        for _ in 0..1000 {
            assert!(!spin.until(|| false));
        }
        // Three until it stops, then the shortest one each 64 turns.
        assert_eq!((spin.hits, spin.misses), (0, 3 + 997 / u64::from(TRY_AGAIN_AFTER)));
    }

    #[test]
    fn a_ring_that_is_not_to_spin_does_not_look_once() {
        let mut spin = counted(0);
        assert!(!spin.until(|| unreachable!("it must not look")));
        assert_eq!((spin.hits, spin.misses), (0, 0));
    }
}
