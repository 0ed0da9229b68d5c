//! The life of a task of several threads, and of jobs for the CPU.

use super::Table;
use std::future::{Ready, pending, ready};
use std::sync::Arc;
use wakering_core::scheduler::cpu_pool::{CpuPool, CpuPoolConfig};
use wakering_core::scheduler::{Options, Scheduler};
use wakering_core::sync::{Channel, Notify, Shared};
use wakering_core::task::{self, JoinHandle, Spawn, TaskStorage, block_on, yield_now};

fn spawns(table: &mut Table, scheduler: &Scheduler) {
    table.row("workers: spawn from outside, join", || {
        block_on(scheduler.spawn(async { 1 })).unwrap();
    });
    table.row("workers: spawn from a task, join", || {
        let outer = scheduler.spawn(async { task::spawn(async { 1 }).await.unwrap() });
        block_on(outer).unwrap();
    });
    let room = Arc::new(std::sync::Mutex::new(Vec::<JoinHandle<usize>>::with_capacity(1_000)));
    table.rounds("workers: 1000 spawns from a task, join all", 100, || {
        let room = room.clone();
        let outer = scheduler.spawn(async move {
            let mut joins = std::mem::take(&mut *room.lock().unwrap());
            joins.extend((0..1_000).map(|n| task::spawn(async move { n })));
            for join in joins.drain(..) {
                join.await.unwrap();
            }
            *room.lock().unwrap() = joins;
        });
        block_on(outer).unwrap();
    });
    static STORAGE: TaskStorage<Ready<u32>> = TaskStorage::new();
    table.row("workers: spawn into storage, join", || {
        // The worker may still be about to let go of the last one.
        let join = loop {
            match scheduler.spawn_in(&STORAGE, Spawn::new(), || ready(1)) {
                Ok(join) => break join,
                Err(_busy) => std::thread::yield_now(),
            }
        };
        block_on(join).unwrap();
    });
    table.row("workers: spawn of 4000 bytes (its own allocation)", || {
        let bytes = [1_u8; 4_000];
        let join = scheduler.spawn(async move {
            yield_now().await;
            bytes[1]
        });
        block_on(join).unwrap();
    });
    table.row("workers: abort", || {
        let join = scheduler.spawn(pending::<()>());
        join.abort();
        assert!(block_on(join).is_err());
    });
}

fn wakes(table: &mut Table, scheduler: &Scheduler) {
    let (there, back) = (Arc::new(Notify::<Shared>::new()), Arc::new(Notify::<Shared>::new()));
    let echo = {
        let (there, back) = (there.clone(), back.clone());
        scheduler.spawn(async move {
            loop {
                there.notified().await;
                back.notify_one();
            }
        })
    };
    table.row("workers: wake from outside, and back", || {
        there.notify_one();
        block_on(back.notified());
    });
    echo.abort();
    let (asks, answers) = (Arc::new(Channel::<u32>::new(0)), Arc::new(Channel::<u32>::new(1)));
    let server = {
        let (asks, answers) = (asks.clone(), answers.clone());
        scheduler.spawn(async move {
            while let Ok(asked) = asks.recv().await {
                answers.send(asked).await.unwrap();
            }
        })
    };
    table.row("workers: channels, there and back", || {
        block_on(async {
            asks.send(1).await.unwrap();
            answers.recv().await.unwrap()
        });
    });
    asks.close();
    block_on(server).unwrap();
}

fn jobs(table: &mut Table) {
    let pool = CpuPool::new(CpuPoolConfig { threads_max: 1, ..CpuPoolConfig::cpu() });
    table.row("job for the CPU: spawn, await (its own allocation)", || {
        assert_eq!(block_on(pool.spawn(|| 1).unwrap()).unwrap(), 1);
    });
}

pub(super) fn rows(table: &mut Table) {
    let scheduler = Scheduler::start(Options::new().workers(2)).unwrap();
    spawns(table, &scheduler);
    wakes(table, &scheduler);
    drop(scheduler);
    jobs(table);
}
