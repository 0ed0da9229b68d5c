//! A task whose futures are always ready lets the others run.

use std::cell::Cell;
use std::rc::Rc;
use wakering_core::scheduler::LocalScheduler;
use wakering_core::sync::{
    BufferPool, First2, Local, Mutex, Notify, RwLock, Semaphore, Shared, Sharing, Watermarks,
    broadcast, channel, select, watch,
};
use wakering_core::task::{block_on, spawn_local};

/// So many steps a task makes in one poll.
const BUDGET: u32 = 128;

/// How many steps were made until another task had its turn, which was ready all the time.
fn steps_until_another_ran(step: impl AsyncFn()) -> u32 {
    LocalScheduler::new().unwrap().block_on(async {
        let ran = Rc::new(Cell::new(false));
        let seen = ran.clone();
        spawn_local(async move { seen.set(true) }).detach();
        let mut steps = 0;
        while !ran.get() {
            step().await;
            steps += 1;
            assert!(steps < 10 * BUDGET, "the other task starves");
        }
        steps
    })
}

/// The step beyond the budget is made after the other one ran.
fn lets_others_run(name: &str, step: impl AsyncFn()) {
    assert_eq!(steps_until_another_ran(step), BUDGET + 1, "{name}");
}

fn locks<K: Sharing>() {
    let mutex = Mutex::<u32, K>::new(0);
    lets_others_run("mutex", async || drop(mutex.lock().await));
    let lock = RwLock::<u32, K>::new(0);
    lets_others_run("rwlock, read", async || drop(lock.read().await));
    lets_others_run("rwlock, write", async || drop(lock.write().await));
    let semaphore = Semaphore::<K>::new(3);
    lets_others_run("semaphore", async || drop(semaphore.acquire_many(2).await));
    let pool: BufferPool<u32, K> = BufferPool::new([1], Watermarks { low: 0, high: 1 });
    lets_others_run("buffer pool", async || pool.get().await.put());
}

#[test]
fn t2_a_task_that_always_finds_its_lock_free_lets_others_run() {
    locks::<Local>();
    locks::<Shared>();
}

#[test]
fn t2_a_task_that_always_finds_items_lets_others_run() {
    let (sender, receiver) = channel::local(1);
    lets_others_run("recv", async || {
        sender.try_send(1).unwrap();
        receiver.recv().await.unwrap();
    });
    lets_others_run("send", async || {
        sender.send(1).await.unwrap();
        receiver.try_recv().unwrap();
    });
    lets_others_run("recv in a select", async || {
        sender.try_send(1).unwrap();
        let never = Notify::<Local>::new();
        let won = select((receiver.recv(), never.notified())).await;
        assert!(matches!(won, First2::A(Ok(1))));
    });
}

#[test]
fn t2_a_task_that_is_always_told_something_lets_others_run() {
    let notify = Notify::<Local>::new();
    lets_others_run("notify", async || {
        notify.notify_one();
        notify.notified().await;
    });
    let (value, seen) = watch::local(0);
    lets_others_run("watch", async || {
        let mut seen = seen.clone();
        value.set(1);
        seen.changed().await.unwrap();
    });
    let (sender, _) = broadcast::local(1);
    lets_others_run("broadcast", async || {
        let mut receiver = sender.subscribe();
        sender.send(1);
        receiver.recv().await.unwrap();
    });
}

/// Its waker is not the task's own: it would ask for ever, and the task would never end its poll.
#[test]
fn t2_a_foreign_runtime_inside_of_a_task_is_not_held_up() {
    let scheduler = LocalScheduler::new().unwrap();
    let semaphore = Semaphore::<Local>::new(1);
    scheduler.block_on(async {
        for _ in 0..2 * BUDGET {
            block_on(async { drop(semaphore.acquire().await) });
        }
    });
    for _ in 0..2 * BUDGET {
        block_on(async { drop(semaphore.acquire().await) });
    }
}
