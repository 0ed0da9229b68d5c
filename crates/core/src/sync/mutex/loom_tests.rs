//! Lock and unlock on several threads, with and without a waiter that goes.

use super::*;
use crate::sync::loom_support::{Count, block_on, poll_once};
use loom::sync::Arc;
use loom::thread;

/// The value is reached by one at a time, and whoever waits gets the lock.
#[test]
fn loom_mutex_excludes_and_hands_over() {
    loom::model(|| {
        let mutex = Arc::new(Mutex::<usize>::new(0));
        let thread = {
            let mutex = mutex.clone();
            thread::spawn(move || block_on(async { *mutex.lock().await += 1 }))
        };
        block_on(async { *mutex.lock().await += 1 });
        thread.join().unwrap();
        assert_eq!(*mutex.try_lock().unwrap(), 2);
    });
}

/// Three who lock once: two of them may be in line.
#[test]
fn loom_mutex_with_three() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let mutex = Arc::new(Mutex::<usize>::new(0));
        let threads = [(); 2].map(|()| {
            let mutex = mutex.clone();
            thread::spawn(move || block_on(async { *mutex.lock().await += 1 }))
        });
        block_on(async { *mutex.lock().await += 1 });
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*mutex.try_lock().unwrap(), 3);
    });
}

/// A waiter is dropped while the lock is handed over, perhaps to it: it is not lost.
#[test]
fn loom_mutex_unlock_against_drop() {
    loom::model(|| {
        let mutex = Arc::new(Mutex::<usize>::new(0));
        let guard = mutex.try_lock().unwrap();
        let thread = {
            let mutex = mutex.clone();
            thread::spawn(move || {
                let (_, waker) = Count::new();
                let mut waiting = Box::pin(mutex.lock());
                drop(poll_once(waiting.as_mut(), &waker));
                drop(waiting);
            })
        };
        drop(guard);
        block_on(async { *mutex.lock().await += 1 });
        thread.join().unwrap();
        assert_eq!(*mutex.try_lock().unwrap(), 1);
        assert_eq!(mutex.waiting(), 0);
    });
}
