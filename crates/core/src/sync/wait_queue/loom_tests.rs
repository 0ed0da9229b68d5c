//! A wake against the waiter's poll, repoll and drop.

use super::*;
use crate::sync::loom_support::{Count, News, block_on, poll_once};
use loom::sync::Arc;
use loom::thread;
use std::pin::pin;

/// 3 against 1 and 2: whoever is in line when the wake comes wakes up; the wake says whom it found.
#[test]
fn loom_wake_one_against_poll() {
    loom::model(|| {
        let queue = Arc::new(WaitQueue::<Shared>::new());
        let waker = {
            let queue = queue.clone();
            thread::spawn(move || queue.wake_one())
        };
        let (count, counting) = Count::new();
        let mut waiting = pin!(queue.wait());
        let first = poll_once(waiting.as_mut(), &counting);
        assert!(first.is_pending());
        let second = poll_once(waiting.as_mut(), &counting);
        let woken = waker.join().unwrap();
        assert_eq!(count.get(), usize::from(woken));
        if second.is_pending() {
            assert_eq!(poll_once(waiting.as_mut(), &counting).is_ready(), woken);
        } else {
            assert!(woken);
        }
    });
}

/// 3 against 2 with another waker: the wake goes to the new one or to the old one, and who polled
/// with the new one after the old was used finds itself granted.
#[test]
fn loom_wake_one_against_another_waker() {
    loom::model(|| {
        let queue = Arc::new(WaitQueue::<Shared>::new());
        let mut waiting = pin!(queue.wait());
        let (old, old_waker) = Count::new();
        assert!(poll_once(waiting.as_mut(), &old_waker).is_pending());
        let waker = {
            let queue = queue.clone();
            thread::spawn(move || assert!(queue.wake_one()))
        };
        let (new, new_waker) = Count::new();
        let ready = poll_once(waiting.as_mut(), &new_waker).is_ready();
        waker.join().unwrap();
        assert_eq!(old.get() + new.get(), 1);
        assert!(ready || new.get() == 1);
        assert!(ready || poll_once(waiting.as_mut(), &new_waker).is_ready());
    });
}

/// 3 against 5 and 6: of two waiters the first is dropped while a wake comes; the other has it then.
#[test]
fn loom_wake_one_against_drop() {
    loom::model(|| {
        let queue = Arc::new(WaitQueue::<Shared>::new());
        let (_, ignored) = Count::new();
        let (count, counting) = Count::new();
        let mut leaving = Box::pin(queue.wait());
        assert!(poll_once(leaving.as_mut(), &ignored).is_pending());
        let mut staying = pin!(queue.wait());
        assert!(poll_once(staying.as_mut(), &counting).is_pending());
        let waker = {
            let queue = queue.clone();
            thread::spawn(move || assert!(queue.wake_one()))
        };
        drop(leaving);
        waker.join().unwrap();
        assert_eq!(count.get(), 1);
        assert!(poll_once(staying.as_mut(), &counting).is_ready());
    });
}

/// A call for all, in batches of one, against a drop in the middle of the line and a newcomer.
#[test]
fn loom_wake_all_against_drop_and_newcomer() {
    loom::model(|| {
        let queue = Arc::new(WaitQueue::<Shared>::new());
        let (_, ignored) = Count::new();
        let (count, counting) = Count::new();
        let mut leaving = Box::pin(queue.wait());
        assert!(poll_once(leaving.as_mut(), &ignored).is_pending());
        let mut staying = pin!(queue.wait());
        assert!(poll_once(staying.as_mut(), &counting).is_pending());
        let waker = {
            let queue = queue.clone();
            thread::spawn(move || queue.wake_all())
        };
        drop(leaving);
        let mut late = pin!(queue.wait());
        let (late_count, late_waker) = Count::new();
        assert!(poll_once(late.as_mut(), &late_waker).is_pending());
        let found = waker.join().unwrap();
        assert!((1..=3).contains(&found));
        assert_eq!(count.get(), 1);
        assert!(poll_once(staying.as_mut(), &counting).is_ready());
        assert!(late_count.get() <= 1);
        assert_eq!(poll_once(late.as_mut(), &late_waker).is_ready(), late_count.get() == 1);
    });
}

/// What the waker's thread did before the wake is seen by whom it wakes.
#[test]
fn loom_a_wake_publishes() {
    loom::model(|| {
        let queue = Arc::new(WaitQueue::<Shared>::new());
        let news = Arc::new(News::new());
        let waker = {
            let (queue, news) = (queue.clone(), news.clone());
            thread::spawn(move || {
                news.write(7);
                while !queue.wake_one() {
                    thread::yield_now();
                }
            })
        };
        block_on(queue.wait());
        assert_eq!(news.read(), 7);
        waker.join().unwrap();
    });
}
