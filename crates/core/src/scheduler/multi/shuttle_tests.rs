//! The whole scheduler under random and adversarial schedules: stealing, parking, aborting, wakes and
//! spawns from outside, and its shutdown in the middle of all that. A lost wake shows as a deadlock.

use super::{Duration, Options, Scheduler, Shutdown};
use crate::loom::testing::explore;
use crate::sync::{Notify, oneshot};
use crate::task::{self, AbortHandle, JoinHandle, Spawn, yield_now};
use shuttle::thread;
use std::future::{pending, poll_fn};
// The ledger's is not a model's: it counts, holds nothing that has a schedule, and makes no schedule.
use std::sync::{Arc, Mutex as Plain};
use std::task::{Poll, Waker};

const FAR: Duration = Duration::from_secs(3600);

/// How many things were made, and how often each was dropped.
#[derive(Clone, Default)]
struct Ledger(Arc<Plain<Vec<u32>>>);

/// Something that a future owns.
struct Entry {
    ledger: Ledger,
    number: usize,
}

impl Ledger {
    fn entry(&self) -> Entry {
        let mut drops = self.0.lock().unwrap();
        drops.push(0);
        Entry { ledger: self.clone(), number: drops.len() - 1 }
    }

    fn assert_each_dropped_once(&self) {
        let drops = self.0.lock().unwrap();
        assert!(drops.iter().all(|&drops| drops == 1), "{drops:?}");
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.ledger.0.lock().unwrap()[self.number] += 1;
    }
}

/// A wake from outside: a flag, and the waker of who waits for it.
#[derive(Clone, Default)]
struct Flag(Arc<shuttle::sync::Mutex<(bool, Option<Waker>)>>);

