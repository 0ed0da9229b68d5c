//! How a scheduler of several threads comes to its end: by itself, by a word of a task, by a shutdown.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread::ThreadId;
use std::time::Duration;
use wakering_core::abi::ErrorKind;
use wakering_core::driver::sim::SimDriver;
use wakering_core::scheduler::{Loop, Nop, Options, RunError, Scheduler, Shutdown, ops};
use wakering_core::task::{self, Spawn, block_on, exit, exit_all, yield_now};
use wakering_core::time::sleep;
use wakering_core::{Error, Home};

const MS: Duration = Duration::from_millis(1);
/// Longer than a machine is ever busy elsewhere: for what would otherwise hang.
const LONG: Duration = Duration::from_secs(30);

fn start(workers: usize) -> Scheduler {
    Scheduler::start(Options::new().workers(workers)).unwrap()
}

/// Counts its drops, and notes on which thread they are.
#[derive(Clone, Default)]
struct Drops(Arc<Mutex<Vec<ThreadId>>>);

struct Dropped(Drops);

impl Drops {
    fn one(&self) -> Dropped {
        Dropped(self.clone())
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().push(std::thread::current().id());
    }
}

#[test]
fn l4_exit_all_in_one_scheduler_is_its_status_and_nothing_to_another() {
    let (one, other) = (start(2), start(2));
    let ticks = Arc::new(AtomicUsize::new(0));
    let (counted, dropped) = (ticks.clone(), Drops::default());
    let ticking = other.spawn(async move {
        loop {
            counted.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
        }
    });
    let stays = dropped.one();
    let pending = one.spawn(async move {
        let _stays = stays;
        std::future::pending::<()>().await;
    });
    one.spawn(async {
        sleep(5 * MS).await;
        match exit_all(7).await {}
    })
    .detach();
    assert_eq!(one.run(), Ok(7));
    // It stays so, and so do the tasks, until the shutdown.
    assert_eq!((one.run(), dropped.count()), (Ok(7), 0));
    assert_eq!(one.shutdown(LONG), Shutdown::default());
    assert!(block_on(pending).unwrap_err().is_cancelled());
    assert_eq!(dropped.count(), 1);
    let before = ticks.load(Ordering::Relaxed);
    while ticks.load(Ordering::Relaxed) < before + 1000 {
        std::thread::yield_now();
    }
    ticking.abort();
    assert_eq!(other.run(), Ok(0));
}

#[test]
fn l4_who_waits_for_a_future_is_told_of_exit_all() {
    let scheduler = start(2);
    scheduler
        .spawn(async {
            yield_now().await;
            match exit_all(3).await {}
        })
        .detach();
    let waited = scheduler.run_until(std::future::pending::<()>());
    assert_eq!(waited, Err(RunError::Exited(3)));
    // What is ready all the same is had.
    assert_eq!(scheduler.run_until(async { 5 }), Ok(5));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scheduler.block_on(std::future::pending::<()>());
    }));
    let text = panicked.unwrap_err();
    assert!(text.downcast_ref::<String>().unwrap().contains("status 3"));
}

#[test]
fn l4_the_status_of_one_task_is_what_a_run_ends_with() {
    let scheduler = start(2);
    scheduler.spawn(async { match exit(4).await {} }).detach();
    assert_eq!(scheduler.run(), Ok(4));
}

#[test]
fn l5_system_tasks_keep_no_run_going() {
    let scheduler = start(3);
    for _ in 0..3 {
        let clock = Spawn::new().name("clock").system();
        let ticking = async {
            loop {
                sleep(MS).await;
            }
        };
        scheduler.try_spawn(clock, ticking).unwrap().detach();
        let pinned = scheduler.try_spawn_on(1, clock, std::future::pending::<()>);
        pinned.unwrap().detach();
    }
    assert_eq!(scheduler.run(), Ok(0));
    let woke = scheduler.spawn(sleep(20 * MS));
    assert_eq!(scheduler.run(), Ok(0));
    assert!(woke.is_finished());
}

/// Tasks beget tasks on whatever worker they are at; some sleep, some are pinned.
fn beget(left: u32, ran: Arc<AtomicUsize>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        for n in 0..left {
            task::spawn(beget(left - 1, ran.clone())).detach();
            if n == 1 {
                let ran = ran.clone();
                task::spawn_local(async move {
                    let unmoved = Rc::new(());
                    sleep(MS / 10).await;
                    drop(unmoved);
                    ran.fetch_add(1, Ordering::Relaxed);
                })
                .detach();
            }
            if n == 2 {
                yield_now().await;
            }
        }
        ran.fetch_add(1, Ordering::Relaxed);
    })
}

/// How many that are, the first among them.
fn begotten(left: usize) -> usize {
    let pinned = usize::from(left > 1);
    let others = if left == 0 { 0 } else { left * begotten(left - 1) };
    1 + pinned + others
}

