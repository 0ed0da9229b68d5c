//! An op of a steered loop allocates nothing, on whichever ring, and neither does going over.

#[path = "../../core/tests/support/counting.rs"]
mod counting;
mod support;

use counting::allocations;
use std::time::Duration;
use support::{Lane, skip};
use wakering_core::Driver;
use wakering_core::abi::Opcode;
use wakering_core::resource::Prepared;
use wakering_uring_loop::{Sqpoll, Steering, SwitchingDriver, UringConfig};

#[test]
fn a_hundred_thousand_ops_over_both_rings_allocate_nothing() {
    const ROUND: u64 = 10_000;
    for config in [UringConfig::inline(64), UringConfig::worker(64)] {
        let sqpoll = Sqpoll { cpu: None, idle_ms: 0, share: None };
        let config = config.with_sqpoll(sqpoll);
        let steering = Steering { may_leave: false, ..Steering::default() };
        let lane = Lane::over(64, |home| SwitchingDriver::new(config, home, steering));
        let Some(mut lane) = lane else { return };
        if !lane.driver.has_sq_thread() {
            return skip("no SQ thread");
        }
        // Its table of files is made with the first place.
        let place = lane.driver.reserve_file().unwrap();
        lane.driver.release_file(place).unwrap();
        let before = allocations();
        for _ in 0..10 {
            let (mut started, mut done) = (0, 0);
            let place = lane.driver.reserve_file().unwrap();
            let mut back = false;
            while done < ROUND {
                if done > ROUND / 2 && !std::mem::replace(&mut back, true) {
                    // The other half goes to the SQ thread again.
                    lane.driver.release_file(place).unwrap();
                }
                while started < ROUND && lane.free.available() > 0 {
                    let token = lane.claim(Prepared::new(Opcode::Nop));
                    lane.driver.enqueue(token).unwrap();
                    started += 1;
                }
                let Lane { driver, home, free, .. } = &mut lane;
                let mut sink = |completion: wakering_core::Completion| {
                    let slot = home.slab.slot(completion.token);
                    slot.take(completion.token, |_, _| ()).unwrap();
                    free.give_back(completion.token.index());
                };
                done += driver.turn(Some(Duration::from_secs(1)), usize::MAX, &mut sink).unwrap()
                    as u64;
            }
        }
        assert_eq!(allocations() - before, 0);
    }
}
