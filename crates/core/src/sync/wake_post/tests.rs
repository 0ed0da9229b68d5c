//! Wakes by way of a post, by name.

use super::*;
use crate::sync::ledger::Hand;
use crate::sync::{Local, WaitQueue};
use std::cell::RefCell;

/// Stands in for a loop's driver: keeps wakes until the flush, and cannot reach everybody.
#[derive(Default)]
struct Mailbox {
    kept: RefCell<Vec<Waker>>,
    refuses: Cell<bool>,
}

impl WakePost for Mailbox {
    fn post(&self, waker: Waker) -> Result<(), Waker> {
        if self.refuses.get() {
            return Err(waker);
        }
        self.kept.borrow_mut().push(waker);
        Ok(())
    }

    fn flush(&self) {
        for waker in self.kept.take() {
            waker.wake();
        }
    }
}

#[test]
fn f11_wakes_of_shared_primitives_go_through_the_post_in_one_batch() {
    let queue: WaitQueue = WaitQueue::new();
    let hands: Vec<_> = (0..3).map(|_| Hand::waiting(queue.wait())).collect();
    let mailbox = Rc::new(Mailbox::default());
    let installed = install(mailbox.clone());
    queue.wake_one();
    queue.wake_all();
    assert!(hands.iter().all(|hand| hand.wakes() == 0));
    assert_eq!(mailbox.kept.borrow().len(), 3);
    mailbox.flush();
    assert!(hands.iter().all(|hand| hand.wakes() == 1));
    drop(installed);
    let after = Hand::waiting(queue.wait());
    queue.wake_all();
    assert_eq!((after.wakes(), mailbox.kept.borrow().len()), (1, 0));
}

#[test]
fn f11_what_a_post_cannot_reach_is_woken_at_once() {
    let queue: WaitQueue = WaitQueue::new();
    let mailbox = Rc::new(Mailbox::default());
    mailbox.refuses.set(true);
    let _installed = install(mailbox);
    let hand = Hand::waiting(queue.wait());
    queue.wake_all();
    assert_eq!(hand.wakes(), 1);
}

#[test]
fn f11_posts_nest_and_flush_when_they_go() {
    let queue: WaitQueue = WaitQueue::new();
    let (outer, inner) = (Rc::new(Mailbox::default()), Rc::new(Mailbox::default()));
    let _outer = install(outer.clone());
    let hand = Hand::waiting(queue.wait());
    {
        let _inner = install(inner.clone());
        queue.wake_all();
        assert_eq!((hand.wakes(), inner.kept.borrow().len()), (0, 1));
    }
    assert_eq!(hand.wakes(), 1);
    let _late = Hand::waiting(queue.wait());
    queue.wake_all();
    assert_eq!(outer.kept.borrow().len(), 1);
}

#[test]
fn f11_a_plain_threads_post_wakes_at_once() {
    let _installed = install(Rc::new(Immediate));
    let queue: WaitQueue = WaitQueue::new();
    let hand = Hand::waiting(queue.wait());
    queue.wake_all();
    assert_eq!(hand.wakes(), 1);
}

#[test]
fn f11_wakes_within_a_loop_need_no_post() {
    let mailbox = Rc::new(Mailbox::default());
    let _installed = install(mailbox.clone());
    let queue = WaitQueue::<Local>::new();
    let hand = Hand::waiting(queue.wait());
    queue.wake_all();
    assert_eq!((hand.wakes(), mailbox.kept.borrow().len()), (1, 0));
}
