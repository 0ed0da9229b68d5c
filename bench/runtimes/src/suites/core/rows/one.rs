//! One thread: tasks alone, without any primitive of the contender's.

use super::parked::{PARKED, PARKED_TASKS, Parked};
use crate::contender::Run;
use crate::machine;
use crate::measure::Measure;
use crate::one_thread::{OneThread, in_a_task, yield_by_wake};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Poll, Waker};

pub fn cells<L: OneThread>() -> Vec<(&'static str, Run)> {
    vec![
        ("spawn_join", spawn_join::<L>),
        ("spawn_join_batch", spawn_join_batch::<L>),
        ("yield_1", |measure| yields::<L>(measure, 1)),
        ("yield_100", |measure| yields::<L>(measure, 100)),
        ("wake_round_trip", wake_round_trip::<L>),
        ("memory, one thread", parked::<L>),
    ]
}

fn spawn_join<L: OneThread>(measure: &mut Measure) {
    in_a_task::<L, _>(measure, |mut measure| async {
        measure
            .run_async(1_000, async || {
                for _ in 0..1_000 {
                    L::spawn(async {}).await;
                }
            })
            .await;
        measure
    });
}

fn spawn_join_batch<L: OneThread>(measure: &mut Measure) {
    in_a_task::<L, _>(measure, |mut measure| async {
        let mut joins = Vec::with_capacity(1_000);
        measure
            .run_async(1_000, async || {
                joins.extend((0..1_000).map(|_| L::spawn(async {})));
                for join in joins.drain(..) {
                    join.await;
                }
            })
            .await;
        measure
    });
}

fn yields<L: OneThread>(measure: &mut Measure, tasks: usize) {
    const YIELDS: usize = 10_000;
    in_a_task::<L, _>(measure, async move |mut measure: Measure| {
        let mut joins = Vec::with_capacity(tasks);
        measure
            .run_async(YIELDS as u64, async || {
                joins.extend((0..tasks).map(|_| {
                    L::spawn(async move {
                        for _ in 0..YIELDS / tasks {
                            yield_by_wake().await;
                        }
                    })
                }));
                for join in joins.drain(..) {
                    join.await;
                }
            })
            .await;
        measure
    });
}

/// Whose turn it is, and whom to wake for it.
#[derive(Default)]
struct Turns {
    whose: Cell<usize>,
    wakers: [RefCell<Option<Waker>>; 2],
}

impl Turns {
    async fn wait(&self, me: usize) {
        poll_fn(|cx| {
            if self.whose.get() == me {
                return Poll::Ready(());
            }
            let mut place = self.wakers[me].borrow_mut();
            if !place.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *place = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    fn pass_to(&self, other: usize) {
        self.whose.set(other);
        if let Some(waker) = &*self.wakers[other].borrow() {
            waker.wake_by_ref();
        }
    }
}

/// Two tasks that wake each other by their wakers alone.
fn wake_round_trip<L: OneThread>(measure: &mut Measure) {
    const ROUNDS: usize = 1_000;
    in_a_task::<L, _>(measure, |mut measure| async {
        measure
            .run_async(ROUNDS as u64, async || {
                let turns = Rc::new(Turns::default());
                let players = [0, 1].map(|me| {
                    let turns = turns.clone();
                    L::spawn(async move {
                        for _ in 0..ROUNDS {
                            turns.wait(me).await;
                            turns.pass_to(1 - me);
                        }
                    })
                });
                for player in players {
                    player.await;
                }
            })
            .await;
        measure
    });
}

/// What a task of 16 bytes takes that waits for ever.
fn parked<L: OneThread>(measure: &mut Measure) {
    in_a_task::<L, _>(measure, async |mut measure: Measure| {
        // The runtime's own tables come first.
        park_all::<L>(1_000).await;
        let before = machine::resident();
        park_all::<L>(PARKED_TASKS).await;
        let bytes = machine::resident() - before;
        measure.found(bytes as f64 / PARKED_TASKS as f64, 0.0);
        // They never end, and so nor would the runtime.
        crate::contender::tell_and_leave(&measure)
    });
}

async fn park_all<L: OneThread>(tasks: usize) {
    let aim = PARKED.load(Relaxed) + tasks;
    for _ in 0..tasks {
        L::detach(Parked::new());
    }
    while PARKED.load(Relaxed) < aim {
        // Not a yield: monoio runs a task that woke itself before all others.
        L::spawn(async {}).await;
    }
}
