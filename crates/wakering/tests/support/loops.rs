//! One loop of each personality: a ring in its plain form, one that answers when it is asked (DEFER), one over
//! an SQ thread, and none.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;
use wakering_core::scheduler::{LocalOptions, LocalScheduler, Loop};
use wakering_core::{Driver, Home};
use wakering_poll_loop::{PollConfig, PollDriver};
use wakering_uring_loop::{Sqpoll, UringConfig, UringDriver};

const SLOTS: u32 = 256;

/// Each that is to be had here, with its name.
pub(crate) fn loops() -> Vec<(&'static str, LocalScheduler)> {
    let sqpoll = Sqpoll { cpu: None, idle_ms: 10, share: None };
    let rings = [
        ("plain", UringConfig::inline(SLOTS)),
        ("DEFER", UringConfig::worker(SLOTS)),
        ("SQPOLL", UringConfig::worker(SLOTS).with_sqpoll(sqpoll)),
    ];
    let mut found: Vec<_> =
        rings.into_iter().filter_map(|(name, config)| ring(name, config)).collect();
    let home = Arc::new(Home::new(SLOTS).unwrap());
    let poll = PollDriver::new(PollConfig::default(), home.clone()).unwrap();
    found.push(("poll", scheduler(Box::new(poll), home)));
    found
}

#[allow(clippy::print_stderr, reason = "what is skipped is printed with its reason")]
fn ring(name: &'static str, config: UringConfig) -> Option<(&'static str, LocalScheduler)> {
    let home = Arc::new(Home::new(SLOTS).unwrap());
    match UringDriver::new(config, home.clone()) {
        Ok(ring) => Some((name, scheduler(Box::new(ring), home))),
        Err(refused) => {
            eprintln!("SKIP: {name}: {refused:?}");
            None
        }
    }
}

fn scheduler(driver: Box<dyn Driver>, home: Arc<Home>) -> LocalScheduler {
    // SAFETY: new, and only looked at beside the driver.
    let made = unsafe { Loop::new(driver, home) };
    LocalOptions::new().with_loop(made, 16).build().unwrap()
}
