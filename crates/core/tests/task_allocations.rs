//! What a task's life allocates: nothing, once there are as many places as the program needs. The
//! numbers are compared with the table in `tests/allocations/task.txt`.

#[path = "support/counting.rs"]
mod counting;

use counting::allocations;
use std::cell::RefCell;
use std::fmt::Write;
use std::future::{Ready, pending, poll_fn, ready};
use std::rc::Rc;
use std::task::{Poll, Waker};
use wakering_core::scheduler::LocalScheduler;
use wakering_core::task::{JoinHandle, Spawn, TaskLocal, TaskStorage, spawn_local, yield_now};

const TABLE: &str = include_str!("allocations/task.txt");

/// Allocations of 1,000 rounds, after as many that nobody counts.
fn count(table: &mut String, name: &str, mut round: impl FnMut()) {
    for _ in 0..1_000 {
        round();
    }
    let before = allocations();
    for _ in 0..1_000 {
        round();
    }
    writeln!(table, "{name:40} {}", allocations() - before).unwrap();
}

fn spawns(table: &mut String, scheduler: &LocalScheduler) {
    count(table, "spawn, join", || {
        assert_eq!(scheduler.block_on(async { spawn_local(async { 5 }).await.unwrap() }), 5);
    });
    let mut joins: Vec<JoinHandle<usize>> = Vec::with_capacity(1_000);
    count(table, "spawn 1000, join all", || {
        scheduler.block_on(async {
            joins.extend((0..1_000).map(|n| spawn_local(async move { n })));
            for join in joins.drain(..) {
                join.await.unwrap();
            }
        });
    });
    count(table, "spawn, detach", || {
        scheduler.spawn(async {}).detach();
        scheduler.run().unwrap();
    });
    let remote = scheduler.remote();
    count(table, "spawn from outside, join", || {
        let join = remote.spawn(async { 1 });
        scheduler.block_on(join).unwrap();
    });
    drop(remote);
    let bytes = [1u8; 4_000];
    count(table, "spawn of 4000 bytes (its own allocation)", || {
        let join = scheduler.spawn(async move {
            yield_now().await;
            bytes[1]
        });
        scheduler.block_on(join).unwrap();
    });
    static STORAGE: TaskStorage<Ready<u32>> = TaskStorage::new();
    count(table, "spawn into storage, join", || {
        let join = scheduler.spawn_in(&STORAGE, Spawn::new(), || ready(1)).unwrap();
        scheduler.block_on(join).unwrap();
    });
    count(table, "spawn with a name, join", || {
        let join = scheduler.try_spawn_as(Spawn::new().name("name"), async {}).unwrap();
        scheduler.block_on(join).unwrap();
    });
}

fn ends(table: &mut String, scheduler: &LocalScheduler) {
    count(table, "abort", || {
        let join = scheduler.spawn(pending::<()>());
        scheduler.block_on(yield_now());
        join.abort();
        assert!(scheduler.block_on(join).is_err());
    });
    count(table, "abort handle", || {
        let join = scheduler.spawn(pending::<()>());
        join.abort_handle().clone().abort();
        assert!(scheduler.block_on(join).is_err());
    });
    count(table, "drop of a join handle that waits", || {
        let join = scheduler.spawn(yield_now());
        scheduler.block_on(async {
            let mut join = join;
            poll_fn(|cx| {
                let _ = std::pin::Pin::new(&mut join).poll(cx);
                Poll::Ready(())
            })
            .await;
        });
    });
}

fn wakes(table: &mut String, scheduler: &LocalScheduler) {
    count(table, "yield", || {
        scheduler.block_on(async {
            for _ in 0..10 {
                yield_now().await;
            }
        });
    });
    let slot: Rc<RefCell<Option<Waker>>> = Rc::default();
    count(table, "waker: clone, wake, drop", || {
        let waits = slot.clone();
        let mut polls = 0;
        let join = scheduler.spawn(poll_fn(move |cx| {
            polls += 1;
            *waits.borrow_mut() = Some(cx.waker().clone());
            if polls > 2 { Poll::Ready(()) } else { Poll::Pending }
        }));
        scheduler.block_on(async {
            yield_now().await;
            slot.borrow().as_ref().unwrap().wake_by_ref();
            yield_now().await;
            slot.borrow_mut().take().unwrap().wake();
            join.await.unwrap();
        });
        *slot.borrow_mut() = None;
    });
    static KEY: TaskLocal<u32> = TaskLocal::new();
    count(table, "task-local value", || {
        let future = KEY.scope(1, async { KEY.with(|value| *value) });
        assert_eq!(scheduler.block_on(future), Some(1));
    });
    count(table, "block_on without a scheduler", || {
        wakering_core::task::block_on(yield_now());
    });
}

#[test]
fn f2_t7_allocations_are_as_in_the_table() {
    let scheduler = LocalScheduler::new().unwrap();
    let mut table = String::new();
    spawns(&mut table, &scheduler);
    ends(&mut table, &scheduler);
    wakes(&mut table, &scheduler);
    let million = |tasks: u32| {
        for n in 0..tasks {
            scheduler.spawn(async move { _ = std::hint::black_box(n) }).detach();
            if n.is_multiple_of(1_000) {
                scheduler.run().unwrap();
            }
        }
    };
    million(2_000);
    let before = allocations();
    million(1_000_000);
    writeln!(table, "{:40} {}", "1,000,000 tasks", allocations() - before).unwrap();
    assert_eq!(table, TABLE, "allocations of 1,000 rounds each:\n{table}");
}
