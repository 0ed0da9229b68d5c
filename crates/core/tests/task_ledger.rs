//! What happens to a task, event by event and state by state: how often it is polled, dropped, and its
//! output dropped.

#[path = "support/ledger.rs"]
mod ledger;

use ledger::{CountingWaker, Counts, Ledger};
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use wakering_core::scheduler::LocalScheduler;
use wakering_core::task::{LocalJoinHandle, spawn_local, yield_now};

const fn counts(polls: u32, drops: u32, outputs_dropped: u32) -> Counts {
    Counts { polls, drops, outputs_dropped }
}

/// Runs everything that is ready.
fn settle(scheduler: &LocalScheduler) {
    scheduler.block_on(async { while yield_now().await > 0 {} });
}

fn poll_join<T>(
    join: &mut LocalJoinHandle<T>,
    waker: &std::task::Waker,
) -> Poll<Result<T, wakering_core::task::JoinError>> {
    pin!(join).poll(&mut Context::from_waker(waker))
}

#[test]
fn f6_wake_when_scheduled_is_one_poll() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    scheduler.spawn(page.future()).detach();
    settle(&scheduler);
    for _ in 0..100 {
        page.waker().wake();
    }
    settle(&scheduler);
    assert_eq!(page.counts(), counts(2, 0, 0));
}

#[test]
fn f6_wake_at_home_when_scheduled_is_one_poll() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    let inner = page.clone();
    scheduler.spawn(page.future()).detach();
    settle(&scheduler);
    scheduler.block_on(async move {
        for _ in 0..100 {
            inner.waker().wake_by_ref();
        }
        while yield_now().await > 0 {}
    });
    assert_eq!(page.counts(), counts(2, 0, 0));
}

#[test]
fn f6_wake_while_polled_is_another_poll() {
    let scheduler = LocalScheduler::new().unwrap();
    let mut polls = 0;
    let wakes = poll_fn(move |cx| {
        polls += 1;
        if polls < 3 {
            let waker = cx.waker().clone();
            waker.wake_by_ref();
            waker.wake();
            return Poll::Pending;
        }
        Poll::Ready(polls)
    });
    assert_eq!(scheduler.block_on(scheduler.spawn(wakes)).unwrap(), 3);
}

#[test]
fn f6_wake_while_polled_from_another_thread_is_another_poll() {
    let scheduler = LocalScheduler::new().unwrap();
    let mut polls = 0;
    let wakes = poll_fn(move |cx| {
        polls += 1;
        if polls > 1 {
            return Poll::Ready(polls);
        }
        let waker = cx.waker().clone();
        std::thread::spawn(move || waker.wake()).join().unwrap();
        Poll::Pending
    });
    assert_eq!(scheduler.block_on(scheduler.spawn(wakes)).unwrap(), 2);
}

#[test]
fn f8_wake_when_complete_does_nothing() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    page.open();
    scheduler.spawn(page.future()).detach();
    settle(&scheduler);
    assert_eq!(page.counts(), counts(1, 1, 1));
    page.waker().wake_by_ref();
    std::thread::scope(|scope| {
        let waker = page.waker();
        scope.spawn(move || waker.wake());
    });
    settle(&scheduler);
    assert_eq!(page.counts(), counts(1, 1, 1));
}

#[test]
fn f8_wake_after_the_scheduler_is_gone_does_nothing() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    let join = scheduler.spawn(page.future());
    settle(&scheduler);
    let waker = page.waker();
    drop(scheduler);
    assert_eq!(page.counts(), counts(1, 1, 0));
    waker.wake_by_ref();
    assert!(join.is_finished());
    page.forget_waker();
    drop(join);
    waker.wake();
    assert_eq!(page.counts(), counts(1, 1, 0));
}

#[test]
fn f8_a_clone_wakes_the_same_and_another_tasks_does_not() {
    let scheduler = LocalScheduler::new().unwrap();
    let (one, two) = (Ledger::new(), Ledger::new());
    scheduler.spawn(one.future()).detach();
    scheduler.spawn(two.future()).detach();
    settle(&scheduler);
    let waker = one.waker();
    assert!(waker.will_wake(&waker.clone()));
    assert!(!waker.will_wake(&two.waker()));
    settle(&scheduler);
    one.waker().wake();
    settle(&scheduler);
    assert!(waker.will_wake(&one.waker()), "a task's waker is the same in each poll");
}

