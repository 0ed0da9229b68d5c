//! In which order a scheduler of several threads runs its tasks, and whom it wakes for them.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread::ThreadId;
use std::time::Duration;
use wakering_core::scheduler::{Options, Scheduler};
use wakering_core::task;

/// Longer than a machine is ever busy elsewhere: for what would otherwise hang.
const LONG: Duration = Duration::from_secs(30);

/// Three tasks of one worker that are woken in the order A, B, C by a fourth, in one poll of it: the
/// order in which they run.
fn order_of_three(lifo: bool) -> String {
    let scheduler = Scheduler::start(Options::new().workers(1).lifo(lifo)).unwrap();
    let log = Arc::new(Mutex::new(String::new()));
    let (sender, wakers) = mpsc::channel::<(char, Waker)>();
    let joins: Vec<_> = "ABC"
        .chars()
        .map(|name| {
            let (log, sender) = (log.clone(), sender.clone());
            let mut polled = false;
            let waits = std::future::poll_fn(move |cx| {
                if std::mem::replace(&mut polled, true) {
                    return Poll::Ready(());
                }
                sender.send((name, cx.waker().clone())).unwrap();
                Poll::Pending
            });
            scheduler.spawn(async move {
                waits.await;
                log.lock().unwrap().push(name);
            })
        })
        .collect();
    let mut wakers: Vec<_> = (0..3).map(|_| wakers.recv().unwrap()).collect();
    wakers.sort_by_key(|(name, _)| *name);
    // A second wake of each changes nothing.
    let wakes = scheduler.spawn(async move {
        wakers.iter().for_each(|(_, waker)| waker.wake_by_ref());
    });
    scheduler.block_on(wakes).unwrap();
    for join in joins {
        scheduler.block_on(join).unwrap();
    }
    let log = log.lock().unwrap();
    log.clone()
}

#[test]
fn f6_without_the_slot_tasks_run_in_the_order_of_their_wakes() {
    assert_eq!(order_of_three(false), "ABC");
}

#[test]
fn t3_with_the_slot_the_last_woken_runs_first_and_the_others_in_order() {
    assert_eq!(order_of_three(true), "CAB");
}

#[test]
fn t3_a_chain_of_spawns_lets_the_queue_go_after_its_first_poll() {
    let scheduler = Scheduler::start(Options::new().workers(1)).unwrap();
    let log = Arc::new(Mutex::new(String::new()));
    let (pair, third) = (log.clone(), log.clone());
    let join = scheduler.spawn(async move {
        // One that goes to the queue, since the next spawn displaces it.
        let third = task::spawn(async move { third.lock().unwrap().push('3') });
        // The first of these goes to the slot, those that it leads to behind the queue.
        fn passes(
            left: u32,
            log: Arc<Mutex<String>>,
        ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(async move {
                log.lock().unwrap().push('p');
                if left > 0 {
                    task::spawn(passes(left - 1, log)).await.unwrap();
                }
            })
        }
        task::spawn(passes(20, pair)).await.unwrap();
        third.await.unwrap();
    });
    scheduler.block_on(join).unwrap();
    let log = log.lock().unwrap();
    assert!(log.starts_with("p3p"), "{log}");
}

/// Lets everybody go once so many are here.
struct Meeting {
    here: Mutex<HashSet<ThreadId>>,
    all: Condvar,
    number: usize,
}

impl Meeting {
    /// Whether they all came.
    fn wait(&self) -> bool {
        let mut here = self.here.lock().unwrap();
        here.insert(std::thread::current().id());
        self.all.notify_all();
        let missing = |here: &mut HashSet<ThreadId>| here.len() < self.number;
        let (_here, waited) = self.all.wait_timeout_while(here, LONG, missing).unwrap();
        !waited.timed_out()
    }
}

#[test]
fn t4_a_thousand_tasks_of_one_worker_are_shared_by_all_four() {
    let scheduler = Scheduler::start(Options::new().workers(4)).unwrap();
    let number = 4;
    let meeting = Arc::new(Meeting { here: Mutex::default(), all: Condvar::new(), number });
    let join = scheduler.spawn(async move {
        // Whichever worker runs one of these waits in it until each of the four does.
        let joins: Vec<_> = (0..1000)
            .map(|_| {
                let meeting = meeting.clone();
                task::spawn(async move { meeting.wait() })
            })
            .collect();
        let mut met = true;
        for join in joins {
            met &= join.await.unwrap();
        }
        met
    });
    assert!(scheduler.block_on(join).unwrap(), "a worker never came");
}

#[test]
fn t5_one_spawn_from_outside_wakes_one_worker() {
    let scheduler = Scheduler::start(Options::new().workers(4)).unwrap();
    let numbers = || {
        let metrics = scheduler.metrics();
        let sum = |of: fn(&wakering_core::scheduler::Metrics) -> u64| metrics.iter().map(of).sum();
        let (parks, searches): (u64, u64) =
            (sum(|worker| worker.parks), sum(|worker| worker.searches));
        (parks, searches)
    };
    let wait_for = |parks: u64| {
        while numbers().0 < parks {
            std::thread::yield_now();
        }
    };
    // All four have gone to sleep once.
    wait_for(4);
    for _ in 0..200 {
        let (parks, searches) = numbers();
        scheduler.block_on(scheduler.spawn(async {})).unwrap();
        wait_for(parks + 1);
        let after = numbers();
        // Whoever was woken went to sleep again; nobody else moved.
        assert_eq!(after.0, parks + 1);
        assert!(after.1 <= searches + 1);
    }
}
