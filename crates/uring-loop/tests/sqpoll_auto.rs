//! An SQ thread whose idle time is steered, and a loop that can do without it.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::steered::{Auto, STAYS, op_and_pause, sqpoll, steered};
use support::{Lane, alone, skip};
use wakering_core::Driver;
use wakering_core::abi::Opcode;
use wakering_core::resource::Prepared;
use wakering_core::scheduler::affinity::CpuSet;
use wakering_uring_loop::sqpoll::policy::{Reason, Route};
use wakering_uring_loop::{SharedSqpoll, Sqpoll, Steering, SwitchingDriver, UringConfig};

/// Ops without a pause.
fn load(lane: &mut Auto, time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        for _ in 0..16 {
            lane.start(Prepared::new(Opcode::Nop));
        }
        while lane.driver.in_flight() > 0 {
            lane.turn(Some(Duration::ZERO));
        }
        for (token, outcome) in std::mem::take(&mut lane.done) {
            assert_eq!(outcome.result, 0);
            lane.take(token);
        }
    }
}

#[test]
fn f14_bursts_keep_it_awake_and_a_lull_lets_it_sleep_again() {
    let _alone = alone();
    // A wake takes 50 us or more and is worth 5 ms then: bridging 9 ms beats 4 ms and a wake, whatever
    // the machine, and a pause of 150 ms is never worth it.
    let steering = Steering { weight: 100, may_leave: false };
    let Some(mut lane) = steered(UringConfig::inline(32), steering) else { return };
    let (burst, lull) = (Duration::from_millis(9), Duration::from_millis(150));
    let awake = (0..200).find_map(|_| {
        op_and_pause(&mut lane, burst);
        let report = lane.driver.report();
        report.keeper_ms.is_some().then_some(report)
    });
    let Some(awake) = awake else { panic!("{}", lane.driver.report()) };
    assert!(awake.idle_ms >= 10 && awake.idle_ms == awake.keeper_ms.unwrap(), "{awake}");
    assert!(matches!(awake.decisions.last().unwrap().reason, Reason::Pauses { .. }));
    // The thread itself: no op wakes it that comes before its idle time is over.
    for _ in 0..20 {
        let begin = Instant::now();
        op_and_pause(&mut lane, Duration::ZERO);
        let before = lane.driver.counters().wakeups;
        std::thread::sleep(burst);
        op_and_pause(&mut lane, Duration::ZERO);
        let woken = lane.driver.counters().wakeups > before;
        let in_time = begin.elapsed() < Duration::from_millis(awake.idle_ms.into());
        let report = lane.driver.report();
        assert!(!(woken && in_time) || report.keeper_ms.is_none(), "{report}");
    }
    let asleep = (0..100).any(|_| {
        op_and_pause(&mut lane, lull);
        lane.driver.report().keeper_ms.is_none()
    });
    let report = lane.driver.report();
    assert!(asleep, "{report}");
    assert_eq!((report.idle_ms, report.route), (4, Route::SqThread), "{report}");
    assert!(report.wakeups > 0 && report.sleeps.is_some_and(|sleeps| sleeps > 0), "{report}");
}

#[test]
fn a_thread_that_was_kept_awake_ends_with_its_last_ring() {
    let _alone = alone();
    let Some(mut lane) = steered(UringConfig::inline(32), STAYS) else { return };
    let kept = (0..200).any(|_| {
        op_and_pause(&mut lane, Duration::from_millis(25));
        lane.driver.report().keeper_ms.is_some()
    });
    assert!(kept, "{}", lane.driver.report());
    let Some(thread) = lane.driver.report().thread else { return skip("the kernel does not say") };
    drop(lane);
    let task = std::path::PathBuf::from(format!("/proc/self/task/{thread}"));
    let end = Instant::now() + Duration::from_secs(10);
    while task.exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!task.exists(), "the keeper was left");
}

