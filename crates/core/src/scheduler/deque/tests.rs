use super::super::link::test_item::{Node, node};
use super::*;

type Queue = (Local<Box<Node>>, Stealer<Box<Node>>, Inject<Box<Node>>);

fn queue() -> Queue {
    let (local, stealer) = deque();
    (local, stealer, Inject::new())
}

fn filled(count: usize) -> Queue {
    let (local, stealer, inject) = queue();
    for value in 0..count {
        assert_eq!(local.push(node(value), &inject), Pushed::Local);
    }
    (local, stealer, inject)
}

fn values(mut next: impl FnMut() -> Option<Box<Node>>) -> Vec<usize> {
    std::iter::from_fn(|| next().map(|node| node.value)).collect()
}

#[test]
fn t1_three_hundred_on_one_worker_overflow_once_and_none_is_lost() {
    let (local, _stealer, inject) = queue();
    let mut overflows = Vec::new();
    for value in 0..300 {
        if let Pushed::Overflowed(count) = local.push(node(value), &inject) {
            overflows.push(count);
        }
    }
    assert_eq!(overflows, [CAPACITY / 2 + 1]);
    // The oldest half went, in its order, and the item that found no room behind it.
    let outside: Vec<_> = (0..128).chain([256]).collect();
    assert_eq!(values(|| inject.pop()), outside);
    let inside: Vec<_> = (128..256).chain(257..300).collect();
    assert_eq!(values(|| local.pop()), inside);
}

#[test]
fn t1_first_in_first_out_across_the_wrap() {
    let (local, _stealer, inject) = queue();
    for round in 0..10 {
        let sent: Vec<_> = (0..200).map(|value| round * 200 + value).collect();
        for &value in &sent {
            assert_eq!(local.push(node(value), &inject), Pushed::Local);
        }
        assert_eq!(local.len(), 200);
        assert_eq!(local.room(), CAPACITY - 200);
        assert_eq!(values(|| local.pop()), sent);
        assert!(local.is_empty());
    }
}

#[test]
fn t4_a_thief_takes_the_older_half_rounded_up() {
    for (there, taken) in [(1, 1), (2, 1), (3, 2), (255, 128), (256, 128)] {
        let (victim, stealer, _inject) = filled(there);
        let (thief, _, _) = queue();
        let stolen = stealer.steal_into(&thief).unwrap();
        assert_eq!((stolen.first.value, stolen.more), (0, taken - 1));
        assert_eq!(values(|| thief.pop()), (1..taken).collect::<Vec<_>>());
        assert_eq!(values(|| victim.pop()), (taken..there).collect::<Vec<_>>());
        assert!(stealer.is_empty() && stealer.steal_into(&thief).is_none());
    }
}

#[test]
fn t4_nothing_is_stolen_into_a_queue_that_is_more_than_half_full() {
    let (_victim, stealer, _inject) = filled(10);
    let (thief, _, inject) = filled(129);
    assert!(stealer.steal_into(&thief).is_none());
    drop(thief.pop());
    assert_eq!(stealer.steal_into(&thief).unwrap().more, 4);
    assert_eq!((thief.len(), stealer.len()), (132, 5));
    assert!(inject.is_empty());
}

#[test]
fn t1_a_batch_from_outside_fills_the_ring_and_no_more() {
    let (local, _stealer, inject) = filled(250);
    for value in 1000..1010 {
        inject.push(node(value)).unwrap();
    }
    let (first, more) = inject.pop_into(&local, 100).unwrap();
    assert_eq!((first.value, more, local.room()), (1000, 6, 0));
    assert_eq!(values(|| inject.pop()), [1007, 1008, 1009]);
    assert_eq!(values(|| local.pop())[249..], [249, 1001, 1002, 1003, 1004, 1005, 1006]);
}

#[test]
fn dropped_items_are_dropped_once() {
    use crate::loom::AtomicUsize;
    use std::sync::Arc;

    struct Ledger(crate::scheduler::link::Link, Arc<AtomicUsize>);
    impl Drop for Ledger {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
    struct Counted(Box<Ledger>);
    // SAFETY: as for the boxed node, with the link found by its offset.
    unsafe impl Item for Counted {
        fn into_link(self) -> NonNull<Link> {
            let ledger: *mut Ledger = Box::into_raw(self.0);
            // SAFETY: the offset of a field stays within the object.
            let link = unsafe { ledger.byte_add(std::mem::offset_of!(Ledger, 0)) };
            NonNull::new(link.cast()).unwrap()
        }
        unsafe fn from_link(link: NonNull<Link>) -> Self {
            // SAFETY: the way back from the field to its object.
            let ledger = unsafe { link.as_ptr().byte_sub(std::mem::offset_of!(Ledger, 0)) };
            // SAFETY: from `into_link`, once (caller).
            Self(unsafe { Box::from_raw(ledger.cast()) })
        }
    }

    let dropped = Arc::new(AtomicUsize::new(0));
    let (local, stealer) = deque();
    let inject = Inject::new();
    for _ in 0..700 {
        let _ = local.push(Counted(Box::new(Ledger(Link::new(), dropped.clone()))), &inject);
    }
    drop(local.pop());
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    drop(inject);
    let outside = dropped.load(Ordering::Relaxed) - 1;
    assert!(outside > 256 && outside.is_multiple_of(129), "{outside}");
    drop((local, stealer));
    assert_eq!(dropped.load(Ordering::Relaxed), 700);
}

#[test]
fn t1_a_closed_inject_queue_drops_what_overflows() {
    let (local, _stealer, inject) = filled(256);
    inject.close();
    assert_eq!(local.push(node(256), &inject), Pushed::Overflowed(129));
    assert_eq!(local.len(), 128);
    assert!(inject.is_empty());
}

#[test]
fn both_ends_are_small() {
    assert_eq!(size_of::<Local<Box<Node>>>(), 16);
    assert_eq!(size_of::<Stealer<Box<Node>>>(), 8);
    assert_eq!(size_of::<Ring<Box<Node>>>(), 128 * (1 + 16));
}
