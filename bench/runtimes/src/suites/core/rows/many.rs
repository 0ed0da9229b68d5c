//! Several worker threads: tokio's own set, written anew from its definitions.

use super::parked::{PARKED, PARKED_TASKS, Parked};
use crate::contender::Run;
use crate::machine;
use crate::measure::Measure;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// A pool of workers, one in a process.
pub trait ManyThreads: 'static {
    /// Starts the process's pool. Called once, first.
    fn start(workers: usize);
    /// Spawns from wherever the caller is.
    fn spawn(
        future: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static;
    /// Spawns what nobody joins.
    fn detach(future: impl Future<Output = ()> + Send + 'static);
    /// Runs a future on this thread, which is none of the workers.
    fn block_on<T>(future: impl Future<Output = T>) -> T;
    fn yield_now() -> impl Future<Output = ()> + Send + 'static;

    type Sender: Send + 'static;
    type Receiver: Send + 'static;
    fn oneshot() -> (Self::Sender, Self::Receiver);
    fn send(sender: Self::Sender);
    fn receive(receiver: Self::Receiver) -> impl Future<Output = ()> + Send + 'static;
}

const SPAWNS: usize = 10_000;

pub fn cells<P: ManyThreads>() -> Vec<(&'static str, Run)> {
    vec![
        ("spawn_many_local", spawn_many_local::<P>),
        ("spawn_many_remote_idle", spawn_many_remote_idle::<P>),
        ("spawn_many_remote_busy1", spawn_many_remote_busy1::<P>),
        ("spawn_many_remote_busy2", spawn_many_remote_busy2::<P>),
        ("yield_many", yield_many::<P>),
        ("ping_pong", ping_pong::<P>),
        ("chained_spawn", chained_spawn::<P>),
    ]
}

/// 10,000 tasks from the thread that blocks on the runtime; the last one to run says so.
fn spawn_many_local<P: ManyThreads>(measure: &mut Measure) {
    P::start(measure.workers());
    let (done, all_done) = mpsc::sync_channel(1);
    let left = Arc::new(AtomicUsize::new(0));
    measure.run(SPAWNS as u64, || {
        left.store(SPAWNS, Relaxed);
        P::block_on(async {
            for _ in 0..SPAWNS {
                let (done, left) = (done.clone(), left.clone());
                P::detach(async move {
                    if left.fetch_sub(1, Relaxed) == 1 {
                        done.send(()).expect("somebody waits");
                    }
                });
            }
            all_done.recv().expect("the last task runs");
        });
    });
}

/// So many empty tasks from outside, joined one after the other.
fn spawn_and_join<P: ManyThreads>(measure: &mut Measure, spawns: usize) {
    // The room stays, so that the list's growth is not counted.
    let mut joins = Vec::with_capacity(spawns);
    measure.run(spawns as u64, || {
        joins.extend((0..spawns).map(|_| P::spawn(async {})));
        P::block_on(async {
            for join in joins.drain(..) {
                join.await;
            }
        });
    });
}

fn spawn_many_remote_idle<P: ManyThreads>(measure: &mut Measure) {
    P::start(measure.workers());
    spawn_and_join::<P>(measure, SPAWNS);
}

/// The same while each worker has two tasks that compute 10 us and yield.
fn spawn_many_remote_busy1<P: ManyThreads>(measure: &mut Measure) {
    P::start(measure.workers());
    let goes_on = Arc::new(AtomicBool::new(true));
    for _ in 0..2 * measure.workers() {
        let goes_on = goes_on.clone();
        P::detach(async move {
            while goes_on.load(Relaxed) {
                P::yield_now().await;
                stall();
            }
        });
    }
    spawn_and_join::<P>(measure, SPAWNS);
    goes_on.store(false, Relaxed);
}

/// The same while each worker has a task that computes 10 us and spawns its like.
fn spawn_many_remote_busy2<P: ManyThreads>(measure: &mut Measure) {
    fn again<P: ManyThreads>(goes_on: Arc<AtomicBool>) {
        P::detach(async move {
            if goes_on.load(Relaxed) {
                stall();
                again::<P>(goes_on);
            }
        });
    }
    P::start(measure.workers());
    let goes_on = Arc::new(AtomicBool::new(true));
    for _ in 0..measure.workers() {
        let goes_on = goes_on.clone();
        P::detach(async move { again::<P>(goes_on) });
    }
    spawn_and_join::<P>(measure, SPAWNS / 10);
    goes_on.store(false, Relaxed);
}

fn stall() {
    let began = Instant::now();
    while began.elapsed() < Duration::from_micros(10) {
        std::thread::yield_now();
    }
}

/// 200 tasks that yield 1,000 times each.
fn yield_many<P: ManyThreads>(measure: &mut Measure) {
    const TASKS: usize = 200;
    const YIELDS: usize = 1_000;
    P::start(measure.workers());
    let (done, all_done) = mpsc::sync_channel(TASKS);
    measure.run((TASKS * YIELDS) as u64, || {
        for _ in 0..TASKS {
            let done = done.clone();
            P::detach(async move {
                for _ in 0..YIELDS {
                    P::yield_now().await;
                }
                done.send(()).expect("somebody waits");
            });
        }
        for _ in 0..TASKS {
            all_done.recv().expect("each task ends");
        }
    });
}

/// A task spawns 1,000 that each spawn another one and exchange two oneshots with it.
fn ping_pong<P: ManyThreads>(measure: &mut Measure) {
    const PINGS: usize = 1_000;
    P::start(measure.workers());
    let (done, all_done) = mpsc::sync_channel(1);
    let left = Arc::new(AtomicUsize::new(0));
    measure.run(PINGS as u64, || {
        left.store(PINGS, Relaxed);
        let (done, left) = (done.clone(), left.clone());
        P::block_on(async {
            P::detach(async move {
                for _ in 0..PINGS {
                    let (done, left) = (done.clone(), left.clone());
                    P::detach(async move {
                        let (ping, pinged) = P::oneshot();
                        let (pong, ponged) = P::oneshot();
                        P::detach(async move {
                            P::receive(pinged).await;
                            P::send(pong);
                        });
                        P::send(ping);
                        P::receive(ponged).await;
                        if left.fetch_sub(1, Relaxed) == 1 {
                            done.send(()).expect("somebody waits");
                        }
                    });
                }
            });
            all_done.recv().expect("the last pong comes");
        });
    });
}

/// A task spawns one that spawns one, 1,000 deep.
fn chained_spawn<P: ManyThreads>(measure: &mut Measure) {
    const DEPTH: usize = 1_000;
    fn next<P: ManyThreads>(done: mpsc::SyncSender<()>, depth: usize) {
        if depth == 0 {
            done.send(()).expect("somebody waits");
        } else {
            P::detach(async move { next::<P>(done, depth - 1) });
        }
    }
    P::start(measure.workers());
    let (done, all_done) = mpsc::sync_channel(1);
    measure.run(DEPTH as u64, || {
        let done = done.clone();
        P::block_on(async {
            P::detach(async move { next::<P>(done, DEPTH) });
            all_done.recv().expect("the last task runs");
        });
    });
}

/// What a task of 16 bytes takes that waits for ever: resident memory by the number of tasks.
pub fn memory_cell<P: ManyThreads>() -> (&'static str, Run) {
    ("memory", |measure| {
        P::start(measure.workers());
        // The pool's own tables and threads come first.
        park_all::<P>(1_000);
        let before = machine::resident();
        park_all::<P>(PARKED_TASKS);
        measure.found((machine::resident() - before) as f64 / PARKED_TASKS as f64, 0.0);
    })
}

fn park_all<P: ManyThreads>(tasks: usize) {
    let aim = PARKED.load(Relaxed) + tasks;
    for _ in 0..tasks {
        P::detach(Parked::new());
    }
    while PARKED.load(Relaxed) < aim {
        std::thread::sleep(Duration::from_millis(1));
    }
}
