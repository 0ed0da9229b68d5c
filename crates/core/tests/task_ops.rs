//! Ops of a loop as futures of tasks, over the driver without a kernel.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use wakering_core::abi::{ErrorKind, Opcode};
use wakering_core::block::BlockPool;
use wakering_core::driver::sim::SimDriver;
use wakering_core::resource::{PathRole, Prepared, Resource};
use wakering_core::scheduler::{LocalOptions, LocalScheduler, Loop, Nop, Op, Ops, describe};
use wakering_core::task::{Step, spawn_local, yield_now};
use wakering_core::{Error, Home};

#[path = "support/ledger.rs"]
mod ledger;

const SLOTS: u32 = 16;

fn with_loop(options: LocalOptions, seed: u64, turns_max: u32) -> (LocalScheduler, Arc<Home>) {
    let home = Arc::new(Home::new(SLOTS).unwrap());
    let driver = SimDriver::new(home.clone(), seed, SLOTS as usize, turns_max);
    // SAFETY: new, and only looked at beside the driver.
    let made = unsafe { Loop::new(Box::new(driver), home.clone()) };
    (options.with_loop(made, 4).build().unwrap(), home)
}

fn nop(ops: &Ops) -> Op<Nop> {
    ops.start(Nop)
}

fn in_use(home: &Home) -> usize {
    home.slab.in_use().count()
}

#[test]
fn f21_the_first_poll_starts_and_further_ones_start_nothing() {
    let (scheduler, home) = with_loop(LocalOptions::new(), 1, 5);
    let ops = scheduler.ops().unwrap().clone();
    let slots = home.clone();
    scheduler.block_on(async move {
        let mut op = pin!(nop(&ops));
        assert_eq!(in_use(&slots), 0, "nothing starts before the first poll");
        let mut polls = 0;
        let outcome = poll_fn(|cx| {
            polls += 1;
            let polled = op.as_mut().poll(cx);
            if polled.is_pending() {
                assert_eq!(in_use(&slots), 1);
                // Spurious polls.
                cx.waker().wake_by_ref();
            }
            polled
        })
        .await;
        assert_eq!(outcome.unwrap().result, 0);
        assert!(polls >= 2);
    });
    assert_eq!(in_use(&home), 0);
}

#[test]
fn f5_many_tasks_share_one_loop() {
    for seed in 0..20 {
        let (scheduler, home) = with_loop(LocalOptions::new(), seed, 4);
        let ops = scheduler.ops().unwrap().clone();
        let joins: Vec<_> = (0..10)
            .map(|_| {
                let ops = ops.clone();
                scheduler.spawn(async move {
                    for _ in 0..50 {
                        nop(&ops).await.unwrap();
                    }
                })
            })
            .collect();
        for join in joins {
            scheduler.block_on(join).unwrap();
        }
        assert_eq!((in_use(&home), ops.in_flight()), (0, 0));
    }
}

