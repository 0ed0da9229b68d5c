use super::super::link::test_item::{Node, node};
use super::*;
use std::sync::Arc;
use std::thread;

fn batch(values: impl IntoIterator<Item = usize>) -> Batch<Box<Node>> {
    let mut batch = Batch::new();
    values.into_iter().for_each(|value| batch.push(node(value)));
    batch
}

fn drained(inject: &Inject<Box<Node>>) -> Vec<usize> {
    std::iter::from_fn(|| inject.pop().map(|node| node.value)).collect()
}

#[test]
fn t1_items_and_batches_keep_their_order() {
    let inject = Inject::new();
    assert!(inject.is_empty() && inject.pop().is_none());
    inject.push(node(0)).unwrap();
    inject.push_batch(batch(1..4)).unwrap();
    assert_eq!(inject.pop().unwrap().value, 0);
    inject.push(node(4)).unwrap();
    inject.push_batch(batch([])).unwrap();
    assert!(!inject.is_empty());
    assert_eq!(drained(&inject), [1, 2, 3, 4]);
    assert!(inject.is_empty());
}

#[test]
fn a_closed_queue_gives_what_it_has_and_takes_nothing() {
    let inject = Inject::new();
    inject.push_batch(batch(0..3)).unwrap();
    assert_eq!(inject.pop().unwrap().value, 0);
    inject.push(node(3)).unwrap();
    inject.close();
    assert!(inject.is_closed());
    assert_eq!(inject.push(node(4)).unwrap_err().0.value, 4);
    let refused = inject.push_batch(batch(5..7)).unwrap_err().0;
    assert_eq!(refused.len(), 2);
    inject.close();
    assert_eq!(drained(&inject), [1, 2, 3]);
    assert!(inject.is_empty());
}

/// Real threads: what loom proves for three items holds for a hundred thousand.
#[test]
fn t9_nothing_is_lost_among_pushers_and_takers() {
    const EACH: usize = 50_000;
    let inject = Arc::new(Inject::new());
    let pushers: Vec<_> = (0..2)
        .map(|pusher| {
            let inject = inject.clone();
            thread::spawn(move || {
                let mut value = pusher * EACH;
                while value < (pusher + 1) * EACH {
                    inject.push(node(value)).unwrap();
                    inject.push_batch(batch(value + 1..value + 10)).unwrap();
                    value += 10;
                }
            })
        })
        .collect();
    let takers: Vec<_> = (0..2)
        .map(|_| {
            let inject = inject.clone();
            thread::spawn(move || {
                let (local, _stealer) = super::super::deque::deque();
                let mut seen = Vec::new();
                while !inject.is_closed() || !inject.is_empty() {
                    if let Some((first, _)) = inject.pop_into(&local, 32) {
                        seen.push(first.value);
                        seen.extend(std::iter::from_fn(|| local.pop()).map(|node| node.value));
                    }
                }
                seen
            })
        })
        .collect();
    pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
    inject.close();
    let mut all: Vec<_> = Vec::new();
    for taker in takers {
        let seen = taker.join().unwrap();
        // One pusher's items reach one taker in the order in which they were pushed.
        for pusher in 0..2 {
            let own = seen.iter().filter(|&&value| value / EACH == pusher);
            assert!(own.is_sorted());
        }
        all.extend(seen);
    }
    all.sort_unstable();
    assert!(all.into_iter().eq(0..2 * EACH));
}
