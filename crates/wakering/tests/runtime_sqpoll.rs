//! An SQ thread under the Rust runtime: shared by its loops, on a CPU that its workers leave alone.

#![allow(clippy::print_stderr, reason = "what is skipped is printed with its reason")]

use std::time::Duration;
use wakering::runtime::{Idle, SqpollOptions, Steering};
use wakering::task::yield_now;
use wakering::time::sleep;
use wakering::{Builder, DriverChoice, Runtime};
use wakering_core::scheduler::{Nop, ops};

fn builder(cpu: Option<u32>, idle: Idle) -> Builder {
    let sqpoll = SqpollOptions { cpu, idle };
    Runtime::builder().driver(DriverChoice::Uring).slots(64).sqpoll(sqpoll)
}

/// A runtime, or why there is none here.
fn start(builder: Builder) -> Option<Runtime> {
    if let Err(why) = Runtime::builder().driver(DriverChoice::Uring).build_local() {
        eprintln!("SKIP: {why}");
        return None;
    }
    Some(builder.build().unwrap())
}

/// The last CPU of this process, if there are several.
fn spare_cpu() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list:")).unwrap();
    let list = line.split_whitespace().nth(1).unwrap();
    let last = list.rsplit([',', '-']).next().unwrap().parse().unwrap();
    if list.contains([',', '-']) {
        return Some(last);
    }
    eprintln!("SKIP: one CPU is no spare one");
    None
}

async fn nops(count: u32) {
    for _ in 0..count {
        assert_eq!(ops().unwrap().run(Nop).await.unwrap().result, 0);
        let _others = yield_now().await;
    }
}

#[test]
fn f13_workers_leave_the_cpu_of_the_sq_thread_alone() {
    let Some(cpu) = spare_cpu() else { return };
    let builder = builder(Some(cpu), Idle::Millis(50)).workers(2).loops(2);
    let Some(runtime) = start(builder) else { return };
    let masks = [0, 1].map(|worker| {
        let mask = runtime.scheduler().spawn_on(worker, || async {
            nops(50).await;
            std::fs::read_to_string("/proc/thread-self/status").unwrap()
        });
        runtime.block_on(mask).unwrap()
    });
    for mask in masks {
        let line = mask.lines().find(|line| line.starts_with("Cpus_allowed_list:")).unwrap();
        let list = line.split_whitespace().nth(1).unwrap();
        assert!(!list.split([',', '-']).any(|number| number == cpu.to_string()), "{line}");
    }
    let report = runtime.sqpoll().unwrap();
    assert_eq!((report.cpu, report.rings), (Some(cpu), 2), "one thread for both loops");
    assert!(report.thread.is_some());
}

#[test]
fn f14_a_steered_thread_carries_ops_after_every_pause() {
    let builder = builder(None, Idle::Auto(Steering::default())).workers(1);
    let Some(runtime) = start(builder) else { return };
    runtime.block_on(async {
        let busy = runtime.spawn(async {
            for pause in [0, 1, 5, 20, 150] {
                sleep(Duration::from_millis(pause)).await;
                nops(200).await;
            }
        });
        busy.await.unwrap();
    });
    assert!(runtime.sqpoll().is_some());
}

#[test]
fn d3_a_cpu_that_is_none_is_refused_with_its_reason() {
    if start(Runtime::builder().workers(1)).is_none() {
        return;
    }
    let error = builder(Some(4095), Idle::Millis(10)).build().unwrap_err();
    assert!(error.to_string().contains("sqpoll.cpu"), "{error}");
    assert!(error.to_string().contains("4095"), "{error}");
}
