//! What the queues of the scheduler hold: things that carry the link of a list inside themselves.
//!
//! A queue of such things needs no memory of its own, so it can neither overflow nor allocate. A
//! thing is in one queue at a time, and while it is there the queue owns it, link and all.

use crate::loom::{AtomicPtr, Ordering};
use std::ptr::{NonNull, null_mut};

/// The place for a queue's link inside an item. One word.
#[derive(Debug)]
pub struct Link {
    next: AtomicPtr<Link>,
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

impl Link {
    /// A link that belongs to no queue.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self { next: AtomicPtr::new(null_mut()) }
    }

    /// A link that belongs to no queue.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self { next: AtomicPtr::new(null_mut()) }
    }

    /// What follows. Relaxed: a link is published with the queue's head, whose Acquire the reader
    /// has made, or is the reader's own.
    pub(crate) fn next(&self) -> *mut Link {
        self.next.load(Ordering::Relaxed)
    }

    /// Relaxed: published by the Release with which the queue's head is moved.
    pub(crate) fn set_next(&self, next: *mut Link) {
        self.next.store(next, Ordering::Relaxed);
    }
}

/// One word that owns something with a [`Link`] in it: a reference to a task.
///
/// # Safety
///
/// - [`Self::from_link`] is the inverse of [`Self::into_link`]: between the two the pointer stays
///   valid, and the memory behind it does not move.
/// - Between the two nobody else touches the link, and no second item of the same link exists.
/// - The pointer may be used for all that the item may be used for: it is derived from the whole
///   object, not from a reference to its link.
pub unsafe trait Item: Send + Sized {
    /// Gives the item up to a queue.
    fn into_link(self) -> NonNull<Link>;

    /// Takes it back.
    ///
    /// # Safety
    ///
    /// The link came from [`Self::into_link`] of the same type and was not taken back since.
    unsafe fn from_link(link: NonNull<Link>) -> Self;
}

/// An item for tests: a boxed number that is dropped once.
#[cfg(all(test, not(shuttle)))]
pub(crate) mod test_item {
    use super::{Item, Link};
    use std::ptr::NonNull;

    #[derive(Debug, Default)]
    #[repr(C)]
    pub(crate) struct Node {
        link: Link,
        pub(crate) value: usize,
    }

    pub(crate) fn node(value: usize) -> Box<Node> {
        Box::new(Node { link: Link::new(), value })
    }

    // SAFETY: a Box is the only owner, and its memory stays where it is; the link comes first in a
    // `repr(C)` struct, so its address is the node's, and the pointer is the whole node's.
    unsafe impl Item for Box<Node> {
        fn into_link(self) -> NonNull<Link> {
            NonNull::from(Box::leak(self)).cast()
        }

        unsafe fn from_link(link: NonNull<Link>) -> Self {
            // SAFETY: made by `into_link` of a Box, and not taken back since (caller).
            unsafe { Box::from_raw(link.cast::<Node>().as_ptr()) }
        }
    }
}
