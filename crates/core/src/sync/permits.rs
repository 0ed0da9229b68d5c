//! Permits: the word and the line under the mutex, the rwlock, the semaphore and the pool.
//!
//! ```text
//! word: | free permits          | W |      W: somebody is in line
//!
//! take n:  W clear, enough free ─► subtract (one RMW, no lock)      else ─► lock, join the line, W
//! give n:  W clear ─► add (one RMW, no lock)                        else ─► lock, add, settle
//! settle:  while there is enough for the first in line ─► subtract, grant;  line empty ─► W clear
//! ```
//!
//! - **P1** W is set exactly while the line is not empty, as the lock's holder sees it.
//! - **P2** While W is set, only the lock's holder changes the word: nobody barges past the line,
//!   and a large request is not starved by small ones.
//! - **P3** What is free and not enough for the first in line stays in the word: a waiter holds
//!   nothing before it has everything, so its drop has nothing to give back but what was granted.

#![forbid(unsafe_code)]

use crate::loom::Ordering;
use crate::sync::kind::{Lock, Parts, Sharing, Word};
use crate::sync::wait::{Enter, Entry, Gone, Place, Rule, Wait, serve};
use crate::sync::wait_list::WaitList;
use crate::sync::wake_batch::WakeBatch;
#[cfg(not(loom))]
use crate::{
    loom::{AtomicUsize, Mutex},
    sync::Shared,
};

/// See the module's text.
const WAITERS: usize = 1;
const ONE: usize = 2;

/// So many permits there are at most.
pub(crate) const PERMITS_MAX: usize = usize::MAX >> 2;

/// The word and the line. The payload of a waiter is how many it needs.
pub struct Permits<K: Sharing> {
    word: K::Word,
    lock: K::Lock<WaitList<K, usize>>,
}

impl<K: Sharing> Permits<K> {
    pub(crate) fn new(free: usize) -> Self {
        assert!(free <= PERMITS_MAX, "more permits than a word can count");
        Self { word: K::Word::new(free * ONE), lock: K::Lock::new(WaitList::new()) }
    }

    /// How many are free now.
    pub(crate) fn free(&self) -> usize {
        // Relaxed: a hint.
        self.word.load(Ordering::Relaxed) / ONE
    }

    /// How many are in line.
    pub(crate) fn waiting(&self) -> usize {
        self.lock.with(|line| line.len())
    }

    /// Takes `need` where nobody is in line and so many are free.
    #[inline(always)]
    pub(crate) fn try_take(&self, need: usize) -> bool {
        // Relaxed: the exchange decides.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITERS == 0 && word / ONE >= need {
            // Acquire: with the Release of `give`.
            match self.word.exchange(word, word - need * ONE, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Gives back `count`, to those in line first.
    #[inline(always)]
    pub(crate) fn give(&self, count: usize) {
        // Relaxed: the exchange decides.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITERS == 0 {
            debug_assert!(word / ONE + count <= PERMITS_MAX);
            // Release: with the Acquire of `try_take` and `settle`.
            match self.word.exchange(word, word + count * ONE, Ordering::Release) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.give_to_line(count);
    }

    #[inline(never)]
    fn give_to_line(&self, count: usize) {
        serve(self, |_, _| {
            // AcqRel: as in `give`; the line may have emptied meanwhile, then this is a `give`.
            self.word.fetch_add(count * ONE, Ordering::AcqRel);
        });
    }

    /// Waits for `need` permits, then makes `grantee`'s guard.
    #[inline(always)]
    pub(crate) fn take<'a, G: Grantee<Kind = K>>(
        &'a self,
        need: usize,
        grantee: G,
    ) -> Wait<'a, Take<G>> {
        Wait::new(self, Take { need, grantee })
    }
}

#[cfg(not(loom))]
impl Permits<Shared> {
    pub(crate) const fn const_new(free: usize) -> Self {
        assert!(free <= PERMITS_MAX, "more permits than a word can count");
        Self { word: AtomicUsize::new(free * ONE), lock: Mutex::new(WaitList::new()) }
    }
}

impl<K: Sharing> std::fmt::Debug for Permits<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permits").field("free", &self.free()).finish_non_exhaustive()
    }
}

