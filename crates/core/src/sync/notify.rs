//! A bell: one ring is remembered.
//!
//! ```text
//! word: Quiet ─ring, nobody waits─► Rung ─a waiter comes─► Quiet
//!         └─a waiter joins─► Waited for ─the last one leaves the line─► Quiet, or Rung
//! ```
//!
//! - **N1** The word is Waited for exactly while the line is not empty, as the lock's holder sees it;
//!   only the lock's holder goes there and leaves it.

#![forbid(unsafe_code)]

use crate::loom::Ordering;
#[cfg(not(loom))]
use crate::loom::{AtomicUsize, Mutex};
use crate::sync::kind::{Kind, Lock, Parts, Shared, Sharing, Word};
use crate::sync::wait::{Enter, Entry, Gone, Place, Rule, Wait, serve};
use crate::sync::wait_list::WaitList;
use crate::sync::wait_queue::Woken;
use crate::sync::wake_batch::WakeBatch;
use std::marker::PhantomData;

const QUIET: usize = 0;
const RUNG: usize = 1;
const WAITED_FOR: usize = 2;

/// Tells a task that there is something to do. [`notify_one`](Self::notify_one) wakes the oldest
/// waiter, or is remembered until one comes: many before one comes are one.
pub struct Notify<K: Sharing = Shared> {
    word: K::Word,
    lock: K::Lock<Bell<K>>,
}

/// What the lock guards.
#[derive(Debug)]
pub struct Bell<K: Sharing> {
    line: WaitList<K, Woken>,
    /// A ring that found nobody, and goes into the word once the line is empty.
    rung: bool,
}

/// Waits for a ring.
pub type Notified<'a, K = Shared> = Wait<'a, Hears<K>>;

impl<K: Sharing> Notify<K> {
    /// Nobody rang.
    pub fn new() -> Self {
        let bell = Bell { line: WaitList::new(), rung: false };
        Self { word: K::Word::new(QUIET), lock: K::Lock::new(bell) }
    }

    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// Waits for a ring, or takes the one that is remembered.
    ///
    /// Cancel-safe: dropped while it waits, it leaves the line; dropped when a ring was meant for it
    /// alone and not taken, that goes to the next, or is remembered.
    #[inline(always)]
    pub fn notified(&self) -> Notified<'_, K> {
        Wait::new(self, Hears(PhantomData))
    }

    /// Wakes who has waited longest, or is remembered. What happened before it is seen by whom it
    /// wakes.
    #[inline]
    pub fn notify_one(&self) {
        // Relaxed: the exchange decides.
        let mut word = self.word.load(Ordering::Relaxed);
        while word != WAITED_FOR {
            // Release: with the Acquire of `take_remembered`. Also where a ring is remembered
            // already: the waiter is to see this one's news too. Acquire: passes on the earlier's.
            match self.word.exchange(word, RUNG, Ordering::AcqRel) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.wake_first();
    }

    #[inline(never)]
    fn wake_first(&self) {
        serve(self, Bell::ring);
    }

    /// Wakes everybody who waits now, and is not remembered. How many they were.
    pub fn notify_all(&self) -> usize {
        serve(self, |bell, _| {
            let count = bell.line.uncalled();
            bell.line.call_all();
            count
        })
    }

    /// The remembered ring, where there is one.
    #[inline(always)]
    fn take_remembered(&self) -> bool {
        // Acquire: with the Release of `notify_one` and `settle`.
        self.word.exchange(RUNG, QUIET, Ordering::Acquire).is_ok()
    }
}

#[cfg(not(loom))]
impl Notify {
    /// As [`new`](Self::new), for a `static`.
    pub const fn const_new() -> Self {
        let bell = Bell { line: WaitList::new(), rung: false };
        Self { word: AtomicUsize::new(QUIET), lock: Mutex::new(bell) }
    }
}

impl<K: Sharing> Bell<K> {
    fn ring(&mut self, wakes: &mut WakeBatch<K>) {
        let heard = self.line.grant_first_uncalled(wakes, |woken| *woken = Woken::One);
        self.rung |= heard.is_none();
    }
}

impl<K: Sharing> Default for Notify<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Sharing> std::fmt::Debug for Notify<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notify").field("kind", &K::KIND).finish_non_exhaustive()
    }
}

impl<K: Sharing> Place for Notify<K> {
    type Kind = K;
    type State = Bell<K>;

    #[inline]
    fn lock(&self) -> &<K as Parts>::Lock<Bell<K>> {
        &self.lock
    }

    #[inline]
    fn settle(&self, bell: &mut Bell<K>, wakes: &mut WakeBatch<K>) {
        bell.line.grant_called(wakes, |woken| *woken = Woken::All);
        if !bell.line.is_empty() {
            return;
        }
        if std::mem::take(&mut bell.rung) {
            // Release: with the Acquire of `take_remembered`. A swap, so that what another ring
            // published stays published.
            self.word.swap(RUNG, Ordering::AcqRel);
        // Relaxed: this very thread, or a holder of the lock before it, went there (N1).
        } else if self.word.load(Ordering::Relaxed) == WAITED_FOR {
            // Release: with the Acquire of the exchanges, for what rings under the lock published.
            self.word.store(QUIET, Ordering::Release);
        }
    }
}

/// The rule of [`Notify::notified`].
#[derive(Debug)]
pub struct Hears<K>(PhantomData<K>);

impl<'a, K: Sharing> Rule<'a> for Hears<K> {
    type Place = Notify<K>;
    type Payload = Woken;
    type Output = ();
    const LABEL: &'static str = "notify";
    const COSTS: bool = true;

    fn line(bell: &mut Bell<K>) -> &mut WaitList<K, Woken> {
        &mut bell.line
    }

    #[inline(always)]
    fn attempt(&mut self, notify: &'a Notify<K>) -> Option<()> {
        notify.take_remembered().then_some(())
    }

    #[inline]
    fn enter(
        &mut self,
        notify: &'a Notify<K>,
        bell: &mut Bell<K>,
        _: Entry<Woken>,
        _: &mut WakeBatch<K>,
    ) -> Enter<(), Woken> {
        if std::mem::take(&mut bell.rung) {
            return Enter::Done(());
        }
        loop {
            // Acquire: with the Release of `notify_one`.
            match notify.word.exchange(QUIET, WAITED_FOR, Ordering::Acquire) {
                Err(RUNG) if notify.take_remembered() => return Enter::Done(()),
                Err(RUNG) => {}
                // Joins now (N1), or joins others.
                _ => return Enter::Wait(Woken::All),
            }
        }
    }

    #[inline]
    fn granted(&mut self, _: &'a Notify<K>, _: Woken) -> Result<(), Woken> {
        Ok(())
    }

    fn left(
        &mut self,
        _: &'a Notify<K>,
        bell: &mut Bell<K>,
        gone: Gone<Woken>,
        wakes: &mut WakeBatch<K>,
    ) -> Option<Woken> {
        if gone.into_granted() == Some(Woken::One) {
            bell.ring(wakes);
        }
        None
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "notify/tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "notify/loom_tests.rs"]
mod loom_tests;
