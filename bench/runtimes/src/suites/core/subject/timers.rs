//! Timers of one thread, in its own tasks.

use super::one::One;
use crate::contender::Run;
use crate::suites::core::rows::{self, StartTimer};
use std::time::Duration;
use wakering_core::time;

pub fn cells() -> Vec<(&'static str, Run)> {
    rows::timer_cells::<One, One>()
}

impl StartTimer for One {
    fn sleep(duration: Duration) -> impl Future + 'static {
        time::sleep(duration)
    }
}