#[test]
fn l5_a_run_ends_when_the_last_task_does_and_not_before() {
    let scheduler = start(4);
    for round in 0..200 {
        let ran = Arc::new(AtomicUsize::new(0));
        scheduler.spawn(beget(4, ran.clone())).detach();
        if round % 2 == 0 {
            scheduler
                .spawn_on(round % 4, {
                    let ran = ran.clone();
                    || beget(4, ran)
                })
                .detach();
        }
        assert_eq!(scheduler.run(), Ok(0));
        let roots = 1 + usize::from(round % 2 == 0);
        assert_eq!(ran.load(Ordering::Relaxed), roots * begotten(4));
    }
}

#[test]
fn a_run_by_one_of_its_own_tasks_says_so() {
    let scheduler = Arc::new(start(1));
    let own = scheduler.clone();
    let error = scheduler.block_on(scheduler.spawn(async move { own.run() })).unwrap_err();
    assert!(error.is_panic());
}

/// Says in its destructor what a spawn answers there.
struct Spawns {
    scheduler: Arc<Scheduler>,
    answers: mpsc::Sender<[Error; 4]>,
}

impl Drop for Spawns {
    fn drop(&mut self) {
        let outside = self.scheduler.try_spawn(Spawn::new(), async {}).unwrap_err().error();
        let on = self.scheduler.try_spawn_on(0, Spawn::new(), || async {}).unwrap_err().error();
        let inside = task::try_spawn(Spawn::new(), async {}).unwrap_err().error();
        let local = task::try_spawn_local(Spawn::new(), async {}).unwrap_err().error();
        self.answers.send([outside, on, inside, local]).unwrap();
    }
}

#[test]
fn r16_while_it_shuts_down_a_scheduler_takes_no_task_from_anywhere() {
    let scheduler = Arc::new(start(2));
    let (answers, heard) = mpsc::channel();
    let polled = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let spawns = Spawns { scheduler: scheduler.clone(), answers: answers.clone() };
        let polled = polled.clone();
        scheduler
            .spawn(async move {
                let _spawns = spawns;
                polled.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            })
            .detach();
    }
    while polled.load(Ordering::SeqCst) < 10 {
        std::thread::yield_now();
    }
    assert_eq!(scheduler.shutdown(LONG), Shutdown::default());
    drop(answers);
    let answers: Vec<_> = heard.into_iter().collect();
    assert_eq!(answers, vec![[ErrorKind::Closed.into(); 4]; 10]);
    assert_eq!(
        scheduler.try_spawn_blocking(Default::default(), || ()).unwrap_err(),
        ErrorKind::Closed.into()
    );
}

#[test]
fn futures_are_dropped_by_workers_and_pinned_ones_by_their_own() {
    let scheduler = start(3);
    let threads: Vec<_> = (0..3)
        .map(|worker| {
            let id = scheduler.spawn_on(worker, || async { std::thread::current().id() });
            scheduler.block_on(id).unwrap()
        })
        .collect();
    let moving = Drops::default();
    let pinned = [Drops::default(), Drops::default(), Drops::default()];
    let begun = Arc::new(AtomicUsize::new(0));
    for n in 0..60 {
        let (one, begun) = (moving.one(), begun.clone());
        scheduler
            .spawn(async move {
                let _one = one;
                begun.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            })
            .detach();
        let drops = pinned[n % 3].clone();
        scheduler
            .spawn_on(n % 3, move || async move {
                let one = Rc::new(drops.one());
                let local = task::spawn_local(async move {
                    let _one = one;
                    std::future::pending::<()>().await;
                });
                let _ = local.await;
            })
            .detach();
    }
    while begun.load(Ordering::SeqCst) < 60 {
        std::thread::yield_now();
    }
    scheduler.block_on(scheduler.spawn_on(0, yield_now)).unwrap();
    scheduler.block_on(scheduler.spawn_on(1, yield_now)).unwrap();
    scheduler.block_on(scheduler.spawn_on(2, yield_now)).unwrap();
    assert_eq!(scheduler.shutdown(LONG), Shutdown::default());
    assert_eq!(moving.count(), 60);
    assert!(moving.0.lock().unwrap().iter().all(|thread| threads.contains(thread)));
    for (drops, thread) in pinned.iter().zip(&threads) {
        assert_eq!(drops.count(), 20);
        assert!(drops.0.lock().unwrap().iter().all(|dropped_by| dropped_by == thread));
    }
}

#[test]
fn a_job_that_does_not_return_is_counted_and_waited_for_again() {
    let scheduler = start(1);
    let (go_on, waits) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    let job = scheduler.spawn_blocking(move || {
        begun.send(()).unwrap();
        let _ = waits.recv();
        5
    });
    has_begun.recv().unwrap();
    let left = scheduler.shutdown(20 * MS);
    assert_eq!(left, Shutdown { jobs_left: 1, ..Shutdown::default() });
    drop(go_on);
    assert_eq!(scheduler.shutdown(LONG), Shutdown::default());
    assert_eq!(block_on(job).unwrap(), 5);
}

