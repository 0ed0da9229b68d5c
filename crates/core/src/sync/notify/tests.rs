//! Rings, heard and remembered, by name.

use super::*;
use crate::sync::Local;
use crate::sync::ledger::Hand;

fn remembers_one<K: Sharing>() {
    let notify = Notify::<K>::new();
    notify.notify_one();
    notify.notify_one();
    assert!(Hand::new(notify.notified()).poll().is_some());
    let mut waiter = Hand::waiting(notify.notified());
    let mut second = Hand::waiting(notify.notified());
    notify.notify_one();
    assert_eq!((waiter.wakes(), second.wakes()), (1, 0));
    assert!(waiter.poll().is_some());
    assert!(second.poll().is_none());
    notify.notify_one();
    assert!(second.poll().is_some());
    notify.notify_one();
    assert!(Hand::new(notify.notified()).poll().is_some(), "the line is empty: remembered");
}

#[test]
fn one_ring_is_remembered() {
    remembers_one::<Local>();
    remembers_one::<Shared>();
}

fn passes_on<K: Sharing>() {
    let notify = Notify::<K>::new();
    let first = Hand::waiting(notify.notified());
    let second = Hand::waiting(notify.notified());
    notify.notify_one();
    drop(first);
    assert_eq!(second.wakes(), 1, "to the next in line");
    drop(second);
    assert!(Hand::new(notify.notified()).poll().is_some(), "to nobody: remembered");
    drop(Hand::waiting(notify.notified()));
    let mut quiet = Hand::waiting(notify.notified());
    assert!(quiet.poll().is_none(), "a waiter that left unrung has rung nothing");
}

#[test]
fn a_ring_for_one_who_went_is_not_lost() {
    passes_on::<Local>();
    passes_on::<Shared>();
}

fn rings_for_all<K: Sharing>() {
    let notify = Notify::<K>::new();
    assert_eq!(notify.notify_all(), 0);
    let mut hands: Vec<_> = (0..40).map(|_| Hand::waiting(notify.notified())).collect();
    assert_eq!(notify.notify_all(), 40);
    let mut late = Hand::waiting(notify.notified());
    drop(hands.split_off(20));
    assert!(hands.iter_mut().all(|hand| hand.poll().is_some()));
    assert!(late.poll().is_none(), "who came later was not meant, and nothing is remembered");
}

#[test]
fn a_ring_for_all_is_for_those_who_wait() {
    rings_for_all::<Local>();
    rings_for_all::<Shared>();
}
