//! Fairness, losers, and both sides in a select, by name.

use super::*;
use crate::sync::ledger::{Drops, Hand, Loop, yield_now};
use crate::sync::{Channel, Local, Mutex, Notify, Shared, Sharing, TryRecvError, oneshot};
use std::cell::Cell;

fn fair<K: Sharing>(rounds: usize) {
    seed(1);
    let channels = [(); 3].map(|()| Channel::<u32, K>::new(1));
    let mut wins = [0; 3];
    for _ in 0..rounds {
        for channel in [&channels[0], &channels[2]] {
            let _ = channel.try_send(1);
        }
        let [a, b, c] = channels.each_ref().map(|channel| channel.recv());
        let (winner, _) = Hand::new(select([a, b, c])).poll().unwrap();
        wins[winner] += 1;
        assert_eq!(channels[2 - winner].len(), 1, "the loser's value was not consumed");
    }
    let share = |wins: usize| wins * 100 / rounds;
    assert!((40..=60).contains(&share(wins[0])), "{wins:?}");
    assert!((40..=60).contains(&share(wins[2])), "{wins:?}");
}

#[test]
fn l19_of_two_that_are_ready_each_wins_about_half() {
    fair::<Local>(10_000);
    fair::<Shared>(10_000);
}

#[test]
fn l19_a_loser_that_was_called_gives_its_place_to_the_next() {
    let (a, b) = (Channel::<u32, Local>::new(1), Channel::<u32, Local>::new(1));
    let mut both = Hand::waiting(select((a.recv(), b.recv())));
    let mut next = Hand::waiting(b.recv());
    a.try_send(1).unwrap();
    b.try_send(2).unwrap();
    assert_eq!((both.wakes(), next.wakes()), (2, 0));
    match both.poll().unwrap() {
        First2::A(value) => {
            assert_eq!((value, next.wakes(), next.poll()), (Ok(1), 1, Some(Ok(2))));
        }
        First2::B(value) => {
            assert_eq!((value, next.wakes(), a.try_recv()), (Ok(2), 0, Ok(1)));
        }
    }
}

#[test]
fn l19_without_waiting_nothing_is_left_behind() {
    let (full, empty) = (Channel::<u32, Shared>::new(1), Channel::<u32, Shared>::new(1));
    full.try_send(1).unwrap();
    let mutex = Mutex::<(), Shared>::new(());
    let held = mutex.try_lock();
    let drops = Drops::default();
    let other = Channel::<_, Shared>::new(0);
    assert!(
        try_select((full.send(2), empty.recv(), mutex.lock(), other.send(drops.item()))).is_none()
    );
    assert_eq!(drops.count(), 1, "what was not sent went with its branch");
    assert_eq!((full.len(), empty.len(), mutex.waiting()), (1, 0, 0));
    drop(held);
    let won = try_select((full.send(2), empty.recv(), mutex.lock()));
    assert!(matches!(won, Some(First3::C(_))));
    drop(won);
    assert_eq!(try_select([full.recv(), empty.recv()]), Some((0, Ok(1))));
}

#[test]
fn l19_a_branch_that_is_none_is_never_ready() {
    let channel = Channel::<u32, Local>::new(1);
    let nop = None::<oneshot::Receiver<u32>>;
    let mut hand = Hand::waiting(select((nop, Some(channel.recv()))));
    channel.try_send(4).unwrap();
    assert_eq!(hand.poll(), Some(First2::B(Ok(4))));
    assert_eq!(try_select([None::<oneshot::Receiver<u32>>]), None);
}

#[test]
fn l19_sending_and_receiving_in_one_select() {
    let (out, back) = (Channel::<u32, Local>::new(0), Channel::<u32, Local>::new(0));
    let mut alt = Hand::waiting(select((out.send(1), back.recv())));
    assert_eq!(out.try_recv(), Err(TryRecvError::Empty), "it is asked to send now");
    assert_eq!(alt.wakes(), 1);
    assert_eq!(alt.poll(), Some(First2::A(Ok(()))));
    assert_eq!(out.try_recv(), Ok(1));
}

