//! Waits whose waker misbehaves.

use super::ledger::Hand;
use super::{Channel, Local, Shared, Sharing, WaitQueue, Woken, oneshot};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

/// A waker whose clone panics: nothing was done yet when that happens.
fn panics_when_cloned() -> Waker {
    unsafe fn clone(_: *const ()) -> RawWaker {
        panic!("a waker's own")
    }
    unsafe fn nothing(_: *const ()) {}
    static TABLE: RawWakerVTable = RawWakerVTable::new(clone, nothing, nothing, nothing);
    // SAFETY: it has no data, and its functions use none.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) }
}

fn polls_into_a_panic<F: Future>(future: Pin<&mut F>) -> bool {
    let waker = panics_when_cloned();
    let poll = || future.poll(&mut Context::from_waker(&waker)).is_ready();
    catch_unwind(AssertUnwindSafe(poll)).is_err()
}

fn clone_panics<K: Sharing>() {
    let queue = WaitQueue::<K>::new();
    let before = Hand::waiting(queue.wait());
    let mut hand = Hand::new(queue.wait());
    assert!(polls_into_a_panic(hand.future.as_mut()));
    assert_eq!(queue.waiting(), 1, "it has not joined");
    assert_eq!(hand.poll(), None);
    let after = Hand::waiting(queue.wait());
    assert!(polls_into_a_panic(hand.future.as_mut()));
    assert_eq!(queue.waiting(), 3, "it is in line, with the waker that it had");
    assert!(queue.wake_one() && queue.wake_one());
    assert_eq!((before.wakes(), hand.wakes(), after.wakes()), (1, 1, 0));
    assert_eq!(hand.poll(), Some(Woken::One));
}

#[test]
fn a_waker_that_cannot_be_cloned_leaves_the_line_as_it_was() {
    clone_panics::<Local>();
    clone_panics::<Shared>();
}

#[test]
fn a_value_is_not_lost_with_a_waker_that_cannot_be_cloned() {
    let channel = Channel::<u32, Local>::new(1);
    channel.try_send(1).unwrap();
    let mut send = Hand::new(channel.send(2));
    assert!(polls_into_a_panic(send.future.as_mut()));
    assert_eq!(send.poll(), None);
    assert_eq!((channel.try_recv(), channel.try_recv()), (Ok(1), Ok(2)));
    assert_eq!(send.poll(), Some(Ok(())));
    let (sender, receiver) = oneshot::channel();
    let mut receive = Hand::new(receiver);
    assert!(polls_into_a_panic(receive.future.as_mut()));
    assert_eq!(receive.poll(), None);
    sender.send(3).unwrap();
    assert_eq!((receive.wakes(), receive.poll()), (1, Some(Ok(3))));
}
