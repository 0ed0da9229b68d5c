//! In which order a select asks its branches.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

thread_local! {
    /// 0 until it is used first.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// Makes this thread's draws repeatable, for a test that prints its seed.
pub fn seed(seed: u64) {
    // Any state but 0 will do.
    STATE.set(seed | 1 << 63);
}

/// The next number of a generator that is quick and good enough for fairness (xorshift64*).
fn next() -> u64 {
    let mut state = STATE.get();
    if state == 0 {
        state = RandomState::new().hash_one(0) | 1;
    }
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    STATE.set(state);
    state.wrapping_mul(0x2545_F491_4F6C_DD1D)
}

/// The numbers below `count`, each order equally often.
pub(super) fn order(count: usize) -> impl Iterator<Item = usize> {
    let mut left = if count == 64 { u64::MAX } else { (1 << count) - 1 };
    std::iter::from_fn(move || {
        let among = u64::from(left.count_ones());
        if among == 0 {
            return None;
        }
        // The upper bits are the good ones; the bias of this scaling is below 2^-50.
        let skip = (u128::from(next()) * u128::from(among)) >> 64;
        let mut candidates = left;
        for _ in 0..skip {
            candidates &= candidates - 1;
        }
        let chosen = candidates.trailing_zeros();
        left &= !(1 << chosen);
        Some(chosen as usize)
    })
}
