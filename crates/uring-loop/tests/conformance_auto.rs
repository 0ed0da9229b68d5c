//! The behaviours that every driver shares, on two rings of which one has an SQ thread.

#[path = "../../core/tests/conformance/mod.rs"]
mod conformance;

use std::sync::Arc;
use wakering_core::Home;
use wakering_uring_loop::{Refused, Sqpoll, Steering, SwitchingDriver, UringConfig};

fn make(home: Arc<Home>) -> Result<SwitchingDriver, Refused> {
    let sqpoll = Sqpoll { cpu: None, idle_ms: 0, share: None };
    let config = UringConfig::inline(home.slab.len()).with_sqpoll(sqpoll);
    SwitchingDriver::new(config, home, Steering::default())
}

conformance::suite!(make);
