//! How models of whole schedulers are run.
//!
//! `WAKERING_SHUTTLE=20000` sets how many schedules each model gets. A failure prints its schedule,
//! which [`shuttle::replay`] takes.

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

fn schedules() -> usize {
    let set = std::env::var("WAKERING_SHUTTLE").ok();
    set.map_or(4_000, |set| set.parse().expect("WAKERING_SHUTTLE is a number"))
}

/// Half of the schedules at random, half with few switches at the worst places.
pub(crate) fn explore(model: fn()) {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    Runner::new(RandomScheduler::new(schedules() / 2), config.clone()).run(model);
    for depth in [2, 4] {
        Runner::new(PctScheduler::new(depth, schedules() / 4), config.clone()).run(model);
    }
}