#[test]
fn one_of_its_own_tasks_may_shut_it_down_but_not_wait_for_itself() {
    let scheduler = Arc::new(start(2));
    let own = scheduler.clone();
    let (told, tells) = mpsc::channel();
    scheduler.spawn(async move { told.send(own.shutdown(LONG)).unwrap() }).detach();
    let left = tells.recv_timeout(LONG).unwrap();
    assert_eq!((left.tasks_left, left.jobs_left), (1, 0));
    assert!(left.workers_left >= 1);
    assert_eq!(scheduler.shutdown(LONG), Shutdown::default());
}

/// Gives its waker away at each poll.
fn restless(wakers: mpsc::Sender<Waker>) -> impl Future<Output = ()> {
    std::future::poll_fn(move |cx| {
        let _ = wakers.send(cx.waker().clone());
        Poll::Pending
    })
}

#[test]
fn r16_spawns_and_wakes_that_race_with_a_shutdown_are_lost_on_nobody() {
    for _ in 0..100 {
        let scheduler = Arc::new(start(3));
        let (drops, made) = (Drops::default(), Arc::new(AtomicUsize::new(0)));
        let (sender, wakers) = mpsc::channel::<Waker>();
        let waking = std::thread::spawn(move || wakers.into_iter().for_each(Waker::wake));
        let go = Arc::new(AtomicBool::new(false));
        let spawning: Vec<_> = (0..2)
            .map(|n| {
                let (scheduler, drops, made) = (scheduler.clone(), drops.clone(), made.clone());
                let (sender, go) = (sender.clone(), go.clone());
                std::thread::spawn(move || {
                    let mut joins = Vec::new();
                    go.store(true, Ordering::Relaxed);
                    for round in 0.. {
                        let (one, sender) = (drops.one(), sender.clone());
                        made.fetch_add(1, Ordering::SeqCst);
                        let task = async move {
                            let _one = one;
                            restless(sender).await;
                        };
                        let spawned = if n == 0 {
                            scheduler.try_spawn(Spawn::new(), task).map_err(Error::from)
                        } else {
                            let on = scheduler.try_spawn_on(round % 3, Spawn::new(), || task);
                            on.map_err(Error::from)
                        };
                        match spawned {
                            Ok(join) => joins.push(join),
                            Err(error) => {
                                assert_eq!(error, ErrorKind::Closed.into());
                                break;
                            }
                        }
                    }
                    joins
                })
            })
            .collect();
        drop(sender);
        while !go.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        assert_eq!(scheduler.shutdown(LONG), Shutdown::default());
        for thread in spawning {
            for join in thread.join().unwrap() {
                assert!(block_on(join).unwrap_err().is_cancelled());
            }
        }
        waking.join().unwrap();
        assert_eq!(drops.count(), made.load(Ordering::SeqCst));
    }
}

#[test]
fn r16_ops_in_flight_are_over_when_the_shutdown_is() {
    for seed in 0..20 {
        let homes = Arc::new(Mutex::new(Vec::new()));
        let made = homes.clone();
        let options = Options::new().workers(2).loops(2, move |worker| {
            let home = Arc::new(Home::new(16)?);
            made.lock().unwrap().push(home.clone());
            let driver = SimDriver::new(home.clone(), seed + worker as u64, 16, 1000);
            // SAFETY: new, and only looked at beside the driver.
            Ok(unsafe { Loop::new(Box::new(driver), home) })
        });
        let scheduler = Scheduler::start(options).unwrap();
        let (begun, has_begun) = mpsc::channel();
        for n in 0..8 {
            let begun = begun.clone();
            scheduler
                .spawn_on(n % 2, move || async move {
                    let ops = ops().unwrap();
                    begun.send(()).unwrap();
                    loop {
                        let nop = ops.start(Nop);
                        nop.await.unwrap();
                    }
                })
                .detach();
        }
        (0..8).for_each(|_| has_begun.recv().unwrap());
        assert_eq!(scheduler.shutdown(LONG), Shutdown::default());
        for home in homes.lock().unwrap().iter() {
            assert_eq!(home.slab.in_use().count(), 0);
        }
    }
}

#[test]
fn l5_tasks_from_outside_are_counted_whatever_they_lie_in() {
    static STORAGE: wakering_core::task::TaskStorage<std::future::Ready<()>> =
        wakering_core::task::TaskStorage::new();
    let scheduler = start(2);
    for _ in 0..20 {
        let large = [0_u8; 5000];
        let mut joins = vec![
            scheduler.spawn(yield_now_and(())),
            scheduler.try_spawn(Spawn::new().name("named"), yield_now_and(())).unwrap(),
            scheduler.spawn(async move {
                sleep(MS).await;
                assert_eq!(std::hint::black_box(large).len(), 5000);
            }),
        ];
        joins.push(scheduler.spawn_on(1, || yield_now_and(())));
        let spawned = scheduler.spawn_in(&STORAGE, Spawn::new(), || std::future::ready(()));
        joins.push(spawned.unwrap());
        assert_eq!(scheduler.run(), Ok(0));
        assert!(joins.iter().all(|join| join.is_finished()));
        drop(joins);
    }
}

async fn yield_now_and<T>(value: T) -> T {
    yield_now().await;
    value
}
