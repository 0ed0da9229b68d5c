//! Submission by a kernel thread: where it runs, who shares it, when it sleeps.

mod support;

use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::{Lane, alone, pipe, skip, transfer, write_to};
use wakering_core::abi::Opcode;
use wakering_core::resource::Prepared;
use wakering_core::{Driver, Home};
use wakering_uring_loop::{SharedSqpoll, Sqpoll, UringConfig, UringDriver};

/// The SQ threads of this process, by their names.
fn sq_threads() -> Vec<PathBuf> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| Some(task.ok()?.path()))
        .filter(|task| {
            std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.starts_with("iou-sqp"))
        })
        .collect()
}

/// As above, when those of closed rings (and of attempts to make one) are gone: they end a little
/// later.
fn sq_threads_left(expected: usize) -> Vec<PathBuf> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let threads = sq_threads();
        if threads.len() <= expected || Instant::now() >= end {
            return threads;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lane(sqpoll: Sqpoll) -> Option<Lane> {
    Lane::new(32, UringConfig::inline(32).with_sqpoll(sqpoll))
}

#[test]
fn the_thread_runs_on_the_cpu_that_was_asked_for() {
    let _alone = alone();
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return skip("one CPU only");
    }
    sq_threads_left(0);
    let Some(mut lane) = lane(Sqpoll { cpu: Some(1), idle_ms: 50, share: None }) else { return };
    assert!(lane.driver.has_sq_thread());
    assert_eq!(lane.run(Prepared::new(Opcode::Nop)), 0);
    let threads = sq_threads_left(1);
    assert_eq!(threads.len(), 1);
    let status = std::fs::read_to_string(threads[0].join("status")).unwrap();
    let allowed = status.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap();
    assert_eq!(allowed.split_whitespace().nth(1), Some("1"));
}

#[test]
fn a_cpu_that_is_not_there_is_an_error_that_names_it() {
    let _alone = alone();
    let home = std::sync::Arc::new(Home::new(4).unwrap());
    let sqpoll = Sqpoll { cpu: Some(4000), idle_ms: 50, share: None };
    match UringDriver::new(UringConfig::inline(4).with_sqpoll(sqpoll), home) {
        Ok(_) => panic!("there is no CPU 4000"),
        Err(refused) if refused.option.is_none() => skip(refused),
        Err(refused) => {
            assert_eq!(refused.option, Some("sqpoll.cpu"));
            assert!(refused.to_string().contains("CPU 4000"), "{refused}");
        }
    }
}

#[test]
fn two_rings_share_one_thread_and_the_first_may_go() {
    let _alone = alone();
    sq_threads_left(0);
    let share = SharedSqpoll::new();
    let sqpoll = Sqpoll { cpu: None, idle_ms: 50, share: Some(share.clone()) };
    let (Some(mut first), Some(mut second)) = (lane(sqpoll.clone()), lane(sqpoll.clone())) else {
        return;
    };
    assert!(!first.driver.shares_sq_thread() && second.driver.shares_sq_thread());
    assert_eq!((sq_threads_left(1).len(), share.rings()), (1, 2));
    for _ in 0..100 {
        assert_eq!(first.run(Prepared::new(Opcode::Nop)), 0);
        assert_eq!(second.run(Prepared::new(Opcode::Nop)), 0);
    }
    drop(first);
    assert_eq!(share.rings(), 1);
    assert_eq!(second.run(Prepared::new(Opcode::Nop)), 0);
    let mut third = lane(sqpoll).unwrap();
    assert_eq!(third.run(Prepared::new(Opcode::Nop)), 0);
    assert_eq!(sq_threads_left(1).len(), 1);
    drop((second, third));
    assert_eq!(sq_threads_left(0).len(), 0);
}

#[test]
fn rings_of_different_cpus_do_not_share() {
    let _alone = alone();
    let share = SharedSqpoll::new();
    let on = |cpu| Sqpoll { cpu, idle_ms: 50, share: Some(share.clone()) };
    let Some(_first) = lane(on(Some(0))) else { return };
    let home = std::sync::Arc::new(Home::new(4).unwrap());
    let other = UringConfig::inline(4).with_sqpoll(on(None));
    let refused = UringDriver::new(other, home).unwrap_err();
    assert_eq!(refused.option, Some("sqpoll.cpu"));
    assert!(refused.why.contains("CPU 0"), "{refused}");
}

