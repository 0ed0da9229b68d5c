//! The behaviours that every driver shares, on the poll driver.

#[path = "../../core/tests/conformance/mod.rs"]
mod conformance;

use std::sync::Arc;
use wakering_core::{Error, Home};
use wakering_poll_loop::{PollConfig, PollDriver};

fn make(home: Arc<Home>) -> Result<PollDriver, Error> {
    PollDriver::new(PollConfig::default(), home)
}

conformance::suite!(make);