#[test]
fn a_full_slab_is_busy_and_not_more() {
    let (scheduler, home) = with_loop(LocalOptions::new(), 2, 3);
    let ops = scheduler.ops().unwrap().clone();
    scheduler.block_on(async move {
        let mut all: Vec<_> = (0..SLOTS).map(|_| Box::pin(nop(&ops))).collect();
        poll_fn(|cx| {
            for op in &mut all {
                assert!(op.as_mut().poll(cx).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        assert_eq!(nop(&ops).await.unwrap_err(), Error::Kind(ErrorKind::Busy));
        for op in all {
            op.await.unwrap();
        }
        nop(&ops).await.unwrap();
    });
    assert_eq!(in_use(&home), 0);
}

#[test]
fn f23_polled_again_by_another_task_it_wakes_that_one() {
    let (scheduler, home) = with_loop(LocalOptions::new(), 3, 8);
    let ops = scheduler.ops().unwrap().clone();
    type Handed = Rc<RefCell<Option<Pin<Box<Op<Nop>>>>>>;
    let handed = Handed::default();
    let first = handed.clone();
    scheduler.block_on(async move {
        spawn_local(async move {
            let mut op = Box::pin(nop(&ops));
            assert!(poll_fn(|cx| Poll::Ready(op.as_mut().poll(cx).is_pending())).await);
            *first.borrow_mut() = Some(op);
        })
        .await
        .unwrap();
        let op = handed.take().unwrap();
        let outcome = spawn_local(op).await.unwrap();
        assert_eq!(outcome.unwrap().result, 0);
    });
    assert_eq!(in_use(&home), 0);
}

#[test]
fn f23_a_foreign_waker_is_woken_once_it_was_stored() {
    let (scheduler, home) = with_loop(LocalOptions::new(), 4, 6);
    let ops = scheduler.ops().unwrap().clone();
    let (wakes, waker) = ledger::CountingWaker::new();
    scheduler.block_on(async move {
        let mut op = pin!(nop(&ops));
        let mut cx = Context::from_waker(&waker);
        assert!(op.as_mut().poll(&mut cx).is_pending());
        while wakes.wakes() == 0 {
            yield_now().await;
        }
        assert!(op.as_mut().poll(&mut cx).is_ready());
        assert_eq!(wakes.wakes(), 1);
    });
    assert_eq!(in_use(&home), 0);
}

#[test]
fn a_waker_that_was_stored_goes_with_its_op() {
    let (scheduler, _) = with_loop(LocalOptions::new(), 4, 1000);
    let ops = scheduler.ops().unwrap().clone();
    let (wakes, waker) = ledger::CountingWaker::new();
    scheduler.block_on(async move {
        let mut op = Box::pin(nop(&ops));
        assert!(op.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(Arc::strong_count(&wakes), 3);
        drop(op);
        assert_eq!(Arc::strong_count(&wakes), 2);
    });
}

/// The slot that it gives back each time is nothing that it waits for.
#[test]
fn who_is_short_of_a_block_tries_again_when_something_came_back() {
    let (scheduler, home) = with_loop(LocalOptions::new(), 6, 3);
    let ops = scheduler.ops().unwrap().clone();
    let prepared = Rc::new(Cell::new(0));
    let with_a_block = || {
        let prepared = prepared.clone();
        let prepare = move |resource: &mut Resource, blocks: &BlockPool| {
            prepared.set(prepared.get() + 1);
            resource.prepared = Prepared::new(Opcode::Nop);
            resource.set_path(PathRole::First, &[b'a'; 300], blocks)
        };
        // SAFETY: it names nothing but the path, which lies in the resource.
        unsafe { describe(prepare) }
    };
    scheduler.block_on(async {
        let mut with_all: Vec<_> = (0..4).map(|_| Box::pin(ops.start(with_a_block()))).collect();
        let poll = |cx: &mut Context<'_>| {
            assert!(with_all.iter_mut().all(|op| op.as_mut().poll(cx).is_pending()));
            Poll::Ready(())
        };
        poll_fn(poll).await;
        let (one_more, of_loop) = (with_a_block(), ops.clone());
        let one_more = spawn_local(async move { of_loop.run(one_more).await.unwrap() });
        for _ in 0..500 {
            yield_now().await;
        }
        // At first, after it has said that it waits, and when the loop has shared its slots.
        assert_eq!((prepared.get(), ops.waiting_for_room()), (4 + 3, 1));
        for op in with_all {
            op.await.unwrap();
        }
        one_more.await.unwrap();
        assert_eq!(ops.waiting_for_room(), 0);
    });
    assert_eq!(in_use(&home), 0);
}

#[test]
fn an_op_that_is_dropped_gives_its_slot_back_when_the_loop_lets_go() {
    for seed in 0..50 {
        let (scheduler, home) = with_loop(LocalOptions::new(), seed, 5);
        let ops = scheduler.ops().unwrap().clone();
        let dropping = ops.clone();
        scheduler.block_on(async move {
            for round in 0..20 {
                let mut op = Box::pin(nop(&dropping));
                let _ = poll_fn(|cx| Poll::Ready(op.as_mut().poll(cx).is_ready())).await;
                for _ in 0..round % 4 {
                    yield_now().await;
                }
                drop(op);
            }
            while dropping.in_flight() > 0 {
                yield_now().await;
            }
        });
        assert_eq!((in_use(&home), ops.in_flight()), (0, 0));
    }
}

/// Of itself, while it is polled: before the driver has begun with the op, so that this answers at once.
#[test]
fn a_task_that_cancels_an_op_that_it_waits_for_is_woken() {
    let (scheduler, _) = with_loop(LocalOptions::new(), 1, 5);
    let ops = scheduler.ops().unwrap().clone();
    let outcome = scheduler.block_on(async move {
        let mut op = pin!(nop(&ops));
        let mut cancelled = false;
        poll_fn(|cx| {
            let polled = op.as_mut().poll(cx);
            if !std::mem::replace(&mut cancelled, true) {
                op.cancel();
            }
            polled
        })
        .await
    });
    assert!([0, -libc::ECANCELED].contains(&outcome.unwrap().result));
}

#[test]
fn a_prepare_that_fails_starts_nothing() {
    let (scheduler, home) = with_loop(LocalOptions::new(), 5, 1);
    let ops = scheduler.ops().unwrap().clone();
    // SAFETY: it names nothing.
    let bad = unsafe { describe(|_, _| Err(ErrorKind::BadPath.into())) };
    let refused = scheduler.block_on(ops.start(bad));
    assert_eq!(refused.unwrap_err(), Error::Kind(ErrorKind::BadPath));
    assert_eq!(in_use(&home), 0);
}

#[test]
fn the_schedulers_end_drops_its_ops_on_their_own_loop() {
    let (scheduler, home) = with_loop(LocalOptions::new(), 6, 1_000);
    let ops = scheduler.ops().unwrap().clone();
    for _ in 0..8 {
        let ops = ops.clone();
        scheduler.spawn(async move { nop(&ops).await }).detach();
    }
    scheduler.block_on(yield_now());
    assert_eq!(in_use(&home), 8);
    drop(scheduler);
    assert_eq!(in_use(&home), 0);
}

thread_local! {
    static TRACE: RefCell<Vec<Step>> = const { RefCell::new(Vec::new()) };
}

fn record(step: Step) {
    TRACE.with_borrow_mut(|trace| trace.push(step));
}

/// F7: scheduler, task, future; then scheduler, loop, wake, scheduler.
#[test]
fn f7_the_trace_of_one_op_is_the_two_paths_of_the_design() {
    let (scheduler, _home) = with_loop(LocalOptions::new().trace(record), 7, 0);
    let ops = scheduler.ops().unwrap().clone();
    let join = scheduler.spawn(async move { nop(&ops).await });
    let task = join.id().unwrap();
    join.detach();
    scheduler.run().unwrap();
    let trace = TRACE.take();
    let [Step::Spawned(_), Step::Poll(_), Step::Enqueued(token), rest @ ..] = &trace[..] else {
        panic!("{trace:?}")
    };
    let expected = [
        Step::Pending(task),
        Step::Turn,
        Step::Ready(*token),
        Step::Woken(task),
        Step::Poll(task),
        Step::Completed(task),
    ];
    assert_eq!(trace[..2], [Step::Spawned(task), Step::Poll(task)]);
    assert_eq!(rest, expected);
}
