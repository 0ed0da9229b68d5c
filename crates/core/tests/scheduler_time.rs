//! Timers of the schedulers: tasks sleep without any `enter`, in order, never too little, and at no
//! cost but a wakeup when the time comes.

use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::Duration;
use wakering_core::scheduler::{LocalOptions, LocalScheduler};
use wakering_core::task::{self, spawn_local};
use wakering_core::time::{Elapsed, VirtualClock, interval, sleep, timeout};

const MS: Duration = Duration::from_millis(1);

/// How often this thread gave its CPU up of its own accord: once for each time that it waits.
fn waits() -> i64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call fills the structure, or fails and leaves zeroes.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    // SAFETY: zeroes or filled.
    unsafe { usage.assume_init() }.ru_nvcsw
}

/// A machine that is busy elsewhere makes a thread late now and then: what must hold of numbers has to
/// hold in one try of several.
fn in_one_try_of(tries: usize, mut holds: impl FnMut() -> bool) {
    assert!((0..tries).any(|_| holds()), "in none of {tries} tries");
}

/// Sleeps of 30, 10 and 20 ms, in tasks of their own: in which order they woke, and how long each
/// slept.
async fn three_sleepers() -> Vec<(u32, Duration)> {
    let log = Rc::new(std::cell::RefCell::new(Vec::new()));
    let sleepers = [30, 10, 20].map(|ms| {
        let log = log.clone();
        spawn_local(async move {
            let slept = sleep(ms * MS).await;
            log.borrow_mut().push((ms, slept));
        })
    });
    for sleeper in sleepers {
        sleeper.await.unwrap();
    }
    log.take()
}

fn in_order_and_not_early(log: &[(u32, Duration)]) {
    assert_eq!(log.iter().map(|&(ms, _)| ms).collect::<Vec<_>>(), [10, 20, 30]);
    for &(ms, slept) in log {
        assert!(slept >= ms * MS, "{slept:?} of {ms} ms");
    }
}

#[test]
fn l6_sleepers_on_one_thread_wake_in_order_and_never_early() {
    in_order_and_not_early(&LocalScheduler::new().unwrap().block_on(three_sleepers()));
}

#[test]
fn l6_the_same_by_a_clock_that_is_moved_by_hand() {
    let clock = VirtualClock::new();
    let options = LocalOptions::new().clock(clock.clock()).skip_idle_time(true);
    let began = clock.now();
    let log = options.build().unwrap().block_on(three_sleepers());
    assert_eq!(log, [10, 20, 30].map(|ms| (ms, ms * MS)));
    assert_eq!(clock.now() - began, 30 * MS);
}

#[test]
fn m11_one_timer_of_one_thread_costs_one_wakeup() {
    in_one_try_of(10, || {
        let scheduler = LocalScheduler::new().unwrap();
        let before = waits();
        let slept = scheduler.block_on(async { spawn_local(sleep(50 * MS)).await.unwrap() });
        assert!(slept >= 50 * MS);
        waits() - before <= 2
    });
}

#[test]
fn l6_a_hundred_thousand_sleepers_of_one_thread_cost_nothing_meanwhile() {
    let scheduler = LocalOptions::new().build().unwrap();
    let polls = Rc::new(std::cell::Cell::new(0));
    for n in 0..100_000_u32 {
        let polls = polls.clone();
        scheduler
            .spawn(async move {
                let mut slept = std::pin::pin!(sleep(Duration::from_secs(3600 + u64::from(n))));
                std::future::poll_fn(|cx| {
                    polls.set(polls.get() + 1);
                    slept.as_mut().poll(cx)
                })
                .await;
            })
            .detach();
    }
    in_one_try_of(3, || {
        scheduler.block_on(task::yield_now());
        let before = waits();
        scheduler.block_on(sleep(300 * MS));
        waits() - before <= 3
    });
    assert_eq!(polls.get(), 100_000);
}

#[test]
fn l9_a_thread_whose_tasks_sleep_is_not_stalled() {
    let scheduler = LocalScheduler::new().unwrap();
    let woke = scheduler.run_until(async {
        // The one who is waited for sleeps, and nobody else is there.
        spawn_local(sleep(20 * MS)).await.unwrap()
    });
    assert!(woke.unwrap() >= 20 * MS);
    scheduler.spawn(sleep(20 * MS)).detach();
    assert_eq!(scheduler.run(), Ok(0));
}

#[test]
fn timeouts_and_intervals_need_no_enter_either() {
    let clock = VirtualClock::new();
    let options = LocalOptions::new().clock(clock.clock()).skip_idle_time(true);
    let ticks = options.build().unwrap().block_on(async {
        let mut ticks = 0;
        let mut every_hour = interval(3_600_000 * MS);
        let limited = timeout(24 * 3_600_000 * MS + MS, async {
            loop {
                every_hour.tick().await;
                ticks += 1;
            }
        });
        let outcome: Result<(), Elapsed> = limited.await;
        assert_eq!(outcome, Err(Elapsed));
        ticks
    });
    assert_eq!(ticks, 25);
}

#[test]
fn a_clock_that_another_thread_moves_wakes_the_one_that_waits() {
    let clock = VirtualClock::new();
    let scheduler = LocalOptions::new().clock(clock.clock()).build().unwrap();
    let (asleep, heard) = mpsc::channel();
    let mover = std::thread::spawn(move || {
        heard.recv().unwrap();
        clock.advance(Duration::from_secs(60));
    });
    let slept = scheduler.block_on(async {
        let sleeper = spawn_local(sleep(Duration::from_secs(60)));
        task::yield_now().await;
        asleep.send(()).unwrap();
        sleeper.await.unwrap()
    });
    assert_eq!(slept, Duration::from_secs(60));
    mover.join().unwrap();
}

#[test]
fn a_timer_that_another_thread_starts_here_cuts_the_wait_short() {
    let scheduler = LocalScheduler::new().unwrap();
    let timers = scheduler.timers().clone();
    let (asked, answers) = mpsc::channel::<Waker>();
    let other = std::thread::spawn(move || {
        let waker = answers.recv().unwrap();
        // Long enough for the owner to wait without a deadline, which is the case that matters.
        std::thread::sleep(50 * MS);
        let mut slept = Box::pin(timers.sleep(10 * MS));
        assert!(slept.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        slept
    });
    let mut sent = false;
    scheduler.block_on(std::future::poll_fn(|cx| {
        if std::mem::replace(&mut sent, true) {
            return std::task::Poll::Ready(());
        }
        asked.send(cx.waker().clone()).unwrap();
        std::task::Poll::Pending
    }));
    drop(other.join().unwrap());
}
