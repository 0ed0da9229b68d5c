//! Which workers search and which sleep, and whom a push wakes.
//!
//! ```text
//!            1 start_search                3 sleep
//! working ─────────────────► searching ───────────────► sleeping
//!   ▲ │                       │     ▲                     ▲  │ │
//!   │ │◄─────── 2 found ──────┘     └──── 4 wake_one ─────┼──┘ │
//!   │ └──────── 3 sleep (without a search) ───────────────┘    │
//!   └────────── 5 rouse: its own doing (driver, timer) ────────┤
//!                             searching ◄── 6 rouse: saw work ─┘
//! ```
//!
//! A push is followed by 4, a sleep by a look at every queue. Each does its own part first and looks
//! at the other's afterwards, with a full fence between the two: one of them sees the other.
//!
//! - **I1** `searching` counts the workers that search, and for a moment a waker that has the right
//!   to wake one. While it is not zero, 4 wakes nobody: a searcher sees the push, or passes it on
//!   by 2, or sees it in the look that follows 3, and is a searcher again by 6.
//! - **I2** A worker's bit is set in 3, and a look at every queue follows always. Whoever clears the
//!   bit owns the wake: 4 clears it for the worker, which then is a searcher; or 5 or 6, by the worker
//!   itself.
//! - **I3** At most half of the workers search of their own accord (1). 4 makes one search only
//!   where none does. 6 is for those who saw work, and who search no longer than it takes to get it.
//! - **I4** The last searcher that finds work looks whether there is more, and wakes another if so
//!   (2). So a burst wakes one worker after the other, each as soon as the one before knows that
//!   there is work, and a single push wakes a single worker.
//!
//! The worker with the lowest number is woken first. The others sleep the longer for it, and the
//! same few caches stay warm.

#![forbid(unsafe_code)]

mod spin;

pub use spin::{Look, Spin};

use crate::loom::{AtomicU64, AtomicUsize, Ordering, fence};

/// See the module's text. Shared by reference among workers and whoever pushes.
#[derive(Debug)]
#[repr(align(128))]
pub struct Idle {
    searching: AtomicUsize,
    workers: usize,
    /// A bit for each worker that sleeps.
    asleep: Box<[AtomicU64]>,
}

/// What a worker does that has found work (2).
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// It was the last to search, and pushes may have relied on that: if any queue has more, its own
    /// among them, it calls [`Idle::wake_one`] before it runs what it found.
    Last,
    /// Others search: what there is more, they find.
    GoOn,
}

/// What a worker is that has left its sleep (5).
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Roused {
    /// By itself: its driver or a timer brought work.
    Working,
    /// Woken to search, or one who saw work before it slept: it owes [`Idle::found`], or [`Idle::sleep`] as a searcher.
    Searching,
}

const BITS: usize = u64::BITS as usize;

impl Idle {
    /// For so many workers, all of them working.
    pub fn new(workers: usize) -> Self {
        let asleep = (0..workers.div_ceil(BITS)).map(|_| AtomicU64::new(0)).collect();
        Self { searching: AtomicUsize::new(0), workers, asleep }
    }

    /// Transition 1. False where half of the workers search already: then sleep without.
    #[must_use]
    pub fn start_search(&self) -> bool {
        // Relaxed: the number only throttles. Its being counted up late makes a waker wake a
        // sleeper too many, never too few.
        let mut searching = self.searching.load(Ordering::Relaxed);
        loop {
            if 2 * searching >= self.workers {
                return false;
            }
            match self.searching.compare_exchange_weak(
                searching,
                searching + 1,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => searching = now,
            }
        }
    }

    /// Transition 2: a searcher has an item in its hands.
    pub fn found(&self) -> Found {
        // AcqRel: with `take_the_right` and `start_search`.
        if self.searching.fetch_sub(1, Ordering::AcqRel) != 1 {
            return Found::GoOn;
        }
        // With the fence of `wake_one`: that sees nobody search, or this worker's look at the queues
        // sees the push.
        fence(Ordering::SeqCst);
        Found::Last
    }

    /// Transition 3. The worker looks at every queue once more, and then parks, or calls
    /// [`Self::rouse`] where it saw something.
    pub fn sleep(&self, worker: usize, searching: bool) {
        // Release: with the Acquire of `take_bit`. Before the count, so that a waker who counts no
        // searcher any more sees this sleeper instead; the look that follows sees the push as well.
        self.asleep[worker / BITS].fetch_or(bit(worker), Ordering::AcqRel);
        if searching {
            // Release: who reads it reads the bit, too.
            self.searching.fetch_sub(1, Ordering::AcqRel);
        }
        // With the fence of `wake_one`: that sees the bit, or this worker's look sees the push.
        fence(Ordering::SeqCst);
    }

