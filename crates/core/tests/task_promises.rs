//! What tasks promise whatever they wait for: kinds that mix, wakes that cost one poll, depth that costs
//! no stack.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use wakering_core::Home;
use wakering_core::abi::ErrorKind;
use wakering_core::scheduler::cpu_pool::{CpuPool, CpuPoolConfig};
use wakering_core::scheduler::{LocalOptions, LocalScheduler, Nop, Op, Options, Scheduler};
use wakering_core::slab::FreeList;
use wakering_core::slot::{Completed, Outcome, Publish};
use wakering_core::sync::oneshot;
use wakering_core::task::{
    JoinHandle, LocalJoinHandle, Spawn, block_on, spawn, spawn_local, try_spawn_local, yield_now,
};
use wakering_core::waker::WakerRef;

/// Native async, asynchronous outside (a thread of its own wakes it), and a job for the CPU.
#[test]
fn f1_three_kinds_of_task_in_one_join_and_the_loop_goes_on() {
    let scheduler = LocalScheduler::new().unwrap();
    let pool = CpuPool::new(CpuPoolConfig::cpu());
    let ended = Arc::new(AtomicBool::new(false));
    let may_end = ended.clone();
    let (sum, ticks) = scheduler.block_on(async move {
        let native = spawn_local(async {
            yield_now().await;
            1_u64
        });
        let outside = spawn_local(async {
            let (sender, receiver) = oneshot::channel();
            let thread = std::thread::spawn(move || sender.send(10_u64).unwrap());
            let value = receiver.await.unwrap();
            thread.join().unwrap();
            value
        });
        // It ends when the loop has gone on beside it, and not before.
        let job = pool.spawn(move || {
            while !may_end.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            100_u64
        });
        let computing = spawn_local(async move { job.unwrap().await.unwrap() });
        let mut ticks = 0;
        while ticks < 1_000 {
            ticks += 1;
            yield_now().await;
        }
        ended.store(true, Ordering::Release);
        let mut sum = 0;
        for join in [native, outside, computing] {
            sum += join.await.unwrap();
        }
        (sum, ticks)
    });
    assert_eq!((sum, ticks), (111, 1_000));
}

/// Polled by one thread at a time, no more often than it was woken, and never for nothing.
#[test]
fn t6_a_million_wakes_of_a_task_of_several_threads_queue_it_once_each() {
    const THREADS: u64 = 4;
    const WAKES: u64 = 250_000;
    let scheduler = Scheduler::start(Options::new().workers(2)).unwrap();
    let (polls, inside) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
    let (woken, slot) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None::<Waker>)));
    let join = {
        let (polls, woken, slot) = (polls.clone(), woken.clone(), slot.clone());
        scheduler.spawn(poll_fn(move |cx| {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two threads poll it");
            polls.fetch_add(1, Ordering::Relaxed);
            slot.lock().unwrap().get_or_insert_with(|| cx.waker().clone());
            let all = woken.load(Ordering::Acquire) == THREADS * WAKES;
            inside.fetch_sub(1, Ordering::SeqCst);
            if all { Poll::Ready(()) } else { Poll::Pending }
        }))
    };
    let waker = loop {
        if let Some(waker) = slot.lock().unwrap().clone() {
            break waker;
        }
        std::thread::yield_now();
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..WAKES {
                    woken.fetch_add(1, Ordering::Release);
                    waker.wake_by_ref();
                }
            });
        }
    });
    block_on(join).unwrap();
    // Its first poll is the spawn's.
    assert!(polls.load(Ordering::Relaxed) <= THREADS * WAKES + 1);
}

#[test]
fn f8_wakers_know_each_other_and_go_to_other_threads() {
    fn goes<T: Send + Sync>(_: &T) {}
    let scheduler = LocalScheduler::new().unwrap();
    let mine = || poll_fn(|cx| Poll::Ready(cx.waker().clone()));
    scheduler.block_on(async {
        let other = spawn_local(mine()).await.unwrap();
        let (first, second) = (mine().await, mine().await);
        goes(&first);
        assert!(first.will_wake(&second) && first.will_wake(&first.clone()));
        assert!(!first.will_wake(&other));
        // A third thread wakes what is over, and drops the last of it.
        std::thread::spawn(move || {
            other.wake_by_ref();
            other.wake();
        })
        .join()
        .unwrap();
    });
}

