//! Both ends on two threads: every value is received, returned or dropped, once, and the cell is given
//! back by the last one (loom counts what is leaked).

use super::*;
use crate::sync::loom_support::{Count, block_on, poll_once};
use loom::sync::Arc;
use loom::thread;

#[test]
fn loom_oneshot_send_against_await() {
    loom::model(|| {
        let (sender, receiver) = channel();
        let value = Arc::new(7);
        let thread = thread::spawn(move || sender.send(value).unwrap());
        assert_eq!(*block_on(receiver).unwrap(), 7);
        thread.join().unwrap();
    });
}

#[test]
fn loom_oneshot_sender_goes_against_await() {
    loom::model(|| {
        let (sender, receiver) = channel::<Arc<u8>>();
        let thread = thread::spawn(move || drop(sender));
        assert!(block_on(receiver).is_err());
        thread.join().unwrap();
    });
}

/// The receiver polls, perhaps with two wakers, and goes.
fn send_against_drop(polls: usize) {
    loom::model(move || {
        let (sender, receiver) = channel();
        let value = Arc::new(7);
        let kept = value.clone();
        let thread = thread::spawn(move || sender.send(value).is_ok());
        let mut receiver = Box::pin(receiver);
        let mut received = None;
        for _ in 0..polls {
            let (_, waker) = Count::new();
            if let Poll::Ready(result) = poll_once(receiver.as_mut(), &waker) {
                received = Some(result.unwrap());
                break;
            }
        }
        drop(receiver);
        let told = thread.join().unwrap();
        assert!(told || received.is_none());
        drop(received);
        assert_eq!(Arc::strong_count(&kept), 1, "received, returned or dropped, once");
    });
}

#[test]
fn loom_oneshot_send_against_drop() {
    send_against_drop(0);
}

#[test]
fn loom_oneshot_send_against_poll_and_drop() {
    send_against_drop(1);
}

#[test]
fn loom_oneshot_send_against_two_wakers_and_drop() {
    send_against_drop(2);
}

/// With a second waker while the first is being used: the task is woken after the value is there.
#[test]
fn loom_oneshot_send_against_another_waker() {
    loom::model(|| {
        let (sender, receiver) = channel();
        let mut receiver = Box::pin(receiver);
        let (_, old) = Count::new();
        assert!(poll_once(receiver.as_mut(), &old).is_pending());
        let thread = thread::spawn(move || sender.send(7).unwrap());
        assert_eq!(block_on(receiver), Ok(7));
        thread.join().unwrap();
    });
}
