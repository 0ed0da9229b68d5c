//! What the parts of the scheduler cost, each by itself: nanoseconds an item, the best of several
//! rounds. `cargo bench -p wakering-core --bench queues`, with words to choose rows.
#![allow(clippy::print_stdout, reason = "a bench prints its table")]

#[path = "../tests/support/workers.rs"]
#[allow(dead_code, reason = "only the crew of it is used here")]
mod workers;

use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;
use wakering_core::scheduler::cpu_pool::{CpuPool, CpuPoolConfig};
use wakering_core::scheduler::deque::{Local, Stealer, deque};
use wakering_core::scheduler::idle::Idle;
use wakering_core::scheduler::inject::{Batch, Inject};
use wakering_core::scheduler::link::{Item, Link};
use wakering_core::scheduler::parker::Parker;

/// As large as a small task, so that the links lie as far apart.
#[repr(C, align(64))]
struct Node(Link);

struct NodeRef(&'static Node);

// SAFETY: each node is in one place at a time in these benches, and lives for ever; the link comes
// first, and nothing but the link is used through its pointer.
unsafe impl Item for NodeRef {
    fn into_link(self) -> NonNull<Link> {
        NonNull::from(self.0).cast()
    }

    unsafe fn from_link(link: NonNull<Link>) -> Self {
        // SAFETY: from `into_link`, of a node that lives for ever.
        Self(unsafe { link.cast::<Node>().as_ref() })
    }
}

fn nodes(count: usize) -> Vec<NodeRef> {
    let nodes: Vec<_> = (0..count).map(|_| Node(Link::new())).collect();
    nodes.leak().iter().map(NodeRef).collect()
}

type Queue = (Local<NodeRef>, Stealer<NodeRef>);

const ROUNDS: usize = 20;

/// The best of several rounds of `f`, which gives nanoseconds for `count` items.
fn row(name: &str, count: usize, mut f: impl FnMut() -> u128) {
    let chosen: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if !chosen.is_empty() && !chosen.iter().any(|word| name.contains(word.as_str())) {
        return;
    }
    let mut rounds: Vec<_> = (0..ROUNDS).map(|_| f() as f64 / count as f64).collect();
    rounds.sort_by(f64::total_cmp);
    println!("{name:<58} {:9.1} best {:9.1} median", rounds[0], rounds[ROUNDS / 2]);
}

fn timed(f: impl FnOnce()) -> u128 {
    let began = Instant::now();
    f();
    began.elapsed().as_nanos()
}

fn deque_rows() {
    const COUNT: usize = 100_000;
    let inject = Inject::new();
    let (local, stealer): Queue = deque();
    let mut one = nodes(1).pop();
    row("deque: push and pop, one item", COUNT, || {
        timed(|| {
            for _ in 0..COUNT {
                let _ = local.push(one.take().unwrap(), &inject);
                one = black_box(local.pop());
            }
        })
    });
    let mut many = nodes(200);
    row("deque: push 200, pop 200 (a pair)", COUNT / 200 * 200, || {
        timed(|| {
            for _ in 0..COUNT / 200 {
                many.drain(..).for_each(|node| _ = local.push(node, &inject));
                many.extend(std::iter::from_fn(|| local.pop()));
            }
        })
    });
    let (thief, _): Queue = deque();
    row("deque: steal half of 200 (an item)", COUNT / 200 * 100, || {
        let mut spent = 0;
        for _ in 0..COUNT / 200 {
            many.drain(..).for_each(|node| _ = local.push(node, &inject));
            let mut first = None;
            spent += timed(|| first = stealer.steal_into(&thief));
            many.extend(first.map(|stolen| stolen.first));
            many.extend(std::iter::from_fn(|| thief.pop()));
            many.extend(std::iter::from_fn(|| local.pop()));
        }
        spent
    });
    let mut flood = nodes(10_000);
    row("deque: push 10,000 with overflow, pop all (an item)", 10_000, || {
        timed(|| {
            flood.drain(..).for_each(|node| _ = local.push(node, &inject));
            while flood.len() < 10_000 {
                flood.extend(std::iter::from_fn(|| local.pop()));
                flood.extend(inject.pop_into(&local, 128).map(|(first, _)| first));
            }
        })
    });
}

fn inject_rows() {
    const COUNT: usize = 10_000;
    let inject = Inject::new();
    let mut many = nodes(COUNT);
    row("inject: push and pop, one item", COUNT, || {
        timed(|| {
            for _ in 0..COUNT {
                let _ = inject.push(many.pop().unwrap());
                many.extend(black_box(inject.pop()));
            }
        })
    });
    row("inject: push 10,000, then pop each (an item)", COUNT, || {
        timed(|| {
            many.drain(..).for_each(|node| _ = inject.push(node));
            many.extend(std::iter::from_fn(|| inject.pop()));
        })
    });
    row("inject: push batches of 129 (an item)", COUNT / 129 * 129, || {
        let mut spent = 0;
        for _ in 0..COUNT / 129 {
            let mut batch = Batch::new();
            many.drain(..129).for_each(|node| batch.push(node));
            spent += timed(|| _ = inject.push_batch(batch));
            many.extend(std::iter::from_fn(|| inject.pop()));
        }
        spent
    });
    row("inject: is_empty", COUNT, || {
        timed(|| (0..COUNT).for_each(|_| assert!(black_box(&inject).is_empty())))
    });
    for takers in 1..=2 {
        row(&format!("inject: one pushes 10,000, {takers} take by 128 (an item)"), COUNT, || {
            contended(&inject, &mut many, takers)
        });
    }
}

/// One thread pushes all, `takers` others take them until they are all gone.
fn contended(inject: &Inject<NodeRef>, many: &mut Vec<NodeRef>, takers: usize) -> u128 {
    let count = many.len();
    let (start, taken) = (Barrier::new(takers + 1), AtomicUsize::new(0));
    let spent = thread::scope(|scope| {
        let takers: Vec<_> = (0..takers)
            .map(|_| {
                scope.spawn(|| {
                    let (local, _stealer): Queue = deque();
                    let mut own = Vec::with_capacity(count);
                    start.wait();
                    while taken.load(Ordering::Relaxed) < count {
                        if let Some((first, more)) = inject.pop_into(&local, 128) {
                            own.push(first);
                            own.extend(std::iter::from_fn(|| local.pop()));
                            taken.fetch_add(more + 1, Ordering::Relaxed);
                        } else {
                            std::hint::spin_loop();
                        }
                    }
                    own
                })
            })
            .collect();
        start.wait();
        let began = Instant::now();
        many.drain(..).for_each(|node| _ = inject.push(node));
        takers.into_iter().for_each(|taker| many.extend(taker.join().unwrap()));
        began.elapsed().as_nanos()
    });
    assert_eq!(many.len(), count);
    spent
}

fn idle_rows() {
    const COUNT: usize = 100_000;
    let idle = Idle::new(4);
    row("idle: wake_one, nobody sleeps", COUNT, || {
        timed(|| (0..COUNT).for_each(|_| assert!(black_box(&idle).wake_one().is_none())))
    });
    row("idle: wake_one_hint, nobody sleeps", COUNT, || {
        timed(|| (0..COUNT).for_each(|_| assert!(black_box(&idle).wake_one_hint().is_none())))
    });
    row("idle: search, sleep, rouse", COUNT, || {
        timed(|| {
            for _ in 0..COUNT {
                let searching = idle.start_search();
                idle.sleep(1, searching);
                let _ = black_box(idle.rouse(1, false));
            }
        })
    });
}

fn parker_rows() {
    const COUNT: usize = 2000;
    let parker = Parker::new();
    row("parker: unpark and park with the token", COUNT, || {
        timed(|| {
            for _ in 0..COUNT {
                let _ = parker.unpark();
                let _ = black_box(parker.park(None));
            }
        })
    });
    row("std::thread: unpark and park with the token", COUNT, || {
        let this = thread::current();
        timed(|| {
            for _ in 0..COUNT {
                this.unpark();
                thread::park();
            }
        })
    });
    row("parker: a round trip between two sleepers", COUNT, || {
        let (here, there, end) = (Parker::new(), Parker::new(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut last = false;
                while !last {
                    let _ = there.park(None);
                    last = end.load(Ordering::Relaxed);
                    let _ = here.unpark();
                }
            });
            timed(|| {
                for round in 0..COUNT {
                    end.store(round + 1 == COUNT, Ordering::Relaxed);
                    let _ = there.unpark();
                    let _ = here.park(None);
                }
            })
        })
    });
    row("std::thread: a round trip between two sleepers", COUNT, || {
        let end = Arc::new(AtomicBool::new(false));
        let (here, ball, other) = (thread::current(), Arc::new(AtomicUsize::new(0)), end.clone());
        let other_ball = ball.clone();
        let thread = thread::spawn(move || {
            let (mut seen, mut last) = (0, false);
            while !last {
                while other_ball.load(Ordering::Acquire) == seen {
                    thread::park();
                }
                last = other.load(Ordering::Acquire);
                seen = other_ball.fetch_add(1, Ordering::AcqRel) + 1;
                here.unpark();
            }
        });
        let spent = timed(|| {
            for round in 0..COUNT {
                end.store(round + 1 == COUNT, Ordering::Release);
                ball.fetch_add(1, Ordering::AcqRel);
                thread.thread().unpark();
                while ball.load(Ordering::Acquire) != 2 * round + 2 {
                    thread::park();
                }
            }
        });
        thread.join().unwrap();
        spent
    });
}

