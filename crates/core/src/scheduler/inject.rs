//! The inject queue: the entry for tasks from outside, and for what overflows.
//!
//! ```text
//! any thread ─1 push─► incoming (a stack, newest on top)
//!                         │ 2 take everything, turn it round
//!                         ▼
//!                      outgoing (a list, oldest first) ─3 pop─► a worker, or a batch to its deque
//! ```
//!
//! The links lie in the items, so the queue can neither overflow nor allocate. Pushers never wait:
//! one exchange brings one item or a batch. Takers exclude each other by a bit in `outgoing`, and
//! touch the pushers' line only when `outgoing` has run out.
//!
//! Measured against a list under a lock that spins and then sleeps, ns an item: alone 6.5 against
//! 8.7; one pushes and one takes 11 against 10 or, where the two fall into step, 180 to 420; one
//! pushes and two take 12 to 34 against 21 to 450.
//!
//! - **I1** A link between `incoming` and its end is published by the Release of 1 and belongs to
//!   the queue; 2 takes all of them at once, so no link is read while somebody else may take it.
//! - **I2** Whoever put LOCKED into `outgoing` owns the list that it replaced, and alone does 2 and
//!   3 until it stores the rest. Only it takes from `incoming` or closes it.
//! - **I3** Everything in `outgoing` is older than everything in `incoming`: the order is that of
//!   the pushes.

use super::deque::Local;
use super::link::{Item, Link};
use crate::loom::{AtomicPtr, MODEL, Ordering, spin_loop, yield_now};
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut, without_provenance_mut};

/// In `incoming`: nothing is pushed any more.
const CLOSED: *mut Link = without_provenance_mut(1);
/// In `outgoing`: somebody takes.
const LOCKED: *mut Link = without_provenance_mut(1);
/// Looks at a locked `outgoing` before a taker gives up its time slice.
const LOOKS: usize = if MODEL { 0 } else { 64 };

/// See the module's text. Shared by reference among all threads.
#[derive(Debug)]
#[repr(C)]
pub struct Inject<T: Item> {
    incoming: Alone,
    outgoing: Alone,
    items: PhantomData<fn(T) -> T>,
}

/// A pointer on cache lines of its own: pushers and takers do not slow each other.
#[derive(Debug)]
#[repr(align(128))]
struct Alone(AtomicPtr<Link>);

/// Items linked for one push, in their order. Dropping it drops them.
#[derive(Debug)]
pub struct Batch<T: Item> {
    newest: *mut Link,
    oldest: *mut Link,
    len: usize,
    items: PhantomData<fn(T) -> T>,
}

/// The queue is closed; the items come back.
#[derive(PartialEq, Eq, Debug)]
pub struct Closed<T>(pub T);

impl<T: Item> Default for Inject<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Item> Inject<T> {
    /// An empty queue.
    pub fn new() -> Self {
        Self {
            incoming: Alone(AtomicPtr::new(null_mut())),
            outgoing: Alone(AtomicPtr::new(null_mut())),
            items: PhantomData,
        }
    }

    /// Pushes one item. Whoever pushes tells the sleepers afterwards (see [`super::idle`]).
    #[inline]
    pub fn push(&self, item: T) -> Result<(), Closed<T>> {
        let link = item.into_link().as_ptr();
        if self.push_links(link, link) {
            return Ok(());
        }
        // SAFETY: from `into_link` above, and the queue did not take it.
        Err(Closed(unsafe { take_back(link) }))
    }

    /// Pushes all items of a batch, in their order and with nothing between them.
    pub fn push_batch(&self, batch: Batch<T>) -> Result<(), Closed<Batch<T>>> {
        if batch.len == 0 {
            return Ok(());
        }
        if self.push_links(batch.newest, batch.oldest) {
            std::mem::forget(batch);
            return Ok(());
        }
        // SAFETY: the queue did not take it, so the batch still owns its links.
        let oldest = unsafe { &*batch.oldest };
        oldest.set_next(null_mut());
        Err(Closed(batch))
    }

    /// Transition 1. Whether the queue took them.
    #[inline]
    fn push_links(&self, newest: *mut Link, oldest: *mut Link) -> bool {
        // SAFETY: the caller owns the links until the exchange below.
        let oldest = unsafe { &*oldest };
        // Relaxed: nothing behind the pointer is read.
        let mut top = self.incoming.0.load(Ordering::Relaxed);
        loop {
            if top == CLOSED {
                return false;
            }
            oldest.set_next(top);
            // Release: with the Acquire of `refill` and `close` (I1).
            match self.incoming.0.compare_exchange_weak(
                top,
                newest,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => top = now,
            }
        }
    }

