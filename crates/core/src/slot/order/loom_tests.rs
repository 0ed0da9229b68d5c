//! Models of futures that ask while their loop takes.

use super::*;
use crate::loom::{Arc, thread};
use crate::slot::telling::{Listener, Telling};

const TOKENS: [Token; 2] = [Token::new(0, 1), Token::new(1, 1)];

/// What was asked of each token, in all.
fn take(orders: &Orders, slab: &Slab, sums: &mut [u64; 2]) {
    orders.take(slab, |token, asked| sums[token.index() as usize] |= asked.0);
}

#[test]
fn whatever_is_asked_comes_and_somebody_wakes() {
    loom::model(|| {
        let slab = Arc::new(Slab::new(2));
        let orders = Arc::new(Orders::new());
        let asking = |token: Token| {
            let (slab, orders) = (slab.clone(), orders.clone());
            thread::spawn(move || {
                let first = orders.ask(&slab, token, Asked::START);
                let second = orders.ask(&slab, token, Asked::LEAVE);
                [first, second].contains(&Ordered::Wake)
            })
        };
        let threads = TOKENS.map(asking);
        let mut sums = [0; 2];
        take(&orders, &slab, &mut sums);
        let early = sums;
        let woken = threads.map(|thread| thread.join().unwrap());
        take(&orders, &slab, &mut sums);
        let wanted = IN_STACK | Asked::START.0 | Asked::LEAVE.0;
        assert_eq!(sums, [wanted; 2]);
        // Whatever the loop had not taken by then, somebody woke it for.
        assert!(early == sums || woken.contains(&true));
        assert!(orders.is_empty());
    });
}

/// The slot is taken, given back and claimed again while its first order lies in the stack.
#[test]
fn a_later_op_of_the_slot_is_asked_for_by_itself() {
    loom::model(|| {
        let slab = Arc::new(Slab::new(1));
        let orders = Arc::new(Orders::new());
        let asking = {
            let (slab, orders) = (slab.clone(), orders.clone());
            thread::spawn(move || {
                let _ = orders.ask(&slab, Token::new(0, 1), Asked::CANCEL);
                let _ = orders.ask(&slab, Token::new(0, 2), Asked::START);
            })
        };
        let mut started = 0;
        let mut look = || {
            orders.take(&slab, |token, asked| {
                if asked.has(Asked::START) {
                    assert_eq!(token.generation(), 2);
                    started += 1;
                }
            });
        };
        look();
        asking.join().unwrap();
        look();
        assert_eq!(started, 1);
    });
}

#[test]
fn nothing_is_asked_of_a_loop_that_has_closed() {
    loom::model(|| {
        let slab = Arc::new(Slab::new(1));
        let orders = Arc::new(Orders::new());
        let asking = {
            let (slab, orders) = (slab.clone(), orders.clone());
            thread::spawn(move || orders.ask(&slab, TOKENS[0], Asked::START))
        };
        let mut taken = 0;
        orders.close(&slab, |_, _| taken += 1);
        let answer = asking.join().unwrap();
        assert_eq!(answer == Ordered::Closed, taken == 0);
    });
}

/// A loop that ends, and a future that is dropped: one of them frees the slot.
#[test]
fn a_slot_that_is_left_is_freed_once() {
    loom::model(|| {
        let telling = Arc::new(Telling::new());
        telling.begin();
        let loop_side = {
            let telling = telling.clone();
            thread::spawn(move || telling.tell())
        };
        let left_to_the_loop = telling.leave();
        let told = loop_side.join().unwrap();
        assert_eq!(left_to_the_loop, told == Listener::Gone);
        assert!(telling.is_told());
    });
}

/// Who listens and is not told at once is woken.
#[test]
fn a_listener_is_told_or_woken() {
    loom::model(|| {
        let telling = Arc::new(Telling::new());
        telling.begin();
        let loop_side = {
            let telling = telling.clone();
            thread::spawn(move || telling.tell())
        };
        let will_be_woken = telling.listen();
        let told = loop_side.join().unwrap();
        assert_eq!(will_be_woken, told == Listener::Other);
        assert!(telling.is_told() && !telling.listen());
    });
}