/// From a push to its item's having run and back: what is left where nobody sleeps.
fn hand_over_rows() {
    const COUNT: usize = 2000;
    for workers in 1..=2 {
        let done = Arc::new(AtomicUsize::new(0));
        let told = done.clone();
        let run = move |_: &workers::Worker, node: &workers::Node| {
            told.store(node.number + 1, Ordering::Release);
        };
        let crew = workers::Crew::new(workers, Box::new(run));
        let all = workers::nodes(COUNT);
        row(&format!("hand-over to a searcher of {workers}, and the answer"), COUNT, || {
            timed(|| {
                for node in all {
                    crew.shared.push(node);
                    while done.load(Ordering::Acquire) != node.number + 1 {
                        std::hint::spin_loop();
                    }
                }
            })
        });
        crew.end();
    }
}

fn pool_rows() {
    const COUNT: usize = 1000;
    let pool = CpuPool::new(CpuPoolConfig::cpu());
    row("cpu_pool: 1,000 jobs queued and done (a job)", COUNT, || {
        timed(|| {
            let jobs: Vec<_> = (0..COUNT).map(|index| pool.spawn(move || index).unwrap()).collect();
            while !jobs.iter().all(|job| job.is_finished()) {
                thread::yield_now();
            }
        })
    });
    let _ = pool.shutdown(std::time::Duration::from_secs(5));
}

fn main() {
    deque_rows();
    inject_rows();
    idle_rows();
    parker_rows();
    hand_over_rows();
    pool_rows();
}
