//! Permits on several threads.

use super::*;
use crate::sync::loom_support::{Count, block_on, poll_once};
use loom::sync::Arc;
use loom::thread;

/// One gives two permits back, one by one, while another takes both at once.
#[test]
fn loom_semaphore_two_at_once_against_two_releases() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::<Shared>::new(0));
        let thread = {
            let semaphore = semaphore.clone();
            thread::spawn(move || {
                semaphore.add(1);
                semaphore.add(1);
            })
        };
        block_on(semaphore.acquire_many(2)).forget();
        thread.join().unwrap();
        assert_eq!((semaphore.free(), semaphore.waiting()), (0, 0));
    });
}

/// The first in line, who holds the others up, is dropped while a permit comes.
#[test]
fn loom_semaphore_release_against_drop() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::<Shared>::new(0));
        let (_, waker) = Count::new();
        let mut large = Box::pin(semaphore.acquire_many(2));
        assert!(poll_once(large.as_mut(), &waker).is_pending());
        let threads = [
            {
                let semaphore = semaphore.clone();
                thread::spawn(move || block_on(semaphore.acquire()).forget())
            },
            {
                let semaphore = semaphore.clone();
                thread::spawn(move || semaphore.add(1))
            },
        ];
        drop(large);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!((semaphore.free(), semaphore.waiting()), (0, 0));
    });
}

/// A try while others come and go: it takes a permit only where nobody is in line, and gives it back.
#[test]
fn loom_semaphore_try_against_acquire() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::<Shared>::new(1));
        let thread = {
            let semaphore = semaphore.clone();
            thread::spawn(move || drop(block_on(semaphore.acquire())))
        };
        drop(semaphore.try_acquire());
        drop(block_on(semaphore.acquire()));
        thread.join().unwrap();
        assert_eq!(semaphore.free(), 1);
    });
}
