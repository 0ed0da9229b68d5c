//! Permits, by name.

use super::*;
use crate::sync::Local;
use crate::sync::ledger::Hand;

fn many_at_once<K: Sharing>() {
    let semaphore = Semaphore::<K>::new(3);
    let one = semaphore.try_acquire().unwrap();
    assert_eq!(semaphore.free(), 2);
    let mut three = Hand::waiting(semaphore.acquire_many(3));
    assert!(semaphore.try_acquire().is_none(), "two are free, but somebody is in line");
    let mut small = Hand::waiting(semaphore.acquire());
    assert_eq!((three.wakes(), small.wakes()), (0, 0));
    drop(one);
    assert_eq!((three.wakes(), small.wakes()), (1, 0), "who asked for many is not overtaken");
    let three = three.poll().unwrap();
    assert_eq!(three.count(), 3);
    drop(three);
    assert_eq!(small.wakes(), 1);
    drop(small.poll().unwrap());
    assert_eq!(semaphore.free(), 3);
}

#[test]
fn a_large_request_is_served_in_its_turn() {
    many_at_once::<Local>();
    many_at_once::<Shared>();
}

fn departures<K: Sharing>() {
    let semaphore = Semaphore::<K>::new(2);
    let held = semaphore.try_acquire().unwrap();
    let large = Hand::waiting(semaphore.acquire_many(2));
    let mut small = Hand::waiting(semaphore.acquire());
    drop(large);
    assert_eq!(small.wakes(), 1, "the one who held up the line has left");
    drop(small.poll().unwrap());
    let large = Hand::waiting(semaphore.acquire_many(2));
    drop(held);
    assert_eq!((large.wakes(), semaphore.free()), (1, 0), "granted, not taken");
    let mut next = Hand::waiting(semaphore.acquire_many(2));
    drop(large);
    assert_eq!(next.wakes(), 1);
    assert_eq!(next.poll().unwrap().count(), 2);
    assert_eq!(semaphore.free(), 2);
}

#[test]
fn a_dropped_waiter_holds_nobody_up_and_takes_nothing_along() {
    departures::<Local>();
    departures::<Shared>();
}

#[test]
fn one_release_may_serve_more_than_a_batch() {
    let semaphore = Semaphore::<Shared>::new(0);
    let mut hands: Vec<_> = (0..50).map(|_| Hand::waiting(semaphore.acquire())).collect();
    semaphore.add(49);
    assert!(hands[..49].iter().all(|hand| hand.wakes() == 1));
    assert_eq!(hands[49].wakes(), 0);
    for hand in &mut hands[..49] {
        hand.poll().unwrap().forget();
    }
    assert_eq!(semaphore.free(), 0);
    semaphore.add(1);
    assert!(hands[49].poll().is_some());
}

#[test]
fn an_owned_permit_gives_back_what_it_holds() {
    let semaphore: std::rc::Rc<Semaphore<Local>> = Semaphore::new(3).into();
    let two = semaphore.try_acquire_owned(2).unwrap();
    assert!(semaphore.try_acquire_owned(2).is_none());
    let mut next = Hand::waiting(semaphore.clone().acquire_owned(3));
    assert_eq!((two.count(), semaphore.free()), (2, 1));
    drop(two);
    let all = next.poll().unwrap();
    assert_eq!(semaphore.free(), 0);
    drop(all);
    assert_eq!(semaphore.free(), 3);
}

#[test]
fn none_is_always_there() {
    let semaphore = Semaphore::<Local>::new(0);
    assert_eq!(semaphore.try_acquire_many(0).unwrap().count(), 0);
    assert!(semaphore.try_acquire().is_none());
    semaphore.add(1);
    semaphore.try_acquire().unwrap().forget();
    assert_eq!(semaphore.free(), 0);
    assert_eq!(semaphore.kind(), Kind::Local);
}

#[test]
#[should_panic(expected = "more permits than a word can count")]
fn too_many_permits_panic() {
    let _ = Semaphore::<Shared>::new(usize::MAX);
}
