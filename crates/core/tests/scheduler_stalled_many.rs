//! A scheduler of several threads that nobody will ever wake says so, and one that somebody may wake
//! never does.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;
use wakering_core::driver::sim::SimDriver;
use wakering_core::scheduler::cpu_pool::{CpuPool, CpuPoolConfig};
use wakering_core::scheduler::{Loop, Nop, Options, RunError, Scheduler, Stalled, ops};
use wakering_core::sync::{channel, local, oneshot};
use wakering_core::task::{self, JoinHandle, Spawn, block_on, spawn_local, yield_now};
use wakering_core::time::sleep;
use wakering_core::{Error, Home};

/// Longer than a machine is ever busy elsewhere.
const LONG: Duration = Duration::from_secs(30);

fn start(workers: usize) -> Arc<Scheduler> {
    Arc::new(Scheduler::start(Options::new().workers(workers)).unwrap())
}

/// What `run` ends with, which is given up where it hangs.
fn run(scheduler: &Arc<Scheduler>) -> Result<i32, RunError> {
    let (send, receive) = mpsc::channel();
    let runs = scheduler.clone();
    std::thread::spawn(move || send.send(runs.run()));
    receive.recv_timeout(LONG).expect("the run goes on for ever")
}

fn stalled(scheduler: &Arc<Scheduler>) -> Stalled {
    match run(scheduler) {
        Err(RunError::Stalled(stalled)) => stalled,
        other => panic!("it is stalled: {other:?}"),
    }
}

/// Two tasks that await each other, once they have each other's handles.
fn await_each_other(scheduler: &Scheduler) {
    let handles: Arc<Mutex<[Option<JoinHandle<()>>; 2]>> = Arc::default();
    let waits_for = |other: usize| {
        let handles = handles.clone();
        async move {
            loop {
                let handle = handles.lock().unwrap()[other].take();
                if let Some(handle) = handle {
                    break handle.await.unwrap();
                }
                yield_now().await;
            }
        }
    };
    let spawn = |name, other| scheduler.try_spawn(Spawn::new().name(name), waits_for(other));
    let (one, two) = (spawn("one", 1).unwrap(), spawn("two", 0).unwrap());
    *handles.lock().unwrap() = [Some(one), Some(two)];
}

#[test]
fn l9_two_tasks_of_several_threads_that_await_each_other_are_stalled() {
    for workers in [1, 2, 4] {
        let scheduler = start(workers);
        await_each_other(&scheduler);
        let said = stalled(&scheduler).to_string();
        for name in ["one", "two"] {
            assert!(said.contains(&format!("'{name}': waits for join")), "{said}");
        }
        // A worker may be on its way to its sleep again.
        let seen = loop {
            if let Some(stalled) = scheduler.check_stalled() {
                break stalled;
            }
        };
        assert_eq!(seen.tasks.len(), 2);
        // The process lives, and so does the scheduler.
        assert_eq!(block_on(scheduler.spawn(async { 3 })).unwrap(), 3);
    }
}

#[test]
fn l9_block_on_says_stalled_where_nothing_can_wake_it() {
    let scheduler = start(2);
    let told = |waits: &str| match scheduler.run_until(scheduler.spawn(pending::<()>())) {
        Err(RunError::Stalled(stalled)) => {
            assert!(stalled.to_string().contains(waits), "{stalled}")
        }
        other => panic!("it is stalled: {other:?}"),
    };
    told(": waits");
    await_each_other(&scheduler);
    told("'one': waits for join");
    assert_eq!(scheduler.run_until(async { 5 }), Ok(5));
    // Here somebody has the waker.
    let (sender, receiver) = oneshot::channel::<u8>();
    let sends = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        sender.send(1).unwrap();
    });
    assert_eq!(scheduler.run_until(receiver), Ok(Ok(1)));
    sends.join().unwrap();
}

