//! Loops, pinned tasks and timers on the workers of a scheduler of several threads.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;
use std::time::Duration;
use wakering_core::abi::ErrorKind;
use wakering_core::driver::sim::SimDriver;
use wakering_core::scheduler::{Loop, Nop, Op, Ops, Options, Scheduler, ops};
use wakering_core::task::{self, Spawn, block_on, yield_now};
use wakering_core::time::{VirtualClock, sleep, timeout};
use wakering_core::{Error, Home};

const MS: Duration = Duration::from_millis(1);
/// Longer than a machine is ever busy elsewhere: for what would otherwise hang.
const LONG: Duration = Duration::from_secs(30);

/// A loop without a kernel, whose ops take up to 4 turns.
fn sim(worker: usize) -> Result<Loop, Error> {
    let home = Arc::new(Home::new(16)?);
    let driver = SimDriver::new(home.clone(), worker as u64, 16, 4);
    // SAFETY: new, and only looked at beside the driver.
    Ok(unsafe { Loop::new(Box::new(driver), home) })
}

fn start(options: Options) -> Scheduler {
    Scheduler::start(options).unwrap()
}

fn nop(ops: &Ops) -> Op<Nop> {
    ops.start(Nop)
}

fn this_thread() -> ThreadId {
    std::thread::current().id()
}

#[test]
fn f5_three_loops_and_two_threads_share_one_join() {
    let scheduler = start(Options::new().workers(5).loops(3, sim));
    let on_loops: Vec<_> = (0..3)
        .map(|worker| {
            scheduler.spawn_on(worker, || async {
                let ops = ops().expect("this worker has a loop");
                let mut sum = 0;
                for _ in 0..20 {
                    sum += nop(&ops).await.unwrap().result + 1;
                }
                sum
            })
        })
        .collect();
    let jobs = [1_000_u64, 2_000].map(|end| scheduler.spawn(async move { (0..end).sum::<u64>() }));
    let joined = scheduler.spawn(async {
        let mut all = Vec::new();
        for join in on_loops {
            all.push(join.await.unwrap() as u64);
        }
        for job in jobs {
            all.push(job.await.unwrap());
        }
        all
    });
    assert_eq!(scheduler.block_on(joined).unwrap(), [20, 20, 20, 499_500, 1_999_000]);
}

#[test]
fn f5_a_worker_without_a_loop_has_the_ops_of_another() {
    let scheduler = start(Options::new().workers(2).loops(1, sim));
    let of =
        |worker| scheduler.spawn_on(worker, || async { ops().map(|ops| (ops.is_here(), ops)) });
    let [first, second] = [0, 1].map(|worker| scheduler.block_on(of(worker)).unwrap().unwrap());
    assert!(first.0 && !second.0);
    assert_eq!(first.1, second.1);
    assert!(ops().is_none());
    let scheduler = start(Options::new().workers(1));
    assert!(scheduler.block_on(scheduler.spawn(async { ops().is_none() })).unwrap());
}

#[test]
fn a_loop_that_cannot_be_made_is_said_at_the_start() {
    let options = Options::new().workers(3).loops(2, |worker| match worker {
        0 => sim(0),
        _ => Err(ErrorKind::Unsupported.into()),
    });
    assert_eq!(Scheduler::start(options).unwrap_err(), ErrorKind::Unsupported.into());
}

#[test]
fn m5_an_op_in_flight_completes_beside_a_task_that_is_always_ready() {
    let scheduler = start(Options::new().workers(1).loops(1, sim));
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let busy = scheduler.spawn(async move {
        while !seen.load(Ordering::Relaxed) {
            yield_now().await;
        }
    });
    let done = scheduler.spawn_on(0, || async {
        let ops = ops().unwrap();
        for _ in 0..20 {
            nop(&ops).await.unwrap();
        }
    });
    scheduler.block_on(done).unwrap();
    stop.store(true, Ordering::Relaxed);
    scheduler.block_on(busy).unwrap();
}

