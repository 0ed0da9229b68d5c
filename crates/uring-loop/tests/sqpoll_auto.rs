//! An SQ thread whose idle time is steered, and a loop that can do without it.

mod support;

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Lane, alone, pipe, skip, transfer, write_to};
use wakering_core::Driver;
use wakering_core::abi::Opcode;
use wakering_core::resource::Prepared;
use wakering_core::scheduler::affinity::CpuSet;
use wakering_core::slot::Cancel;
use wakering_uring_loop::sqpoll::policy::{Reason, Route};
use wakering_uring_loop::{SharedSqpoll, Sqpoll, Steering, SwitchingDriver, UringConfig};

type Auto = Lane<SwitchingDriver>;

fn sqpoll(share: &std::sync::Arc<SharedSqpoll>) -> Option<Sqpoll> {
    let available = CpuSet::of_this_thread().unwrap();
    if available.len() < 2 {
        skip("one CPU only");
        return None;
    }
    let cpu = available.iter().last().map(|cpu| cpu as u32);
    Some(Sqpoll { cpu, idle_ms: 0, share: Some(share.clone()) })
}

/// A lane whose SQ thread is steered; `None` with a printed reason.
fn steered(config: UringConfig, steering: Steering) -> Option<Auto> {
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
fn op_and_pause(lane: &mut Auto, pause: Duration) {
    assert_eq!(lane.run(Prepared::new(Opcode::Nop)), 0);
    std::thread::sleep(pause);
}

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

/// How long the thread wanted a CPU, whether it got it or not.
fn wanted(lane: &Auto) -> Option<Duration> {
    let report = lane.driver.report();
    Some(report.ran? + report.waited?)
}

const STAYS: Steering = Steering { weight: 1000, may_leave: false };

#[test]
fn f14_bursts_keep_it_awake_and_a_lull_lets_it_sleep_again() {
    let _alone = alone();
    // A wake takes 50 us or more and is worth 5 ms then: bridging 9 ms beats 4 ms and a wake, whatever
    // the machine, and a pause of 150 ms is never worth it.
    let steering = Steering { weight: 100, may_leave: false };
    let Some(mut lane) = steered(UringConfig::inline(32), steering) else { return };
    let Some(before) = wanted(&lane) else { return skip("the kernel does not count") };
    let (burst, lull) = (Duration::from_millis(9), Duration::from_millis(150));
    (0..5).for_each(|_| op_and_pause(&mut lane, burst));
    let asleep = wanted(&lane).unwrap().saturating_sub(before) / 5;
    let awake = (0..200).find_map(|_| {
        op_and_pause(&mut lane, burst);
        let report = lane.driver.report();
        report.keeper_ms.is_some().then_some(report)
    });
    let Some(awake) = awake else { panic!("{}", lane.driver.report()) };
    assert!(awake.idle_ms >= 10 && awake.idle_ms == awake.keeper_ms.unwrap(), "{awake}");
    assert!(matches!(awake.decisions.last().unwrap().reason, Reason::Pauses { .. }));
    // The thread itself: its CPU time in a pause, not anybody's clock.
    let before = wanted(&lane).unwrap();
    (0..5).for_each(|_| op_and_pause(&mut lane, burst));
    let report = lane.driver.report();
    let looked = wanted(&lane).unwrap().saturating_sub(before) / 5;
    if report.keeper_ms.is_some() {
        assert!(looked > asleep, "{looked:?} a pause, and {asleep:?} before: {report}");
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

/// For each personality a lane that goes over to the plain ring when it is told to.
fn each_personality(mut test: impl FnMut(Auto)) {
    let _alone = alone();
    for config in [UringConfig::inline(32), UringConfig::worker(32)] {
        let Some(lane) = steered(config, STAYS) else { return };
        assert_eq!(lane.driver.route(), Route::SqThread);
        test(lane);
    }
}

#[test]
fn ops_in_flight_end_where_they_began() {
    each_personality(|mut lane| {
        let (reader, writer) = pipe();
        let (mut over_sq, mut over_plain) = ([0u8; 1], [0u8; 1]);
        for _ in 0..50 {
            let fd = reader.as_raw_fd();
            let first = lane.start(transfer(Opcode::Read, fd, &mut over_sq, 0));
            assert_eq!(lane.turn(Some(Duration::ZERO)), 0);
            // A place for a file of the plain ring's own sends the loop there.
            let place = lane.driver.reserve_file().unwrap();
            assert_eq!(lane.driver.route(), Route::Plain);
            let second = lane.start(transfer(Opcode::Read, fd, &mut over_plain, 0));
            assert_eq!(lane.turn(Some(Duration::ZERO)), 0);
            assert_eq!(lane.driver.in_flight(), 2);
            write_to(&writer, b"a");
            write_to(&writer, b"b");
            assert_eq!((lane.result(first), lane.result(second)), (1, 1));
            let mut both = [over_sq[0], over_plain[0]];
            both.sort_unstable();
            assert_eq!(&both, b"ab");
            lane.driver.release_file(place).unwrap();
            let back = (0..1000).any(|_| {
                op_and_pause(&mut lane, Duration::from_millis(1));
                lane.driver.route() == Route::SqThread
            });
            assert!(back, "{}", lane.driver.report());
        }
    });
}

#[test]
fn a_cancel_goes_to_the_ring_that_has_the_op() {
    each_personality(|mut lane| {
        let (reader, _writer) = pipe();
        let mut buffers = [[0u8; 1]; 2];
        let fd = reader.as_raw_fd();
        let first = lane.start(transfer(Opcode::Read, fd, &mut buffers[0], 0));
        lane.turn(Some(Duration::ZERO));
        lane.driver.reserve_file().unwrap();
        let second = lane.start(transfer(Opcode::Read, fd, &mut buffers[1], 0));
        lane.turn(Some(Duration::ZERO));
        for token in [first, second] {
            assert_eq!(lane.cancel(token).unwrap(), Cancel::Ask);
            assert_eq!(lane.result(token), -libc::ECANCELED);
        }
        assert_eq!(lane.driver.counters().cancels.found, 2);
    });
}

#[test]
fn both_rings_are_drained() {
    each_personality(|mut lane| {
        let (reader, _writer) = pipe();
        let mut buffers = [[0u8; 1]; 2];
        for (round, buffer) in buffers.iter_mut().enumerate() {
            lane.start(transfer(Opcode::Read, reader.as_raw_fd(), buffer, 0));
            lane.turn(Some(Duration::ZERO));
            if round == 0 {
                lane.driver.reserve_file().unwrap();
            }
        }
        let mut ended = Vec::new();
        let Lane { driver, .. } = &mut lane;
        let drained = driver.drain(Duration::from_secs(10), &mut |completion| {
            ended.push(completion.outcome.result);
        });
        assert_eq!((drained.still_in_flight, ended), (0, vec![-libc::ECANCELED; 2]));
    });
}

#[test]
fn whoever_waits_elsewhere_hears_of_both_rings() {
    each_personality(|mut lane| {
        let bell = lane.driver.poll_fd();
        let (first_reader, first_writer) = pipe();
        let (second_reader, second_writer) = pipe();
        let mut buffers = [[0u8; 1]; 2];
        let [first_buffer, second_buffer] = &mut buffers;
        for _ in 0..20 {
            let fds = [first_reader.as_raw_fd(), second_reader.as_raw_fd()];
            let first = lane.start(transfer(Opcode::Read, fds[0], first_buffer, 0));
            lane.turn(Some(Duration::ZERO));
            let place = lane.driver.reserve_file().unwrap();
            let second = lane.start(transfer(Opcode::Read, fds[1], second_buffer, 0));
            lane.turn(Some(Duration::ZERO));
            for (writer, token) in [(&first_writer, first), (&second_writer, second)] {
                write_to(writer, b"x");
                while lane.done.is_empty() {
                    assert!(readable(bell), "the bell stays silent");
                    lane.turn(Some(Duration::ZERO));
                }
                assert_eq!(lane.result(token), 1);
            }
            lane.driver.release_file(place).unwrap();
            op_and_pause(&mut lane, Duration::from_millis(5));
        }
    });
}

/// Whether it becomes readable.
fn readable(fd: i32) -> bool {
    let mut polled = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which outlives the call.
    unsafe { libc::poll(&raw mut polled, 1, 10_000) == 1 }
}

#[test]
fn a_bell_from_another_thread_ends_a_turn_over_both_rings() {
    each_personality(|mut lane| {
        let (reader, writer) = pipe();
        let mut buffer = [0u8; 1];
        let token = lane.start(transfer(Opcode::Read, reader.as_raw_fd(), &mut buffer, 0));
        lane.turn(Some(Duration::ZERO));
        lane.driver.reserve_file().unwrap();
        for _ in 0..50 {
            let home = lane.home.clone();
            let ringer = std::thread::spawn(move || home.doorbell.ring());
            assert_eq!(lane.turn(None), 0, "returns, for the bell");
            ringer.join().unwrap();
            lane.home.doorbell.clear();
        }
        write_to(&writer, b"x");
        // Whoever takes nothing is not kept, and what is there is not lost.
        assert_eq!(lane.driver.turn(None, 0, &mut |_| unreachable!("nothing is taken")), Ok(0));
        assert_eq!(lane.result(token), 1);
    });
}

#[test]
fn what_is_registered_has_the_same_place_in_both_rings() {
    each_personality(|mut lane| {
        let (reader, writer) = pipe();
        let mut memory = vec![0u8; 4096];
        let file = lane.driver.register_file(reader.as_raw_fd()).unwrap();
        // SAFETY: the memory outlives the lane's ops, which are awaited below.
        let buffer = unsafe { lane.driver.register_buffer(memory.as_mut_ptr(), memory.len()) };
        let registered = buffer.unwrap();
        let read = |memory: &mut Vec<u8>| Prepared {
            registered,
            fixed_file: file,
            ..transfer(Opcode::Read, reader.as_raw_fd(), &mut memory[..1], 0)
        };
        for route in [Route::SqThread, Route::Plain] {
            assert_eq!(lane.driver.route(), route);
            write_to(&writer, b"x");
            assert_eq!(lane.run(read(&mut memory)), 1);
            lane.driver.reserve_file().unwrap();
        }
        lane.driver.unregister_file(file).unwrap();
        lane.driver.unregister_buffer(registered).unwrap();
        assert!(lane.driver.unregister_file(file).is_err());
    });
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
