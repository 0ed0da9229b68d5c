//! What each idle time would have cost over the recent pauses.
//!
//! A pause of `g` ms costs an SQ thread that stays awake for it `g` ms of CPU; one that falls asleep
//! costs its idle time and the price of being woken:
//!
//! ```text
//! cost(idle) = sum over pauses: g                where it stays awake for g
//!                               idle + price     where it does not
//! ```
//!
//! Which of the few [`STEPS`] is best needs no list of pauses: how many fell between two steps, and how
//! long they were together, is enough. Both fade, so that the past is forgotten.

#![forbid(unsafe_code)]

/// The idle times to choose from, in milliseconds. The first is what rings are made with, the others
/// take a keeper ring.
pub const STEPS: [u32; 6] = [4, 10, 30, 100, 300, 1000];

/// What is left of the past at each pause.
const FADE: f64 = 15.0 / 16.0;

/// See the module's text. Pauses shorter than the first step do not count: they cost the same
/// whatever the idle time.
#[derive(Clone, Debug)]
pub(crate) struct Pauses {
    tick_ms: u32,
    /// Between the step before and this one; the last are those longer than any step.
    count: [f64; STEPS.len() + 1],
    sum_ms: [f64; STEPS.len() + 1],
    /// What the ops between them would have cost more with a keeper attached.
    keeper_ms: f64,
}

impl Pauses {
    pub(crate) fn new(tick_ms: u32) -> Self {
        let none = [0.0; STEPS.len() + 1];
        Self { tick_ms, count: none, sum_ms: none, keeper_ms: 0.0 }
    }

    /// The longest pause for which a thread of this idle time stays awake. The kernel counts in whole
    /// ticks, rounded up.
    pub(crate) fn bridged_ms(&self, idle_ms: u32) -> u32 {
        idle_ms.div_ceil(self.tick_ms) * self.tick_ms
    }

    /// How long it looks before it sleeps: it notices in the tick after the last.
    pub(crate) fn looked_ms(&self, idle_ms: u32) -> f64 {
        f64::from(self.bridged_ms(idle_ms)) + f64::from(self.tick_ms) / 2.0
    }

    /// Whether nothing came for so long that a thread of the shortest idle time falls asleep.
    pub(crate) fn is_pause(&self, gap_ms: u32) -> bool {
        gap_ms > self.bridged_ms(STEPS[0])
    }

    pub(crate) fn add(&mut self, gap_ms: u32) {
        let Self { count, sum_ms, keeper_ms, .. } = self;
        count.iter_mut().chain(sum_ms).for_each(|number| *number *= FADE);
        *keeper_ms *= FADE;
        let step = STEPS.iter().position(|&step| gap_ms <= self.bridged_ms(step));
        let step = step.unwrap_or(STEPS.len());
        self.count[step] += 1.0;
        self.sum_ms[step] += f64::from(gap_ms);
    }

    /// What a keeper would have cost since the last pause.
    pub(crate) fn add_keeper_cost(&mut self, cost_ms: f64) {
        self.keeper_ms += cost_ms;
    }

    /// How many there were, the older ones counting less.
    pub(crate) fn seen(&self) -> f64 {
        self.count.iter().sum()
    }

    /// What the pauses would have cost at `STEPS[step]`, in milliseconds of CPU, with `price_ms` for
    /// each wake. An idle time under `floor_ms` cannot be had: another ring has that one.
    pub(crate) fn cost_ms(&self, step: usize, price_ms: f64, floor_ms: u32) -> f64 {
        let idle_ms = STEPS[step].max(floor_ms);
        let awake = STEPS.iter().filter(|&&step| step <= idle_ms).count();
        let stayed: f64 = self.sum_ms[..awake].iter().sum();
        let slept: f64 = self.count[awake..].iter().sum();
        let keeper = if step > 0 && STEPS[step] > floor_ms { self.keeper_ms } else { 0.0 };
        stayed + slept * (self.looked_ms(idle_ms) + price_ms) + keeper
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(pauses: &[u32], price_ms: f64) -> u32 {
        let mut seen = Pauses::new(4);
        pauses.iter().for_each(|&gap| seen.add(gap));
        let costs = (0..STEPS.len()).map(|step| seen.cost_ms(step, price_ms, 0));
        let best = costs.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
        STEPS[best]
    }

    #[test]
    fn pauses_that_cost_more_than_a_wake_are_slept_through() {
        assert_eq!(best(&[48; 20], 10.0), 4);
        assert_eq!(best(&[1000; 3], 500.0), 4);
    }

    #[test]
    fn shorter_ones_are_bridged_by_the_step_that_just_reaches_them() {
        assert_eq!(best(&[8; 20], 10.0), 10);
        assert_eq!(best(&[28; 20], 100.0), 30);
        assert_eq!(best(&[40; 20], 100.0), 100);
        assert_eq!(best(&[900; 20], 2000.0), 1000);
    }

    #[test]
    fn the_idle_time_is_chosen_for_the_mix() {
        // Nine short pauses are worth bridging although the tenth is slept through.
        let mostly_short: Vec<u32> = (0..40).map(|n| if n % 10 == 0 { 500 } else { 8 }).collect();
        assert_eq!(best(&mostly_short, 20.0), 10);
        let mostly_long: Vec<u32> = (0..40).map(|n| if n % 10 == 0 { 8 } else { 500 }).collect();
        assert_eq!(best(&mostly_long, 20.0), 4);
    }

    #[test]
    fn the_past_is_forgotten() {
        let mut pauses = vec![8; 1000];
        pauses.extend([48; 24]);
        assert_eq!(best(&pauses, 10.0), 4);
    }

    #[test]
    fn a_keeper_that_costs_more_than_it_saves_is_not_taken() {
        let mut seen = Pauses::new(4);
        for _ in 0..20 {
            seen.add(8);
            seen.add_keeper_cost(20.0);
        }
        assert!(seen.cost_ms(0, 10.0, 0) < seen.cost_ms(1, 10.0, 0));
        // Where another ring has that idle time anyway, there is nothing to decide.
        assert!((seen.cost_ms(0, 10.0, 50) - seen.cost_ms(2, 10.0, 50)).abs() < 1e-9);
    }

    #[test]
    fn idle_times_are_whole_ticks() {
        let seen = Pauses::new(4);
        assert_eq!((seen.bridged_ms(10), seen.bridged_ms(4)), (12, 4));
        assert!(seen.is_pause(8) && !seen.is_pause(4));
    }
}
