//! A worker's run queue: a ring of fixed size, filled by its owner, emptied by its owner and by
//! thieves, first in, first out.
//!
//! ```text
//!            steal            real                          tail
//!  free        │   being copied │        ready to run         │       free
//! ─────────────┴────────────────┴─────────────────────────────┴──────────────
//!              └─3 copied ►     └─ 2 claim half ►             └─ 1 push ►
//!                 (thief)       └─ 4 pop ► (owner)
//!                               └─ 5 overflow: half ► inject (owner)
//! ```
//!
//! `steal` and `real` are the halves of one word, `head`. They are equal unless a thief is between
//! 2 and 3.
//!
//! - **I1** Only the owner writes `tail` and the slots from `tail` on, and never more than CAPACITY
//!   ahead of `steal`.
//! - **I2** A slot in `real..tail` belongs to whoever moves `real` over it: 2, 4 or 5, one exchange.
//! - **I3** A slot in `steal..real` belongs to the one thief who did 2 and not yet 3. No second
//!   thief starts, and 5 waits, while there is one.
//! - **I4** 3 sets `steal` to what `real` is by then: the owner's 4 may have gone on meanwhile.
//!
//! Why an exchange for each pop, where a push is two plain stores (one of them a Release): to take
//! without one, the owner has to hide tasks from the thieves, and a task that is hidden behind a
//! long poll waits for its end. The exchange costs 2 ns on a line that the owner has anyway.
//!
//! Indices are 32 bits and wrap. A thief would have to sleep between its look and its claim for
//! exactly 2^32 pops to be deceived.

use super::inject::{Batch, Inject};
use super::link::{Item, Link};
use crate::loom::{AtomicU32, AtomicU64, MODEL, Ordering, UnsafeCell};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

/// How many items fit.
pub const CAPACITY: usize = if MODEL { 4 } else { 256 };

const SIZE: u32 = CAPACITY as u32;
const HALF: u32 = SIZE / 2;
const MASK: u32 = SIZE - 1;
const _: () = assert!(SIZE.is_power_of_two());

/// The owner's end. It may move to another thread, but is used by one at a time.
#[derive(Debug)]
pub struct Local<T: Item> {
    ring: Arc<Ring<T>>,
    /// What `tail` is: only the owner changes it (I1).
    tail: Cell<u32>,
}

/// A thief's end. Shared by reference among all threads.
#[derive(Debug)]
pub struct Stealer<T: Item> {
    ring: Arc<Ring<T>>,
}

/// Where a pushed item went.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pushed {
    /// Into the ring.
    Local,
    /// The ring was full: so many items, this one the last of them, went to the inject queue.
    Overflowed(usize),
}

/// What a thief brings home.
#[derive(PartialEq, Eq, Debug)]
pub struct Stolen<T> {
    /// To be run at once.
    pub first: T,
    /// How many more are in the thief's own queue now.
    pub more: usize,
}

#[derive(Debug)]
#[repr(C, align(128))]
struct Ring<T: Item> {
    /// `steal` in the upper half, `real` in the lower.
    head: AtomicU64,
    tail: AtomicU32,
    slots: [UnsafeCell<*mut Link>; CAPACITY],
    items: PhantomData<fn(T) -> T>,
}

// SAFETY: slots are reached by one thread at a time (I1, I2, I3), and what they hold is Send.
unsafe impl<T: Item> Sync for Ring<T> {}
// SAFETY: as above; nothing in a ring is bound to the thread that made it.
unsafe impl<T: Item> Send for Ring<T> {}

#[derive(Clone, Copy)]
struct Head {
    steal: u32,
    real: u32,
}

impl Head {
    const fn of(word: u64) -> Self {
        Self { steal: (word >> 32) as u32, real: word as u32 }
    }

    const fn word(self) -> u64 {
        ((self.steal as u64) << 32) | self.real as u64
    }

    /// `real` moved on; `steal` with it where no thief is at work.
    const fn moved_by(self, count: u32) -> Self {
        let real = self.real.wrapping_add(count);
        Self { steal: if self.is_being_robbed() { self.steal } else { real }, real }
    }

    const fn is_being_robbed(self) -> bool {
        self.steal != self.real
    }
}

/// An empty queue: its owner's end and its thieves'.
pub fn deque<T: Item>() -> (Local<T>, Stealer<T>) {
    let ring = Arc::new(Ring {
        head: AtomicU64::new(0),
        tail: AtomicU32::new(0),
        slots: std::array::from_fn(|_| UnsafeCell::new(null_mut())),
        items: PhantomData,
    });
    (Local { ring: ring.clone(), tail: Cell::new(0) }, Stealer { ring })
}

