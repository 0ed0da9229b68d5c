//! Received, lagged, closed, by name.

use super::*;
use crate::sync::ledger::{Drops, Hand, block_on};
use std::sync::Arc;

#[test]
fn everybody_gets_everything_in_order() {
    let (sender, mut one) = channel(4);
    let mut two = sender.subscribe();
    assert_eq!(sender.send('a'), 2);
    let mut late = sender.subscribe();
    sender.send('b');
    for expected in ['a', 'b'] {
        assert_eq!(Hand::new(one.recv()).poll(), Some(Ok(expected)));
        assert_eq!(two.try_recv(), Some(Ok(expected)));
    }
    assert_eq!(late.try_recv(), Some(Ok('b')));
    assert_eq!(late.try_recv(), None);
}

#[test]
fn who_waits_is_woken_and_a_dropped_wait_has_read_nothing() {
    let (sender, mut receiver) = local(1);
    let hand = Hand::waiting(receiver.recv());
    sender.send(1);
    assert_eq!(hand.wakes(), 1);
    drop(hand);
    assert_eq!(receiver.try_recv(), Some(Ok(1)));
}

#[test]
fn who_lags_is_told_how_many_it_lost() {
    let (sender, mut receiver) = channel(3);
    let mut behind = receiver.clone();
    for value in 0..10 {
        sender.send(value);
    }
    assert_eq!(receiver.try_recv(), Some(Err(RecvError::Lagged(7))));
    assert_eq!(receiver.try_recv(), Some(Ok(7)));
    sender.send(10);
    assert_eq!(receiver.try_recv(), Some(Ok(8)));
    drop(sender);
    assert_eq!(behind.try_recv(), Some(Err(RecvError::Lagged(8))));
    for expected in [Ok(8), Ok(9), Ok(10), Err(RecvError::Closed), Err(RecvError::Closed)] {
        assert_eq!(Hand::new(behind.recv()).poll(), Some(expected));
    }
}

#[test]
fn what_is_written_over_is_dropped() {
    let drops = Drops::default();
    let (sender, receiver) = channel(2);
    for sent in 1..=4 {
        assert_eq!(sender.send(Arc::new(drops.item())), 1);
        assert_eq!(drops.count(), usize::saturating_sub(sent, 2));
    }
    drop((sender, receiver));
    assert_eq!(drops.count(), 4);
}

#[test]
fn threads_lose_only_what_they_are_told() {
    const SENT: usize = 20_000;
    let (sender, receiver) = channel(16);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let mut receiver = receiver.clone();
            scope.spawn(move || {
                block_on(async {
                    let mut next = 0;
                    loop {
                        match receiver.recv().await {
                            Ok(value) => {
                                assert_eq!(value, next);
                                next += 1;
                            }
                            Err(RecvError::Lagged(lost)) => next += lost,
                            Err(RecvError::Closed) => break,
                        }
                    }
                    assert_eq!(next, SENT);
                });
            });
        }
        drop(receiver);
        scope.spawn(move || {
            for value in 0..SENT {
                sender.send(value);
            }
        });
    });
}
