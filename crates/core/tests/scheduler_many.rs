//! The scheduler of several threads: nothing is lost, nobody starves, and it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use wakering_core::abi::ErrorKind;
use wakering_core::scheduler::{Options, Scheduler, Shutdown};
use wakering_core::task::{self, Spawn, block_on, yield_now};

fn start(workers: usize) -> Scheduler {
    Scheduler::start(Options::new().workers(workers)).unwrap()
}

#[test]
fn f5_without_a_loop_a_cpu_job_finishes() {
    let scheduler = start(2);
    let sum = scheduler.spawn(async { (0..1_000_000_u64).sum::<u64>() });
    assert_eq!(block_on(sum).unwrap(), 499_999_500_000);
}

#[test]
fn every_spawned_task_runs_once_wherever_it_comes_from() {
    let scheduler = Arc::new(start(4));
    let ran = Arc::new(AtomicUsize::new(0));
    let producers: Vec<_> = (0..4)
        .map(|_| {
            let (scheduler, ran) = (scheduler.clone(), ran.clone());
            std::thread::spawn(move || {
                let joins: Vec<_> = (0..2_000)
                    .map(|_| {
                        let ran = ran.clone();
                        scheduler.spawn(async move {
                            let inner: Vec<_> = (0..4)
                                .map(|_| {
                                    let ran = ran.clone();
                                    task::spawn(async move {
                                        yield_now().await;
                                        ran.fetch_add(1, Ordering::Relaxed);
                                    })
                                })
                                .collect();
                            for join in inner {
                                join.await.unwrap();
                            }
                        })
                    })
                    .collect();
                for join in joins {
                    block_on(join).unwrap();
                }
            })
        })
        .collect();
    for producer in producers {
        producer.join().unwrap();
    }
    assert_eq!(ran.load(Ordering::Relaxed), 4 * 2_000 * 4);
}

