//! The behaviours that every driver shares, on a ring with an SQ thread.

#[path = "../../core/tests/conformance/mod.rs"]
mod conformance;

use std::sync::Arc;
use wakering_core::Home;
use wakering_uring_loop::{Refused, Sqpoll, UringConfig, UringDriver};

fn make(home: Arc<Home>) -> Result<UringDriver, Refused> {
    let sqpoll = Sqpoll { cpu: None, idle_ms: 20, share: None };
    UringDriver::new(UringConfig::inline(home.slab.len()).with_sqpoll(sqpoll), home)
}

conformance::suite!(make);
