//! Who runs when: the order of spawns and wakes, yields, the slot for the last one, budgets.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker, ready};
use wakering_core::scheduler::{LocalOptions, LocalScheduler};
use wakering_core::task::{Spawn, consume_budget, poll_proceed, spawn_local, yield_now};

type Log = Rc<RefCell<Vec<&'static str>>>;

/// A task that waits for a wake and then writes its name.
async fn waits(name: &'static str, wakers: Rc<RefCell<Vec<Waker>>>, log: Log) {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        wakers.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    })
    .await;
    log.borrow_mut().push(name);
}

fn order_of_three_wakes(lifo: bool) -> Vec<&'static str> {
    let scheduler = LocalOptions::new().lifo(lifo).build().unwrap();
    let (wakers, log) = (Rc::new(RefCell::new(Vec::new())), Log::default());
    for name in ["A", "B", "C"] {
        scheduler.spawn(waits(name, wakers.clone(), log.clone())).detach();
    }
    scheduler.block_on(async {
        yield_now().await;
        for waker in wakers.take() {
            waker.wake();
        }
        while yield_now().await > 0 {}
    });
    log.take()
}

#[test]
fn f6_tasks_run_in_the_order_of_their_wakes() {
    assert_eq!(order_of_three_wakes(false), ["A", "B", "C"]);
}

#[test]
fn f6_with_the_slot_the_last_one_runs_first() {
    assert_eq!(order_of_three_wakes(true), ["C", "A", "B"]);
}

#[test]
fn t3_a_pair_in_the_slot_starves_nobody() {
    let scheduler = LocalOptions::new().lifo(true).build().unwrap();
    let slots: Rc<[RefCell<Option<Waker>>; 2]> = Rc::default();
    let rounds = Rc::new(Cell::new(0));
    let third_ran = Rc::new(Cell::new(None));
    for me in 0..2 {
        let (slots, rounds, third_ran) = (slots.clone(), rounds.clone(), third_ran.clone());
        scheduler
            .spawn(poll_fn(move |cx| {
                rounds.set(rounds.get() + 1);
                *slots[me].borrow_mut() = Some(cx.waker().clone());
                if let Some(other) = slots[1 - me].borrow_mut().take() {
                    other.wake();
                }
                if third_ran.get().is_some() { Poll::Ready(()) } else { Poll::Pending }
            }))
            .detach();
    }
    let (counted, ran) = (rounds.clone(), third_ran.clone());
    scheduler.spawn(async move { ran.set(Some(counted.get())) }).detach();
    scheduler.run().unwrap();
    assert!(third_ran.get().unwrap() < 100, "{:?} polls of the pair came first", third_ran.get());
}

#[test]
fn l1_spawn_only_enqueues_and_the_creator_goes_on() {
    let scheduler = LocalScheduler::new().unwrap();
    let log = Log::default();
    let inner = log.clone();
    scheduler.block_on(async move {
        for name in ["first", "second"] {
            let log = inner.clone();
            spawn_local(async move { log.borrow_mut().push(name) }).detach();
        }
        inner.borrow_mut().push("creator");
        yield_now().await;
        inner.borrow_mut().push("creator again");
    });
    assert_eq!(log.take(), ["creator", "first", "second", "creator again"]);
}

#[test]
fn l3_yield_says_how_many_others_ran() {
    let scheduler = LocalScheduler::new().unwrap();
    let counts = scheduler.block_on(async {
        let alone = yield_now().await;
        for _ in 0..3 {
            spawn_local(async {}).detach();
        }
        let with_three = yield_now().await;
        let afterwards = yield_now().await;
        [alone, with_three, afterwards]
    });
    assert_eq!(counts, [0, 3, 0]);
}

#[test]
fn l3_under_a_foreign_runtime_it_yields_too() {
    assert_eq!(wakering_core::task::block_on(yield_now()), 0);
}

#[test]
fn t2_a_task_that_is_always_ready_keeps_nobody_outside() {
    let scheduler = LocalScheduler::new().unwrap();
    let remote = scheduler.remote();
    let turns = scheduler.block_on(async {
        let done = Rc::new(Cell::new(false));
        let seen = done.clone();
        let thread = std::thread::spawn(move || remote.spawn(async {}));
        let outside = spawn_local(async move {
            let join = thread.join().unwrap();
            join.await.unwrap();
            seen.set(true);
        });
        let mut turns = 0;
        while !done.get() {
            yield_now().await;
            turns += 1;
        }
        outside.await.unwrap();
        turns
    });
    assert!(turns < 1_000, "{turns}");
}

#[test]
fn a_budget_is_used_up_in_one_poll_and_new_in_the_next() {
    let scheduler = LocalScheduler::new().unwrap();
    let others = Rc::new(Cell::new(0));
    let seen = others.clone();
    let made = scheduler.block_on(async move {
        spawn_local(async move { seen.set(seen.get() + 1) }).detach();
        let mut made = 0;
        while others.get() == 0 {
            consume_budget().await;
            made += 1;
        }
        made
    });
    assert_eq!(made, 129);
}

#[test]
fn a_budget_that_made_no_progress_is_given_back() {
    let scheduler = LocalScheduler::new().unwrap();
    let asked = scheduler.block_on(async {
        let mut asked = 0;
        poll_fn(move |cx| {
            for _ in 0..10_000 {
                drop(ready!(poll_proceed(cx)));
                asked += 1;
            }
            Poll::Ready(asked)
        })
        .await
    });
    assert_eq!(asked, 10_000);
}

#[test]
fn l5_system_tasks_do_not_keep_a_run_going() {
    let scheduler = LocalScheduler::new().unwrap();
    let ticks = Rc::new(Cell::new(0));
    let seen = ticks.clone();
    let clock = async move {
        loop {
            seen.set(seen.get() + 1);
            yield_now().await;
        }
    };
    let clock = scheduler.try_spawn_as(Spawn::new().system(), clock).unwrap();
    scheduler
        .spawn(async {
            for _ in 0..10 {
                yield_now().await;
            }
        })
        .detach();
    assert_eq!(scheduler.run(), Ok(0));
    assert!((10..200).contains(&ticks.get()), "{}", ticks.get());
    clock.abort();
}
