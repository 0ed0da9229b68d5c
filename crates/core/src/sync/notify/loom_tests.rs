//! Rings against waiters.

use super::*;
use crate::sync::loom_support::{Count, News, block_on, poll_once};
use loom::sync::Arc;
use loom::thread;
use std::pin::pin;

/// A ring is heard, whether it comes before, while or after the waiter joins, and it publishes.
#[test]
fn loom_notify_one_is_heard() {
    loom::model(|| {
        let notify = Arc::new(Notify::<Shared>::new());
        let news = Arc::new(News::new());
        let thread = {
            let (notify, news) = (notify.clone(), news.clone());
            thread::spawn(move || {
                news.write(7);
                notify.notify_one();
            })
        };
        block_on(notify.notified());
        assert_eq!(news.read(), 7);
        thread.join().unwrap();
    });
}

/// A waiter is dropped while the ring comes: the other hears it, or the next.
#[test]
fn loom_notify_one_against_drop() {
    loom::model(|| {
        let notify = Arc::new(Notify::<Shared>::new());
        let (_, waker) = Count::new();
        let mut leaving = Box::pin(notify.notified());
        assert!(poll_once(leaving.as_mut(), &waker).is_pending());
        let thread = {
            let notify = notify.clone();
            thread::spawn(move || notify.notify_one())
        };
        drop(leaving);
        block_on(notify.notified());
        thread.join().unwrap();
        let mut quiet = pin!(notify.notified());
        assert!(poll_once(quiet.as_mut(), &waker).is_pending(), "one ring is heard once");
    });
}

/// Two rings for two who wait.
#[test]
fn loom_two_rings_for_two() {
    loom::model(|| {
        let notify = Arc::new(Notify::<Shared>::new());
        let (count, waker) = Count::new();
        let mut one = Box::pin(notify.notified());
        let mut two = Box::pin(notify.notified());
        assert!(poll_once(one.as_mut(), &waker).is_pending());
        assert!(poll_once(two.as_mut(), &waker).is_pending());
        let thread = {
            let notify = notify.clone();
            thread::spawn(move || notify.notify_one())
        };
        notify.notify_one();
        thread.join().unwrap();
        assert_eq!(count.get(), 2);
    });
}
