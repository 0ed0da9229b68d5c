//! Several workers: the set of benches that tokio's scheduler has, with the same definitions, on two
//! workers (or as many as the second argument says). Microseconds of the median round.
//!
//! `cargo bench -p wakering-core --bench many_threads [row] [workers]`

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::time::Instant;
use wakering_core::scheduler::{Options, Scheduler};
use wakering_core::task::{spawn, yield_now};

const ROUNDS: usize = 60;

fn median(mut f: impl FnMut()) -> f64 {
    let mut micros: Vec<f64> = (0..ROUNDS + 5)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64() * 1e6
        })
        .skip(5)
        .collect();
    micros.sort_by(f64::total_cmp);
    micros[ROUNDS / 2]
}

fn count_down(left: &AtomicUsize, done: &mpsc::SyncSender<()>) {
    if left.fetch_sub(1, Ordering::Relaxed) == 1 {
        done.send(()).unwrap();
    }
}

fn spawn_many_local(scheduler: &Scheduler) -> f64 {
    const TASKS: usize = 10_000;
    let (done, finished) = mpsc::sync_channel(1);
    let left = Arc::new(AtomicUsize::new(0));
    median(|| {
        left.store(TASKS, Ordering::Relaxed);
        for _ in 0..TASKS {
            let (done, left) = (done.clone(), left.clone());
            scheduler.spawn(async move { count_down(&left, &done) }).detach();
        }
        finished.recv().unwrap();
    })
}

fn stall() {
    let start = Instant::now();
    while start.elapsed().as_micros() < 10 {
        std::thread::yield_now();
    }
}

fn spawn_many_remote(scheduler: &Scheduler, tasks: usize) -> f64 {
    let mut joins = Vec::with_capacity(tasks);
    median(|| {
        joins.extend((0..tasks).map(|_| scheduler.spawn(async {})));
        scheduler.block_on(async {
            for join in joins.drain(..) {
                join.await.unwrap();
            }
        });
    })
}

/// While each worker has two tasks that compute and yield.
fn spawn_many_remote_busy1(scheduler: &Scheduler) -> f64 {
    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..2 * scheduler.metrics().len() {
        let stop = stop.clone();
        let busy = async move {
            while !stop.load(Ordering::Relaxed) {
                yield_now().await;
                stall();
            }
        };
        scheduler.spawn(busy).detach();
    }
    let micros = spawn_many_remote(scheduler, 10_000);
    stop.store(true, Ordering::Relaxed);
    micros
}

/// While each worker has a task that computes and spawns its like.
fn spawn_many_remote_busy2(scheduler: &Scheduler) -> f64 {
    fn again(stop: Arc<AtomicBool>) {
        if !stop.load(Ordering::Relaxed) {
            stall();
            spawn(async move { again(stop) }).detach();
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..scheduler.metrics().len() {
        let stop = stop.clone();
        scheduler.spawn(async move { again(stop) }).detach();
    }
    let micros = spawn_many_remote(scheduler, 1_000);
    stop.store(true, Ordering::Relaxed);
    micros
}

fn yield_many(scheduler: &Scheduler) -> f64 {
    const TASKS: usize = 200;
    let (done, finished) = mpsc::sync_channel(TASKS);
    median(|| {
        for _ in 0..TASKS {
            let done = done.clone();
            scheduler
                .spawn(async move {
                    for _ in 0..1_000 {
                        yield_now().await;
                    }
                    done.send(()).unwrap();
                })
                .detach();
        }
        for _ in 0..TASKS {
            finished.recv().unwrap();
        }
    })
}

/// A value for one waiter.
#[derive(Default)]
struct Once(std::sync::Mutex<(bool, Option<Waker>)>);

impl Once {
    fn set(&self) {
        let mut guard = self.0.lock().unwrap();
        guard.0 = true;
        let waker = guard.1.take();
        drop(guard);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn get(&self) {
        std::future::poll_fn(|cx| {
            let mut guard = self.0.lock().unwrap();
            if guard.0 {
                return Poll::Ready(());
            }
            guard.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

fn ping_pong(scheduler: &Scheduler) -> f64 {
    const PINGS: usize = 1_000;
    let (done, finished) = mpsc::sync_channel(1);
    let left = Arc::new(AtomicUsize::new(0));
    median(|| {
        left.store(PINGS, Ordering::Relaxed);
        let (done, left) = (done.clone(), left.clone());
        scheduler
            .spawn(async move {
                for _ in 0..PINGS {
                    let (done, left) = (done.clone(), left.clone());
                    spawn(async move {
                        let ping = Arc::new(Once::default());
                        let pong = Arc::new(Once::default());
                        let (asked, answered) = (ping.clone(), pong.clone());
                        spawn(async move {
                            asked.get().await;
                            answered.set();
                        })
                        .detach();
                        ping.set();
                        pong.get().await;
                        count_down(&left, &done);
                    })
                    .detach();
                }
            })
            .detach();
        finished.recv().unwrap();
    })
}

fn chained_spawn(scheduler: &Scheduler) -> f64 {
    fn chain(done: mpsc::SyncSender<()>, left: usize) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move { next(done, left) })
    }
    fn next(done: mpsc::SyncSender<()>, left: usize) {
        if left == 0 {
            done.send(()).unwrap();
        } else {
            spawn(async move { next(done, left - 1) }).detach();
        }
    }
    let (done, finished) = mpsc::sync_channel(1);
    median(|| {
        scheduler.spawn(chain(done.clone(), 1_000)).detach();
        finished.recv().unwrap();
    })
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with('-'));
    let wanted = args.next().unwrap_or_default();
    let workers = args.next().map_or(2, |workers| workers.parse().unwrap());
    let row = |name: &str, f: &dyn Fn(&Scheduler) -> f64| {
        if name.contains(&wanted) {
            let scheduler = Scheduler::start(Options::new().workers(workers)).unwrap();
            println!("{name:34} {:9.1} us", f(&scheduler));
            if std::env::var_os("METRICS").is_some() {
                scheduler.metrics().iter().for_each(|m| println!("    {m:?}"));
            }
        }
    };
    row("spawn_many_local, 10000", &spawn_many_local);
    row("spawn_many_remote_idle, 10000", &|s| spawn_many_remote(s, 10_000));
    row("spawn_many_remote_busy1, 10000", &spawn_many_remote_busy1);
    row("spawn_many_remote_busy2, 1000", &spawn_many_remote_busy2);
    row("yield_many, 200 x 1000", &yield_many);
    row("ping_pong, 1000", &ping_pong);
    row("chained_spawn, 1000", &chained_spawn);
}