#[test]
fn join_when_complete_gives_the_output_and_does_not_drop_it() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    page.open();
    let join = scheduler.spawn(page.future());
    settle(&scheduler);
    assert!(join.is_finished());
    assert_eq!(page.counts(), counts(1, 1, 0));
    let output = scheduler.block_on(join).unwrap();
    assert_eq!(page.counts(), counts(1, 1, 0));
    drop(output);
    assert_eq!(page.counts(), counts(1, 1, 1));
}

#[test]
fn join_before_completion_is_woken_once() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    let mut join = scheduler.spawn(page.future());
    let (wakes, waker) = CountingWaker::new();
    assert!(poll_join(&mut join, &waker).is_pending());
    assert!(poll_join(&mut join, &waker).is_pending());
    settle(&scheduler);
    page.open();
    page.waker().wake();
    settle(&scheduler);
    assert_eq!(wakes.wakes(), 1);
    assert!(matches!(poll_join(&mut join, &waker), Poll::Ready(Ok(_))));
}

#[test]
fn f23_join_with_another_waker_wakes_the_new_one() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    page.open();
    let mut join = scheduler.spawn(page.future());
    let (old_wakes, old) = CountingWaker::new();
    let (new_wakes, new) = CountingWaker::new();
    assert!(poll_join(&mut join, &old).is_pending());
    assert!(poll_join(&mut join, &new).is_pending());
    drop(old);
    settle(&scheduler);
    assert_eq!((old_wakes.wakes(), new_wakes.wakes()), (0, 1));
    assert_eq!(std::sync::Arc::strong_count(&old_wakes), 1, "the old one was let go");
}

#[test]
fn join_moves_from_task_to_task() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    let mut join = scheduler.spawn(page.future());
    let gate = page.clone();
    scheduler.block_on(async move {
        let mut first = spawn_local(async move {
            let once = poll_fn(|cx| Poll::Ready(pin!(&mut join).poll(cx).is_pending())).await;
            assert!(once);
            [join]
        });
        let [join] = (&mut first).await.unwrap();
        let second = spawn_local(async move { join.await.map(drop) });
        yield_now().await;
        gate.open();
        gate.waker().wake();
        second.await.unwrap().unwrap();
    });
    assert_eq!(page.counts().outputs_dropped, 1);
}

#[test]
fn drop_join_when_waiting_lets_the_waker_go() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    let mut join = scheduler.spawn(page.future());
    let (wakes, waker) = CountingWaker::new();
    assert!(poll_join(&mut join, &waker).is_pending());
    drop((join, waker));
    assert_eq!(std::sync::Arc::strong_count(&wakes), 1);
    page.open();
    settle(&scheduler);
    assert_eq!((wakes.wakes(), page.counts()), (0, counts(1, 1, 1)));
}

#[test]
fn drop_join_when_complete_drops_the_output() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    page.open();
    let join = scheduler.spawn(page.future());
    settle(&scheduler);
    drop(join);
    assert_eq!(page.counts(), counts(1, 1, 1));
}

#[test]
fn detach_drops_the_output_when_it_comes() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    page.open();
    scheduler.spawn(page.future()).detach();
    settle(&scheduler);
    assert_eq!(page.counts(), counts(1, 1, 1));
}

#[test]
fn abort_when_scheduled_drops_it_unpolled() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    let join = scheduler.spawn(page.future());
    join.abort();
    assert_eq!(page.counts(), counts(0, 0, 0), "it is dropped at its turn");
    assert!(scheduler.block_on(join).unwrap_err().is_cancelled());
    assert_eq!(page.counts(), counts(0, 1, 0));
}

#[test]
fn abort_when_idle_drops_it() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    let join = scheduler.spawn(page.future());
    settle(&scheduler);
    join.abort();
    join.abort();
    assert!(scheduler.block_on(join).unwrap_err().is_cancelled());
    assert_eq!(page.counts(), counts(1, 1, 0));
}

#[test]
fn abort_while_polled_drops_it_after_the_poll() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    let gate = page.future();
    let cell = std::rc::Rc::new(std::cell::RefCell::new(None::<LocalJoinHandle<()>>));
    let own = cell.clone();
    let join = scheduler.spawn(async move {
        if let Some(join) = &*own.borrow() {
            join.abort();
        }
        gate.await;
    });
    let aborter = join.abort_handle();
    *cell.borrow_mut() = Some(join);
    settle(&scheduler);
    assert!(aborter.is_finished());
    assert_eq!(page.counts(), counts(1, 1, 0));
}

#[test]
fn abort_when_complete_changes_nothing() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    page.open();
    let join = scheduler.spawn(page.future());
    let aborter = join.abort_handle();
    settle(&scheduler);
    join.abort();
    aborter.clone().abort();
    assert!(scheduler.block_on(join).is_ok());
    aborter.abort();
    assert_eq!(page.counts(), counts(1, 1, 1));
}

