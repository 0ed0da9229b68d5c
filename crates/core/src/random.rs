//! Random numbers for choices that only have to be fair or repeatable. Not for secrets.

#![forbid(unsafe_code)]

/// A small generator (SplitMix64, Steele, Lea and Flood 2014): the seed is the whole state.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    #[inline]
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, each as likely as the others to within `bound` in 2^64. Zero where
    /// `bound` is zero.
    #[inline]
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.next_u64() as u128 * bound as u128) >> 64) as u64
    }

    /// Every number below `end` once, in a circle from a random start.
    pub fn circle(&mut self, end: u32) -> impl Iterator<Item = u32> + use<> {
        let start = self.below(u64::from(end)) as u32;
        (start..end).chain(0..start)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn t4_a_thief_starts_anywhere_and_visits_everybody_once() {
        let mut random = Random::new(7);
        let mut starts = [0u32; 5];
        for _ in 0..5000 {
            let mut circle: Vec<_> = random.circle(5).collect();
            starts[circle[0] as usize] += 1;
            circle.sort_unstable();
            assert_eq!(circle, [0, 1, 2, 3, 4]);
        }
        assert!(starts.iter().all(|&count| (900..1100).contains(&count)), "{starts:?}");
    }

    #[test]
    fn nobody_is_below_zero() {
        assert_eq!(Random::new(1).below(0), 0);
        assert_eq!(Random::new(1).circle(0).count(), 0);
    }
}
