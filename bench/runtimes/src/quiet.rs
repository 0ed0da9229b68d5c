//! Whether the machine is quiet.
//!
//! The CPUs of a rented machine share their cores with neighbours: for ten or a hundred
//! milliseconds everything takes half as long again, and then it does not. A few microseconds of
//! arithmetic that never changes tell which of the two it is. What one thread does by itself is
//! then told by the quiet moments alone. What several threads do together has good and bad luck of
//! its own, and is told by all moments.

use std::hint::black_box;
use std::time::Instant;

const ROUNDS: u64 = 4_000;
/// What is slower than the best moment by more than this is not quiet.
const TOLERANCE: f64 = 1.12;

/// Nanoseconds of some arithmetic that keeps all of a core's units busy.
pub fn probe() -> f64 {
    let began = Instant::now();
    let (mut a, mut b, mut c, mut d) = (1u64, 2u64, 3u64, 4u64);
    for round in 0..ROUNDS {
        a ^= round;
        b = b.wrapping_add(round);
        c = c.rotate_left(1) ^ round;
        d = d.wrapping_sub(round ^ b);
        a = a.wrapping_add(c);
        black_box((a, b, c, d));
    }
    began.elapsed().as_nanos() as f64
}

/// Those of the values whose probe is near the best of all probes.
pub fn of_quiet_moments<T: Copy>(values: &[(T, f64)]) -> Vec<T> {
    let best = best_probe(values);
    let quiet = values.iter().filter(|(_, probe)| is_quiet(*probe, best));
    quiet.map(|(value, _)| *value).collect()
}

pub fn is_quiet(probe: f64, best: f64) -> bool {
    probe <= best * TOLERANCE
}

pub fn best_probe<T>(values: &[(T, f64)]) -> f64 {
    values.iter().map(|(_, probe)| *probe).fold(f64::MAX, f64::min)
}
