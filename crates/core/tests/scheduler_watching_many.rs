//! What can be seen of a scheduler of several threads: traces, slow polls, its tasks, its numbers.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;
use wakering_core::scheduler::{Activity, Metrics, Options, Scheduler};
use wakering_core::sync::{Mutex as TaskMutex, channel};
use wakering_core::task::{self, Doing, SlowPoll, Spawn, Step, TaskId, TaskInfo, block_on};
use wakering_core::time::{VirtualClock, sleep};

fn start(options: Options) -> Scheduler {
    Scheduler::start(options).unwrap()
}

/// Looks again and again until there is something to see.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::yield_now();
    }
}

fn find(scheduler: &Scheduler, id: TaskId, is: impl Fn(&TaskInfo) -> bool) -> TaskInfo {
    until(|| scheduler.dump().iter().find(|task| task.id == id && is(task)).copied())
}

/// Both kinds of a task's way: from outside, and on the workers.
#[test]
fn f7_the_trace_of_a_task_that_is_woken_from_outside() {
    static TRACE: Mutex<Vec<Step>> = Mutex::new(Vec::new());
    let scheduler = start(Options::new().workers(1).trace(|step| TRACE.lock().unwrap().push(step)));
    let (send, receive) = mpsc::channel::<Waker>();
    let mut polled = false;
    let task = scheduler.spawn(poll_fn(move |cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        send.send(cx.waker().clone()).unwrap();
        Poll::Pending
    }));
    let id = task.id().unwrap();
    let waker = receive.recv().unwrap();
    // Awake, the worker would poll it again without a queue.
    find(&scheduler, id, |task| !task.is_ready());
    waker.wake();
    block_on(task).unwrap();
    let steps = [
        Step::Spawned(id),
        Step::Poll(id),
        Step::Pending(id),
        Step::Arrived(id),
        Step::Poll(id),
        Step::Completed(id),
    ];
    assert_eq!(std::mem::take(&mut *TRACE.lock().unwrap()), steps);
}

#[test]
fn f7_the_trace_of_a_task_that_another_one_wakes_by_its_end() {
    static TRACE: Mutex<Vec<Step>> = Mutex::new(Vec::new());
    let scheduler = start(Options::new().workers(1).trace(|step| TRACE.lock().unwrap().push(step)));
    let joins = scheduler.spawn(async {
        let inner = task::spawn(async { 1 });
        let id = inner.id().unwrap();
        inner.await.unwrap();
        id
    });
    let outer = joins.id().unwrap();
    let inner = block_on(joins).unwrap();
    let steps = [
        Step::Spawned(outer),
        Step::Poll(outer),
        Step::Spawned(inner),
        Step::Pending(outer),
        Step::Poll(inner),
        Step::Completed(inner),
        Step::Woken(outer),
        Step::Poll(outer),
        Step::Completed(outer),
    ];
    assert_eq!(std::mem::take(&mut *TRACE.lock().unwrap()), steps);
}

#[test]
fn m9_a_worker_that_is_stuck_is_seen_by_others_and_reported_afterwards() {
    static SLOW: Mutex<Vec<SlowPoll>> = Mutex::new(Vec::new());
    let clock = VirtualClock::new();
    let options = Options::new().workers(2).clock(clock.clock());
    let limit = Duration::from_millis(20);
    let scheduler = start(options.slow_poll(limit, |slow| SLOW.lock().unwrap().push(slow)));
    let go_on = Arc::new(AtomicBool::new(false));
    let stop = go_on.clone();
    let stuck = async move {
        while !stop.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
    };
    let stuck = scheduler.try_spawn(Spawn::new().name("stuck"), stuck).unwrap();
    let id = stuck.id().unwrap();
    find(&scheduler, id, |task| matches!(task.doing, Doing::Running { .. }));
    clock.advance(Duration::from_millis(250));
    let seen = find(&scheduler, id, |task| matches!(task.doing, Doing::Running { .. }));
    let Doing::Running { worker, since } = seen.doing else { unreachable!("asked for") };
    assert_eq!(since.as_millis(), 250);
    let said = seen.to_string();
    assert_eq!(said, format!("task {id} 'stuck': running for 250 ms on worker {worker}"));
    let slow = || scheduler.metrics().iter().map(|worker| worker.slow_polls).collect::<Vec<_>>();
    assert_eq!(slow(), [0, 0], "it is not over yet");
    go_on.store(true, Ordering::Relaxed);
    block_on(stuck).unwrap();
    let reported = SLOW.lock().unwrap().pop().unwrap();
    let SlowPoll { task, name, took, worker: by, .. } = reported;
    assert_eq!((task, name, took.as_millis(), by), (id, Some("stuck"), 250, worker));
    assert_eq!(slow()[worker], 1);
    assert_eq!(slow().iter().sum::<u64>(), 1);
}