impl Flag {
    async fn raised(self) {
        poll_fn(|cx| {
            let mut state = self.0.lock().unwrap();
            state.1 = Some(cx.waker().clone());
            if state.0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn raise(&self) {
        let waker = {
            let mut state = self.0.lock().unwrap();
            state.0 = true;
            state.1.clone()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

fn start(workers: usize) -> Scheduler {
    Scheduler::start(Options::new().workers(workers)).unwrap()
}

/// Spawns as long as the scheduler takes tasks.
fn spawn_leaves(ledger: &Ledger, count: usize) -> Vec<JoinHandle<Entry>> {
    let leaf = |_| {
        let entry = ledger.entry();
        let leaf = async move {
            yield_now().await;
            entry
        };
        task::try_spawn(Spawn::new(), leaf).ok()
    };
    (0..count).filter_map(leaf).collect()
}

/// A task that spawns others and awaits them.
async fn branch(entry: Entry, leaves: usize) -> Entry {
    for join in spawn_leaves(&entry.ledger, leaves) {
        if let Err(error) = join.await {
            assert!(error.is_cancelled());
        }
    }
    entry
}

/// Somebody else is about to spawn: that task may be made already, and not be in the queue yet.
fn shut_down_beside_a_spawn(scheduler: &Scheduler) {
    let ended = scheduler.shutdown(FAR);
    assert!(ended.tasks_left <= 1, "{ended:?}");
    assert_eq!(ended.workers_left, 0);
}

fn assert_nothing_left(scheduler: &Scheduler) {
    assert_eq!(scheduler.shutdown(FAR), Shutdown::default());
}

/// Everything at once. `workers` of them, and a shutdown that comes when it comes.
fn all_at_once(workers: usize) {
    let ledger = Ledger::default();
    let scheduler = Arc::new(start(workers));
    let flag = Flag::default();
    let mut joins = Vec::new();
    for _ in 0..2 {
        joins.push(scheduler.spawn(branch(ledger.entry(), 2)));
    }
    let (entry, waits) = (ledger.entry(), flag.clone());
    joins.push(scheduler.spawn(async move {
        waits.raised().await;
        entry
    }));
    let entry = ledger.entry();
    let never = scheduler.spawn(async move {
        pending::<()>().await;
        entry
    });
    let aborts: [AbortHandle; 2] = [never.abort_handle(), joins[0].abort_handle()];
    joins.push(never);
    let outside = {
        let (scheduler, ledger) = (scheduler.clone(), ledger.clone());
        thread::spawn(move || {
            flag.raise();
            let entry = ledger.entry();
            scheduler.try_spawn(Spawn::new(), branch(entry, 1)).ok()
        })
    };
    let aborting = thread::spawn(move || aborts.iter().for_each(AbortHandle::abort));
    shut_down_beside_a_spawn(&scheduler);
    joins.extend(outside.join().unwrap());
    assert_nothing_left(&scheduler);
    aborting.join().unwrap();
    for join in joins {
        // Answered, with an entry or without.
        let _ = block_on_join(join);
    }
    drop(Arc::into_inner(scheduler).expect("the last one"));
    ledger.assert_each_dropped_once();
}

fn block_on_join(join: JoinHandle<Entry>) -> bool {
    match task::block_on(join) {
        Ok(_entry) => true,
        Err(error) => {
            assert!(error.is_cancelled());
            false
        }
    }
}

#[test]
fn two_workers_steal_park_abort_and_shut_down() {
    explore(|| all_at_once(2));
}

#[test]
fn three_workers_steal_park_abort_and_shut_down() {
    explore(|| all_at_once(3));
}

/// More than the ring holds, so that half goes to the inject queue; the others steal the rest.
#[test]
fn what_overflows_and_what_is_stolen_runs_once() {
    explore(|| {
        let ledger = Ledger::default();
        let scheduler = start(3);
        let join = scheduler.spawn(branch(ledger.entry(), 7));
        assert!(block_on_join(join));
        drop(scheduler);
        ledger.assert_each_dropped_once();
    });
}

/// Workers fall asleep between the wakes: each wake finds one that sleeps, searches or works.
#[test]
fn no_wake_is_lost_while_workers_fall_asleep() {
    explore(|| {
        let scheduler = start(2);
        let (there, back) = (
            Arc::new(Notify::<crate::sync::Shared>::new()),
            Arc::new(Notify::<crate::sync::Shared>::new()),
        );
        let (heard, answer) = (there.clone(), back.clone());
        let echo = scheduler.spawn(async move {
            for _ in 0..3 {
                heard.notified().await;
                answer.notify_one();
            }
        });
        for _ in 0..3 {
            there.notify_one();
            task::block_on(back.notified());
        }
        task::block_on(echo).unwrap();
    });
}

/// The answer and the end of who asks for it, at the same time.
#[test]
fn a_join_is_answered_whatever_ends_the_task() {
    explore(|| {
        let ledger = Ledger::default();
        let scheduler = start(2);
        let (sender, receiver) = oneshot::channel();
        let (entry, inner) = (ledger.entry(), ledger.entry());
        let join = scheduler.spawn(async move {
            let _inner = inner;
            receiver.await.unwrap();
            entry
        });
        let abort = join.abort_handle();
        let aborting = thread::spawn(move || abort.abort());
        let sending = thread::spawn(move || _ = sender.send(()));
        let _ = block_on_join(join);
        aborting.join().unwrap();
        sending.join().unwrap();
        assert_nothing_left(&scheduler);
        drop(scheduler);
        ledger.assert_each_dropped_once();
    });
}

/// A spawn that looks whether the scheduler takes tasks before its end, and pushes after it.
#[test]
fn a_spawn_that_comes_after_the_last_worker_is_answered() {
    explore(|| {
        let ledger = Ledger::default();
        let scheduler = Arc::new(start(1));
        let spawning = {
            let (scheduler, entry) = (scheduler.clone(), ledger.entry());
            thread::spawn(move || scheduler.try_spawn(Spawn::new(), async { entry }).ok())
        };
        shut_down_beside_a_spawn(&scheduler);
        if let Some(join) = spawning.join().unwrap() {
            let _ = block_on_join(join);
        }
        assert_nothing_left(&scheduler);
        drop(Arc::into_inner(scheduler).expect("the last one"));
        ledger.assert_each_dropped_once();
    });
}

/// A waker that outlives its scheduler, used at any moment.
#[test]
fn wakers_may_be_used_while_and_after_the_scheduler_ends() {
    explore(|| {
        let ledger = Ledger::default();
        let scheduler = start(2);
        let flag = Flag::default();
        let (entry, waits) = (ledger.entry(), flag.clone());
        scheduler
            .spawn(async move {
                waits.raised().await;
                drop(entry);
            })
            .detach();
        let waking = {
            let flag = flag.clone();
            thread::spawn(move || {
                flag.raise();
                flag.raise();
            })
        };
        drop(scheduler);
        waking.join().unwrap();
        ledger.assert_each_dropped_once();
        flag.raise();
        // The waker, and with it the last of the scheduler.
        drop(flag);
    });
}

/// That the models fail where they should: a scheduler whose wakes are thrown away.
#[test]
#[should_panic(expected = "deadlock")]
fn a_lost_wake_is_a_deadlock() {
    explore(|| {
        let scheduler = start(2);
        let flag = Flag::default();
        let join = scheduler.spawn(flag.clone().raised());
        flag.0.lock().unwrap().0 = true;
        task::block_on(join).unwrap();
    });
}

/// A task from outside is counted before it is there to be looked at: whoever looks meanwhile does not take
/// the scheduler for stalled.
#[test]
fn shuttle_l9_a_task_that_is_being_made_is_no_alarm() {
    explore(|| {
        let scheduler = Arc::new(start(1));
        while scheduler.activity().asleep == 0 {
            thread::yield_now();
        }
        let looking = scheduler.clone();
        let looks = thread::spawn(move || assert!(looking.check_stalled().is_none()));
        let task = scheduler.spawn(async {});
        looks.join().unwrap();
        task::block_on(task).unwrap();
        assert_nothing_left(&scheduler);
    });
}
