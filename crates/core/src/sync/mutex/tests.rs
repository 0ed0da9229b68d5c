//! Lock, hand-off and drop, by name.

use super::*;
use crate::sync::Local;
use crate::sync::ledger::Hand;

fn hand_off<K: Sharing>() {
    let mutex = Mutex::<u32, K>::new(0);
    let mut guard = mutex.try_lock().unwrap();
    *guard += 1;
    let mut first = Hand::waiting(mutex.lock());
    let mut second = Hand::waiting(mutex.lock());
    drop(guard);
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    assert!(mutex.try_lock().is_none(), "the lock is on its way to the first in line");
    assert!(second.poll().is_none());
    let guard = first.poll().unwrap();
    assert_eq!(*guard, 1);
    drop(guard);
    assert_eq!(second.wakes(), 1);
    drop(second.poll().unwrap());
    assert!(mutex.try_lock().is_some());
    assert_eq!(mutex.waiting(), 0);
}

#[test]
fn l15_unlock_hands_over_in_the_order_of_asking() {
    hand_off::<Local>();
    hand_off::<Shared>();
}

fn cancel<K: Sharing>() {
    let mutex = Mutex::<(), K>::new(());
    let guard = mutex.try_lock().unwrap();
    let first = Hand::waiting(mutex.lock());
    let second = Hand::waiting(mutex.lock());
    let mut third = Hand::waiting(mutex.lock());
    drop(first);
    drop(guard);
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    drop(second);
    assert_eq!(third.wakes(), 1, "a lock that was handed to one who went goes on");
    drop(third.poll().unwrap());
    assert!(!mutex.is_locked());
    let guard = mutex.try_lock().unwrap();
    drop(Hand::waiting(mutex.lock()));
    drop(guard);
    assert!(!mutex.is_locked(), "the last one in line left: unlocking is the short way again");
}

#[test]
fn l15_a_dropped_waiter_neither_keeps_nor_loses_the_lock() {
    cancel::<Local>();
    cancel::<Shared>();
}

#[test]
fn f9_kind_says_who_shares_it() {
    assert_eq!(Mutex::<(), Local>::new(()).kind(), Kind::Local);
    assert_eq!(Mutex::<()>::new(()).kind(), Kind::Shared);
}

#[test]
fn a_panic_unlocks() {
    let mutex = Mutex::<u32>::new(7);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guard = mutex.try_lock().unwrap();
        panic!("while it holds the lock");
    }));
    assert!(caught.is_err());
    assert_eq!(*mutex.try_lock().unwrap(), 7);
}

#[test]
fn threads_count_together() {
    const ROUNDS: usize = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
    let mutex = Mutex::<usize>::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                crate::sync::ledger::block_on(async {
                    for _ in 0..ROUNDS {
                        *mutex.lock().await += 1;
                    }
                });
            });
        }
    });
    assert_eq!(mutex.into_inner(), 4 * ROUNDS);
}

#[test]
fn sizes() {
    assert!(size_of::<Mutex<(), Local>>() <= 56);
    assert!(size_of::<Mutex<()>>() <= 56);
    assert!(size_of::<Locking<'_, (), Local>>() <= 80);
}