#[test]
fn l19_a_send_that_loses_was_not_sent() {
    for capacity in [0, 1] {
        let (out, other) = (Channel::<u32, Local>::new(capacity), Channel::<(), Local>::new(1));
        while out.try_send(0).is_ok() {}
        let mut alt = Hand::waiting(select((out.send(1), other.recv())));
        other.try_send(()).unwrap();
        let mut receiver = Hand::new(out.recv());
        assert_eq!(receiver.poll().is_some(), capacity == 1);
        match alt.poll().unwrap() {
            First2::A(sent) => {
                assert_eq!((sent, other.len()), (Ok(()), 1));
                if capacity == 0 {
                    assert_eq!(receiver.poll(), Some(Ok(1)));
                } else {
                    assert_eq!(out.try_recv(), Ok(1));
                }
            }
            First2::B(_) => {
                drop(alt);
                drop(receiver);
                assert_eq!(out.try_recv(), Err(TryRecvError::Empty));
            }
        }
    }
}

/// Two tasks that each offer to send to and to receive from the other, at capacity 0: each meeting
/// is one value one way.
#[test]
fn l19_two_selects_meet_exactly_once() {
    for round in 0..200 {
        seed(round);
        let (ab, ba) = (Channel::<u32, Local>::new(0), Channel::<u32, Local>::new(0));
        let (sent, received) = (Cell::new(0), Cell::new(0));
        let done = Notify::<Local>::new();
        let tasks = Loop::default();
        for (out, back, patience) in [(&ab, &ba, 1), (&ba, &ab, 2)] {
            let (sent, received, done) = (&sent, &received, &done);
            tasks.spawn(async move {
                for _ in 0..patience {
                    yield_now().await;
                }
                match select((out.send(7), back.recv(), done.notified())).await {
                    First3::A(result) => {
                        result.unwrap();
                        sent.set(sent.get() + 1);
                    }
                    First3::B(result) => {
                        assert_eq!(result, Ok(7));
                        received.set(received.get() + 1);
                    }
                    First3::C(()) => {}
                }
                done.notify_all();
            });
        }
        assert_eq!(tasks.run(), 0, "seed {round}");
        let left = [ab.try_recv(), ba.try_recv()].iter().flatten().count();
        assert_eq!(sent.get(), received.get() + left, "seed {round}");
    }
}

#[test]
fn a_branch_by_reference_keeps_its_place() {
    let (first, second) = (Channel::<u32, Local>::new(1), Channel::<u32, Local>::new(1));
    let mut kept = Box::pin(first.recv());
    {
        let mut hand = Hand::waiting(select((kept.as_mut(), second.recv())));
        second.try_send(1).unwrap();
        assert_eq!(hand.poll(), Some(First2::B(Ok(1))));
    }
    let later = Hand::waiting(first.recv());
    first.try_send(2).unwrap();
    assert_eq!(later.wakes(), 0, "the kept branch is still the first in line");
    assert_eq!(Hand::new(select([kept.as_mut()])).poll(), Some((0, Ok(2))));
}

#[test]
#[should_panic(expected = "a select was polled after it was ready")]
fn a_poll_after_the_end_panics() {
    let channel = Channel::<u32, Local>::new(1);
    channel.try_send(1).unwrap();
    let mut hand = Hand::new(select([channel.recv()]));
    assert!(hand.poll().is_some());
    hand.poll();
}

#[test]
fn orders_are_permutations_and_equally_frequent() {
    let mut seen = std::collections::HashMap::new();
    for _ in 0..6_000 {
        let order: Vec<_> = random::order(3).collect();
        *seen.entry(order).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.values().all(|count| (800..1200).contains(count)), "{seen:?}");
    let mut all: Vec<_> = random::order(64).collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..64));
}
