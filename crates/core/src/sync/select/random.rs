//! In which order a select asks its branches.

#![forbid(unsafe_code)]

use crate::random::Random;
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

thread_local! {
    /// `None` until it is used first.
    static RANDOM: Cell<Option<Random>> = const { Cell::new(None) };
}

/// Makes this thread's draws repeatable, for a test that prints its seed.
pub fn seed(seed: u64) {
    RANDOM.set(Some(Random::new(seed)));
}

/// A number below `bound`.
fn draw(bound: u64) -> u64 {
    let mut random = RANDOM.take().unwrap_or_else(|| Random::new(RandomState::new().hash_one(0)));
    let drawn = random.below(bound);
    RANDOM.set(Some(random));
    drawn
}

/// The numbers below `count`, each order equally often.
pub(super) fn order(count: usize) -> impl Iterator<Item = usize> {
    let mut left = if count == 64 { u64::MAX } else { (1 << count) - 1 };
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let mut candidates = left;
        for _ in 0..draw(u64::from(left.count_ones())) {
            candidates &= candidates - 1;
        }
        let chosen = candidates.trailing_zeros();
        left &= !(1 << chosen);
        Some(chosen as usize)
    })
}