#[test]
fn l9_local_locks_in_cross_order_on_one_worker_are_stalled() {
    let scheduler = start(2);
    let started = scheduler.spawn_on(1, || async {
        let locks = Rc::new([local::Mutex::new(()), local::Mutex::new(())]);
        for first in [0, 1] {
            let locks = locks.clone();
            spawn_local(async move {
                let _mine = locks[first].lock().await;
                yield_now().await;
                let _other = locks[1 - first].lock().await;
            })
            .detach();
        }
    });
    block_on(started).unwrap();
    let stalled = stalled(&scheduler);
    assert_eq!(stalled.tasks.len(), 2);
    assert!(stalled.to_string().matches("waits for mutex 0x").count() == 2, "{stalled}");
}

#[test]
fn l9_a_chain_of_joins_that_ends_at_nothing_is_stalled() {
    let scheduler = start(2);
    let mut last: JoinHandle<()> = scheduler.spawn(pending());
    for _ in 0..100 {
        last = scheduler.spawn(async move { last.await.unwrap() });
    }
    assert!(scheduler.check_stalled().is_none(), "the last handle is here");
    last.detach();
    assert_eq!(stalled(&scheduler).tasks.len(), 101);
}

#[test]
fn l9_with_nothing_but_system_tasks_nothing_is_stalled() {
    let scheduler = start(2);
    scheduler.try_spawn(Spawn::new().system(), pending::<()>()).unwrap().detach();
    assert_eq!(run(&scheduler).unwrap(), 0);
    assert!(scheduler.check_stalled().is_none());
}

/// Waits until every worker sleeps.
fn rest(scheduler: &Scheduler, workers: usize) {
    while scheduler.activity().asleep < workers {
        std::thread::yield_now();
    }
}

#[test]
fn l9_no_alarm_while_another_thread_has_a_waker_or_a_handle() {
    let scheduler = start(2);
    await_each_other(&scheduler);
    let never = || {
        rest(&scheduler, 2);
        (0..100).for_each(|_| assert!(scheduler.check_stalled().is_none()));
    };
    let (send, receive) = mpsc::channel::<Waker>();
    let mut woken = false;
    let has_waker = scheduler.spawn(poll_fn(move |cx| {
        send.send(cx.waker().clone()).unwrap();
        if std::mem::replace(&mut woken, true) { Poll::Ready(()) } else { Poll::Pending }
    }));
    has_waker.detach();
    let waker = receive.recv().unwrap();
    never();
    waker.wake();
    drop(receive.recv().unwrap());
    let kept: JoinHandle<()> = scheduler.spawn(pending());
    never();
    let aborter = kept.abort_handle();
    kept.detach();
    never();
    aborter.abort();
    drop(aborter);
    let (sender, receiver) = oneshot::channel::<u8>();
    scheduler.spawn(receiver).detach();
    never();
    sender.send(1).unwrap();
    scheduler.spawn(async { _ = sleep(Duration::from_secs(3600)).await }).detach();
    never();
}

#[test]
fn l9_a_handle_that_left_the_task_that_awaited_it_counts() {
    let scheduler = start(2);
    let (send, receive) = mpsc::channel();
    let target: JoinHandle<()> = scheduler.spawn(pending());
    await_each_other(&scheduler);
    let gives_away = scheduler.spawn(async move {
        let mut target = Some(target);
        poll_fn(|cx| Poll::Ready(std::pin::Pin::new(target.as_mut().unwrap()).poll(cx).is_ready()))
            .await;
        send.send(target.take()).unwrap();
    });
    block_on(gives_away).unwrap();
    let target = receive.recv().unwrap().unwrap();
    rest(&scheduler, 2);
    assert!(scheduler.check_stalled().is_none(), "its task can be aborted from here");
    target.abort();
    assert!(block_on(target).unwrap_err().is_cancelled());
    assert_eq!(stalled(&scheduler).tasks.len(), 2);
}

fn sim(worker: usize) -> Result<Loop, Error> {
    let home = Arc::new(Home::new(16)?);
    let driver = SimDriver::new(home.clone(), worker as u64, 16, 4);
    // SAFETY: new, and only looked at beside the driver.
    Ok(unsafe { Loop::new(Box::new(driver), home) })
}

