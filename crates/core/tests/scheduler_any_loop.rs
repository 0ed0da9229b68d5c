//! Ops of any loop, awaited by tasks of any worker, and by threads that are none.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;
use wakering_core::abi::ErrorKind;
use wakering_core::driver::sim::{Faults, SimDriver};
use wakering_core::random::Random;
use wakering_core::scheduler::{
    LocalOptions, Loop, Nop, Op, Ops, Options, Scheduler, Shutdown, ops,
};
use wakering_core::sync::channel;
use wakering_core::task::{block_on, yield_now};
use wakering_core::{Error, Home};

const SLOTS: u32 = 16;
const LONG: Duration = Duration::from_secs(30);

/// Schedulers with loops without a kernel, and the homes of these.
fn start(workers: usize, loops: usize, turns_max: u32) -> (Scheduler, Arc<Mutex<Vec<Arc<Home>>>>) {
    let homes = Arc::new(Mutex::new(Vec::new()));
    let made = homes.clone();
    let options = Options::new().workers(workers).loops(loops, move |worker| {
        let home = Arc::new(Home::new(SLOTS)?);
        made.lock().unwrap().push(home.clone());
        let driver = SimDriver::new(home.clone(), worker as u64, SLOTS as usize, turns_max);
        // SAFETY: new, and only looked at beside the driver.
        Ok(unsafe { Loop::new(Box::new(driver), home) })
    });
    (Scheduler::start(options).unwrap(), homes)
}

fn in_use(homes: &Mutex<Vec<Arc<Home>>>) -> usize {
    homes.lock().unwrap().iter().map(|home| home.slab.in_use().count()).sum()
}

async fn until_free(homes: &Mutex<Vec<Arc<Home>>>) {
    while in_use(homes) > 0 {
        yield_now().await;
    }
}

#[test]
fn tasks_of_all_workers_await_ops_of_one_loop() {
    let (scheduler, homes) = start(4, 1, 3);
    let joins: Vec<_> = (0..64)
        .map(|number| {
            scheduler.spawn_on(number % 4, move || async move {
                for _ in 0..100 {
                    let ops = ops().expect("every worker finds a loop");
                    assert_eq!(ops.is_here(), number % 4 == 0);
                    assert_eq!(ops.run(Nop).await.unwrap().result, 0);
                    yield_now().await;
                }
            })
        })
        .collect();
    scheduler.block_on(async {
        for join in joins {
            join.await.unwrap();
        }
        until_free(&homes).await;
    });
}

#[test]
fn an_op_is_begun_on_one_worker_and_ends_on_another() {
    let (scheduler, homes) = start(2, 1, 8);
    let (hand_over, handed) = channel(1);
    let first = scheduler.spawn_on(0, move || async move {
        for _ in 0..100 {
            let mut op = Box::pin(ops().unwrap().start(Nop));
            assert!(op.ops().is_here());
            assert!(poll_fn(|cx| Poll::Ready(op.as_mut().poll(cx).is_pending())).await);
            hand_over.send(op).await.unwrap();
        }
    });
    let second = scheduler.spawn_on(1, move || async move {
        let mut ended = 0;
        while let Ok(op) = handed.recv().await {
            assert!(!op.ops().is_here());
            assert_eq!(op.await.unwrap().result, 0);
            ended += 1;
        }
        ended
    });
    scheduler.block_on(async {
        first.await.unwrap();
        assert_eq!(second.await.unwrap(), 100);
        until_free(&homes).await;
    });
}

#[test]
fn a_thread_that_is_no_worker_awaits_ops_of_a_loop() {
    let (scheduler, homes) = start(2, 1, 3);
    let of_loop = scheduler.block_on(scheduler.spawn(async { ops().unwrap() })).unwrap();
    assert!(ops().is_none(), "this thread has none");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let of_loop = of_loop.clone();
            scope.spawn(move || {
                let _entered = of_loop.enter_default();
                assert!(ops().is_some_and(|found| found == of_loop && !found.is_here()));
                for _ in 0..200 {
                    assert_eq!(block_on(of_loop.run(Nop)).unwrap().result, 0);
                }
            });
        }
    });
    scheduler.block_on(until_free(&homes));
}

