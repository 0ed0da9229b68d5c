//! The life of a task of one thread.

use super::Table;
use std::cell::RefCell;
use std::future::{Future, Ready, pending, poll_fn, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use wakering_core::scheduler::LocalScheduler;
use wakering_core::task::{LocalJoinHandle, Spawn, TaskLocal, TaskStorage, spawn_local, yield_now};

fn spawns(table: &mut Table, scheduler: &LocalScheduler) {
    table.row("task: spawn, join", || {
        assert_eq!(scheduler.block_on(async { spawn_local(async { 5 }).await.unwrap() }), 5);
    });
    let mut joins: Vec<LocalJoinHandle<usize>> = Vec::with_capacity(1_000);
    table.row("task: spawn 1000, join all", || {
        scheduler.block_on(async {
            joins.extend((0..1_000).map(|n| spawn_local(async move { n })));
            for join in joins.drain(..) {
                join.await.unwrap();
            }
        });
    });
    table.row("task: spawn, detach", || {
        scheduler.spawn(async {}).detach();
        scheduler.run().unwrap();
    });
    let remote = scheduler.remote();
    table.row("task: spawn from outside, join", || {
        let join = remote.spawn(async { 1 });
        scheduler.block_on(join).unwrap();
    });
    drop(remote);
    let bytes = [1u8; 4_000];
    table.row("task: spawn of 4000 bytes (its own allocation)", || {
        let join = scheduler.spawn(async move {
            yield_now().await;
            bytes[1]
        });
        scheduler.block_on(join).unwrap();
    });
    static STORAGE: TaskStorage<Ready<u32>> = TaskStorage::new();
    table.row("task: spawn into storage, join", || {
        let join = scheduler.spawn_in(&STORAGE, Spawn::new(), || ready(1)).unwrap();
        scheduler.block_on(join).unwrap();
    });
    table.row("task: spawn with a name, join", || {
        let join = scheduler.try_spawn_as(Spawn::new().name("name"), async {}).unwrap();
        scheduler.block_on(join).unwrap();
    });
}

fn ends(table: &mut Table, scheduler: &LocalScheduler) {
    table.row("task: abort", || {
        let join = scheduler.spawn(pending::<()>());
        scheduler.block_on(yield_now());
        join.abort();
        assert!(scheduler.block_on(join).is_err());
    });
    table.row("task: abort handle", || {
        let join = scheduler.spawn(pending::<()>());
        join.abort_handle().clone().abort();
        assert!(scheduler.block_on(join).is_err());
    });
    table.row("task: drop of a join handle that waits", || {
        let join = scheduler.spawn(yield_now());
        scheduler.block_on(async {
            let mut join = join;
            poll_fn(|cx| {
                let _ = Pin::new(&mut join).poll(cx);
                Poll::Ready(())
            })
            .await;
        });
    });
}

fn wakes(table: &mut Table, scheduler: &LocalScheduler) {
    table.row("task: yield", || {
        scheduler.block_on(async {
            for _ in 0..10 {
                yield_now().await;
            }
        });
    });
    let slot: Rc<RefCell<Option<Waker>>> = Rc::default();
    table.row("task: waker: clone, wake, drop", || {
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
    table.row("task: task-local value", || {
        let future = KEY.scope(1, async { KEY.with(|value| *value) });
        assert_eq!(scheduler.block_on(future), Some(1));
    });
    table.row("task: block_on without a scheduler", || {
        wakering_core::task::block_on(yield_now());
    });
}

pub(super) fn rows(table: &mut Table) {
    let scheduler = LocalScheduler::new().unwrap();
    spawns(table, &scheduler);
    ends(table, &scheduler);
    wakes(table, &scheduler);
    table.rounds("task: 1,000,000 tasks, spawn to completion", 1_000, || {
        for n in 0..1_000_u32 {
            scheduler.spawn(async move { _ = std::hint::black_box(n) }).detach();
        }
        scheduler.run().unwrap();
    });
}