#[test]
fn t2_a_task_that_is_always_ready_keeps_no_spawn_from_outside_waiting() {
    let scheduler = start(1);
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let busy = scheduler.spawn(async move {
        let mut turns = 0;
        while !seen.load(Ordering::Relaxed) {
            yield_now().await;
            turns += 1;
        }
        turns
    });
    for _ in 0..100 {
        block_on(scheduler.spawn(async {})).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    assert!(block_on(busy).unwrap() > 0);
}

#[test]
fn t3_two_that_wake_each_other_do_not_starve_a_third() {
    let scheduler = start(1);
    let (a, b) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (count, done) = (a.clone(), b.clone());
    let pair = scheduler.spawn(async move {
        while !done.load(Ordering::Relaxed) {
            let count = count.clone();
            task::spawn(async move { count.fetch_add(1, Ordering::Relaxed) }).await.unwrap();
        }
    });
    while a.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    let third = scheduler.spawn(async move { b.store(true, Ordering::Relaxed) });
    block_on(third).unwrap();
    block_on(pair).unwrap();
}

#[test]
fn t3_a_chain_of_spawns_goes_behind_all_who_wait() {
    fn link(links: Arc<AtomicUsize>, left: usize) {
        links.fetch_add(1, Ordering::Relaxed);
        if left > 0 {
            task::spawn(async move { link(links, left - 1) }).detach();
        }
    }
    let scheduler = start(1);
    let links = Arc::new(AtomicUsize::new(0));
    let most = block_on(scheduler.spawn(async move {
        let waiting = || {
            let links = links.clone();
            async move { links.load(Ordering::Relaxed) }
        };
        let joins: Vec<_> = (0..100).map(|_| task::spawn(waiting())).collect();
        task::spawn(async move { link(links, 1_000) }).detach();
        let mut most = 0;
        for join in joins {
            most = most.max(join.await.unwrap());
        }
        most
    }));
    // Two of them go before, not some for each that waits.
    assert!(most.unwrap() <= 2);
}

#[test]
fn t4_a_heap_of_tasks_on_one_worker_is_shared() {
    let scheduler = start(2);
    let join = scheduler.spawn(async {
        let spin = || async {
            let start = Instant::now();
            while start.elapsed() < Duration::from_micros(200) {
                std::hint::spin_loop();
            }
            std::thread::current().id()
        };
        let joins: Vec<_> = (0..200).map(|_| task::spawn(spin())).collect();
        let mut threads = std::collections::HashSet::new();
        for join in joins {
            threads.insert(join.await.unwrap());
        }
        threads.len()
    });
    assert_eq!(block_on(join).unwrap(), 2);
    assert!(scheduler.metrics().iter().any(|worker| worker.steals > 0));
}

#[test]
fn a_panic_ends_its_task_and_no_worker() {
    let scheduler = start(1);
    let error = block_on(scheduler.spawn(async { panic!("on purpose") })).unwrap_err();
    assert!(error.is_panic());
    assert_eq!(block_on(scheduler.spawn(async { 3 })).unwrap(), 3);
}

#[test]
fn shutdown_drops_every_future_and_tells_who_joins() {
    for _ in 0..50 {
        struct Counted(Arc<AtomicUsize>);
        impl Drop for Counted {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let scheduler = start(2);
        let dropped = Arc::new(AtomicUsize::new(0));
        let joins: Vec<_> = (0..100)
            .map(|n| {
                let counted = Counted(dropped.clone());
                scheduler.spawn(async move {
                    let _counted = counted;
                    if n % 2 == 0 {
                        std::future::pending::<()>().await;
                    }
                    loop {
                        yield_now().await;
                    }
                })
            })
            .collect();
        assert_eq!(scheduler.shutdown(Duration::from_secs(5)), Shutdown::default());
        assert_eq!(dropped.load(Ordering::Relaxed), 100);
        for join in joins {
            assert!(block_on(join).unwrap_err().is_cancelled());
        }
        let refused = scheduler.try_spawn(Spawn::new(), async {}).unwrap_err();
        assert_eq!(refused.error(), ErrorKind::Closed.into());
    }
}

#[test]
fn shutdown_says_what_does_not_return() {
    let scheduler = start(2);
    let go_on = Arc::new(AtomicBool::new(false));
    let (seen, started) = (go_on.clone(), Arc::new(AtomicBool::new(false)));
    let has_started = started.clone();
    let stuck = scheduler.spawn(async move {
        has_started.store(true, Ordering::Relaxed);
        while !seen.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
    });
    while !started.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
    let left = scheduler.shutdown(Duration::from_millis(50));
    assert_eq!(left, Shutdown { tasks_left: 1, workers_left: 1, jobs_left: 0, ops_left: 0 });
    go_on.store(true, Ordering::Relaxed);
    assert_eq!(scheduler.shutdown(Duration::from_secs(5)), Shutdown::default());
    let _ = block_on(stuck);
}

#[test]
fn wakers_outlive_the_scheduler() {
    let (send, receive) = std::sync::mpsc::channel();
    let scheduler = start(2);
    let join = scheduler.spawn(std::future::poll_fn(move |cx| {
        send.send(cx.waker().clone()).unwrap();
        std::task::Poll::<()>::Pending
    }));
    let waker = receive.recv().unwrap();
    drop(scheduler);
    waker.wake_by_ref();
    assert!(join.is_finished());
    drop(join);
    waker.wake();
}

#[test]
fn what_blocks_on_the_scheduler_spawns_there() {
    let scheduler = Scheduler::start(Options::new().workers(2)).unwrap();
    let here = std::thread::current().id();
    let (there, sum) = scheduler.block_on(async {
        let one = task::spawn(async { std::thread::current().id() });
        let two = task::spawn(async { task::spawn(async { 2 }).await });
        (one.await.unwrap(), two.await.unwrap().unwrap())
    });
    assert_ne!(there, here);
    assert_eq!(sum, 2);
    let job = scheduler.block_on(async { task::spawn_blocking(|| 3).await });
    assert_eq!(job.unwrap(), 3);
    // Only as long as it blocks there.
    assert!(task::try_spawn(Spawn::new(), async {}).is_err());
}