/// What a program does that goes on: some of everything that can wake a task.
async fn everything(round: usize, pool: Arc<CpuPool>, other: mpsc::Sender<Waker>) {
    let (requests, served) = channel::<(usize, oneshot::Sender<usize>)>(round % 3);
    let server = task::spawn(async move {
        while let Ok((number, answer)) = served.recv().await {
            let _ = answer.send(number + 1);
        }
    });
    for number in 0..5 {
        let (answer, answered) = oneshot::channel();
        requests.send((number, answer)).await.ok().unwrap();
        assert_eq!(answered.await.unwrap(), number + 1);
    }
    drop(requests);
    server.await.unwrap();
    let job = pool.spawn(move || round).unwrap();
    assert_eq!(job.await.unwrap(), round);
    let _ = sleep(Duration::from_micros(50 * (round as u64 % 4))).await;
    let inner = task::spawn(async move { task::spawn(yield_now()).await.unwrap() });
    inner.await.unwrap();
    let mut asked = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        other.send(cx.waker().clone()).unwrap();
        Poll::Pending
    })
    .await;
}

/// What is done on a worker's own thread: ops of its loop, and locks that no thread shares.
async fn pinned() {
    let lock = Rc::new(local::Mutex::new(RefCell::new(0)));
    let joins: Vec<_> = (0..4)
        .map(|_| {
            let lock = lock.clone();
            spawn_local(async move {
                let guard = lock.lock().await;
                let ops = ops().unwrap();
                let op = ops.start(Nop);
                op.await.unwrap();
                *guard.borrow_mut() += 1;
            })
        })
        .collect();
    for join in joins {
        join.await.unwrap();
    }
    assert_eq!(*lock.lock().await.borrow(), 4);
}

#[test]
fn l9_no_alarm_while_a_program_goes_on() {
    const WORKERS: usize = 3;
    let scheduler = Scheduler::start(Options::new().workers(WORKERS).loops(1, sim)).unwrap();
    let pool = Arc::new(CpuPool::new(CpuPoolConfig::cpu()));
    let (send, wakers) = mpsc::channel::<Waker>();
    let foreign = std::thread::spawn(move || {
        for (count, waker) in wakers.iter().enumerate() {
            if count % 5 == 0 {
                std::thread::sleep(Duration::from_micros(100));
            }
            waker.wake();
        }
    });
    let (done, at_rest) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let looks = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                at_rest
                    .fetch_add((scheduler.activity().asleep == WORKERS).into(), Ordering::Relaxed);
                let stalled = scheduler.check_stalled();
                assert!(stalled.is_none(), "{}", stalled.unwrap());
                std::thread::yield_now();
            }
        });
        for round in 0..60 {
            let tasks: Vec<_> = (0..round % 4 + 1)
                .map(|task| scheduler.spawn(everything(round + task, pool.clone(), send.clone())))
                .collect();
            let on_loop = scheduler.spawn_on(0, pinned);
            for join in tasks {
                scheduler.run_until(join).expect("a false alarm").unwrap();
            }
            scheduler.run_until(on_loop).expect("a false alarm").unwrap();
        }
        // At the end nothing happens until the looks have found everybody asleep.
        let (last, open) = oneshot::channel::<()>();
        let waits = scheduler.spawn(async move { open.await.unwrap() });
        let before = at_rest.load(Ordering::Relaxed);
        while at_rest.load(Ordering::Relaxed) < before + 100 && !looks.is_finished() {
            std::thread::yield_now();
        }
        last.send(()).unwrap();
        block_on(waits).unwrap();
        done.store(true, Ordering::Relaxed);
    });
    drop(send);
    foreign.join().unwrap();
    assert_eq!(scheduler.run().unwrap(), 0);
}

#[test]
fn a_future_that_lets_others_go_first_is_not_stalled_where_there_are_none() {
    let scheduler = Scheduler::start(Options::new().workers(1)).unwrap();
    while scheduler.activity().asleep == 0 {
        std::thread::yield_now();
    }
    scheduler.block_on(async {
        for _ in 0..100 {
            let _others = yield_now().await;
        }
    });
}