#[test]
fn t2_a_pinned_task_that_is_always_ready_starves_no_other_and_no_spawn_from_outside() {
    for lifo in [false, true] {
        let scheduler = start(Options::new().workers(1).lifo(lifo));
        let stop = Arc::new(AtomicBool::new(false));
        let busy: Vec<_> = (0..2)
            .map(|_| {
                let seen = stop.clone();
                scheduler.spawn_on(0, || async move {
                    while !seen.load(Ordering::Relaxed) {
                        yield_now().await;
                    }
                })
            })
            .collect();
        for _ in 0..50 {
            scheduler.block_on(scheduler.spawn(async {})).unwrap();
            scheduler.block_on(scheduler.spawn_on(0, || async {})).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        for busy in busy {
            scheduler.block_on(busy).unwrap();
        }
    }
}

#[test]
fn t2_a_task_that_is_always_ready_starves_no_timer() {
    let scheduler = start(Options::new().workers(1));
    let woke = scheduler.spawn(async {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let busy = task::spawn(async move {
            while !seen.load(Ordering::Relaxed) {
                yield_now().await;
            }
        });
        sleep(5 * MS).await;
        stop.store(true, Ordering::Relaxed);
        busy.await.unwrap();
    });
    scheduler.block_on(woke).unwrap();
}

#[test]
fn local_tasks_stay_on_their_worker_and_hold_what_may_not_move() {
    let scheduler = start(Options::new().workers(4));
    // Tasks that others may steal keep all workers going meanwhile.
    let stop = Arc::new(AtomicBool::new(false));
    let others: Vec<_> = (0..4)
        .map(|_| {
            let seen = stop.clone();
            scheduler.spawn(async move {
                while !seen.load(Ordering::Relaxed) {
                    task::spawn(yield_now()).await.unwrap();
                }
            })
        })
        .collect();
    let homes: Vec<_> = (0..4)
        .map(|worker| {
            scheduler.spawn_on(worker, || async {
                let (home, count) = (this_thread(), Rc::new(Cell::new(0)));
                let inner: Vec<_> = (0..50)
                    .map(|_| {
                        let count = count.clone();
                        task::spawn_local(async move {
                            for _ in 0..20 {
                                yield_now().await;
                                assert_eq!(this_thread(), home);
                                count.set(count.get() + 1);
                            }
                        })
                    })
                    .collect();
                for join in inner {
                    join.await.unwrap();
                }
                assert_eq!((this_thread(), count.get()), (home, 1000));
                home
            })
        })
        .collect();
    let homes: std::collections::HashSet<_> =
        homes.into_iter().map(|home| scheduler.block_on(home).unwrap()).collect();
    assert_eq!(homes.len(), 4);
    stop.store(true, Ordering::Relaxed);
    for other in others {
        scheduler.block_on(other).unwrap();
    }
}

/// Gives its waker away each time, and is ready after so many wakes.
struct Passes {
    wakers: mpsc::Sender<Waker>,
    left: usize,
}

impl Future for Passes {
    type Output = ();

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.left == 0 {
            return Poll::Ready(());
        }
        self.left -= 1;
        self.wakers.send(cx.waker().clone()).unwrap();
        Poll::Pending
    }
}

#[test]
fn f8_a_wake_from_anywhere_brings_a_pinned_task_home() {
    let scheduler = start(Options::new().workers(3).loops(1, sim));
    let (sender, wakers) = mpsc::channel();
    let joins: Vec<_> = (0..3)
        .map(|worker| {
            let wakers = sender.clone();
            scheduler.spawn_on(worker, || async move {
                let home = this_thread();
                let unmoved = Rc::new(1);
                for _ in 0..500 {
                    Passes { wakers: wakers.clone(), left: 1 }.await;
                    assert_eq!((this_thread(), *unmoved), (home, 1));
                }
            })
        })
        .collect();
    drop(sender);
    // Woken in turn from this thread, which is no worker, and from tasks of other workers.
    for (n, waker) in wakers.into_iter().enumerate() {
        match n % 3 {
            0 => waker.wake(),
            1 => scheduler.spawn(async move { waker.wake_by_ref() }).detach(),
            _ => scheduler.spawn_on(n % 2, || async move { waker.wake() }).detach(),
        }
    }
    for join in joins {
        scheduler.block_on(join).unwrap();
    }
}

#[test]
fn a_panic_where_the_future_is_made_ends_that_task_only() {
    let scheduler = start(Options::new().workers(1));
    let made = scheduler.spawn_on(0, || -> std::future::Ready<()> { panic!("on purpose") });
    assert!(scheduler.block_on(made).unwrap_err().is_panic());
    assert_eq!(scheduler.block_on(scheduler.spawn_on(0, || async { 3 })).unwrap(), 3);
    let refused = scheduler.try_spawn_on(1, Spawn::new(), || async {}).unwrap_err();
    assert_eq!(refused.error(), ErrorKind::Unsupported.into());
    assert_eq!(block_on(refused.into_future()()), ());
}

#[test]
fn l6_sleepers_on_workers_wake_in_order_and_never_early() {
    // One worker without the slot: the order of the wakes is the order of the runs.
    let scheduler = start(Options::new().workers(1).lifo(false));
    let log = Arc::new(Mutex::new(Vec::new()));
    let sleepers = [30, 10, 20].map(|ms| {
        let log = log.clone();
        scheduler.spawn(async move {
            let slept = sleep(ms * MS).await;
            log.lock().unwrap().push(ms);
            (ms * MS, slept)
        })
    });
    for sleeper in sleepers {
        let (asked, slept) = scheduler.block_on(sleeper).unwrap();
        assert!(slept >= asked, "{slept:?} of {asked:?}");
    }
    assert_eq!(*log.lock().unwrap(), [10, 20, 30]);
}

