//! Other threads: wakes and spawns that come home, signals, storms.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};
use wakering_core::scheduler::{LocalScheduler, Remote};
use wakering_core::task::{Spawn, block_on, spawn_local};

/// T6 and F8: wakes, clones and drops of wakers at random from many threads. Each poll answers
/// everything that was promised before the wake that caused it; there are no more polls than wakes.
#[test]
fn t6_a_million_wakes_from_everywhere_lose_nothing() {
    const THREADS: u64 = 4;
    const WAKES: u64 = 250_000;
    let scheduler = LocalScheduler::new().unwrap();
    let promised = Arc::new(AtomicU64::new(0));
    let slot: Arc<Mutex<Option<Waker>>> = Arc::default();
    let threads: Vec<_> = (0..THREADS)
        .map(|seed| {
            let (promised, slot) = (promised.clone(), slot.clone());
            std::thread::spawn(move || {
                let mut random = wakering_core::random::Random::new(seed);
                let mut kept = Vec::new();
                let waker = loop {
                    if let Some(waker) = slot.lock().unwrap().clone() {
                        break waker;
                    }
                    std::thread::yield_now();
                };
                for _ in 0..WAKES {
                    promised.fetch_add(1, Ordering::Relaxed);
                    match random.below(8) {
                        0 => Waker::wake(waker.clone()),
                        1 => kept.push(waker.clone()),
                        2 => kept.clear(),
                        _ => {}
                    }
                    waker.wake_by_ref();
                }
            })
        })
        .collect();
    let polls = Rc::new(Cell::new(0u64));
    let counted = polls.clone();
    scheduler
        .block_on(scheduler.spawn(poll_fn(move |cx| {
            counted.set(counted.get() + 1);
            slot.lock().unwrap().get_or_insert_with(|| cx.waker().clone());
            if promised.load(Ordering::Relaxed) == THREADS * WAKES {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })))
        .unwrap();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(polls.get() <= THREADS * WAKES * 2 + 1);
}

/// The context of a task: says that it was freed, and wakes whoever waits for the last one.
struct Context {
    freed: Arc<AtomicU64>,
    last: u64,
    waits: Arc<Mutex<Option<Waker>>>,
}

impl Drop for Context {
    fn drop(&mut self) {
        if self.freed.fetch_add(1, Ordering::AcqRel) + 1 == self.last {
            self.waits.lock().unwrap().take().inspect(Waker::wake_by_ref);
        }
    }
}

/// Spawns with what it can: full is Busy, and the future comes back.
fn spawn_patiently(remote: &Remote, task: impl Future<Output = ()> + Send + 'static) {
    let mut task = Box::pin(task);
    while let Err(refused) = remote.try_spawn(Spawn::new(), task).map(|join| join.detach()) {
        assert_eq!(refused.error(), wakering_core::abi::ErrorKind::Busy.into());
        task = refused.into_future();
        std::thread::yield_now();
    }
}

#[test]
fn r7_spawns_from_other_threads_run_at_home_in_their_order() {
    const PRODUCERS: usize = 8;
    const EACH: usize = 100_000;
    let scheduler = LocalScheduler::new().unwrap();
    let home = std::thread::current().id();
    let seen: Arc<Mutex<Vec<Vec<usize>>>> = Arc::new(Mutex::new(vec![Vec::new(); PRODUCERS]));
    let freed = Arc::new(AtomicU64::new(0));
    let (last, waits) = ((PRODUCERS * EACH) as u64, Arc::default());
    let threads: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let (remote, seen) = (scheduler.remote(), seen.clone());
            let (freed, waits) = (freed.clone(), Arc::clone(&waits));
            std::thread::spawn(move || {
                for n in 0..EACH {
                    let (freed, waits) = (freed.clone(), Arc::clone(&waits));
                    let (seen, context) = (seen.clone(), Context { freed, last, waits });
                    spawn_patiently(&remote, async move {
                        assert_eq!(std::thread::current().id(), home);
                        seen.lock().unwrap()[producer].push(n);
                        drop(context);
                    });
                }
            })
        })
        .collect();
    // It sleeps whenever nothing is there, and each spawn has to wake it.
    scheduler.block_on(poll_fn(|cx| {
        *waits.lock().unwrap() = Some(cx.waker().clone());
        match freed.load(Ordering::Acquire) == last {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }));
    for thread in threads {
        thread.join().unwrap();
    }
    for seen in &*seen.lock().unwrap() {
        assert!(seen.iter().copied().eq(0..EACH), "each once, in its producer's order");
    }
    assert_eq!(freed.load(Ordering::Acquire), last);
}