impl<T: Item> Local<T> {
    /// Transition 1. Where the ring is full, half of it goes to `inject` as one batch, and this item
    /// behind it. A closed inject queue drops them.
    #[inline]
    pub fn push(&self, item: T, inject: &Inject<T>) -> Pushed {
        let tail = self.tail.get();
        // Acquire: with the Release of 3, so that a slot is not overwritten before it was copied.
        let head = Head::of(self.ring.head.load(Ordering::Acquire));
        if tail.wrapping_sub(head.steal) < SIZE {
            self.ring.put(tail, item.into_link());
            self.publish(tail.wrapping_add(1));
            return Pushed::Local;
        }
        self.push_full(item, inject)
    }

    /// The oldest item (transition 4).
    #[inline]
    pub fn pop(&self) -> Option<T> {
        let tail = self.tail.get();
        // Relaxed: what the slots hold is this thread's own writing.
        let mut word = self.ring.head.load(Ordering::Relaxed);
        loop {
            let head = Head::of(word);
            if head.real == tail {
                return None;
            }
            // Release and Acquire carry 3's Release on to the next thief; see `Stealer::claim`.
            match self.ring.head.compare_exchange_weak(
                word,
                head.moved_by(1).word(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    // SAFETY: `real` was moved over it here (I2).
                    let link = unsafe { self.ring.get(head.real) };
                    // SAFETY: from `into_link` of a T, and it leaves here once.
                    return Some(unsafe { T::from_link(link) });
                }
                Err(now) => word = now,
            }
        }
    }

    /// How many items are there. Thieves may take some while it is said.
    #[inline]
    pub fn len(&self) -> usize {
        // Relaxed: a number that is old as soon as it is known.
        let head = Head::of(self.ring.head.load(Ordering::Relaxed));
        self.tail.get().wrapping_sub(head.real) as usize
    }

    /// Whether there is nothing to pop. Only the owner adds, so an empty queue stays empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items a push, or several, would find room for.
    pub fn room(&self) -> usize {
        // Acquire: as in `push`; a caller fills what this promises.
        let head = Head::of(self.ring.head.load(Ordering::Acquire));
        (SIZE - self.tail.get().wrapping_sub(head.steal)) as usize
    }

    /// Puts what `next` gives at the end, as long as it gives something, there is room and `max` is
    /// not reached; then lets thieves see all of it at once. How many.
    pub(super) fn extend(
        &self,
        max: usize,
        mut next: impl FnMut() -> Option<NonNull<Link>>,
    ) -> usize {
        let tail = self.tail.get();
        let max = max.min(self.room()) as u32;
        let mut count = 0;
        while count < max
            && let Some(link) = next()
        {
            self.ring.put(tail.wrapping_add(count), link);
            count += 1;
        }
        self.publish(tail.wrapping_add(count));
        count as usize
    }

    #[inline]
    fn publish(&self, tail: u32) {
        self.tail.set(tail);
        // Release: with the Acquire of `Stealer::claim`, which reads the slots before it.
        self.ring.tail.store(tail, Ordering::Release);
    }

    /// Transition 5, or transition 1 after all.
    #[cold]
    #[inline(never)]
    fn push_full(&self, item: T, inject: &Inject<T>) -> Pushed {
        let tail = self.tail.get();
        let mut batch = Batch::new();
        // Acquire: as in `push`.
        let mut word = self.ring.head.load(Ordering::Acquire);
        loop {
            let head = Head::of(word);
            if tail.wrapping_sub(head.steal) < SIZE {
                self.ring.put(tail, item.into_link());
                self.publish(tail.wrapping_add(1));
                return Pushed::Local;
            }
            if head.is_being_robbed() {
                // A thief is carrying half away: there will be room soon, and one item more is all
                // that has to go elsewhere.
                break;
            }
            // As in `pop`.
            let moved = head.moved_by(HALF).word();
            match self.ring.head.compare_exchange(word, moved, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => {
                    (0..HALF).for_each(|index| {
                        // SAFETY: `real` was moved over these here (I2).
                        let link = unsafe { self.ring.get(head.real.wrapping_add(index)) };
                        batch.push_link(link);
                    });
                    break;
                }
                Err(now) => word = now,
            }
        }
        batch.push(item);
        let count = batch.len();
        drop(inject.push_batch(batch));
        Pushed::Overflowed(count)
    }
}

