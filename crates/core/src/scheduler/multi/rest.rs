//! Whether anything is left to do: what workers leave behind when they go to sleep.
//!
//! ```text
//!  worker:   awake ─1 lie down (its count of live tasks)─► asleep ─2 get up─► awake
//!  anybody:  3 stamp: all asleep, twice the same ─► the sum of the counts
//! ```
//!
//! A spawn and a task's end change a number that belongs to the thread alone where they happen; no
//! shared word is touched. The numbers are published when their worker lies down (1), in one word with
//! a version that grows with each 1 and 2 and is odd while the worker sleeps. Tasks that are spawned
//! from outside are counted in words of their own, which only grow, before they are pushed: the pool
//! counts the places that it gives to such threads, under the lock that they take anyway.
//!
//! **Why the sum is right.** 3 reads all words, then reads them again, and answers only where all were
//! odd and none has changed. Take a task that was spawned by worker i and ended on worker j, with the
//! end in the sum. Then 3 has read the word of j's lying down afterwards, with Acquire. That happened
//! after j took the task, after i pushed it, after i got up for it (each handed on with Release): so
//! the second reading of i's word comes after i's getting up. Either it is a different word than at
//! first, and 3 does not answer, or it was read after i lay down again, with the spawn in it. The
//! same goes for the words of those outside. So ends are never counted without their spawns; and at a
//! moment between the two readings every worker slept with the counts that were read, so a task that
//! was spawned before is in the sum until it ends.
//!
//! **Why somebody finds out.** A worker lies down, makes a full fence (that of
//! [`Idle::sleep`](super::super::idle::Idle::sleep)) and looks at the others. Of two that lie down,
//! the one whose fence comes last sees the other. Who wants to be told says so, makes a full fence, and
//! looks itself: either it sees all asleep, or one that is awake sees that it wants to be told.

#![forbid(unsafe_code)]

use crate::loom::{AtomicU64, Ordering, fence};

const ASLEEP: u64 = 1 << 32;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Rest {
    workers: Box<[Word]>,
    outside: Word,
    watched: AtomicU64,
}

/// A version, and below it the lower half of a count.
#[derive(Debug)]
#[repr(align(128))]
struct Word(AtomicU64);

/// A moment at which every worker slept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    versions: u64,
    live: u32,
}

impl Stamp {
    /// How many tasks keep the scheduler going.
    pub(super) const fn live(self) -> u32 {
        self.live
    }
}

impl Rest {
    pub(super) fn new(workers: usize) -> Self {
        let word = |word| Word(AtomicU64::new(word));
        Self {
            // Nobody has got up yet.
            workers: (0..workers).map(|_| word(ASLEEP)).collect(),
            outside: word(0),
            watched: AtomicU64::new(0),
        }
    }

    /// Transition 1, by the worker: `live` tasks were spawned here, less those that ended here. A full
    /// fence follows before it looks at others.
    pub(super) fn lie_down(&self, worker: usize, live: i64) {
        let word = &self.workers[worker].0;
        // Relaxed: its own.
        let version = (word.load(Ordering::Relaxed) & !(ASLEEP - 1)) + ASLEEP;
        debug_assert_ne!(version & ASLEEP, 0);
        // Release: with the Acquire of `read`.
        word.store(version | (live as u64 & (ASLEEP - 1)), Ordering::Release);
    }

    /// Transition 2, by the worker, before it does anything.
    pub(super) fn get_up(&self, worker: usize) {
        let word = &self.workers[worker].0;
        // Relaxed: its own.
        let now = word.load(Ordering::Relaxed);
        // Release: with the Acquire of `read`; what follows is handed on by queues.
        word.store(now + ASLEEP, Ordering::Release);
    }

    /// A task is about to be pushed from outside.
    pub(super) fn spawned_outside(&self) {
        // Release: as for the workers' words; the push that follows hands it on.
        self.outside.0.fetch_add(1, Ordering::Release);
    }

    /// It was not taken: the scheduler is over.
    pub(super) fn refused_outside(&self) {
        // Release: as above. Together with its spawn it changes nothing, at any time.
        self.outside.0.fetch_sub(1, Ordering::Release);
    }

    /// Transition 3: how many tasks keep the scheduler going, if no worker is awake. `guests` is the
    /// pool's count. If a later one is equal, no worker was awake in between.
    pub(super) fn stamp(&self, guests: impl Fn() -> u64) -> Option<Stamp> {
        let first = self.read(&guests)?;
        let second = self.read(&guests)?;
        (first == second).then_some(first)
    }

    /// The sum of the versions, which is the same only if each is, since they grow; and of the counts.
    fn read(&self, guests: impl Fn() -> u64) -> Option<Stamp> {
        let mut sum = Stamp { versions: 0, live: 0 };
        for word in &self.workers {
            // Acquire: with the Release of 1 and 2; and the next loads stay behind it.
            let word = word.0.load(Ordering::Acquire);
            if word & ASLEEP == 0 {
                return None;
            }
            sum.versions += word >> 32;
            sum.live = sum.live.wrapping_add(word as u32);
        }
        // Acquire: as above.
        let outside = self.outside.0.load(Ordering::Acquire).wrapping_add(guests());
        sum.versions = sum.versions.wrapping_add(outside);
        sum.live = sum.live.wrapping_add(outside as u32);
        Some(sum)
    }

    /// Somebody wants to be told, and looks itself afterwards.
    pub(super) fn watch(&self) {
        // Relaxed: the fence orders it.
        self.watched.fetch_add(1, Ordering::Relaxed);
        // With the fence of a worker that lies down.
        fence(Ordering::SeqCst);
    }

    pub(super) fn unwatch(&self) {
        // Relaxed: a worker that tells nobody is none the worse.
        self.watched.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether somebody wants to be told. By a worker that lay down, after its fence.
    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        // Relaxed: the fences order it.
        self.watched.load(Ordering::Relaxed) != 0
    }
}

#[cfg(all(test, loom))]
#[path = "rest/loom_tests.rs"]
mod loom_tests;
