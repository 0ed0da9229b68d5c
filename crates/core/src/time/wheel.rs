//! The timers of one loop in buckets by the digits of their deadline: a hierarchical wheel.
//!
//! Deadlines are nanoseconds, read as eleven digits of six bits. `base` is a moment that no waiting
//! timer precedes. A timer lies at the level of the highest digit in which its deadline differs
//! from `base`, in the bucket of that digit:
//!
//! ```text
//!   level 10 … 2          1                 0
//!   ┌───────────┐  ┌───┬───┬───┬───┐  ┌───┬───┬───┬───┐
//!   │ far ahead │  │   │ ● │   │ ● │  │   │ ● │ ● │   │   one bucket of level 0 is one nanosecond,
//!   └───────────┘  └───┴───┴───┴───┘  └───┴───┴───┴───┘   one of level n is 64^n of them
//!                    ▲ cascade: when `base` enters this bucket, its timers move down
//! ```
//!
//! As all higher digits are those of `base`, every timer of a level is due before every timer of
//! the levels above, and buckets of a level are in the order of their digit. So the first timer is
//! in the first bucket of the lowest level that has one: two `trailing_zeros` away. Timers fire in
//! the order of their deadlines to the nanosecond, and those of one deadline in the order in which
//! they were started. Nothing is rounded, so nothing fires early.
//!
//! - **W1** `base` is at or before the deadline of every timer in the wheel.
//! - **W2** Every timer lies in the bucket that `place` names for its deadline and today's `base`.
//! - **W3** A bucket's `min` is at or before each of its deadlines, and is the first of them unless
//!   the first was cancelled.
//! - **W4** A bucket's bit in `occupied`, and its level's in `levels`, is set exactly while it has
//!   timers.
//!
//! Start and cancel take the same few steps whatever the wheel holds. A timer moves down at most
//! once for each level, and one that is cancelled before its time (as timeouts are) mostly never.
//! What lies between is `min`: it tells how long a loop may sleep without waking at the border of
//! a bucket to look inside.

use super::entry::{Entry, Linked};
use super::wakes::Wakes;
use std::task::Waker;

const DIGIT_BITS: u32 = 6;
const BUCKETS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = u64::BITS.div_ceil(DIGIT_BITS) as usize;

#[derive(Clone, Copy)]
struct Bucket {
    /// A ring of timers, in the order in which they came.
    head: Option<Linked>,
    min: u64,
}

/// What is left after [`Wheel::advance`].
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Advance {
    /// Nothing is due any more.
    Done,
    /// The batch is full: wake it, and come back.
    More,
}

/// See the module's text.
pub(super) struct Wheel {
    base: u64,
    levels: u16,
    occupied: [u64; LEVELS],
    len: usize,
    /// Eleven KiB, made where they stay: on the stack they would be copied about.
    buckets: Box<[[Bucket; BUCKETS]]>,
}

// SAFETY: timers are reached through the wheel by whoever has it (`&mut`, T2 of `entry`), on
// whatever thread that is.
unsafe impl Send for Wheel {}

#[derive(Clone, Copy)]
struct Place {
    level: usize,
    bucket: usize,
}

const fn digit(time: u64, level: usize) -> usize {
    (time >> (DIGIT_BITS * level as u32)) as usize & (BUCKETS - 1)
}

const fn place(base: u64, deadline: u64) -> Place {
    // The lowest digit is taken to differ, so that a deadline that is `base` itself is at level 0.
    let differing = (base ^ deadline) | (BUCKETS as u64 - 1);
    let level = (differing.ilog2() / DIGIT_BITS) as usize;
    Place { level, bucket: digit(deadline, level) }
}

impl Wheel {
    pub(super) fn new() -> Self {
        let empty = Bucket { head: None, min: u64::MAX };
        let buckets = vec![[empty; BUCKETS]; LEVELS].into_boxed_slice();
        Self { base: 0, levels: 0, occupied: [0; LEVELS], len: 0, buckets }
    }