#[test]
fn l7_blocked_tasks_of_several_workers_are_listed_with_what_they_wait_for() {
    let scheduler = start(Options::new().workers(2));
    let lock = Arc::new(<TaskMutex<u32>>::new(0));
    let held = lock.try_lock().unwrap();
    let waits = lock.clone();
    let (sender, receiver) = channel::<u8>(1);
    let spawn = |name, future: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
        let task = scheduler.try_spawn(Spawn::new().name(name), future).unwrap();
        (task.id().unwrap(), task)
    };
    let locks = async move { *waits.lock().await += 1 };
    let locks = scheduler.try_spawn(Spawn::new().name("locks"), locks).unwrap();
    let receives = spawn("receives", Box::pin(async move { _ = receiver.recv().await }));
    let sleeps = spawn("sleeps", Box::pin(async { _ = sleep(Duration::from_secs(3600)).await }));
    let silent = spawn("silent", Box::pin(pending()));
    let other = silent.1;
    let joins = scheduler.spawn(async move { _ = other.await });
    let system = scheduler.try_spawn(Spawn::new().system(), pending::<()>()).unwrap();
    let says = |id, what: &str| find(&scheduler, id, |task| task.doing.to_string().contains(what));
    assert_eq!(says(locks.id().unwrap(), "mutex").name, Some("locks"));
    assert_eq!(says(receives.0, "waits for channel (recv) 0x").name, Some("receives"));
    says(sleeps.0, "waits for sleep");
    says(joins.id().unwrap(), "waits for join ");
    assert!(!says(silent.0, "waits").is_ready());
    assert!(find(&scheduler, system.id().unwrap(), |task| !task.is_ready()).system);
    let table = scheduler.dump().to_string();
    assert_eq!(table.lines().count(), 7);
    drop((held, sender));
}

#[test]
fn m10_what_workers_do_is_counted() {
    let scheduler = start(Options::new().workers(1));
    // It lies down before it parks, and counts both.
    let parked = |times| {
        let parked = |worker: &Metrics| worker.asleep && worker.parks > times;
        until(|| Some(scheduler.metrics()[0]).filter(parked))
    };
    let before = parked(0);
    assert_eq!(scheduler.activity(), Activity { searching: 0, asleep: 1, tasks: 0 });
    let (go_on, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (started, ends) = (go_on.clone(), stop.clone());
    let busy = scheduler.spawn(async move {
        let others: Vec<_> = (0..9).map(|_| task::spawn(async {})).collect();
        started.store(true, Ordering::Relaxed);
        while !ends.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        for other in others {
            other.await.unwrap();
        }
    });
    until(|| go_on.load(Ordering::Relaxed).then_some(()));
    let during = scheduler.metrics()[0];
    // The last one spawned is in the slot.
    assert_eq!((during.asleep, during.queued), (false, 8));
    assert_eq!(scheduler.activity(), Activity { searching: 0, asleep: 0, tasks: 10 });
    // It is busy for as long as it is awake, though it does not read the clock.
    let more = until(|| Some(scheduler.metrics()[0].busy).filter(|&busy| busy > during.busy));
    stop.store(true, Ordering::Relaxed);
    block_on(busy).unwrap();
    let after = parked(before.parks);
    assert_eq!(after.queued, 0);
    assert!(after.busy >= more);
    assert!(after.polls >= before.polls + 11, "{after:?}");
    assert!(after.slot_polls > before.slot_polls, "{after:?}");
    assert!(after.searches > before.searches, "{after:?}");
    assert_eq!(scheduler.metrics()[0], after, "asleep, it counts nothing");
}
