//! What a task costs on one thread, in nanoseconds: spawn, join, yield, wake. The smallest of many
//! rounds, since everything that disturbs makes it longer.
//!
//! `cargo bench -p wakering-core --bench one_thread [row]`

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::hint::black_box;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Instant;
use wakering_core::scheduler::LocalScheduler;
use wakering_core::task::{spawn_local, yield_now};

const ROUNDS: u32 = 300;

/// Nanoseconds of one of `count` steps of `f`, in the best round.
fn best(count: u32, mut f: impl FnMut()) -> f64 {
    let mut nanos = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        f();
        nanos = nanos.min(start.elapsed().as_nanos() as f64 / f64::from(count));
    }
    nanos
}

fn spawn_join(scheduler: &LocalScheduler) -> f64 {
    best(1_000, || {
        scheduler.block_on(async {
            for n in 0..1_000_u32 {
                black_box(spawn_local(async move { black_box(n) }).await.unwrap());
            }
        });
    })
}

fn batch(scheduler: &LocalScheduler, len: u32) -> f64 {
    let mut joins = Vec::with_capacity(len as usize);
    best(len, || {
        scheduler.block_on(async {
            for n in 0..len {
                joins.push(spawn_local(async move { black_box(n) }));
            }
            for join in joins.drain(..) {
                black_box(join.await.unwrap());
            }
        });
    })
}

fn detached(scheduler: &LocalScheduler, len: u32) -> f64 {
    best(len, || {
        for n in 0..len {
            scheduler.spawn(async move { _ = black_box(n) }).detach();
        }
        scheduler.run().unwrap();
    })
}

fn yields(scheduler: &LocalScheduler, tasks: u32) -> f64 {
    let each = 10_000 / tasks;
    best(each * tasks, || {
        for _ in 0..tasks {
            scheduler
                .spawn(async move {
                    for _ in 0..each {
                        black_box(yield_now().await);
                    }
                })
                .detach();
        }
        scheduler.run().unwrap();
    })
}

#[derive(Default)]
struct Bell {
    waker: RefCell<Option<Waker>>,
    rung: Cell<bool>,
}

impl Bell {
    fn ring(&self) {
        self.rung.set(true);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    async fn heard(&self) {
        poll_fn(|cx| {
            if self.rung.replace(false) {
                return Poll::Ready(());
            }
            let mut waker = self.waker.borrow_mut();
            match &mut *waker {
                Some(waker) if waker.will_wake(cx.waker()) => {}
                waker => *waker = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }
}

/// Two tasks that wake each other: both ways together.
fn round_trip(scheduler: &LocalScheduler) -> f64 {
    const TRIPS: u32 = 10_000;
    let bells = Rc::new((Bell::default(), Bell::default()));
    best(TRIPS, || {
        let other = bells.clone();
        scheduler
            .spawn(async move {
                for _ in 0..TRIPS {
                    other.0.heard().await;
                    other.1.ring();
                }
            })
            .detach();
        let this = bells.clone();
        scheduler.block_on(async move {
            for _ in 0..TRIPS {
                this.0.ring();
                this.1.heard().await;
            }
        });
    })
}

/// The same with a waker that is cloned and given up each time.
fn round_trip_cloned(scheduler: &LocalScheduler) -> f64 {
    const TRIPS: u32 = 10_000;
    type Slot = Rc<RefCell<Option<Waker>>>;
    let slots: (Slot, Slot) = Default::default();
    async fn wait(mine: &Slot, other: &Slot) {
        let mut waited = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            *mine.borrow_mut() = Some(cx.waker().clone());
            if let Some(waker) = other.borrow_mut().take() {
                waker.wake();
            }
            Poll::Pending
        })
        .await
    }
    best(TRIPS, || {
        let (a, b) = slots.clone();
        let task = scheduler.spawn(async move {
            for _ in 0..TRIPS {
                wait(&a, &b).await;
            }
            if let Some(waker) = b.borrow_mut().take() {
                waker.wake();
            }
        });
        let (a, b) = slots.clone();
        scheduler.block_on(async move {
            for _ in 0..TRIPS {
                wait(&b, &a).await;
            }
            if let Some(waker) = a.borrow_mut().take() {
                waker.wake();
            }
            task.await.unwrap();
        });
    })
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn parked(scheduler: &LocalScheduler) -> f64 {
    const TASKS: usize = 200_000;
    let before = resident();
    for n in 0..TASKS {
        let mut pair = (n, black_box(n));
        scheduler
            .spawn(poll_fn(move |_| {
                pair.0 += pair.1;
                if black_box(pair.0) == usize::MAX { Poll::Ready(()) } else { Poll::Pending }
            }))
            .detach();
    }
    scheduler.block_on(async { _ = yield_now().await });
    (resident() - before) as f64 / TASKS as f64
}

fn main() {
    let wanted = std::env::args().nth(1).filter(|arg| !arg.starts_with('-'));
    let scheduler = LocalScheduler::new().unwrap();
    let row = |name: &str, unit: &str, f: &dyn Fn() -> f64| {
        if wanted.as_ref().is_none_or(|wanted| name.contains(wanted.as_str())) {
            println!("{name:28} {:8.1} {unit}", f());
        }
    };
    row("spawn+join", "ns", &|| spawn_join(&scheduler));
    row("spawn+join, batch of 1000", "ns", &|| batch(&scheduler, 1_000));
    row("spawn, detached, 1000", "ns", &|| detached(&scheduler, 1_000));
    row("spawn, detached, 10000", "ns", &|| detached(&scheduler, 10_000));
    row("yield, 1 task", "ns", &|| yields(&scheduler, 1));
    row("yield, 100 tasks", "ns", &|| yields(&scheduler, 100));
    row("wake round trip", "ns", &|| round_trip(&scheduler));
    row("wake round trip, cloned", "ns", &|| round_trip_cloned(&scheduler));
    row("parked task", "bytes", &|| parked(&LocalScheduler::new().unwrap()));
}