impl<T: Item> Stealer<T> {
    /// Takes half of what is there, rounded up (transitions 2 and 3): one to run, the rest into
    /// `local`, the thief's own queue. `None` where nothing is there, where another thief is at it,
    /// and where `local` is more than half full.
    pub fn steal_into(&self, local: &Local<T>) -> Option<Stolen<T>> {
        if local.room() < HALF as usize {
            return None;
        }
        let (from, count) = self.claim()?;
        let more = count - 1;
        // SAFETY: claimed above (I3).
        let first = unsafe { self.ring.get(from) };
        let mut index = 0;
        let brought = local.extend(more as usize, || {
            index += 1;
            // SAFETY: `extend` asks no more often than `more` times, so this was claimed (I3).
            Some(unsafe { self.ring.get(from.wrapping_add(index)) })
        });
        debug_assert_eq!(
            brought, more as usize,
            "only the owner fills its queue, so the room stays"
        );
        self.finish();
        // SAFETY: claimed here and given back by nobody else.
        Some(Stolen { first: unsafe { T::from_link(first) }, more: more as usize })
    }

    /// How many items are there, to those who only look.
    #[inline]
    pub fn len(&self) -> usize {
        // Acquire: with the owner's Release: who sees a `head` sees the `tail` that was before it.
        let head = Head::of(self.ring.head.load(Ordering::Acquire));
        let count = self.ring.tail.load(Ordering::Acquire).wrapping_sub(head.real);
        // `head` may be old by the time `tail` is read.
        count.min(SIZE) as usize
    }

    /// Whether there is nothing to steal.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Transition 2: where the claimed slots begin, and how many they are.
    fn claim(&self) -> Option<(u32, u32)> {
        // Acquire: with the Release of every exchange of `head`, so that the `tail` read below is
        // not older than `real`.
        let mut word = self.ring.head.load(Ordering::Acquire);
        loop {
            let head = Head::of(word);
            if head.is_being_robbed() {
                return None;
            }
            // Acquire: with the Release of `publish`: the slots before it are written.
            let there = self.ring.tail.load(Ordering::Acquire).wrapping_sub(head.real);
            let count = there - there / 2;
            if count == 0 {
                return None;
            }
            if count <= HALF {
                let claimed = Head { real: head.real.wrapping_add(count), ..head };
                // Acquire and Release: see `pop`.
                match self.ring.head.compare_exchange_weak(
                    word,
                    claimed.word(),
                    Ordering::AcqRel,
                    Ordering::Acquire,
                ) {
                    Ok(_) => return Some((head.real, count)),
                    Err(now) => word = now,
                }
            } else {
                // `head` was old when `tail` was read.
                word = self.ring.head.load(Ordering::Acquire);
            }
        }
    }

    /// Transition 3.
    fn finish(&self) {
        // Relaxed: `steal` is this thief's to set, and `real` is asked again by the exchange.
        let mut word = self.ring.head.load(Ordering::Relaxed);
        loop {
            let real = Head::of(word).real;
            // Release: with the Acquire of `push` and `room`: the slots are copied (I4).
            match self.ring.head.compare_exchange_weak(
                word,
                Head { steal: real, real }.word(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }
}

impl<T: Item> Ring<T> {
    /// Writes a slot that is the owner's (I1). It is published by `Local::publish`.
    #[inline(always)]
    fn put(&self, index: u32, link: NonNull<Link>) {
        let slot = &self.slots[(index & MASK) as usize];
        // SAFETY: not before `tail` and less than CAPACITY ahead of `steal`: nobody reads it (I1).
        slot.with_mut(|slot| unsafe { slot.write(link.as_ptr()) });
    }

    /// # Safety
    ///
    /// The slot is the caller's by I2 or I3, so something was put there.
    #[inline(always)]
    unsafe fn get(&self, index: u32) -> NonNull<Link> {
        let slot = &self.slots[(index & MASK) as usize];
        // SAFETY: the caller's, so nobody writes it.
        let link = slot.with(|slot| unsafe { slot.read() });
        // SAFETY: only `put` writes slots that come to be claimed, and it writes no null.
        unsafe { NonNull::new_unchecked(link) }
    }
}

impl<T: Item> Drop for Ring<T> {
    fn drop(&mut self) {
        // Relaxed: nobody else is left; the Arc has seen to the order.
        let head = Head::of(self.head.load(Ordering::Relaxed));
        let tail = self.tail.load(Ordering::Relaxed);
        let mut at = head.real;
        while at != tail {
            // SAFETY: nobody else is left, and `real..tail` holds items that were not taken (I2).
            let link = unsafe { self.get(at) };
            // SAFETY: from `into_link` of a T, and it leaves here once.
            drop(unsafe { T::from_link(link) });
            at = at.wrapping_add(1);
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