/// No poll before somebody wakes it, though others are polled all the time.
#[test]
fn f21_a_task_that_nobody_wakes_is_not_polled() {
    let scheduler = LocalScheduler::new().unwrap();
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = polls.clone();
    scheduler.block_on(async move {
        let waits: JoinHandle<(), _> = spawn_local(poll_fn(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Poll::Pending
        }))
        .anywhere();
        for _ in 0..1_000 {
            yield_now().await;
        }
        waits.abort();
        assert!(waits.await.unwrap_err().is_cancelled());
    });
    assert_eq!(polls.load(Ordering::Relaxed), 1);
}

/// Neither a task's output, nor an answer, nor an op's outcome is there before it is ready.
#[test]
fn f4_nothing_can_be_read_before_it_is_ready() {
    let mut cx = Context::from_waker(Waker::noop());
    let scheduler = LocalScheduler::new().unwrap();
    let (sender, mut receiver) = oneshot::channel();
    let mut join = scheduler.spawn(async { 5 });
    assert!(!join.is_finished());
    assert!(Pin::new(&mut join).poll(&mut cx).is_pending());
    assert_eq!(receiver.try_recv(), Err(oneshot::TryRecvError::Empty));
    sender.send(6).unwrap();
    assert_eq!(receiver.try_recv(), Ok(6));
    assert_eq!(scheduler.block_on(join).unwrap(), 5);

    let home = Home::new(1).unwrap();
    let token = FreeList::new(&home.slab).claim(&home.slab, WakerRef::NOBODY).unwrap();
    let slot = home.slab.slot(token);
    let take = || slot.take(token, |taken, _| taken.outcome.result);
    assert_eq!(take(), None, "queued");
    assert_eq!(slot.publish(token), Publish::Go);
    assert_eq!(take(), None, "in flight");
    assert_eq!(slot.complete(token, Outcome { result: 7, flags: 0 }), Completed::Deliver);
    assert_eq!(take(), Some(7));
    assert_eq!(take(), None, "taken");
}

/// What waits is small: it lies in the future of whoever waits.
#[test]
fn f23_handles_and_ops_are_a_few_words() {
    assert_eq!(size_of::<JoinHandle<[u64; 100]>>(), 8);
    assert_eq!(size_of::<LocalJoinHandle<u8>>(), 8);
    assert_eq!(size_of::<Op<Nop>>(), 24);
    assert_eq!(size_of::<WakerRef>(), 8);
}

type Deep = Pin<Box<dyn Future<Output = u32> + Send>>;

/// A chain of so many tasks, each of which awaits the next. The last one ends, or never does.
fn deeper(left: u32, ends: bool) -> Deep {
    Box::pin(async move {
        if left > 0 {
            return spawn(deeper(left - 1, ends)).await.unwrap() + 1;
        }
        if !ends {
            std::future::pending::<()>().await;
        }
        0
    })
}

/// On a stack that would hold a few hundred nested calls.
fn with_little_stack<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    std::thread::Builder::new().stack_size(128 << 10).spawn(f).unwrap().join().unwrap()
}

#[test]
fn l8_a_chain_of_tasks_that_join_one_another_needs_no_stack() {
    const DEPTH: u32 = 50_000;
    let depth = with_little_stack(|| {
        let scheduler = LocalScheduler::new().unwrap();
        let whole = scheduler.block_on(scheduler.spawn(deeper(DEPTH, true))).unwrap();
        // The same chain, dropped from its head while all of it waits.
        let join = scheduler.spawn(deeper(DEPTH, false));
        scheduler.block_on(async { while yield_now().await > 0 {} });
        join.abort();
        assert!(scheduler.block_on(join).is_err());
        drop(scheduler);
        whole
    });
    assert_eq!(depth, DEPTH);
}

fn runaway(refusals: Arc<AtomicUsize>) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        match try_spawn_local(Spawn::new(), runaway(refusals.clone())) {
            Ok(join) => join.await.unwrap(),
            Err(refused) => {
                assert_eq!(refused.error(), ErrorKind::Busy.into());
                refusals.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
}

#[test]
fn l8_a_task_that_spawns_itself_without_end_is_told_busy() {
    let refusals = with_little_stack(|| {
        let scheduler = LocalOptions::new().bytes_max(1 << 20).build().unwrap();
        let refusals = Arc::new(AtomicUsize::new(0));
        for round in 1..=3 {
            scheduler.block_on(scheduler.spawn(runaway(refusals.clone()))).unwrap();
            assert_eq!(refusals.load(Ordering::Relaxed), round);
        }
        refusals.load(Ordering::Relaxed)
    });
    assert_eq!(refusals, 3);
}
