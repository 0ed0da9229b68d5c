//! The behaviours that every driver shares, on a ring on a thread that waits elsewhere.

#[path = "../../core/tests/conformance/mod.rs"]
mod conformance;

use std::sync::Arc;
use wakering_core::Home;
use wakering_uring_loop::{Refused, UringConfig, UringDriver};

fn make(home: Arc<Home>) -> Result<UringDriver, Refused> {
    UringDriver::new(UringConfig::inline(home.slab.len()), home)
}

conformance::suite!(make);
