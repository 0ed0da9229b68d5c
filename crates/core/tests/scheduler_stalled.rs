//! A scheduler that nobody will ever wake says so, and one that somebody may wake does not.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, Waker};
use wakering_core::scheduler::{LocalScheduler, RunError};
use wakering_core::sync::local;
use wakering_core::task::{Spawn, yield_now};

fn stalled(ended: Result<i32, RunError>) -> String {
    match ended {
        Err(RunError::Stalled(stalled)) => stalled.to_string(),
        other => panic!("it is stalled: {other:?}"),
    }
}

#[test]
fn l9_two_local_locks_in_cross_order_are_stalled() {
    let scheduler = LocalScheduler::new().unwrap();
    let locks = Rc::new([local::Mutex::new(()), local::Mutex::new(())]);
    for (name, first) in [("one", 0), ("two", 1)] {
        let locks = locks.clone();
        let both = async move {
            let _mine = locks[first].lock().await;
            yield_now().await;
            let _other = locks[1 - first].lock().await;
        };
        scheduler.try_spawn_as(Spawn::new().name(name), both).unwrap().detach();
    }
    let said = stalled(scheduler.run());
    for name in ["one", "two"] {
        assert!(said.contains(&format!("'{name}': waits for mutex 0x")), "{said}");
    }
}

#[test]
fn l9_who_waits_in_two_local_lines_is_stalled_as_well() {
    let scheduler = LocalScheduler::new().unwrap();
    let (_sender, receiver) = local::channel::<u32>(1);
    let rendez = local::Rendez::new();
    let waits = async move {
        let (mut receive, mut sleep) = (pin!(receiver.recv()), pin!(rendez.sleep()));
        poll_fn(|cx| {
            // Twice: the second poll of each finds its own waker there.
            for _ in 0..2 {
                assert!(receive.as_mut().poll(cx).is_pending());
                assert!(sleep.as_mut().poll(cx).is_pending());
            }
            Poll::<()>::Pending
        })
        .await;
    };
    scheduler.spawn(waits).detach();
    let said = stalled(scheduler.run());
    assert!(said.contains("waits for wakeup 0x"), "{said}");
}

/// A task that waits at a rendez of its own thread in some way, and leaves a waker outside.
fn a_waker_is_out(wait: fn(&mut Pin<Box<dyn Future<Output = ()>>>, &mut std::task::Context)) {
    let scheduler = LocalScheduler::new().unwrap();
    let rendez = Rc::new(local::Rendez::new());
    let (send, receive) = std::sync::mpsc::channel::<Waker>();
    let waker_comes_back = std::thread::spawn(move || {
        let waker = receive.recv().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        waker.wake();
    });
    let asleep = rendez.clone();
    let mut sleep: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
        asleep.sleep().await;
    });
    let mut polled = false;
    let task = poll_fn(move |cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        wait(&mut sleep, cx);
        send.send(cx.waker().clone()).unwrap();
        Poll::Pending
    });
    scheduler.spawn(task).detach();
    assert_eq!(scheduler.run(), Ok(0));
    waker_comes_back.join().unwrap();
}

#[test]
fn l9_no_alarm_where_a_wait_was_polled_twice() {
    a_waker_is_out(|sleep, cx| {
        assert!(sleep.as_mut().poll(cx).is_pending());
        assert!(sleep.as_mut().poll(cx).is_pending());
    });
}

#[test]
fn l9_no_alarm_where_a_wait_was_given_up_in_the_same_poll() {
    a_waker_is_out(|sleep, cx| {
        assert!(sleep.as_mut().poll(cx).is_pending());
        *sleep = Box::pin(pending());
    });
}

#[test]
fn l9_no_alarm_where_a_wait_went_to_another_task() {
    let scheduler = LocalScheduler::new().unwrap();
    let rendez = Rc::new(local::Rendez::new());
    let asleep = rendez.clone();
    type Shared = Rc<RefCell<Pin<Box<dyn Future<Output = ()>>>>>;
    let sleep: Shared = Rc::new(RefCell::new(Box::pin(async move {
        asleep.sleep().await;
    })));
    let (send, receive) = std::sync::mpsc::channel::<Waker>();
    let first = sleep.clone();
    let mut polled = false;
    scheduler
        .spawn(poll_fn(move |cx| {
            if std::mem::replace(&mut polled, true) {
                return Poll::Ready(());
            }
            assert!(first.borrow_mut().as_mut().poll(cx).is_pending());
            send.send(cx.waker().clone()).unwrap();
            Poll::Pending
        }))
        .detach();
    // It takes the other one's place in the line, and sleeps there for good.
    let second = Spawn::new().system();
    scheduler
        .try_spawn_as(second, poll_fn(move |cx| sleep.borrow_mut().as_mut().poll(cx)))
        .unwrap()
        .detach();
    let wakes = std::thread::spawn(move || {
        let waker = receive.recv().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        waker.wake();
    });
    assert_eq!(scheduler.run(), Ok(0));
    wakes.join().unwrap();
}
