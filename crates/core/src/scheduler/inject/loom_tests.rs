//! Every interleaving of pushers and takers.

use super::super::deque::deque;
use super::super::link::test_item::{Node, node};
use super::*;
use loom::sync::Arc;
use loom::thread;

fn batch(values: impl IntoIterator<Item = usize>) -> Batch<Box<Node>> {
    let mut batch = Batch::new();
    values.into_iter().for_each(|value| batch.push(node(value)));
    batch
}

fn pop_some(inject: &Inject<Box<Node>>, looks: usize) -> Vec<usize> {
    (0..looks).filter_map(|_| inject.pop()).map(|node| node.value).collect()
}

fn drain(inject: &Inject<Box<Node>>) -> Vec<usize> {
    std::iter::from_fn(|| inject.pop()).map(|node| node.value).collect()
}

/// 1 of two threads against 2 and 3: all come out, and each pusher's in their order.
#[test]
fn loom_t9_inject_two_pushers_and_a_taker() {
    loom::model(|| {
        let inject = Arc::new(Inject::new());
        let other = inject.clone();
        let pusher = thread::spawn(move || other.push_batch(batch([10, 11])).unwrap());
        let other = inject.clone();
        let second = thread::spawn(move || other.push(node(20)).unwrap());
        let mut seen = pop_some(&inject, 2);
        pusher.join().unwrap();
        second.join().unwrap();
        seen.extend(drain(&inject));
        assert!(inject.is_empty());
        let at = |value| seen.iter().position(|&seen| seen == value).unwrap();
        assert_eq!(seen.len(), 3);
        assert!(at(10) < at(11) && at(20) < 3);
    });
}

/// Two takers: none gets what the other has, and what one leaves the other finds.
#[test]
fn loom_t9_inject_two_takers() {
    loom::model(|| {
        let inject = Arc::new(Inject::new());
        inject.push(node(0)).unwrap();
        let other = inject.clone();
        let taker = thread::spawn(move || {
            let (local, _stealer) = deque();
            let mut seen = Vec::new();
            if let Some((first, _)) = other.pop_into(&local, 1) {
                seen.push(first.value);
                seen.extend(local.pop().map(|node| node.value));
            }
            seen
        });
        inject.push_batch(batch([1, 2])).unwrap();
        let mut seen = pop_some(&inject, 2);
        assert!(seen.is_sorted());
        seen.extend(taker.join().unwrap());
        seen.extend(drain(&inject));
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    });
}

/// While something stays in the queue, nobody is told that it is empty, whatever a taker does. The
/// taker runs on the first thread: loom puts loads between the writes that it has seen, not writes
/// between loads.
#[test]
fn loom_t5_inject_is_never_called_empty_while_it_is_not() {
    loom::model(|| {
        let inject = Arc::new(Inject::new());
        inject.push_batch(batch([0, 1, 2])).unwrap();
        let other = inject.clone();
        let looker = thread::spawn(move || assert!(!other.is_empty() && !other.is_empty()));
        assert_eq!(inject.pop().unwrap().value, 0);
        assert_eq!(inject.pop().unwrap().value, 1);
        looker.join().unwrap();
        assert_eq!(drain(&inject), [2]);
    });
}

/// A push against the close: it is refused, or it is there to be popped.
#[test]
fn loom_inject_push_against_close() {
    loom::model(|| {
        let inject = Arc::new(Inject::new());
        inject.push(node(0)).unwrap();
        let other = inject.clone();
        let pusher = thread::spawn(move || other.push(node(1)).is_ok());
        inject.close();
        let seen = drain(&inject);
        assert_eq!(seen, if pusher.join().unwrap() { vec![0, 1] } else { vec![0] });
    });
}

/// A taker against the close: both are takers, and nothing falls between them.
#[test]
fn loom_inject_pop_against_close() {
    loom::model(|| {
        let inject = Arc::new(Inject::new());
        inject.push_batch(batch([0, 1])).unwrap();
        let other = inject.clone();
        let taker = thread::spawn(move || pop_some(&other, 1));
        inject.close();
        assert!(inject.is_closed() && inject.push(node(2)).is_err());
        let mut seen = taker.join().unwrap();
        seen.extend(drain(&inject));
        assert_eq!(seen, [0, 1]);
    });
}
