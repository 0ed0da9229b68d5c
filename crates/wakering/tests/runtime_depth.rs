//! More ops than may be in flight: FEATURES R12.

use std::cell::Cell;
use std::rc::Rc;
use wakering::LocalRuntime;
use wakering::task::spawn_local;
use wakering_core::abi::Opcode;
use wakering_core::resource::{Prepared, Resource};
use wakering_core::scheduler::{Ops, describe};

#[path = "support/drivers.rs"]
mod drivers;

const DEPTH: usize = 32;
const OPS: u32 = 10_000;

/// Resident memory, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A timer of a few microseconds: nothing answers it where it is begun.
async fn short_timer(ops: &Ops, number: u32) -> i32 {
    let nanoseconds = u64::from(number % 7) * 3_000;
    let prepare = move |resource: &mut Resource, _: &_| {
        resource.prepared = Prepared { offset: nanoseconds, ..Prepared::new(Opcode::Timeout) };
        Ok(())
    };
    // SAFETY: it names no memory.
    let request = unsafe { describe(prepare) };
    ops.run(request).await.unwrap().result
}

/// All of them at once, each in a task. The most that were in flight, and how many ended.
fn storm(runtime: &LocalRuntime) -> (usize, u32) {
    let ops = runtime.scheduler().ops().unwrap().clone();
    let (most, ended) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..OPS)
            .map(|number| {
                let (ops, most, ended) = (ops.clone(), most.clone(), ended.clone());
                spawn_local(async move {
                    most.set(most.get().max(ops.in_flight()));
                    assert_eq!(short_timer(&ops, number).await, -libc::ETIME);
                    most.set(most.get().max(ops.in_flight()));
                    ended.set(ended.get() + 1);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(ops.in_flight(), 0);
    (most.get(), ended.get())
}

#[test]
fn r12_ten_thousand_ops_at_once_are_never_more_than_the_depth_and_all_end() {
    for builder in drivers::drivers() {
        let runtime = builder.slots(DEPTH as u32).build_local().unwrap();
        let mut before = 0;
        for round in 0..6 {
            assert_eq!(storm(&runtime), (DEPTH, OPS));
            // Warm after two.
            match round {
                0 => {}
                1 => before = resident(),
                _ => assert!(resident() < before + 2048, "{} KiB after {before}", resident()),
            }
        }
    }
}
