//! Lock, hand-off and drop, by name.

use super::*;
use crate::sync::Local;
use crate::sync::ledger::{Hand, Loop, yield_now};
use std::cell::RefCell;

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

/// Two tasks write messages of ten parts to the same place, and go to sleep between any two parts.
fn messages<K: Sharing>() {
    let (out, line) = (RefCell::new(Vec::new()), Mutex::<(), K>::new(()));
    let tasks = Loop::default();
    for writer in 0..2 {
        let (out, line) = (&out, &line);
        tasks.spawn(async move {
            for message in 0..5 {
                let guard = line.lock().await;
                for part in 0..10 {
                    out.borrow_mut().push((writer, message, part));
                    yield_now().await;
                }
                drop(guard);
                yield_now().await;
            }
        });
    }
    assert_eq!(tasks.run(), 0);
    let out = out.borrow();
    assert_eq!(out.len(), 100);
    for message in out.chunks(10) {
        let (writer, number, _) = message[0];
        assert!((0..10).map(|part| (writer, number, part)).eq(message.iter().copied()), "{out:?}");
    }
    let writers: Vec<_> = out.chunks(10).map(|message| message[0].0).collect();
    assert_eq!(writers, [0, 1, 0, 1, 0, 1, 0, 1, 0, 1], "who asked first goes first");
}

#[test]
fn l15_messages_of_ten_parts_do_not_interleave() {
    messages::<Local>();
    messages::<Shared>();
}

#[test]
fn l15_a_guard_that_owns_its_mutex_outlives_its_name() {
    let mutex: std::sync::Arc<Mutex<u32>> = Mutex::new(1).into();
    let guard = mutex.try_lock_owned().unwrap();
    assert!(mutex.try_lock_owned().is_none());
    let mut next = Hand::waiting(mutex.clone().lock_owned());
    let given_up = Hand::waiting(mutex.lock_owned());
    drop(given_up);
    drop(guard);
    assert_eq!(next.wakes(), 1);
    let mut guard = next.poll().unwrap();
    *guard += 1;
    let mutex = OwnedMutexGuard::mutex(&guard).clone();
    assert!(mutex.is_locked());
    drop(guard);
    assert_eq!(*mutex.try_lock().unwrap(), 2);
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