    /// Transition 5, after a park or instead of it; or 6, where the look that followed 3 saw work.
    ///
    /// Whoever saw work is to pass on what there is more of, as every searcher: pushes may have relied
    /// on its search, and its next task may be one that never lets it look again.
    pub fn rouse(&self, worker: usize, saw_work: bool) -> Roused {
        if !self.take_bit(worker) {
            return Roused::Searching;
        }
        if !saw_work {
            return Roused::Working;
        }
        // AcqRel: with the counting down of `found`.
        self.searching.fetch_add(1, Ordering::AcqRel);
        Roused::Searching
    }

    /// Transition 4, after a push: the worker to unpark, if one is to be. The right one to call
    /// where the pusher may go to sleep itself, or run for long without looking.
    #[must_use]
    pub fn wake_one(&self) -> Option<usize> {
        loop {
            // With the fence of `sleep`; and in a second round with the counting down below.
            fence(Ordering::SeqCst);
            if !self.wants_waking() || !self.take_the_right() {
                return None;
            }
            let taken = (0..self.asleep.len()).find_map(|word| self.take_lowest(word));
            if taken.is_some() {
                return taken;
            }
            // All woke by themselves. Meanwhile somebody may have seen the count and relied on it:
            // look again without it.
            self.searching.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// As [`Self::wake_one`] without its fence: two loads of a line that seldom changes, where
    /// nobody is to be woken. For a worker that pushes to its own queue. It may overlook a worker
    /// that falls asleep at this very moment, so it is asked again at each push and pop while there
    /// is something in the queue; nothing is lost meanwhile, because the pusher is awake.
    #[inline]
    #[must_use]
    pub fn wake_one_hint(&self) -> Option<usize> {
        if self.wants_waking() { self.wake_one() } else { None }
    }

    /// Whether a worker sleeps, after something was left that it alone can take: then it is to be
    /// unparked. Its bit stays, for itself to clear (5); if 4 clears it meanwhile, it is unparked
    /// twice, which costs nothing.
    #[must_use]
    pub fn is_asleep(&self, worker: usize) -> bool {
        // With the fence of `sleep`: that worker's look sees what was left, or this sees the bit.
        fence(Ordering::SeqCst);
        self.seems_asleep(worker)
    }

    /// The same where being wrong does not matter.
    #[must_use]
    pub fn seems_asleep(&self, worker: usize) -> bool {
        // Relaxed: a hint; ordered by the fence of `is_asleep`.
        self.asleep[worker / BITS].load(Ordering::Relaxed) & bit(worker) != 0
    }

    /// How many search, and how many sleep. For metrics.
    pub fn counts(&self) -> (usize, usize) {
        // Relaxed: numbers that are old as soon as they are known.
        let asleep = |word: &AtomicU64| word.load(Ordering::Relaxed).count_ones() as usize;
        (self.searching.load(Ordering::Relaxed), self.asleep.iter().map(asleep).sum())
    }

    #[inline]
    fn wants_waking(&self) -> bool {
        // Relaxed: the fence of `wake_one` is what orders them.
        self.searching.load(Ordering::Relaxed) == 0
            && self.asleep.iter().any(|word| word.load(Ordering::Relaxed) != 0)
    }

    /// Counts a searcher where there is none.
    fn take_the_right(&self) -> bool {
        // AcqRel: with the counting down of the last searcher.
        self.searching.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Clears the lowest bit of a word that is set, and says whose it was.
    fn take_lowest(&self, word: usize) -> Option<usize> {
        loop {
            // Relaxed: asked again by the exchange of `take_bit`.
            let bits = self.asleep[word].load(Ordering::Relaxed);
            if bits == 0 {
                return None;
            }
            let worker = word * BITS + bits.trailing_zeros() as usize;
            if self.take_bit(worker) {
                return Some(worker);
            }
        }
    }

    /// Whether the bit was set: then it is this caller who cleared it (I2).
    fn take_bit(&self, worker: usize) -> bool {
        let bit = bit(worker);
        // Acquire: with the Release of `sleep`.
        self.asleep[worker / BITS].fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }
}

const fn bit(worker: usize) -> u64 {
    1 << (worker % BITS)
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