impl<K: Sharing> Place for Permits<K> {
    type Kind = K;
    type State = WaitList<K, usize>;

    #[inline]
    fn lock(&self) -> &<K as Parts>::Lock<WaitList<K, usize>> {
        &self.lock
    }

    #[inline]
    fn settle(&self, line: &mut WaitList<K, usize>, wakes: &mut WakeBatch<K>) {
        if line.is_empty() {
            return;
        }
        // Acquire: with the Release of `give`; handed on by the Release of the grant.
        let mut free = self.word.load(Ordering::Acquire) / ONE;
        while !wakes.is_full()
            && let Some(need) = line.peek_first(|need| *need)
            && need <= free
        {
            free -= need;
            line.grant_first(wakes, |_| ());
        }
        let waiters = if line.is_empty() { 0 } else { WAITERS };
        // A plain store: the line was not empty, so nobody else changes the word (P1, P2).
        // Release: with the Acquire of `try_take`, for what those gave who added to the word.
        self.word.store(free * ONE + waiters, Ordering::Release);
    }
}

/// What becomes of the permits that a [`Take`] got: a guard that gives them back. (A lifetime of the
/// trait would keep tasks that wait from being `Send`: there it is not known to be that of the guard.)
pub trait Grantee {
    /// Who shares it.
    type Kind: Sharing;
    /// What the future gives.
    type Guard;
    /// What a stall report says of who waits.
    const LABEL: &'static str;

    /// The guard. The permits are there, and no lock is held.
    fn guard(&self) -> Self::Guard;
}

/// The rule of every wait for permits.
#[derive(Debug)]
pub struct Take<G> {
    need: usize,
    grantee: G,
}

impl<'a, G: Grantee> Rule<'a> for Take<G> {
    type Place = Permits<G::Kind>;
    type Payload = usize;
    type Output = G::Guard;
    const LABEL: &'static str = G::LABEL;
    const COSTS: bool = true;

    fn line(line: &mut WaitList<G::Kind, usize>) -> &mut WaitList<G::Kind, usize> {
        line
    }

    #[inline(always)]
    fn attempt(&mut self, permits: &'a Permits<G::Kind>) -> Option<G::Guard> {
        permits.try_take(self.need).then(|| self.grantee.guard())
    }

    #[inline]
    fn enter(
        &mut self,
        permits: &'a Permits<G::Kind>,
        _: &mut WaitList<G::Kind, usize>,
        _: Entry<usize>,
        _: &mut WakeBatch<G::Kind>,
    ) -> Enter<G::Guard, usize> {
        // Relaxed: the exchanges decide.
        let mut word = permits.word.load(Ordering::Relaxed);
        // W set: others are in line, and W stays while the lock is held (P1, P2).
        while word & WAITERS == 0 {
            let (new, served) = if word / ONE >= self.need {
                (word - self.need * ONE, true)
            } else {
                (word | WAITERS, false)
            };
            // Acquire: with the Release of `give`.
            match permits.word.exchange(word, new, Ordering::Acquire) {
                Ok(_) if served => return Enter::Granted(self.need),
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        Enter::Wait(self.need)
    }

    #[inline(always)]
    fn granted(&mut self, _: &'a Permits<G::Kind>, _: usize) -> Result<G::Guard, usize> {
        Ok(self.grantee.guard())
    }

    fn left(
        &mut self,
        permits: &'a Permits<G::Kind>,
        line: &mut WaitList<G::Kind, usize>,
        gone: Gone<usize>,
        _: &mut WakeBatch<G::Kind>,
    ) -> Option<usize> {
        match gone {
            // `settle` follows, and does nothing for an empty line: W is cleared here (P1).
            // AcqRel: the word passes on what was given to it.
            Gone::Waiting { .. } if line.is_empty() => {
                permits.word.fetch_sub(WAITERS, Ordering::AcqRel);
            }
            Gone::Waiting { .. } => {}
            // AcqRel: as in `give_to_line`.
            Gone::Granted(need) => {
                permits.word.fetch_add(need * ONE, Ordering::AcqRel);
            }
        }
        None
    }
}
