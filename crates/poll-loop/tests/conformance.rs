//! The behaviours that every driver shares, on the poll driver.

#[path = "../../core/tests/conformance/mod.rs"]
mod conformance;

use std::sync::Arc;
use wakering_core::Home;
use wakering_poll_loop::{PollConfig, PollDriver};

fn make(home: Arc<Home>) -> PollDriver {
    PollDriver::new(PollConfig::default(), home).expect("descriptors for a driver")
}

conformance::suite!(make);