    /// How many timers wait.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    fn first(&self) -> Option<Place> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros() as usize;
        Some(Place { level, bucket: self.occupied[level].trailing_zeros() as usize })
    }

    /// A moment at or before the first deadline; the first deadline itself unless that of the first
    /// bucket was cancelled.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.first().map(|place| self.buckets[place.level][place.bucket].min)
    }

    /// Starts a timer. `now` is a moment that has come, at or before which nothing waits that is
    /// not due.
    ///
    /// # Safety
    ///
    /// The caller owns the Idle entry, which stays where it is until it is not Waiting any more.
    pub(super) unsafe fn start(&mut self, entry: &Entry, now: u64, deadline: u64, waker: Waker) {
        if self.len == 0 {
            // Nothing lies between, so nothing has to move (W1, W2).
            self.base = self.base.max(now);
        }
        // Time went on since the caller looked at the clock: due at once.
        let deadline = deadline.max(self.base);
        // SAFETY: the caller's promise.
        let linked = unsafe { Linked::start(entry, deadline, waker) };
        self.file(linked, deadline);
        self.len += 1;
    }

    /// Takes a timer out before its time. Its waker, to be dropped elsewhere.
    pub(super) fn cancel(&mut self, linked: Linked) -> Option<Waker> {
        let deadline = linked.node(|node| node.deadline);
        self.take(place(self.base, deadline), linked);
        self.len -= 1;
        linked.leave()
    }

    /// Takes what is due out of the wheel, in the order of the deadlines, as far as `wakes` has
    /// room.
    pub(super) fn advance(&mut self, now: u64, wakes: &mut Wakes) -> Advance {
        while let Some(place) = self.first() {
            let bucket = self.buckets[place.level][place.bucket];
            if bucket.min > now {
                break;
            }
            if place.level > 0 {
                self.cascade(place, bucket.min);
                continue;
            }
            // A bucket of level 0 has one deadline: `min`. It shares the other digits with `base`
            // and nothing precedes it, so `base` may go there without a timer having to move.
            self.base = bucket.min;
            if wakes.is_full() {
                return Advance::More;
            }
            if let Some(head) = bucket.head {
                self.take(place, head);
                self.len -= 1;
                wakes.push(head.fire());
            }
        }
        self.follow(now);
        Advance::Done
    }

    /// Moves `base` to a moment that every timer comes after, so that new timers lie low.
    fn follow(&mut self, now: u64) {
        if now <= self.base {
            return;
        }
        // Levels below the highest digit that changes are empty: their timers would be due. Levels
        // above keep the digits that they were filed by. In between one bucket is entered.
        let entered = place(self.base, now);
        if self.occupied[entered.level] & 1 << entered.bucket != 0 {
            self.cascade(entered, now);
        } else {
            self.base = now;
        }
    }

    /// Moves the timers of a bucket down, `base` having gone into it.
    fn cascade(&mut self, from: Place, base: u64) {
        self.base = base;
        let Some(head) = self.empty(from) else { return };
        let mut linked = head;
        loop {
            let (deadline, next) = linked.node(|node| (node.deadline, node.next));
            self.file(linked, deadline);
            match next {
                Some(next) if next != head => linked = next,
                _ => return,
            }
        }
    }

    /// Takes all timers of a bucket, still linked among themselves.
    fn empty(&mut self, place: Place) -> Option<Linked> {
        self.clear_bit(place);
        let bucket = &mut self.buckets[place.level][place.bucket];
        bucket.min = u64::MAX;
        bucket.head.take()
    }

    fn clear_bit(&mut self, place: Place) {
        self.occupied[place.level] &= !(1 << place.bucket);
        if self.occupied[place.level] == 0 {
            self.levels &= !(1 << place.level);
        }
    }

    /// Puts a timer at the end of its bucket.
    fn file(&mut self, linked: Linked, deadline: u64) {
        let place = place(self.base, deadline);
        self.levels |= 1 << place.level;
        self.occupied[place.level] |= 1 << place.bucket;
        let bucket = &mut self.buckets[place.level][place.bucket];
        bucket.min = bucket.min.min(deadline);
        let Some(head) = bucket.head else {
            bucket.head = Some(linked);
            linked.node(|node| (node.next, node.prev) = (Some(linked), Some(linked)));
            return;
        };
        let tail = head.node(|node| node.prev.replace(linked));
        linked.node(|node| (node.next, node.prev) = (Some(head), tail));
        if let Some(tail) = tail {
            tail.node(|node| node.next = Some(linked));
        }
    }

    /// Takes one timer out of its bucket.
    fn take(&mut self, place: Place, linked: Linked) {
        let (next, prev) = linked.node(|node| (node.next.take(), node.prev.take()));
        if next == Some(linked) {
            self.empty(place);
            return;
        }
        if let Some(next) = next {
            next.node(|node| node.prev = prev);
        }
        if let Some(prev) = prev {
            prev.node(|node| node.next = next);
        }
        let head = &mut self.buckets[place.level][place.bucket].head;
        if *head == Some(linked) {
            *head = next;
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "wheel/tests.rs"]
mod tests;
