//! Every interleaving of an owner with thieves, on a ring of four.

use super::super::link::test_item::{Node, node};
use super::*;
use loom::sync::Arc;
use loom::thread;

type Queue = (Local<Box<Node>>, Stealer<Box<Node>>);

/// Steals once; what was brought home, as a set of bits.
fn steal(stealer: &Stealer<Box<Node>>) -> usize {
    let (local, _own): Queue = deque();
    let Some(stolen) = stealer.steal_into(&local) else { return 0 };
    assert_eq!(local.len(), stolen.more);
    let mut seen = 1 << stolen.first.value;
    while let Some(node) = local.pop() {
        seen |= 1 << node.value;
    }
    seen
}

fn drain(mut next: impl FnMut() -> Option<Box<Node>>) -> usize {
    std::iter::from_fn(&mut next).fold(0, |seen, node| add(seen, 1 << node.value))
}

/// The union of two sets that have nothing in common.
fn add(seen: usize, more: usize) -> usize {
    assert_eq!(seen & more, 0, "an item came out twice");
    seen | more
}

/// 1 and 4 on the owner against 2 and 3.
#[test]
fn loom_t9_deque_push_and_pop_against_a_thief() {
    loom::model(|| {
        let (local, stealer) = deque();
        let inject = Inject::new();
        let _ = local.push(node(0), &inject);
        let _ = local.push(node(1), &inject);
        let thief = thread::spawn(move || steal(&stealer));
        let mut seen = local.pop().map_or(0, |node| 1 << node.value);
        let _ = local.push(node(2), &inject);
        seen = add(seen, drain(|| local.pop()));
        seen = add(seen, thief.join().unwrap());
        assert_eq!(add(seen, drain(|| inject.pop())), 0b111);
    });
}

/// 5 against 2 and 3: the ring is full, and a thief may be at any point of its work.
#[test]
fn loom_t1_deque_overflow_against_a_thief() {
    loom::model(|| {
        let (local, stealer) = deque();
        let inject = Inject::new();
        for value in 0..4 {
            assert_eq!(local.push(node(value), &inject), Pushed::Local);
        }
        let thief = thread::spawn(move || steal(&stealer));
        let overflowed = match local.push(node(4), &inject) {
            Pushed::Local => 0,
            Pushed::Overflowed(count) => count,
        };
        assert!(matches!(overflowed, 0 | 1 | 3));
        let outside = drain(|| inject.pop());
        assert_eq!(outside.count_ones() as usize, overflowed);
        let seen = add(outside, drain(|| local.pop()));
        assert_eq!(add(seen, thief.join().unwrap()), 0b11111);
    });
}

/// Slots that a thief copied are overwritten only afterwards: the ring wraps while it is robbed.
#[test]
fn loom_t1_deque_wraps_behind_a_thief() {
    loom::model(|| {
        let (local, stealer) = deque();
        let inject = Inject::new();
        for value in 0..3 {
            let _ = local.push(node(value), &inject);
        }
        let thief = thread::spawn(move || steal(&stealer));
        let mut seen = local.pop().map_or(0, |node| 1 << node.value);
        for value in 3..6 {
            let _ = local.push(node(value), &inject);
        }
        seen = add(seen, drain(|| local.pop()));
        seen = add(seen, thief.join().unwrap());
        assert_eq!(add(seen, drain(|| inject.pop())), 0b11_1111);
    });
}

/// Two thieves at once: one claims, the other goes away or comes afterwards; and the owner does not
/// fill the slots of one because the other is done.
#[test]
fn loom_t4_deque_two_thieves() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let (local, stealer) = deque();
        let inject = Inject::new();
        for value in 0..3 {
            let _ = local.push(node(value), &inject);
        }
        let stealer = Arc::new(stealer);
        let other = stealer.clone();
        let first = thread::spawn(move || steal(&stealer));
        let second = thread::spawn(move || steal(&other));
        for value in 3..5 {
            let _ = local.push(node(value), &inject);
        }
        let mut seen = add(first.join().unwrap(), second.join().unwrap());
        seen = add(seen, drain(|| inject.pop()));
        assert_eq!(add(seen, drain(|| local.pop())), 0b1_1111);
    });
}

/// What a thief brought home can be stolen from it at once, whole.
#[test]
fn loom_t4_deque_a_thief_is_robbed() {
    loom::model(|| {
        let (local, stealer) = deque();
        let inject = Inject::new();
        for value in 0..3 {
            let _ = local.push(node(value), &inject);
        }
        let (own, own_stealer) = deque();
        let second = thread::spawn(move || steal(&own_stealer));
        let mut seen = stealer.steal_into(&own).map_or(0, |stolen| 1 << stolen.first.value);
        seen = add(seen, drain(|| own.pop()));
        seen = add(seen, second.join().unwrap());
        assert_eq!(add(seen, drain(|| local.pop())), 0b111);
    });
}