    /// Whether there is nothing to pop. While another thread takes, it counts as not empty: what
    /// that thread leaves is not known yet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // Acquire: with the exchange of `refill`, so that who sees `incoming` emptied by it sees
        // `outgoing` locked, or what it became since. That order of the loads is needed.
        let incoming = self.incoming.0.load(Ordering::Acquire);
        (incoming.is_null() || incoming == CLOSED)
            // Relaxed: nothing behind the pointer is read.
            && self.outgoing.0.load(Ordering::Relaxed).is_null()
    }

    /// The oldest item. `None` where it is empty, and where another thread takes and does not get
    /// done: look at [`Self::is_empty`] before going to sleep.
    #[inline]
    pub fn pop(&self) -> Option<T> {
        let mut taker = self.lock()?;
        taker.next()
    }

    /// The oldest item, and behind it up to `more_max` into `local`, as far as there is room. How
    /// many went there. `None` as with [`Self::pop`].
    pub fn pop_into(&self, local: &Local<T>, more_max: usize) -> Option<(T, usize)> {
        let mut taker = self.lock()?;
        let first = taker.next()?;
        let moved = local.extend(more_max, || taker.next_link());
        Some((first, moved))
    }

    /// Refuses pushes from now on. What is there can still be popped.
    pub fn close(&self) {
        let mut taker = loop {
            match self.try_lock() {
                Some(taker) => break taker,
                None => yield_now(),
            }
        };
        // Acquire: with the Release of `push_links`. Only the taker empties or closes it (I2).
        let top = self.incoming.0.swap(CLOSED, Ordering::AcqRel);
        if top != CLOSED {
            taker.append(turn_round(top));
        }
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.incoming.0.load(Ordering::Relaxed) == CLOSED
    }

    /// The right to take. Waits a little for another taker; `None` where that did not help, or
    /// nothing is there.
    #[inline]
    fn lock(&self) -> Option<Taker<'_, T>> {
        if self.is_empty() {
            return None;
        }
        for _ in 0..LOOKS {
            if let Some(taker) = self.try_lock() {
                return Some(taker);
            }
            spin_loop();
        }
        self.try_lock().or_else(|| {
            yield_now();
            None
        })
    }

    #[inline]
    fn try_lock(&self) -> Option<Taker<'_, T>> {
        // Relaxed: asked again by the exchange; looking keeps those who wait off the line.
        let list = self.outgoing.0.load(Ordering::Relaxed);
        if list == LOCKED {
            return None;
        }
        // Acquire: with the Release of the taker before (`drop`): its list, and its turn (I2).
        let locked =
            self.outgoing.0.compare_exchange(list, LOCKED, Ordering::Acquire, Ordering::Relaxed);
        // Made only here: a Taker that is dropped gives the right back.
        locked.is_ok().then(|| Taker { queue: self, list })
    }
}

impl<T: Item> Drop for Inject<T> {
    fn drop(&mut self) {
        self.close();
        while let Some(item) = self.pop() {
            drop(item);
        }
    }
}

/// The right to take, and the list that goes with it (I2).
struct Taker<'a, T: Item> {
    queue: &'a Inject<T>,
    list: *mut Link,
}

impl<T: Item> Taker<'_, T> {
    #[inline]
    fn next(&mut self) -> Option<T> {
        // SAFETY: every link in the queue came from `into_link` of a T, and leaves it once.
        self.next_link().map(|link| unsafe { T::from_link(link) })
    }

    #[inline]
    fn next_link(&mut self) -> Option<NonNull<Link>> {
        if self.list.is_null() {
            self.refill();
        }
        let link = NonNull::new(self.list)?;
        // SAFETY: the list is this taker's (I2).
        self.list = unsafe { link.as_ref() }.next();
        Some(link)
    }

    /// Transition 2.
    fn refill(&mut self) {
        // Relaxed: only a taker makes it null or CLOSED, and there is no other (I2).
        let top = self.queue.incoming.0.load(Ordering::Relaxed);
        if top.is_null() || top == CLOSED {
            return;
        }
        // Acquire: with the Release of `push_links`. Release: with the Acquire of `is_empty`.
        self.list = turn_round(self.queue.incoming.0.swap(null_mut(), Ordering::AcqRel));
    }

    fn append(&mut self, list: *mut Link) {
        let mut last: *mut Link = null_mut();
        let mut at = self.list;
        while !at.is_null() {
            last = at;
            // SAFETY: a link of this taker's list (I2).
            at = unsafe { &*at }.next();
        }
        if last.is_null() {
            self.list = list;
        } else {
            // SAFETY: as above; the last of the list.
            unsafe { &*last }.set_next(list);
        }
    }
}

impl<T: Item> Drop for Taker<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Release: with the Acquire of `try_lock`.
        self.queue.outgoing.0.store(self.list, Ordering::Release);
    }
}

/// A stack as a list: the oldest first.
fn turn_round(mut top: *mut Link) -> *mut Link {
    let mut list = null_mut();
    while !top.is_null() {
        // SAFETY: taken from the queue as a whole, so its links are the caller's (I1).
        let link = unsafe { &*top };
        let below = link.next();
        link.set_next(list);
        list = top;
        top = below;
    }
    list
}

/// # Safety
///
/// As for [`Item::from_link`].
unsafe fn take_back<T: Item>(link: *mut Link) -> T {
    // SAFETY: no queue holds a null link.
    let link = unsafe { NonNull::new_unchecked(link) };
    // SAFETY: the caller's promise is passed on.
    unsafe { T::from_link(link) }
}

// SAFETY: a batch owns its items, which are Send.
unsafe impl<T: Item> Send for Batch<T> {}

impl<T: Item> Default for Batch<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Item> Batch<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { newest: null_mut(), oldest: null_mut(), len: 0, items: PhantomData }
    }

    /// Adds an item behind the others.
    #[inline]
    pub fn push(&mut self, item: T) {
        self.push_link(item.into_link());
    }

    /// As [`Self::push`], for a link that came from `into_link` of a T.
    #[inline]
    pub(super) fn push_link(&mut self, link: NonNull<Link>) {
        // SAFETY: the batch owns it now.
        unsafe { link.as_ref() }.set_next(self.newest);
        self.newest = link.as_ptr();
        if self.oldest.is_null() {
            self.oldest = self.newest;
        }
        self.len += 1;
    }

    /// How many.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was added.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<T: Item> Drop for Batch<T> {
    fn drop(&mut self) {
        let mut at = turn_round(self.newest);
        while !at.is_null() {
            // SAFETY: the batch owns its links.
            let next = unsafe { &*at }.next();
            // SAFETY: from `into_link` of a T, and taken back here once.
            drop(unsafe { take_back::<T>(at) });
            at = next;
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
