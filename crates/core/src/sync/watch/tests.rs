//! Changes, seen and missed, by name.

use super::*;
use crate::sync::ledger::{Drops, Hand, block_on};

#[test]
fn a_change_wakes_everybody_once_and_only_the_last_value_is_there() {
    let (sender, mut one) = channel(0);
    let mut two = one.clone();
    let mut first = Hand::waiting(one.changed());
    let mut second = Hand::waiting(two.changed());
    assert_eq!(sender.set(1), 0);
    assert_eq!(sender.set(2), 1);
    assert_eq!((first.wakes(), second.wakes()), (1, 1));
    assert_eq!((first.poll(), second.poll()), (Some(Ok(())), Some(Ok(()))));
    drop((first, second));
    assert_eq!(one.get(), 2);
    assert!(!one.has_changed() && !two.has_changed());
}

#[test]
fn a_dropped_wait_has_seen_nothing() {
    let (sender, mut receiver) = local(0);
    let hand = Hand::waiting(receiver.changed());
    sender.set(5);
    drop(hand);
    assert!(receiver.has_changed());
    assert_eq!(Hand::new(receiver.changed()).poll(), Some(Ok(())));
    assert!(Hand::new(receiver.changed()).poll().is_none());
}

#[test]
fn the_last_sender_says_goodbye_after_the_last_change() {
    let (sender, mut receiver) = channel(0);
    let other = sender.clone();
    drop(sender);
    other.change(|value| *value += 1);
    let mut late = other.subscribe();
    drop(other);
    assert_eq!(Hand::new(receiver.changed()).poll(), Some(Ok(())));
    assert_eq!(Hand::new(receiver.changed()).poll(), Some(Err(Unchanging)));
    assert_eq!(Hand::new(late.changed()).poll(), Some(Err(Unchanging)));
    assert_eq!(receiver.with(|value| *value), 1);
}

#[test]
fn the_old_value_is_dropped_by_the_caller() {
    let drops = Drops::default();
    let (sender, receiver) = local(drops.item());
    let old = sender.set(drops.item());
    assert_eq!(drops.count(), 0);
    drop(old);
    drop((sender, receiver));
    assert_eq!(drops.count(), 2);
}

#[test]
fn a_thread_sees_values_in_order_and_the_last_one() {
    const LAST: u32 = 20_000;
    let (sender, mut receiver) = channel(0);
    let thread = std::thread::spawn(move || {
        block_on(async {
            let mut last = 0;
            while receiver.changed().await.is_ok() {
                let now = receiver.get();
                assert!(now >= last);
                last = now;
            }
            last
        })
    });
    for value in 1..=LAST {
        sender.set(value);
    }
    drop(sender);
    assert_eq!(thread.join().unwrap(), LAST);
}