#[test]
fn f14_a_thread_that_only_looks_is_left_and_found_again() {
    let _alone = alone();
    let Some(mut lane) = steered(UringConfig::inline(32), Steering::default()) else { return };
    let left = (0..1000).any(|_| {
        op_and_pause(&mut lane, Duration::from_millis(8));
        lane.driver.route() == Route::Plain
    });
    let report = lane.driver.report();
    assert!(left, "{report}");
    let decision = *report.decisions.last().unwrap();
    let expected = matches!(decision.reason, Reason::LowDuty { .. } | Reason::CpuBusy { .. });
    assert!(expected && decision.setting.route == Route::Plain, "{report}");
    // It sleeps on while the plain ring carries on. (Wakeups are told with the next op.)
    op_and_pause(&mut lane, Duration::from_millis(8));
    let wakeups = lane.driver.report().wakeups;
    (0..20).for_each(|_| op_and_pause(&mut lane, Duration::from_millis(8)));
    assert_eq!(lane.driver.report().wakeups, wakeups);
    let back = (0..100).any(|_| {
        load(&mut lane, Duration::from_millis(100));
        lane.driver.route() == Route::SqThread
    });
    if !back {
        return skip(format_args!("its CPU was never free: {}", lane.driver.report()));
    }
    load(&mut lane, Duration::from_millis(50));
}

#[test]
fn f14_a_thread_whose_cpu_is_somebody_elses_is_left() {
    let _alone = alone();
    let Some(mut lane) = steered(UringConfig::inline(32), Steering::default()) else { return };
    if lane.driver.report().waited.is_none() {
        return skip("the kernel does not count");
    }
    let cpu = lane.driver.share().cpu().unwrap() as usize;
    let stop = AtomicBool::new(false);
    let left = std::thread::scope(|scope| {
        scope.spawn(|| {
            CpuSet::from_iter([cpu]).bind_this_thread().unwrap();
            while !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let left = (0..100).any(|_| {
            load(&mut lane, Duration::from_millis(100));
            lane.driver.route() == Route::Plain
        });
        stop.store(true, Ordering::Relaxed);
        left
    });
    let report = lane.driver.report();
    assert!(left, "{report}");
    let busy = |reason| matches!(reason, Reason::CpuBusy { waited } if waited > 0.2);
    assert!(report.decisions.iter().any(|decision| busy(decision.reason)), "{report}");
}

#[test]
fn loops_that_share_a_thread_are_steered_together() {
    let _alone = alone();
    let share = SharedSqpoll::new();
    let Some(wish) = sqpoll(&share) else { return };
    let make = || {
        let config = UringConfig::inline(32).with_sqpoll(wish.clone());
        Lane::over(32, |home| SwitchingDriver::new(config, home, Steering::default()))
    };
    let (Some(mut first), Some(mut second)) = (make(), make()) else { return };
    assert_eq!(share.report().rings, 2);
    let left = (0..1000).any(|_| {
        op_and_pause(&mut first, Duration::from_millis(8));
        first.driver.route() == Route::Plain
    });
    assert!(left, "{}", share.report());
    let follows = (0..100).any(|_| {
        op_and_pause(&mut second, Duration::from_millis(8));
        second.driver.route() == Route::Plain
    });
    assert!(follows, "{}", share.report());
    drop(first);
    assert_eq!(second.run(Prepared::new(Opcode::Nop)), 0);
    assert_eq!(share.report().rings, 1);
}

#[test]
fn a_wish_that_cannot_be_met_names_its_option() {
    let _alone = alone();
    let make = |config: UringConfig| {
        let home = std::sync::Arc::new(wakering_core::Home::new(4).unwrap());
        SwitchingDriver::new(config, home, Steering::default())
    };
    let refused = make(UringConfig::inline(4)).unwrap_err();
    assert_eq!(refused.option, Some("sqpoll"));
    let nowhere = Sqpoll { cpu: Some(1023), idle_ms: 1, share: None };
    match make(UringConfig::inline(4).with_sqpoll(nowhere)) {
        Ok(_) => panic!("there is no CPU 1023"),
        Err(refused) if refused.option.is_none() => skip(refused),
        Err(refused) => assert_eq!(refused.option, Some("sqpoll.cpu"), "{refused}"),
    }
}
