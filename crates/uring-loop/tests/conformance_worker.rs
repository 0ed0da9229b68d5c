//! The behaviours that every driver shares, on a ring on a thread of its own.

#[path = "../../core/tests/conformance/mod.rs"]
mod conformance;

use std::sync::Arc;
use wakering_core::Home;
use wakering_uring_loop::{Refused, UringConfig, UringDriver};

fn make(home: Arc<Home>) -> Result<UringDriver, Refused> {
    UringDriver::new(UringConfig::worker(home.slab.len()), home)
}

conformance::suite!(make);