#[test]
fn l6_a_clock_moved_by_hand_wakes_sleepers_on_every_worker() {
    let clock = VirtualClock::new();
    let scheduler = start(Options::new().workers(3).clock(clock.clock()));
    let started = Arc::new(AtomicUsize::new(0));
    let woken = Arc::new(AtomicUsize::new(0));
    let sleepers: Vec<_> = (0..3)
        .map(|worker| {
            let (started, woken) = (started.clone(), woken.clone());
            scheduler.spawn_on(worker, move || async move {
                let mut sleeps = Box::pin(sleep(Duration::from_secs(3600 * (worker as u64 + 1))));
                let _ = std::future::poll_fn(|cx| Poll::Ready(sleeps.as_mut().poll(cx))).await;
                started.fetch_add(1, Ordering::SeqCst);
                let slept = sleeps.await;
                woken.fetch_add(1, Ordering::SeqCst);
                slept
            })
        })
        .collect();
    while started.load(Ordering::SeqCst) < 3 {
        std::thread::yield_now();
    }
    for (n, sleeper) in sleepers.into_iter().enumerate() {
        assert_eq!(woken.load(Ordering::SeqCst), n);
        clock.advance(Duration::from_secs(3600));
        assert!(scheduler.block_on(sleeper).unwrap() >= Duration::from_secs(3600) * (n as u32 + 1));
    }
}

#[test]
fn m11_one_timer_costs_one_wakeup_of_one_worker() {
    let parks = |scheduler: &Scheduler| scheduler.metrics().iter().map(|w| w.parks).sum::<u64>();
    let once = || {
        let scheduler = start(Options::new().workers(2));
        scheduler.block_on(scheduler.spawn(async {})).unwrap();
        std::thread::sleep(20 * MS);
        let before = parks(&scheduler);
        let slept = scheduler.block_on(scheduler.spawn(sleep(50 * MS))).unwrap();
        assert!(slept >= 50 * MS);
        std::thread::sleep(5 * MS);
        parks(&scheduler) - before
    };
    // It parks once to sleep over the timer and once when the task is over; a second worker may have
    // looked in at the spawn.
    assert!((0..10).any(|_| once() <= 4));
}

#[test]
fn l6_a_hundred_thousand_sleepers_cost_the_workers_nothing() {
    let scheduler = start(Options::new().workers(2));
    let polls = |scheduler: &Scheduler| {
        scheduler.metrics().iter().fold((0, 0), |sum, w| (sum.0 + w.polls, sum.1 + w.parks))
    };
    let started = Arc::new(AtomicUsize::new(0));
    for n in 0..100_000_u64 {
        let started = started.clone();
        scheduler
            .spawn(async move {
                started.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_secs(3600 + n % 1000)).await
            })
            .detach();
    }
    while started.load(Ordering::Relaxed) < 100_000 {
        std::thread::yield_now();
    }
    let quiet = || {
        std::thread::sleep(50 * MS);
        let before = polls(&scheduler);
        std::thread::sleep(200 * MS);
        polls(&scheduler) == before
    };
    assert!((0..5).any(|_| quiet()), "workers woke for nobody");
}

struct Rings(mpsc::Sender<ThreadId>);

impl Wake for Rings {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(this_thread());
    }
}

#[test]
fn another_worker_fires_the_timers_of_one_that_is_at_a_long_poll() {
    let scheduler = start(Options::new().workers(2));
    let (rings, heard) = mpsc::channel();
    let long = scheduler.spawn(async move {
        let waker = Waker::from(Arc::new(Rings(rings)));
        let mut slept = Box::pin(sleep(10 * MS));
        assert!(slept.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        // The other worker comes for one of these, and goes to sleep again while this one is busy.
        task::spawn(async {}).detach();
        task::spawn(async {}).detach();
        let fired_by = heard.recv_timeout(LONG).expect("nobody fired the timer");
        assert_ne!(fired_by, this_thread());
    });
    scheduler.block_on(long).unwrap();
}

#[test]
fn timeouts_of_tasks_that_move_are_told_and_forgotten() {
    let scheduler = start(Options::new().workers(4));
    let joins: Vec<_> = (0..2_000_u32)
        .map(|n| {
            scheduler.spawn(async move {
                if n % 2 == 0 {
                    timeout(LONG, yield_now()).await.is_ok()
                } else {
                    timeout(MS * (n % 7), std::future::pending::<()>()).await.is_err()
                }
            })
        })
        .collect();
    for join in joins {
        assert!(scheduler.block_on(join).unwrap());
    }
}
