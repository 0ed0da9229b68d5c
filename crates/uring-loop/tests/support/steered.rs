//! Lanes whose SQ thread is steered.

use super::{Lane, alone, skip};
use std::sync::Arc;
use std::time::Duration;
use wakering_core::abi::Opcode;
use wakering_core::resource::Prepared;
use wakering_core::scheduler::affinity::CpuSet;
use wakering_uring_loop::sqpoll::policy::Route;
use wakering_uring_loop::{SharedSqpoll, Sqpoll, Steering, SwitchingDriver, UringConfig};

pub type Auto = Lane<SwitchingDriver>;

pub fn sqpoll(share: &Arc<SharedSqpoll>) -> Option<Sqpoll> {
    let available = CpuSet::of_this_thread().unwrap();
    if available.len() < 2 {
        skip("one CPU only");
        return None;
    }
    let cpu = available.iter().last().map(|cpu| cpu as u32);
    Some(Sqpoll { cpu, idle_ms: 0, share: Some(share.clone()) })
}

/// A lane whose SQ thread is steered; `None` with a printed reason.
pub fn steered(config: UringConfig, steering: Steering) -> Option<Auto> {
    let sqpoll = sqpoll(&SharedSqpoll::new())?;
    let config = config.with_sqpoll(sqpoll);
    let lane = Lane::over(32, |home| SwitchingDriver::new(config, home, steering))?;
    if !lane.driver.has_sq_thread() {
        skip(format_args!("no SQ thread: {:?}", lane.driver.given_up()));
        return None;
    }
    Some(lane)
}

/// One op, then a pause.
pub fn op_and_pause(lane: &mut Auto, pause: Duration) {
    assert_eq!(lane.run(Prepared::new(Opcode::Nop)), 0);
    std::thread::sleep(pause);
}

pub const STAYS: Steering = Steering { weight: 1000, may_leave: false };

/// For each personality a lane that goes over to the plain ring when it is told to.
pub fn each_personality(mut test: impl FnMut(Auto)) {
    let _alone = alone();
    for config in [UringConfig::inline(32), UringConfig::worker(32)] {
        let Some(lane) = steered(config, STAYS) else { return };
        assert_eq!(lane.driver.route(), Route::SqThread);
        test(lane);
    }
}