#[test]
fn abort_from_another_thread_is_dropped_at_home() {
    let scheduler = LocalScheduler::new().unwrap();
    let home = std::thread::current().id();
    struct AtHome(std::thread::ThreadId);
    impl Drop for AtHome {
        fn drop(&mut self) {
            assert_eq!(std::thread::current().id(), self.0);
        }
    }
    let join = scheduler.spawn(async move {
        let _at_home = AtHome(home);
        pending::<()>().await
    });
    let aborter = join.abort_handle();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        aborter.abort();
    });
    assert!(scheduler.block_on(join).unwrap_err().is_cancelled());
    thread.join().unwrap();
}

#[test]
fn a_panic_goes_to_the_joiner_and_nobody_else() {
    let scheduler = LocalScheduler::new().unwrap();
    let page = Ledger::new();
    let gate = page.future();
    let join = scheduler.spawn(async move {
        let _gate = gate;
        panic!("on purpose {}", std::hint::black_box(1));
    });
    let other = scheduler.spawn(async { 5 });
    let error = scheduler.block_on(join).unwrap_err();
    assert!(error.is_panic() && !error.is_cancelled());
    assert_eq!(error.to_string(), "the task panicked: on purpose 1");
    let payload = error.into_panic().unwrap();
    assert_eq!(payload.downcast_ref::<String>().unwrap(), "on purpose 1");
    assert_eq!(page.counts(), counts(0, 1, 0));
    assert_eq!(scheduler.block_on(other).unwrap(), 5);
}

#[test]
fn a_panic_of_destructors_ends_its_task_only() {
    struct Bomb(&'static str);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("{} destructor", self.0);
            }
        }
    }
    let scheduler = LocalScheduler::new().unwrap();
    let future = Bomb("future's");
    let dropped = scheduler.spawn(poll_fn(move |_| {
        let _ = &future;
        Poll::Ready(())
    }));
    assert!(scheduler.block_on(dropped).unwrap_err().is_panic());
    scheduler.spawn(async { Bomb("output's") }).detach();
    let aborted = Bomb("aborted's");
    let join = scheduler.spawn(async move {
        let _aborted = aborted;
        pending::<()>().await
    });
    settle(&scheduler);
    join.abort();
    assert!(scheduler.block_on(join).unwrap_err().is_cancelled());
    assert_eq!(scheduler.block_on(scheduler.spawn(async { 1 })).unwrap(), 1);
}

#[test]
fn a_panic_of_the_root_goes_to_the_caller() {
    let scheduler = LocalScheduler::new().unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scheduler.block_on(async { panic!("root") });
    }));
    assert_eq!(*caught.unwrap_err().downcast_ref::<&str>().unwrap(), "root");
    assert_eq!(scheduler.block_on(async { 2 }), 2);
}

#[test]
fn the_schedulers_end_drops_every_future_once_and_tells_who_joins() {
    let scheduler = LocalScheduler::new().unwrap();
    let (fresh, idle, done) = (Ledger::new(), Ledger::new(), Ledger::new());
    let idle_join = scheduler.spawn(idle.future());
    done.open();
    let done_join = scheduler.spawn(done.future());
    settle(&scheduler);
    let fresh_join = scheduler.spawn(fresh.future());
    drop(scheduler);
    assert_eq!(fresh.counts(), counts(0, 1, 0));
    assert_eq!(idle.counts(), counts(1, 1, 0));
    assert_eq!(done.counts(), counts(1, 1, 0));
    let wait = wakering_core::task::block_on;
    assert!(wait(fresh_join).unwrap_err().is_cancelled());
    assert!(wait(idle_join).unwrap_err().is_cancelled());
    assert!(wait(done_join).is_ok());
    assert_eq!(done.counts(), counts(1, 1, 1));
}

#[test]
fn tasks_that_are_spawned_while_the_scheduler_ends_are_refused() {
    struct Spawner;
    impl Drop for Spawner {
        fn drop(&mut self) {
            let spawn = wakering_core::task::Spawn::new();
            let refused = wakering_core::task::try_spawn_local(spawn, async {}).unwrap_err();
            let closed = wakering_core::abi::ErrorKind::Closed;
            assert_eq!(refused.error(), closed.into());
        }
    }
    let scheduler = LocalScheduler::new().unwrap();
    scheduler
        .spawn(async {
            let _spawner = Spawner;
            pending::<()>().await
        })
        .detach();
    settle(&scheduler);
}
