//! Sleep and wakeup, by name.

use super::*;
use crate::sync::ledger::{Hand, Loop};
use crate::sync::{Local, Mutex};
use std::cell::Cell;

fn oldest_first<K: Sharing>() {
    let rendez = Rendez::<K>::new();
    assert_eq!(rendez.wakeup(), 0);
    let mut sleepers = [(); 3].map(|()| Hand::waiting(rendez.sleep()));
    assert_eq!(rendez.wakeup(), 1);
    assert_eq!(sleepers.each_ref().map(Hand::wakes), [1, 0, 0]);
    assert_eq!(rendez.wakeup_all(), 2);
    assert_eq!(rendez.wakeup_all(), 0);
    assert!(sleepers.iter_mut().all(|sleeper| sleeper.poll().is_some()));
}

#[test]
fn l14_rendez_wakes_oldest_first_and_counts() {
    oldest_first::<Local>();
    oldest_first::<Shared>();
}

#[test]
fn l14_rendez_does_not_remember_an_earlier_wakeup() {
    let rendez = Rendez::<Local>::new();
    let unpolled = Hand::new(rendez.sleep());
    assert_eq!((rendez.wakeup(), rendez.wakeup_all()), (0, 0));
    let mut unpolled = unpolled;
    assert!(unpolled.poll().is_none(), "it falls asleep now");
    assert_eq!(rendez.sleeping(), 1);
}

#[test]
fn l14_rendez_unlocks_while_it_sleeps_and_locks_again() {
    let (rendez, mutex) = (Rendez::<Shared>::new(), Mutex::<u32>::new(0));
    let mut sleeper = Hand::new(async {
        let mut guard = mutex.lock().await;
        while *guard == 0 {
            guard = rendez.sleep_unlocked(guard).await;
        }
        *guard
    });
    assert_eq!(sleeper.poll(), None);
    let mut guard = mutex.try_lock().expect("unlocked while it sleeps");
    *guard = 9;
    assert_eq!(rendez.wakeup(), 1);
    assert_eq!(sleeper.poll(), None, "woken, it waits for the mutex");
    drop(guard);
    assert_eq!(sleeper.poll(), Some(9));
    drop(sleeper);
    assert!(!mutex.is_locked());
}

#[test]
fn l14_rendez_passes_a_wakeup_on_when_the_sleeper_goes_before_it_has_the_mutex() {
    let (rendez, mutex) = (Rendez::<Local>::new(), Mutex::<(), Local>::new(()));
    let sleep = || async {
        let guard = mutex.lock().await;
        drop(rendez.sleep_unlocked(guard).await);
    };
    let mut first = Hand::waiting(sleep());
    let mut second = Hand::waiting(sleep());
    let guard = mutex.try_lock().unwrap();
    rendez.wakeup();
    assert_eq!(first.poll(), None);
    assert_eq!((second.wakes(), rendez.sleeping()), (0, 1));
    drop(first);
    assert_eq!((second.wakes(), rendez.sleeping()), (1, 0));
    drop(guard);
    assert_eq!(second.poll(), Some(()));
}

/// A group commit: many wait for one flush.
#[test]
fn l14_rendez_wakes_all_of_a_group() {
    let (rendez, woken) = (Rendez::<Local>::new(), Cell::new(0));
    let tasks = Loop::default();
    for _ in 0..50 {
        tasks.spawn(async {
            rendez.sleep().await;
            woken.set(woken.get() + 1);
        });
    }
    assert_eq!(tasks.run(), 50);
    assert_eq!((rendez.wakeup_all(), woken.get()), (50, 0));
    assert_eq!((tasks.run(), woken.get()), (0, 50));
}
