//! Random numbers for choices that only have to be fair: where a thief starts to look.

#![forbid(unsafe_code)]

/// A generator of 64 bits of state (an additive Weyl sequence, mixed by two multiplications). Not
/// for secrets.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The same seed gives the same numbers.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number.
    #[inline]
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, each as likely as the others to within 2^-32. Zero where `end` is zero.
    #[inline]
    pub const fn below(&mut self, end: u32) -> u32 {
        let high = self.next_u64() >> 32;
        ((high * end as u64) >> 32) as u32
    }

    /// Every number below `end` once, in a circle from a random start.
    pub fn circle(&mut self, end: u32) -> impl Iterator<Item = u32> + use<> {
        let start = self.below(end);
        (start..end).chain(0..start)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn t4_a_thief_starts_anywhere_and_visits_everybody_once() {
        let mut rng = Rng::new(7);
        let mut starts = [0u32; 5];
        for _ in 0..5000 {
            let mut circle: Vec<_> = rng.circle(5).collect();
            starts[circle[0] as usize] += 1;
            circle.sort_unstable();
            assert_eq!(circle, [0, 1, 2, 3, 4]);
        }
        assert!(starts.iter().all(|&count| (900..1100).contains(&count)), "{starts:?}");
    }

    #[test]
    fn nobody_is_below_zero() {
        assert_eq!(Rng::new(1).below(0), 0);
        assert_eq!(Rng::new(1).circle(0).count(), 0);
    }
}
