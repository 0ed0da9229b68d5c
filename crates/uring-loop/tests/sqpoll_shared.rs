//! One SQ thread for several loops: where it runs, what keeps it awake, how it is seen and ends.

mod support;

use std::time::{Duration, Instant};
use support::{Lane, alone, skip};
use wakering_core::abi::Opcode;
use wakering_core::resource::Prepared;
use wakering_core::scheduler::affinity::{CpuSet, Warning, place};
use wakering_uring_loop::sqpoll::policy::Route;
use wakering_uring_loop::{SharedSqpoll, Sqpoll, UringConfig};

/// The ids of the SQ threads of this process.
fn sq_threads() -> Vec<u32> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .filter(|task| {
            let name = std::fs::read_to_string(task.path().join("comm"));
            name.is_ok_and(|name| name.starts_with("iou-sqp"))
        })
        .filter_map(|task| task.file_name().to_str()?.parse().ok())
        .collect()
}

/// Polls until it holds, which it does sooner or later.
fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    holds()
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start_matches(':').trim().to_string())
}

fn two_cpus() -> Option<(u32, u32)> {
    let available = CpuSet::of_this_thread().unwrap();
    let mut cpus = available.iter().map(|cpu| cpu as u32);
    let pair = cpus.next().zip(cpus.last());
    if pair.is_none() {
        skip("one CPU only");
    }
    pair
}

fn lane(sqpoll: Sqpoll) -> Option<Lane> {
    Lane::new(32, UringConfig::inline(32).with_sqpoll(sqpoll))
}

/// How long the thread was on a CPU.
fn ran(share: &SharedSqpoll) -> Option<Duration> {
    share.report().ran
}

#[test]
fn f12_four_loops_have_one_thread_on_the_cpu_that_was_chosen() {
    let _alone = alone();
    let Some((_, cpu)) = two_cpus() else { return };
    assert!(eventually(|| sq_threads().is_empty()));
    let share = SharedSqpoll::new();
    let sqpoll = Sqpoll { cpu: Some(cpu), idle_ms: 20, share: Some(share.clone()) };
    let lanes: Option<Vec<_>> = (0..4).map(|_| lane(sqpoll.clone())).collect();
    let Some(mut lanes) = lanes else { return };
    for lane in &mut lanes {
        assert_eq!(lane.run(Prepared::new(Opcode::Nop)), 0);
    }
    assert!(eventually(|| sq_threads().len() == 1), "{:?}", sq_threads());
    let thread = sq_threads()[0];
    let status = format!("/proc/self/task/{thread}/status");
    assert_eq!(field(&status, "Cpus_allowed_list"), Some(cpu.to_string()));
    for lane in &lanes {
        let fdinfo = format!("/proc/self/fdinfo/{}", lane.driver.ring_fd());
        assert_eq!(field(&fdinfo, "SqThread"), Some(thread.to_string()));
    }
    let report = share.report();
    assert_eq!((report.thread, report.cpu, report.rings), (Some(thread), Some(cpu), 4));
    assert_eq!((report.idle_ms, report.route), (20, Route::SqThread));
    assert_eq!(share.cpu(), Some(cpu));
    // Workers keep off it.
    let taken = CpuSet::from_iter(share.cpu().map(|cpu| cpu as usize));
    let places = place(CpuSet::of_this_thread().unwrap(), taken, 2, false);
    assert!(!places.cpus.contains(cpu as usize));
    drop(lanes);
    assert!(eventually(|| sq_threads().is_empty()), "{:?}", sq_threads());
    assert_eq!((share.cpu(), share.report().thread), (None, None));
}

#[test]
fn f13_where_there_is_no_other_cpu_the_report_says_so() {
    let _alone = alone();
    let Some((_, cpu)) = two_cpus() else { return };
    // As on a machine of one CPU: this thread, which asks, has none but that one.
    let warning = std::thread::spawn(move || {
        CpuSet::from_iter([cpu as usize]).bind_this_thread().unwrap();
        let share = SharedSqpoll::new();
        let sqpoll = Sqpoll { cpu: Some(cpu), idle_ms: 20, share: Some(share.clone()) };
        let mut lane = lane(sqpoll)?;
        assert_eq!(lane.run(Prepared::new(Opcode::Nop)), 0, "it runs all the same");
        Some(share.report().warning)
    });
    let Some(warning) = warning.join().unwrap() else { return };
    assert_eq!(warning, Some(Warning::NoOtherCpu));
}

#[test]
fn an_attached_ring_does_not_keep_the_thread_awake_for_a_second() {
    let _alone = alone();
    let share = SharedSqpoll::new();
    // Zero would be a second to the kernel, and the longest of all rings counts.
    let sqpoll = Sqpoll { cpu: None, idle_ms: 0, share: Some(share.clone()) };
    let (Some(mut first), Some(mut second)) = (lane(sqpoll.clone()), lane(sqpoll)) else { return };
    let Some(_) = ran(&share) else { return skip("the kernel does not count") };
    let mut asleep_early = 0;
    for _ in 0..5 {
        first.run(Prepared::new(Opcode::Nop));
        second.run(Prepared::new(Opcode::Nop));
        let before = ran(&share).unwrap();
        std::thread::sleep(Duration::from_millis(400));
        let looked = ran(&share).unwrap().saturating_sub(before);
        asleep_early += u32::from(looked < Duration::from_millis(200));
    }
    // Its own CPU time is what counts, not when this thread got to look.
    assert!(asleep_early >= 3, "{asleep_early} of 5");
}

#[test]
fn f15_a_hundred_thousand_ops_take_next_to_no_calls() {
    let _alone = alone();
    let Some((own, cpu)) = two_cpus() else { return };
    let sqpoll = Sqpoll { cpu: Some(cpu), idle_ms: 100, share: None };
    let Some(mut lane) = lane(sqpoll) else { return };
    let before = CpuSet::of_this_thread().unwrap();
    CpuSet::from_iter([own as usize]).bind_this_thread().unwrap();
    let (mut started, mut done) = (0, 0);
    let enters = lane.driver.counters().enters;
    while done < 100_000 {
        while started < 100_000 && lane.free.available() > 0 {
            lane.start(Prepared::new(Opcode::Nop));
            started += 1;
        }
        lane.turn(Some(Duration::ZERO));
        for (token, _) in std::mem::take(&mut lane.done) {
            lane.take(token);
            done += 1;
        }
    }
    before.bind_this_thread().unwrap();
    let calls = lane.driver.counters().enters - enters;
    assert!(calls < 10_000, "{calls} calls for 100,000 ops");
}
