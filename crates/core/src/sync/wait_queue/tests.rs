//! Wakes, repolls and drops of waiters, by name. Both kinds.

use super::*;
use crate::sync::Local;
use crate::sync::ledger::Hand;

fn order_of_wakes<K: Sharing>() {
    let queue = WaitQueue::<K>::new();
    assert!(!queue.wake_one(), "nobody waits, and the wake is not remembered");
    let mut hands = [(); 3].map(|()| Hand::waiting(queue.wait()));
    assert_eq!(queue.waiting(), 3);
    assert!(queue.wake_one());
    assert_eq!(hands.each_ref().map(Hand::wakes), [1, 0, 0]);
    assert_eq!(hands[0].poll(), Some(Woken::One));
    assert_eq!(queue.wake_all(), 2);
    assert_eq!(hands.each_ref().map(Hand::wakes), [1, 1, 1]);
    assert_eq!(hands[1].poll(), Some(Woken::All));
    assert_eq!(queue.wake_all(), 0);
}

#[test]
fn wakes_in_the_order_of_coming() {
    order_of_wakes::<Local>();
    order_of_wakes::<Shared>();
}

fn drops<K: Sharing>() {
    let queue = WaitQueue::<K>::new();
    let first = Hand::waiting(queue.wait());
    let middle = Hand::waiting(queue.wait());
    let last = Hand::waiting(queue.wait());
    let never_polled = Hand::new(queue.wait());
    drop(never_polled);
    drop(middle);
    assert_eq!(queue.waiting(), 2);
    assert!(queue.wake_one());
    assert_eq!((first.wakes(), last.wakes()), (1, 0));
    drop(first);
    assert_eq!(last.wakes(), 1, "the wake of a waiter that went is the next one's");
    drop(last);
    assert_eq!(queue.waiting(), 0);
    assert!(!queue.wake_one());
}

#[test]
fn a_dropped_waiter_leaves_and_its_wake_goes_to_the_next() {
    drops::<Local>();
    drops::<Shared>();
}

#[test]
fn a_wake_of_all_is_not_passed_on() {
    let queue = WaitQueue::<Local>::new();
    let woken = Hand::waiting(queue.wait());
    assert_eq!(queue.wake_all(), 1);
    let late = Hand::waiting(queue.wait());
    drop(woken);
    assert_eq!(late.wakes(), 0);
}

#[test]
fn a_repoll_keeps_the_place_and_takes_the_new_waker() {
    let queue = WaitQueue::<Shared>::new();
    let mut first = Hand::waiting(queue.wait());
    let second = Hand::waiting(queue.wait());
    assert_eq!(first.poll(), None);
    first.change_waker();
    assert_eq!(first.poll(), None);
    assert!(queue.wake_one());
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    assert_eq!(first.poll(), Some(Woken::One));
}

#[test]
#[should_panic(expected = "polled after it was ready")]
fn a_poll_after_the_end_panics() {
    let queue = WaitQueue::<Local>::new();
    let mut hand = Hand::waiting(queue.wait());
    queue.wake_one();
    assert!(hand.poll().is_some());
    hand.poll();
}

#[test]
fn more_waiters_than_a_batch_are_woken_once_each() {
    let queue = WaitQueue::<Shared>::new();
    let mut hands: Vec<_> = (0..100).map(|_| Hand::waiting(queue.wait())).collect();
    assert_eq!(queue.wake_all(), 100);
    assert!(hands.iter().all(|hand| hand.wakes() == 1));
    assert!(hands.iter_mut().all(|hand| hand.poll() == Some(Woken::All)));
}

/// A waker that does more than it should: it panics, or comes back to the queue that wakes it.
struct Unruly<F: Fn() + Send + Sync>(F);

impl<F: Fn() + Send + Sync> std::task::Wake for Unruly<F> {
    fn wake(self: std::sync::Arc<Self>) {
        (self.0)();
    }
}

fn poll_with<F: Future>(future: std::pin::Pin<&mut F>, waker: &std::task::Waker) -> bool {
    future.poll(&mut std::task::Context::from_waker(waker)).is_pending()
}

#[test]
fn a_waker_that_panics_keeps_nobody_asleep() {
    let queue = WaitQueue::<Shared>::new();
    let panics = std::sync::Arc::new(Unruly(|| panic!("a waker's own"))).into();
    let mut first = std::pin::pin!(queue.wait());
    assert!(poll_with(first.as_mut(), &panics));
    let hands: Vec<_> = (0..50).map(|_| Hand::waiting(queue.wait())).collect();
    let woken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| queue.wake_all()));
    assert!(woken.is_err());
    assert!(hands.iter().all(|hand| hand.wakes() == 1));
}

#[test]
fn a_waker_may_use_the_queue_that_wakes_it() {
    static QUEUE: std::sync::LazyLock<WaitQueue> = std::sync::LazyLock::new(WaitQueue::new);
    let again = std::sync::Arc::new(Unruly(|| assert!(QUEUE.wake_one()))).into();
    let mut first = std::pin::pin!(QUEUE.wait());
    assert!(poll_with(first.as_mut(), &again));
    let second = Hand::waiting(QUEUE.wait());
    assert!(QUEUE.wake_one());
    assert_eq!(second.wakes(), 1);
}

#[test]
fn the_wakers_of_a_line_are_dropped_with_their_waiters() {
    let queue = WaitQueue::<Shared>::new();
    let count = std::sync::Arc::new(Unruly(|| ()));
    let waker: std::task::Waker = count.clone().into();
    let before = std::sync::Arc::strong_count(&count);
    for woken in [false, true] {
        let mut waiting = Box::pin(queue.wait());
        assert!(poll_with(waiting.as_mut(), &waker));
        assert_eq!(std::sync::Arc::strong_count(&count), before + 1);
        if woken {
            queue.wake_one();
        }
        drop(waiting);
        assert_eq!(std::sync::Arc::strong_count(&count), before);
    }
}

#[test]
fn sizes() {
    assert!(size_of::<WaitQueue<Local>>() <= 48);
    assert!(size_of::<WaitQueue<Shared>>() <= 48);
    assert!(size_of::<Waiting<'_, Shared>>() <= 72);
}