#[test]
fn a_scheduler_of_one_thread_carries_out_what_others_ask_for() {
    let home = Arc::new(Home::new(SLOTS).unwrap());
    let driver = SimDriver::new(home.clone(), 3, SLOTS as usize, 3);
    // SAFETY: new, and only looked at beside the driver.
    let made = unsafe { Loop::new(Box::new(driver), home.clone()) };
    let scheduler = LocalOptions::new().with_loop(made, 0).build().unwrap();
    let of_loop = scheduler.ops().unwrap().clone();
    let done = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (of_loop, done) = (of_loop.clone(), done.clone());
            std::thread::spawn(move || {
                for round in 0..300 {
                    assert_eq!(block_on(of_loop.run(Nop)).unwrap().result, 0);
                    if round % 50 == 0 {
                        // So that the loop falls asleep.
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                done.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    let remote = scheduler.remote();
    let over = std::thread::spawn(move || {
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        remote.spawn(async {}).detach();
    });
    scheduler.block_on(async {
        while done.load(Ordering::Relaxed) < 3 {
            wakering_core::time::sleep(Duration::from_millis(1)).await;
        }
    });
    over.join().unwrap();
    assert_eq!(home.slab.in_use().count(), 0);
}

/// Ops that are dropped unpolled, in flight and when they are over, on whatever thread.
async fn storm(seed: u64) {
    let mut random = Random::new(seed);
    for _ in 0..100 {
        let ops = ops().unwrap();
        let mut op: Op<Nop> = ops.start(Nop);
        for _ in 0..random.below(4) {
            let mut op = pin!(&mut op);
            match poll_fn(|cx| Poll::Ready(op.as_mut().poll(cx))).await {
                Poll::Ready(Err(error)) => assert_eq!(error, Error::Kind(ErrorKind::Busy)),
                Poll::Ready(Ok(_)) => break,
                Poll::Pending => {}
            }
            if random.below(8) == 0 {
                op.cancel();
            }
            yield_now().await;
        }
    }
}

#[test]
fn dropped_ops_give_their_slots_back_whichever_thread_drops_them() {
    for seed in 0..20 {
        let (scheduler, homes) = start(3, 1, 4);
        let joins: Vec<_> = (0..12).map(|task| scheduler.spawn(storm(seed * 12 + task))).collect();
        scheduler.block_on(async {
            for (number, join) in joins.into_iter().enumerate() {
                if number % 3 == 0 {
                    join.abort();
                }
                let _cancelled_or_done = join.await;
            }
            until_free(&homes).await;
        });
        assert_eq!(scheduler.shutdown(LONG), Shutdown::default());
    }
}

#[test]
fn r12_ten_times_as_many_tasks_as_slots_wait_for_room_and_all_are_served() {
    let (scheduler, homes) = start(3, 1, 4);
    let joins: Vec<_> = (0..160)
        .map(|_| {
            scheduler.spawn(async {
                for _ in 0..20 {
                    assert_eq!(ops().unwrap().run(Nop).await.unwrap().result, 0);
                }
            })
        })
        .collect();
    scheduler.block_on(async {
        for join in joins {
            join.await.unwrap();
        }
        until_free(&homes).await;
    });
}

#[test]
fn faults_of_the_driver_reach_those_who_asked_from_elsewhere() {
    let faults = Faults { failed: 60, refused: 40, delayed: 20, unheard: 60 };
    let options = Options::new().workers(3).loops(1, move |_| {
        let home = Arc::new(Home::new(SLOTS)?);
        let driver = SimDriver::new(home.clone(), 9, SLOTS as usize, 4).with_faults(faults);
        // SAFETY: new, and only looked at beside the driver.
        Ok(unsafe { Loop::new(Box::new(driver), home) })
    });
    let scheduler = Scheduler::start(options).unwrap();
    let joins: Vec<_> = (0..8)
        .map(|_| {
            scheduler.spawn(async {
                let mut failed = 0;
                for _ in 0..100 {
                    let ops = ops().unwrap();
                    match ops.start(Nop).await {
                        Ok(outcome) => failed += usize::from(outcome.result < 0),
                        Err(error) => assert_eq!(error, Error::Kind(ErrorKind::Busy)),
                    }
                    yield_now().await;
                }
                failed
            })
        })
        .collect();
    let failed: usize = scheduler.block_on(async {
        let mut failed = 0;
        for join in joins {
            failed += join.await.unwrap();
        }
        failed
    });
    assert!(failed > 0);
}

#[test]
fn an_op_whose_loop_is_gone_says_closed() {
    let (scheduler, homes) = start(2, 1, 100_000);
    let of_loop: Ops = scheduler.block_on(scheduler.spawn(async { ops().unwrap() })).unwrap();
    let waiting = of_loop.clone();
    let waits = std::thread::spawn(move || block_on(waiting.run(Nop)));
    while in_use(&homes) == 0 {
        std::thread::yield_now();
    }
    assert_eq!(scheduler.shutdown(LONG), Shutdown::default());
    // It was cancelled with the loop, or never begun.
    match waits.join().unwrap() {
        Ok(outcome) => assert_eq!(outcome.result, -libc::ECANCELED),
        Err(error) => assert_eq!(error, Error::Kind(ErrorKind::Closed)),
    }
    assert_eq!(block_on(of_loop.run(Nop)), Err(Error::Kind(ErrorKind::Closed)));
    assert_eq!(in_use(&homes), 0);
}
