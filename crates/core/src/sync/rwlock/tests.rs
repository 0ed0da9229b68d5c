//! Readers and writers, by name.

use super::*;
use crate::sync::Local;
use crate::sync::ledger::{Hand, Loop, yield_now};
use std::cell::Cell;

fn writer_first<K: Sharing>() {
    let lock = RwLock::<u32, K>::new(1);
    let (one, two) = (lock.try_read().unwrap(), lock.try_read().unwrap());
    assert_eq!((*one, *two), (1, 1), "readers overlap");
    assert!(lock.try_write().is_none());
    let mut writer = Hand::waiting(lock.write());
    assert!(lock.try_read().is_none(), "a waiting writer blocks new readers");
    let mut late = [(); 2].map(|()| Hand::waiting(lock.read()));
    drop((one, two));
    assert_eq!(writer.wakes(), 1);
    assert_eq!(late.each_ref().map(Hand::wakes), [0, 0]);
    let mut guard = writer.poll().unwrap();
    *guard = 2;
    drop(guard);
    assert_eq!(late.each_ref().map(Hand::wakes), [1, 1], "the readers come in together");
    assert_eq!(late.each_mut().map(|hand| *hand.poll().unwrap()), [2, 2]);
    assert!(lock.try_write().is_some());
}

#[test]
fn l16_a_waiting_writer_blocks_new_readers_and_is_not_starved() {
    writer_first::<Local>();
    writer_first::<Shared>();
}

#[test]
fn l16_a_writer_that_leaves_lets_the_readers_in() {
    let lock = RwLock::<u32>::new(1);
    let held = lock.try_read().unwrap();
    let writer = Hand::waiting(lock.write());
    let mut reader = Hand::waiting(lock.read());
    drop(writer);
    assert_eq!(reader.wakes(), 1);
    assert_eq!(*reader.poll().unwrap() + *held, 2);
}

#[test]
fn l16_downgrade_lets_readers_in_and_writers_wait() {
    let lock = RwLock::<u32, Local>::new(0);
    let mut guard = lock.try_write().unwrap();
    let mut reader = Hand::waiting(lock.read());
    let mut writer = Hand::waiting(lock.write());
    *guard = 5;
    let guard = WriteGuard::downgrade(guard);
    let read = reader.poll().unwrap();
    assert_eq!((*guard, *read), (5, 5));
    assert!(writer.poll().is_none());
    drop((guard, read));
    assert!(writer.poll().is_some());
}

/// Readers that always overlap: without the rule a writer would never find the lock free.
fn stream_of_readers<K: Sharing>() {
    let lock = RwLock::<u32, K>::new(0);
    let (reads, most) = (Cell::new(0), Cell::new(0));
    let tasks = Loop::default();
    for reader in 0..4 {
        let (lock, reads, most) = (&lock, &reads, &most);
        tasks.spawn(async move {
            for _ in 0..reader {
                yield_now().await;
            }
            while *lock.read().await == 0 {
                let guard = lock.read().await;
                reads.set(reads.get() + 1);
                most.set(most.get().max(reads.get()));
                for _ in 0..4 {
                    yield_now().await;
                }
                reads.set(reads.get() - 1);
                drop(guard);
            }
        });
    }
    let writer = &lock;
    tasks.spawn(async move {
        for _ in 0..50 {
            yield_now().await;
        }
        *writer.write().await = 1;
    });
    assert_eq!(tasks.run(), 0, "the writer was let in, and then the readers ended");
    assert!(most.get() > 1, "readers overlap");
}

#[test]
fn l16_a_writer_is_not_starved_by_a_stream_of_readers() {
    stream_of_readers::<Local>();
    stream_of_readers::<Shared>();
}

#[test]
fn f9_kind_says_who_shares_it() {
    assert_eq!(RwLock::<(), Local>::new(()).kind(), Kind::Local);
    assert_eq!(RwLock::<()>::new(()).kind(), Kind::Shared);
}

#[test]
fn readers_on_threads_never_see_half_a_write() {
    const ROUNDS: usize = 5_000;
    let lock = RwLock::<[usize; 8]>::new([0; 8]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                crate::sync::ledger::block_on(async {
                    for _ in 0..ROUNDS {
                        let mut all = lock.write().await;
                        for place in all.iter_mut() {
                            *place += 1;
                        }
                    }
                });
            });
            scope.spawn(|| {
                crate::sync::ledger::block_on(async {
                    for _ in 0..ROUNDS {
                        let all = lock.read().await;
                        assert!(all.iter().all(|place| *place == all[0]));
                    }
                });
            });
        }
    });
    assert_eq!(lock.into_inner(), [2 * ROUNDS; 8]);
}
