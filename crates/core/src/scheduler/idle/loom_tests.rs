//! The handshake of pushers and sleepers, with the queues and the parker that it is for. A lost wake
//! is a worker that sleeps for ever, which loom reports as a deadlock.

use super::super::deque::{Local, Stealer, deque};
use super::super::inject::Inject;
use super::super::link::test_item::{Node, node};
use super::super::parker::{Parker, Unparked};
use super::*;
use loom::sync::Arc;
use loom::thread;

struct Shared {
    inject: Inject<Box<Node>>,
    stealers: Vec<Stealer<Box<Node>>>,
    idle: Idle,
    parkers: Vec<Parker>,
    wakes: AtomicUsize,
    ended: AtomicUsize,
}

impl Shared {
    fn new(workers: usize) -> (Arc<Self>, Vec<Local<Box<Node>>>) {
        let (locals, stealers) = (0..workers).map(|_| deque()).unzip();
        let shared = Self {
            inject: Inject::new(),
            stealers,
            idle: Idle::new(workers),
            parkers: (0..workers).map(|_| Parker::new()).collect(),
            wakes: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
        };
        (Arc::new(shared), locals)
    }

    fn wake_one(&self) {
        if let Some(worker) = self.idle.wake_one()
            && self.parkers[worker].unpark() == Unparked::Woken
        {
            self.wakes.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn push(&self, value: usize) {
        self.inject.push(node(value)).unwrap();
        self.wake_one();
    }

    fn end(&self) {
        self.ended.store(1, Ordering::SeqCst);
        for parker in &self.parkers {
            let _ = parker.unpark();
        }
    }

    /// What a worker looks at before it searches.
    fn next(&self, local: &Local<Box<Node>>) -> Option<Box<Node>> {
        local.pop().or_else(|| self.inject.pop())
    }

    fn steal(&self, worker: usize, local: &Local<Box<Node>>) -> Option<Box<Node>> {
        let victims = self.stealers.iter().enumerate().filter(|&(victim, _)| victim != worker);
        let mut victims = victims.map(|(_, victim)| victim);
        victims.find_map(|victim| victim.steal_into(local)).map(|stolen| stolen.first)
    }

    fn search(
        &self,
        worker: usize,
        local: &Local<Box<Node>>,
        searching: &mut bool,
    ) -> Option<Box<Node>> {
        *searching = *searching || self.idle.start_search();
        if !*searching {
            return None;
        }
        self.steal(worker, local).or_else(|| self.inject.pop())
    }

    fn sees_work(&self) -> bool {
        !self.inject.is_empty() || self.stealers.iter().any(|stealer| !stealer.is_empty())
    }

    /// A worker's life, until it has run `count` items or the end is called: how many it ran.
    fn run(&self, worker: usize, local: &Local<Box<Node>>, count: usize) -> usize {
        let mut ran = 0;
        let mut searching = false;
        while ran < count {
            let next = self.next(local);
            if let Some(_item) = next.or_else(|| self.search(worker, local, &mut searching)) {
                ran += 1;
                let last = std::mem::take(&mut searching) && self.idle.found() == Found::Last;
                if last && self.sees_work() {
                    self.wake_one();
                }
                continue;
            }
            self.idle.sleep(worker, std::mem::take(&mut searching));
            let saw_work = self.sees_work();
            if saw_work {
                // It may be in the hands of another who has yet to say so.
                thread::yield_now();
            } else {
                let _ = self.parkers[worker].park(None);
            }
            searching = self.idle.rouse(worker, saw_work) == Roused::Searching;
            if self.ended.load(Ordering::SeqCst) == 1 {
                break;
            }
        }
        ran
    }
}

fn model(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

/// One pusher, one worker: the item is run, and its wake is one at most.
#[test]
fn loom_t5_push_and_wake_against_search_and_sleep() {
    model(4, || {
        let (shared, mut locals) = Shared::new(1);
        let other = shared.clone();
        let pusher = thread::spawn(move || other.push(1));
        let local = locals.pop().unwrap();
        assert_eq!(shared.run(0, &local, 1), 1);
        pusher.join().unwrap();
        assert!(shared.wakes.load(Ordering::Relaxed) <= 1);
    });
}

/// The same with the roles exchanged: loom begins with the first thread, and finds more between its
/// writes than between its loads.
#[test]
fn loom_t5_search_and_sleep_against_push_and_wake() {
    model(4, || {
        let (shared, mut locals) = Shared::new(1);
        let (other, local) = (shared.clone(), locals.pop().unwrap());
        let worker = thread::spawn(move || other.run(0, &local, 1));
        shared.push(1);
        assert_eq!(worker.join().unwrap(), 1);
        assert!(shared.wakes.load(Ordering::Relaxed) <= 1);
    });
}

/// Two pushers, one worker: one of them may rely on the other's right to wake.
#[test]
fn loom_t5_two_pushers_and_a_worker_that_falls_asleep() {
    model(3, || {
        let (shared, mut locals) = Shared::new(1);
        let pushers: Vec<_> = (0..2)
            .map(|value| {
                let other = shared.clone();
                thread::spawn(move || other.push(value))
            })
            .collect();
        let local = locals.pop().unwrap();
        assert_eq!(shared.run(0, &local, 2), 2);
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        assert!(shared.wakes.load(Ordering::Relaxed) <= 2);
    });
}

/// Two workers, two items from outside, where each worker runs one and then is busy for ever: the
/// second item needs the second worker, whom the first one's search may have kept from being woken.
#[test]
fn loom_t5_ramp_up_reaches_the_second_worker() {
    model(2, || {
        let (shared, locals) = Shared::new(2);
        let workers: Vec<_> = locals
            .into_iter()
            .enumerate()
            .map(|(worker, local)| {
                let shared = shared.clone();
                thread::spawn(move || shared.run(worker, &local, 1))
            })
            .collect();
        shared.push(0);
        shared.push(1);
        workers.into_iter().for_each(|worker| assert_eq!(worker.join().unwrap(), 1));
        assert!(shared.inject.is_empty());
    });
}

/// A worker pushes to its own queue, wakes and never looks again: another steals the item.
#[test]
fn loom_t4_what_a_busy_worker_pushed_is_stolen() {
    model(3, || {
        let (shared, mut locals) = Shared::new(2);
        let (second, busy) = (locals.pop().unwrap(), locals.pop().unwrap());
        let other = shared.clone();
        let worker = thread::spawn(move || other.run(1, &second, 1));
        let _ = busy.push(node(1), &shared.inject);
        shared.wake_one();
        assert_eq!(worker.join().unwrap(), 1);
        assert!(busy.pop().is_none());
    });
}

/// The end is heard by a worker at any point of its way to sleep.
#[test]
fn loom_t5_the_end_wakes_everybody() {
    model(3, || {
        let (shared, mut locals) = Shared::new(2);
        let (second, first) = (locals.pop().unwrap(), locals.pop().unwrap());
        let other = shared.clone();
        let worker = thread::spawn(move || other.run(1, &second, 1));
        shared.end();
        assert_eq!(shared.run(0, &first, 1), 0);
        assert_eq!(worker.join().unwrap(), 0);
    });
}
