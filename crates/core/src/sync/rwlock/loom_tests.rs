//! Readers and a writer on several threads: loom objects to any access that is not alone.

use super::*;
use crate::sync::loom_support::{Count, block_on, poll_once};
use loom::sync::Arc;
use loom::thread;

fn bounded(f: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(f);
}

#[test]
fn loom_rwlock_a_writer_is_alone() {
    bounded(|| {
        let lock = Arc::new(RwLock::<u32>::new(0));
        let writers: [_; 2] = std::array::from_fn(|_| {
            let lock = lock.clone();
            thread::spawn(move || *block_on(lock.write()) += 1)
        });
        assert!(*block_on(lock.read()) <= 2);
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(*block_on(lock.read()), 2);
        assert_eq!(lock.waiting(), 0);
    });
}

/// A writer that waits is dropped while a reader comes behind it: the reader comes in.
#[test]
fn loom_rwlock_drop_of_a_waiting_writer() {
    bounded(|| {
        let lock = Arc::new(RwLock::<u32>::new(5));
        let (_, ignored) = Count::new();
        let before = lock.try_read().unwrap();
        let mut leaving = Box::pin(lock.write());
        assert!(poll_once(leaving.as_mut(), &ignored).is_pending());
        let behind = {
            let lock = lock.clone();
            thread::spawn(move || *block_on(lock.read()))
        };
        drop(before);
        drop(leaving);
        assert_eq!(behind.join().unwrap(), 5);
        assert!(lock.try_write().is_some(), "nothing is kept");
    });
}

/// From writer to reader without a moment in which another could write.
#[test]
fn loom_rwlock_downgrade_against_a_writer() {
    bounded(|| {
        let lock = Arc::new(RwLock::<u32>::new(0));
        let other = {
            let lock = lock.clone();
            thread::spawn(move || *block_on(lock.write()) = 2)
        };
        let mut mine = block_on(lock.write());
        let last = if *mine == 0 { 2 } else { 1 };
        *mine = 1;
        let read = WriteGuard::downgrade(mine);
        assert_eq!(*read, 1);
        drop(read);
        other.join().unwrap();
        assert_eq!(*block_on(lock.read()), last);
    });
}
