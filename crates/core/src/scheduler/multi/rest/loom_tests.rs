//! The count of tasks under loom: a scheduler with a task in it is never taken for an empty one, and
//! an empty one is found out.

use super::*;
use crate::loom::{AtomicU32, Ordering::*, fence};
use loom::sync::Arc;
use loom::thread;

struct Two {
    rest: Rest,
    /// A queue for one task, in which 1 is a task, 2 one that was taken.
    queue: AtomicU32,
    ended: AtomicU32,
    told: AtomicU32,
}

impl Two {
    /// What a worker does that has nothing to do.
    fn sleep(&self, worker: usize, live: i64) {
        self.rest.lie_down(worker, live);
        fence(SeqCst);
        if self.rest.is_watched() && self.rest.stamp(|| 0).map(Stamp::live) == Some(0) {
            self.told.fetch_add(1, Relaxed);
        }
    }
}

/// Worker 0 runs a task from outside, which spawns another and ends; worker 1 sleeps, gets up and runs
/// that one if it is there already.
fn two() -> Arc<Two> {
    let two = Arc::new(Two {
        rest: Rest::new(2),
        queue: AtomicU32::new(0),
        ended: AtomicU32::new(0),
        told: AtomicU32::new(0),
    });
    two.rest.spawned_outside();
    two.rest.get_up(0);
    two
}

fn spawns(two: &Two) {
    two.queue.store(1, Release);
    // One was spawned and one ended: the one from outside, which was counted there.
    two.sleep(0, 0);
}

fn takes(two: &Two) -> bool {
    two.rest.get_up(1);
    let taken = two.queue.compare_exchange(1, 2, Acquire, Relaxed).is_ok();
    if taken {
        two.ended.store(1, Relaxed);
    }
    two.sleep(1, if taken { -1 } else { 0 });
    taken
}

#[test]
fn loom_a_task_that_is_on_its_way_is_counted() {
    loom::model(|| {
        let two = two();
        let (a, b) = (two.clone(), two.clone());
        let a = thread::spawn(move || spawns(&a));
        let b = thread::spawn(move || takes(&b));
        if two.rest.stamp(|| 0).map(Stamp::live) == Some(0) {
            assert_eq!(two.ended.load(Relaxed), 1);
        }
        a.join().unwrap();
        let left = if b.join().unwrap() { 0 } else { 1 };
        assert_eq!(two.rest.stamp(|| 0).map(Stamp::live), Some(left));
    });
}

#[test]
fn loom_who_watches_is_told_or_sees_it() {
    loom::model(|| {
        let two = Arc::new(Two {
            rest: Rest::new(2),
            queue: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            told: AtomicU32::new(0),
        });
        (0..2).for_each(|worker| two.rest.get_up(worker));
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let two = two.clone();
                thread::spawn(move || two.sleep(worker, 0))
            })
            .collect();
        two.rest.watch();
        let seen = two.rest.stamp(|| 0).map(Stamp::live) == Some(0);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert!(seen || two.told.load(Relaxed) > 0);
    });
}
