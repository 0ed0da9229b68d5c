//! Rounds and departures, by name.

use super::*;
use crate::sync::Local;
use crate::sync::ledger::{Hand, Loop, block_on, yield_now};
use std::cell::Cell;

#[test]
fn l24_three_rounds_of_five_and_nobody_early() {
    let barrier = Barrier::<Local>::new(5);
    let (arrived, lasts) = (Cell::new(0), Cell::new(0));
    let tasks = Loop::default();
    for task in 0..5 {
        let (barrier, arrived, lasts) = (&barrier, &arrived, &lasts);
        tasks.spawn(async move {
            for round in 1..=3 {
                for _ in 0..task {
                    yield_now().await;
                }
                arrived.set(arrived.get() + 1);
                let passed = barrier.wait().await;
                assert!(arrived.get() >= 5 * round, "nobody passes before all have come");
                lasts.set(lasts.get() + usize::from(passed.last));
            }
        });
    }
    assert_eq!(tasks.run(), 0);
    assert_eq!((arrived.get(), lasts.get()), (15, 3));
}

fn cancelled<K: Sharing>() {
    let barrier = Barrier::<K>::new(3);
    let mut first = Hand::waiting(barrier.wait());
    let gone = Hand::waiting(barrier.wait());
    drop(gone);
    assert_eq!(barrier.arrived(), 1);
    let second = Hand::waiting(barrier.wait());
    assert_eq!(Hand::new(barrier.wait()).poll(), Some(Passed { last: true }));
    assert_eq!(first.poll(), Some(Passed { last: false }));
    // Dropped after its round: the next round does not miss it.
    assert_eq!(second.wakes(), 1);
    let next = Hand::waiting(barrier.wait());
    drop(second);
    assert_eq!((barrier.arrived(), next.wakes()), (1, 0));
}

#[test]
fn l24_a_cancelled_waiter_does_not_wedge_it() {
    cancelled::<Local>();
    cancelled::<Shared>();
}

#[test]
fn one_or_none_never_waits() {
    for count in [0, 1] {
        let barrier = Barrier::<Shared>::new(count);
        for _ in 0..3 {
            assert_eq!(Hand::new(barrier.wait()).poll(), Some(Passed { last: true }));
        }
    }
}

#[test]
fn a_round_larger_than_a_batch_passes_whole() {
    let barrier = Barrier::<Shared>::new(100);
    let mut hands: Vec<_> = (0..99).map(|_| Hand::waiting(barrier.wait())).collect();
    assert!(Hand::new(barrier.wait()).poll().is_some());
    assert!(hands.iter_mut().all(|hand| hand.wakes() == 1 && hand.poll().is_some()));
}

#[test]
fn threads_meet_many_times() {
    let barrier = Barrier::<Shared>::new(3);
    let lasts = std::thread::scope(|scope| {
        let run = || {
            block_on(async {
                let mut lasts = 0;
                for _ in 0..1000 {
                    lasts += usize::from(barrier.wait().await.last);
                }
                lasts
            })
        };
        let threads = [scope.spawn(run), scope.spawn(run), scope.spawn(run)];
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(lasts.iter().sum::<usize>(), 1000, "one in each round came last");
}
