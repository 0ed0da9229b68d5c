//! Sends, receives, closes and departures, by name.

use super::*;
use crate::sync::ledger::{Drops, Hand, Loop, block_on};
use crate::sync::{Local, select};
use std::cell::RefCell;

fn third_waits<K: Sharing>() {
    let channel = Channel::<u32, K>::new(2);
    assert_eq!(Hand::new(channel.send(1)).poll(), Some(Ok(())));
    assert_eq!(channel.try_send(2), Ok(()));
    let mut third = Hand::waiting(channel.send(3));
    assert_eq!(channel.try_send(4), Err(TrySendError::Full(4)));
    assert_eq!(channel.try_recv(), Ok(1));
    assert_eq!(third.wakes(), 1);
    assert_eq!(channel.try_send(4), Err(TrySendError::Full(4)), "the third was let in");
    assert_eq!(third.poll(), Some(Ok(())));
    assert_eq!(channel.try_recv(), Ok(2));
    assert_eq!(channel.try_recv(), Ok(3));
    assert_eq!(channel.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn l17_with_room_for_two_the_third_send_waits() {
    third_waits::<Local>();
    third_waits::<Shared>();
}

fn rendezvous<K: Sharing>() {
    let channel = Channel::<u32, K>::new(0);
    assert_eq!(channel.try_send(0), Err(TrySendError::Full(0)), "nobody waits to receive");
    let mut sender = Hand::waiting(channel.send(1));
    assert_eq!(channel.len(), 0, "it holds nothing");
    assert_eq!(Hand::new(channel.recv()).poll(), Some(Ok(1)));
    assert_eq!((sender.wakes(), sender.poll()), (1, Some(Ok(()))));
    let mut receiver = Hand::waiting(channel.recv());
    let mut sender = Hand::waiting(channel.send(2));
    assert_eq!((receiver.wakes(), sender.wakes()), (1, 0));
    assert_eq!(receiver.poll(), Some(Ok(2)));
    assert_eq!((sender.wakes(), sender.poll()), (1, Some(Ok(()))));
    let mut receiver = Hand::waiting(channel.recv());
    assert_eq!(channel.try_send(3), Ok(()), "somebody waits to receive");
    assert_eq!(channel.try_send(4), Err(TrySendError::Full(4)));
    assert_eq!((receiver.wakes(), receiver.poll()), (1, Some(Ok(3))));
    let mut sender = Hand::waiting(channel.send(5));
    assert_eq!(channel.try_recv(), Ok(5), "a sender in line may be taken from");
    assert_eq!(sender.poll(), Some(Ok(())));
}

#[test]
fn l17_without_room_sender_and_receiver_meet() {
    rendezvous::<Local>();
    rendezvous::<Shared>();
}

#[test]
fn l18_try_forms_say_empty_full_and_closed_and_empty_is_not_zero() {
    let channel = Channel::<u32, Local>::new(1);
    assert_eq!(channel.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(channel.try_recv().ok(), None);
    assert_eq!(channel.try_send(0), Ok(()));
    assert_eq!(channel.try_send(1), Err(TrySendError::Full(1)));
    channel.close();
    assert_eq!(channel.try_send(1), Err(TrySendError::Closed(1)));
    assert_eq!(channel.try_recv(), Ok(0));
    assert_eq!(channel.try_recv(), Err(TryRecvError::Closed));
}

fn close_drains<K: Sharing>() {
    let channel = Channel::<u32, K>::new(1);
    channel.try_send(1).unwrap();
    let mut senders = [2, 3].map(|value| Hand::waiting(channel.send(value)));
    assert!(channel.close());
    assert!(!channel.close());
    assert_eq!(senders.each_ref().map(Hand::wakes), [1, 1]);
    assert_eq!(senders[0].poll(), Some(Err(SendError(2))), "the value comes back");
    assert_eq!(senders[1].poll(), Some(Err(SendError(3))));
    assert_eq!(Hand::new(channel.send(4)).poll(), Some(Err(SendError(4))));
    assert_eq!(Hand::new(channel.recv()).poll(), Some(Ok(1)), "buffered items drain first");
    assert_eq!(Hand::new(channel.recv()).poll(), Some(Err(RecvError)));
    let channel = Channel::<u32, K>::new(0);
    let mut receivers: Vec<_> = (0..40).map(|_| Hand::waiting(channel.recv())).collect();
    channel.close();
    assert!(receivers.iter_mut().all(|receiver| receiver.poll() == Some(Err(RecvError))));
}

#[test]
fn l20_close_tells_all_waiters_and_drains_first() {
    close_drains::<Local>();
    close_drains::<Shared>();
}

#[test]
fn l20_who_comes_after_the_close_waits_for_what_is_promised_to_others() {
    let channel = Channel::<u32, Local>::new(1);
    let called = Hand::waiting(channel.recv());
    channel.try_send(1).unwrap();
    channel.close();
    assert_eq!(called.wakes(), 1);
    let mut late = Hand::waiting(channel.recv());
    drop(called);
    assert_eq!(
        (late.wakes(), late.poll()),
        (1, Some(Ok(1))),
        "no item is left in a closed channel"
    );
    let (sender, receiver) = local::<u32>(1);
    let mut called = Hand::waiting(receiver.recv());
    sender.try_send(1).unwrap();
    drop(sender);
    let mut late = Hand::waiting(receiver.recv());
    assert_eq!(called.poll(), Some(Ok(1)));
    assert_eq!((late.wakes(), late.poll()), (1, Some(Err(RecvError))));
}

#[test]
fn l20_the_last_end_closes() {
    let drops = Drops::default();
    let (sender, receiver) = channel(2);
    let another = sender.clone();
    assert!(sender.try_send(drops.item()).is_ok());
    drop(sender);
    assert!(!receiver.is_closed());
    drop(another);
    assert!(receiver.is_closed());
    assert!(receiver.try_recv().is_ok());
    let (sender, receiver) = channel(2);
    assert!(sender.try_send(drops.item()).is_ok());
    drop(receiver.clone());
    drop(receiver);
    assert_eq!(drops.count(), 2, "what nobody can receive any more is dropped at once");
    assert!(sender.try_send(drops.item()).is_err());
    assert_eq!(Channel::<(), Local>::named("jobs", 3).name(), "jobs");
}

fn called_and_dropped<K: Sharing>() {
    let channel = Channel::<u32, K>::new(1);
    let first = Hand::waiting(channel.recv());
    let mut second = Hand::waiting(channel.recv());
    channel.try_send(1).unwrap();
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    assert_eq!(channel.try_recv(), Err(TryRecvError::Empty), "the item is promised");
    drop(first);
    assert_eq!((second.wakes(), second.poll()), (1, Some(Ok(1))));
    let last = Hand::waiting(channel.recv());
    channel.try_send(2).unwrap();
    drop(last);
    assert_eq!(channel.try_recv(), Ok(2), "nothing is consumed by a receiver that went");
}

#[test]
fn a_receiver_that_is_dropped_has_taken_nothing() {
    called_and_dropped::<Local>();
    called_and_dropped::<Shared>();
}

#[test]
fn a_sender_that_is_dropped_in_line_takes_its_value_along() {
    for capacity in [0, 1] {
        let drops = Drops::default();
        let channel = Channel::<_, Shared>::new(capacity);
        while channel.try_send(drops.item()).is_ok() {}
        let refused = drops.count();
        drop(Hand::waiting(channel.send(drops.item())));
        assert_eq!(drops.count(), refused + 1);
        assert_eq!(channel.len(), capacity);
    }
}

/// At capacity 0 a promise may come to nothing. The receiver keeps its place then.
#[test]
fn an_offer_that_is_withdrawn_leaves_the_receiver_in_its_place() {
    let channel = Channel::<u32, Local>::new(0);
    let mut first = Hand::waiting(channel.recv());
    let mut second = Hand::waiting(channel.recv());
    let offer = Hand::waiting(channel.send(1));
    assert_eq!(first.wakes(), 1);
    drop(offer);
    assert_eq!(first.poll(), None);
    let _offer = Hand::waiting(channel.send(2));
    assert_eq!((first.wakes(), second.wakes()), (2, 0));
    assert_eq!((second.poll(), first.poll()), (None, Some(Ok(2))));
}

/// Senders that wait to be asked are not passed over by those that offer.
#[test]
fn a_select_that_sends_is_not_starved_by_plain_senders() {
    let channel = Channel::<u32, Local>::new(0);
    let mut asks = Hand::waiting(select([channel.send(1)]));
    let _offer = Hand::waiting(channel.send(2));
    assert_eq!(channel.try_recv(), Ok(2));
    assert_eq!((asks.wakes(), asks.poll()), (1, Some((0, Ok(())))));
    let _offer = Hand::waiting(channel.send(3));
    assert_eq!(channel.try_recv(), Ok(1));
    assert_eq!(channel.try_recv(), Ok(3));
}

#[test]
fn lines_are_served_in_the_order_of_coming_on_both_sides() {
    let channel = Channel::<u32, Local>::new(0);
    let got = RefCell::new(Vec::new());
    let tasks = Loop::default();
    for receiver in 0..3 {
        let (channel, got) = (&channel, &got);
        tasks.spawn(async move {
            let value = channel.recv().await.unwrap();
            got.borrow_mut().push((receiver, value));
        });
    }
    for value in 10..13 {
        let channel = &channel;
        tasks.spawn(async move { channel.send(value).await.unwrap() });
    }
    assert_eq!(tasks.run(), 0);
    assert_eq!(*got.borrow(), [(0, 10), (1, 11), (2, 12)]);
}

#[test]
fn f9_kind_says_who_shares_it() {
    assert_eq!(local::<()>(0).0.kind(), Kind::Local);
    assert_eq!(channel::<()>(0).0.kind(), Kind::Shared);
}

fn crowd(capacity: usize) {
    const EACH: usize = if cfg!(debug_assertions) { 2_000 } else { 20_000 };
    let (sender, receiver) = channel(capacity);
    let sums = std::thread::scope(|scope| {
        for start in 0..3 {
            let sender = sender.clone();
            scope.spawn(move || {
                block_on(async {
                    for value in 0..EACH {
                        sender.send(3 * value + start).await.unwrap();
                    }
                });
            });
        }
        drop(sender);
        let receive = || {
            block_on(async {
                let (mut sum, mut count) = (0, 0);
                while let Ok(value) = receiver.recv().await {
                    (sum, count) = (sum + value, count + 1);
                }
                (sum, count)
            })
        };
        let threads = [scope.spawn(receive), scope.spawn(receive)];
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(sums[0].1 + sums[1].1, 3 * EACH);
    assert_eq!(sums[0].0 + sums[1].0, 3 * EACH * (3 * EACH - 1) / 2);
}

#[test]
fn threads_receive_everything_once() {
    for capacity in [0, 1, 7] {
        crowd(capacity);
    }
}