#[test]
fn a_remote_whose_scheduler_is_gone_gets_its_future_back() {
    let scheduler = LocalScheduler::new().unwrap();
    let remote = scheduler.remote();
    let join = std::thread::spawn({
        let remote = remote.clone();
        move || remote.spawn(async { 4 })
    })
    .join()
    .unwrap();
    drop(scheduler);
    assert!(block_on(join).unwrap_err().is_cancelled());
    let refused = remote.try_spawn(Spawn::new(), async { 5 }).unwrap_err();
    assert_eq!(refused.error(), wakering_core::abi::ErrorKind::Closed.into());
    assert_eq!(block_on(refused.into_future()), 5);
}

#[test]
fn the_end_of_a_scheduler_races_with_those_who_spawn_and_wake() {
    for round in 0..200 {
        let scheduler = LocalScheduler::new().unwrap();
        let remote = scheduler.remote();
        let slot: Arc<Mutex<Option<Waker>>> = Arc::default();
        let waits = slot.clone();
        let join = scheduler.spawn(poll_fn(move |cx| {
            *waits.lock().unwrap() = Some(cx.waker().clone());
            Poll::<()>::Pending
        }));
        let thread = std::thread::spawn(move || {
            let mut joins = Vec::new();
            for _ in 0..20 {
                if let Ok(join) = remote.try_spawn(Spawn::new(), async {}) {
                    joins.push(join);
                }
                if let Some(waker) = &*slot.lock().unwrap() {
                    waker.wake_by_ref();
                }
                if let Some(waker) = slot.lock().unwrap().take() {
                    waker.wake();
                }
            }
            joins.into_iter().for_each(|join| _ = block_on(join));
        });
        scheduler.block_on(async {
            for _ in 0..round {
                wakering_core::task::yield_now().await;
            }
        });
        drop(scheduler);
        assert!(block_on(join).unwrap_err().is_cancelled());
        thread.join().unwrap();
    }
}

#[test]
fn r14_block_on_is_not_disturbed_by_signals() {
    extern "C" fn nothing(_: libc::c_int) {}
    let mut action: libc::sigaction = {
        // SAFETY: all zeroes is a valid sigaction.
        unsafe { std::mem::zeroed() }
    };
    action.sa_sigaction = nothing as *const () as usize;
    // SAFETY: the handler does nothing; no SA_RESTART, so system calls end with EINTR.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) }, 0);
    // SAFETY: takes nothing.
    let target = unsafe { libc::pthread_self() } as usize;
    let stop = Arc::new(AtomicBool::new(false));
    let storm = std::thread::spawn({
        let stop = stop.clone();
        move || {
            while !stop.load(Ordering::Relaxed) {
                // SAFETY: the thread lives until this one was joined.
                unsafe { libc::pthread_kill(target as libc::pthread_t, libc::SIGUSR1) };
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    });
    let late = || {
        let mut thread = None;
        poll_fn(move |cx| {
            let woken = thread.as_ref().is_some_and(std::thread::JoinHandle::is_finished);
            thread.get_or_insert_with(|| {
                let waker = cx.waker().clone();
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(50));
                    std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_millis(20));
                        waker.wake();
                    });
                })
            });
            if woken { Poll::Ready(7) } else { Poll::Pending }
        })
    };
    let start = Instant::now();
    assert_eq!(block_on(late()), 7);
    assert!(start.elapsed() >= Duration::from_millis(60));
    let scheduler = LocalScheduler::new().unwrap();
    assert_eq!(scheduler.block_on(late()), 7);
    stop.store(true, Ordering::Relaxed);
    storm.join().unwrap();
}

#[test]
fn r14_block_on_within_block_on_takes_no_wake_of_the_outer_one() {
    let scheduler = LocalScheduler::new().unwrap();
    let mut polls = 0;
    let outer = poll_fn(|cx| {
        polls += 1;
        if polls == 1 {
            cx.waker().wake_by_ref();
            assert_eq!(block_on(async { wakering_core::task::yield_now().await }), 0);
            return Poll::Pending;
        }
        Poll::Ready(())
    });
    block_on(outer);
    scheduler.block_on(async {
        let inner = LocalScheduler::new().unwrap();
        let outer = spawn_local(async { 1 });
        assert_eq!(inner.block_on(async { spawn_local(async { 2 }).await.unwrap() }), 2);
        assert_eq!(outer.await.unwrap(), 1);
    });
}

#[test]
fn an_idle_scheduler_sleeps() {
    let scheduler = LocalScheduler::new().unwrap();
    let slot: Arc<Mutex<Option<Waker>>> = Arc::default();
    let waits = slot.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        slot.lock().unwrap().take().unwrap().wake();
    });
    let time = || {
        let mut usage: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: writes to `usage`.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut usage) };
        Duration::new(usage.tv_sec as u64, usage.tv_nsec as u32)
    };
    let before = time();
    let mut polls = 0;
    scheduler.block_on(poll_fn(|cx| {
        polls += 1;
        *waits.lock().unwrap() = Some(cx.waker().clone());
        if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
    }));
    assert!(time() - before < Duration::from_millis(20));
    thread.join().unwrap();
}
