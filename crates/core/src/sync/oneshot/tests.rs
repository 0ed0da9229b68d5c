//! One value, or none, and both ends' departures, by name.

use super::*;
use crate::sync::Local;
use crate::sync::ledger::{Drops, Hand, block_on};

#[test]
fn a_value_sent_before_and_after_the_poll_arrives() {
    let (sender, receiver) = channel();
    sender.send(1).unwrap();
    assert_eq!(Hand::new(receiver).poll(), Some(Ok(1)));
    let (sender, receiver) = local();
    let mut hand = Hand::waiting(receiver);
    hand.change_waker();
    assert_eq!(hand.poll(), None);
    sender.send(2).unwrap();
    assert_eq!((hand.wakes(), hand.poll()), (1, Some(Ok(2))));
}

#[test]
fn a_sender_that_goes_says_so() {
    let (sender, mut receiver) = channel::<u8>();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    let mut hand = Hand::waiting(&mut receiver);
    drop(sender);
    assert_eq!((hand.wakes(), hand.poll()), (1, Some(Err(Dropped))));
    drop(hand);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Dropped));
}

fn receiver_goes<K: Sharing>(polled: bool) {
    let drops = Drops::default();
    let (sender, receiver) = pair::<_, K>();
    assert!(!sender.is_abandoned());
    if polled {
        drop(Hand::waiting(receiver));
    } else {
        drop(receiver);
    }
    assert!(sender.is_abandoned());
    let back = sender.send(drops.item()).unwrap_err();
    assert_eq!(drops.count(), 0);
    drop(back);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_value_for_a_receiver_that_went_comes_back() {
    for polled in [false, true] {
        receiver_goes::<Local>(polled);
        receiver_goes::<Shared>(polled);
    }
}

#[test]
fn a_value_that_nobody_takes_is_dropped_once() {
    let drops = Drops::default();
    let (sender, receiver) = channel();
    sender.send(drops.item()).unwrap();
    assert_eq!(drops.count(), 0);
    drop(receiver);
    assert_eq!(drops.count(), 1);
    let (sender, receiver) = channel::<Drops>();
    drop(receiver);
    drop(sender);
}

#[test]
fn a_receiver_that_is_awaited_by_reference_keeps_the_value() {
    let (sender, mut receiver) = local();
    drop(Hand::waiting(&mut receiver));
    sender.send("kept").unwrap();
    assert_eq!(Hand::new(&mut receiver).poll(), Some(Ok("kept")));
}

#[test]
fn the_callers_room_serves_pair_after_pair() {
    let drops = Drops::default();
    let mut room = Oneshot::<_, Shared>::new();
    for round in 0..3 {
        let (sender, mut receiver) = room.pair();
        match round {
            0 => drop(receiver),
            1 => sender.send(drops.item()).unwrap(),
            _ => {
                drop(sender);
                assert!(receiver.try_recv().is_err());
            }
        }
    }
    assert_eq!(drops.count(), 1);
}

#[test]
fn values_too_large_for_the_list_go_to_the_allocator() {
    let (sender, mut receiver) = channel();
    sender.send([7u8; 4096]).unwrap();
    assert_eq!(receiver.try_recv().unwrap()[4095], 7);
}

#[test]
fn ends_on_two_threads_meet() {
    for round in 0..if cfg!(debug_assertions) { 2_000 } else { 20_000 } {
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || sender.send(round).unwrap());
        assert_eq!(block_on(receiver), Ok(round));
        thread.join().unwrap();
    }
}

/// One thread makes all pairs, another ends them: the cells come back through the depot.
#[test]
fn cells_return_to_the_thread_that_needs_them() {
    const BATCH: usize = 200;
    for _ in 0..5 {
        let receivers: Vec<_> = (0..BATCH)
            .map(|index| {
                let (sender, receiver) = channel();
                sender.send(index).unwrap();
                receiver
            })
            .collect();
        let sum = std::thread::spawn(move || {
            receivers.into_iter().map(|mut receiver| receiver.try_recv().unwrap()).sum::<usize>()
        });
        assert_eq!(sum.join().unwrap(), BATCH * (BATCH - 1) / 2);
    }
}

#[test]
fn f23_sizes() {
    assert_eq!(size_of::<Sender<u64>>(), 8);
    assert_eq!(size_of::<Receiver<u64>>(), 8);
    assert!(size_of::<Cell<u64, Shared>>() <= 64);
}