#[test]
fn f15_a_sleeping_thread_is_woken_and_an_awake_one_is_not_called() {
    let _alone = alone();
    let sqpoll = Sqpoll { cpu: None, idle_ms: 20, share: None };
    let Some(mut lane) = lane(sqpoll) else { return };
    for round in 1..=5 {
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(lane.run(Prepared::new(Opcode::Nop)), 0);
        assert!(lane.driver.counters().wakeups >= round, "{:?}", lane.driver.counters());
    }
    let before = lane.driver.counters();
    let start = Instant::now();
    for _ in 0..1000 {
        let token = lane.start(Prepared::new(Opcode::Nop));
        while lane.turn(Some(Duration::ZERO)) == 0 {}
        lane.done.clear();
        lane.take(token);
    }
    let woken = lane.driver.counters().wakeups - before.wakeups;
    // An op each 20 ms at the least would be needed to find it asleep every time.
    assert!(
        woken <= 1 + start.elapsed().as_millis() as u64 / 20,
        "{woken} in {:?}",
        start.elapsed()
    );
}

#[test]
fn a_full_queue_empties_itself() {
    let _alone = alone();
    for make in [UringConfig::inline, UringConfig::worker] {
        let sqpoll = Sqpoll { cpu: None, idle_ms: 50, share: None };
        let config = UringConfig { entries: 4, ..make(256).with_sqpoll(sqpoll) };
        let Some(mut lane) = Lane::new(256, config) else { return };
        let (mut started, mut done) = (0, 0);
        while done < 20_000 {
            while started < 20_000 && lane.free.available() > 0 {
                let token = lane.claim(Prepared::new(Opcode::Nop));
                while lane.driver.enqueue(token).is_err() {
                    lane.turn(Some(Duration::ZERO));
                }
                started += 1;
            }
            lane.turn(Some(Duration::from_millis(100)));
            for (token, _) in std::mem::take(&mut lane.done) {
                lane.take(token);
                done += 1;
            }
        }
        assert_eq!(lane.driver.in_flight(), 0);
    }
}

#[test]
fn what_completes_later_rings_the_bell() {
    let _alone = alone();
    let Some(mut lane) = lane(Sqpoll { cpu: None, idle_ms: 10, share: None }) else { return };
    let (reader, writer) = pipe();
    let mut buffer = [0u8; 3];
    for _ in 0..200 {
        let token = lane.start(transfer(Opcode::Read, reader.as_raw_fd(), &mut buffer, 0));
        assert_eq!(lane.turn(Some(Duration::ZERO)), 0);
        write_to(&writer, b"now");
        assert_eq!(lane.turn_until_something(), 1);
        lane.done.clear();
        lane.take(token);
        assert_eq!(&buffer, b"now");
    }
}

#[test]
fn an_owner_with_something_to_do_is_not_kept() {
    let _alone = alone();
    let Some(mut lane) = lane(Sqpoll { cpu: None, idle_ms: 50, share: None }) else { return };
    let looks = |lane: &Lane| {
        let counters = lane.driver.counters();
        counters.spins_hit + counters.spins_missed
    };
    let (reader, writer) = pipe();
    let mut buffer = [0u8; 1];
    for skip in [true, false] {
        let before = looks(&lane);
        let token = lane.start(transfer(Opcode::Read, reader.as_raw_fd(), &mut buffer, 0));
        if skip {
            lane.driver.skip_look();
        }
        assert_eq!(lane.turn(Some(Duration::ZERO)), 0);
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        assert_eq!(looks(&lane) - before, u64::from(!skip && cpus > 1));
        write_to(&writer, b"x");
        assert_eq!(lane.turn_until_something(), 1);
        lane.done.clear();
        lane.take(token);
    }
}

#[test]
fn looking_in_vain_stops_after_a_handful() {
    let _alone = alone();
    let Some(mut lane) = lane(Sqpoll { cpu: None, idle_ms: 10, share: None }) else { return };
    let (reader, writer) = pipe();
    let mut buffer = [0u8; 1];
    let before = lane.driver.counters();
    for _ in 0..200 {
        // Its answer cannot come before somebody writes, so that each look is in vain.
        let token = lane.start(transfer(Opcode::Read, reader.as_raw_fd(), &mut buffer, 0));
        assert_eq!(lane.turn(Some(Duration::ZERO)), 0);
        write_to(&writer, b"x");
        assert_eq!(lane.turn_until_something(), 1);
        lane.done.clear();
        lane.take(token);
    }
    let after = lane.driver.counters();
    let looks = after.spins_missed - before.spins_missed;
    assert_eq!(after.spins_hit, before.spins_hit);
    // 32, 16, 8, 4 and 2 us, then 2 us in each 64th turn.
    assert!(looks <= 5 + 200 / 64, "{looks} looks");
}
