//! A barrier for successive rounds.

#![forbid(unsafe_code)]

use crate::sync::kind::{Kind, Lock, Parts, Shared, Sharing};
use crate::sync::wait::{Enter, Entry, Gone, Place, Rule, Wait, serve};
use crate::sync::wait_list::WaitList;
use crate::sync::wake_batch::WakeBatch;
use std::marker::PhantomData;

/// Nobody passes until so many have come; then all of them pass, and the next round begins.
pub struct Barrier<K: Sharing = Shared> {
    count: usize,
    lock: K::Lock<Round<K>>,
}

/// What the lock guards.
#[derive(Debug)]
pub struct Round<K: Sharing> {
    line: WaitList<K, ()>,
    /// How many wait in this round. Those of earlier rounds who are still in line were called.
    arrived: usize,
}

/// Waits at a barrier.
pub type Arriving<'a, K = Shared> = Wait<'a, Arrives<K>>;

/// What each of a round's tasks gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Passed {
    /// Whether this task came last: one in each round.
    pub last: bool,
}

impl<K: Sharing> Barrier<K> {
    /// For rounds of `count` tasks. With 0, as with 1, nobody waits.
    pub fn new(count: usize) -> Self {
        Self { count, lock: K::Lock::new(Round { line: WaitList::new(), arrived: 0 }) }
    }

    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// Waits until all have come. It has come when it is polled first.
    ///
    /// Cancel-safe: dropped while it waits, it has not come, and the round waits for another in its
    /// place; dropped when its round is complete, it changes nothing for the others.
    pub fn wait(&self) -> Arriving<'_, K> {
        Wait::new(self, Arrives(PhantomData))
    }

    /// How many wait in this round.
    pub fn arrived(&self) -> usize {
        self.lock.with(|round| round.arrived)
    }
}

impl<K: Sharing> Round<K> {
    /// One more has come. Were they all, the next round begins.
    fn complete(&mut self, count: usize) -> Option<Passed> {
        if self.arrived + 1 < count {
            return None;
        }
        self.arrived = 0;
        self.line.call_all();
        Some(Passed { last: true })
    }
}

impl<K: Sharing> std::fmt::Debug for Barrier<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Barrier")
            .field("count", &self.count)
            .field("arrived", &self.arrived())
            .finish()
    }
}

impl<K: Sharing> Place for Barrier<K> {
    type Kind = K;
    type State = Round<K>;

    #[inline]
    fn lock(&self) -> &<K as Parts>::Lock<Round<K>> {
        &self.lock
    }

    #[inline]
    fn settle(&self, round: &mut Round<K>, wakes: &mut WakeBatch<K>) {
        round.line.grant_called(wakes, |()| ());
    }
}

/// The rule of [`Barrier::wait`].
#[derive(Debug)]
pub struct Arrives<K>(PhantomData<K>);

impl<'a, K: Sharing> Rule<'a> for Arrives<K> {
    type Place = Barrier<K>;
    type Payload = ();
    type Output = Passed;
    const LABEL: &'static str = "barrier";
    const COSTS: bool = false;

    fn line(round: &mut Round<K>) -> &mut WaitList<K, ()> {
        &mut round.line
    }

    /// Who comes last needs no waker.
    #[inline]
    fn attempt(&mut self, barrier: &'a Barrier<K>) -> Option<Passed> {
        serve(barrier, |round, _| round.complete(barrier.count))
    }

    fn enter(
        &mut self,
        barrier: &'a Barrier<K>,
        round: &mut Round<K>,
        _: Entry<()>,
        _: &mut WakeBatch<K>,
    ) -> Enter<Passed, ()> {
        // Others may have come since `attempt`.
        if let Some(passed) = round.complete(barrier.count) {
            return Enter::Done(passed);
        }
        round.arrived += 1;
        Enter::Wait(())
    }

    #[inline]
    fn granted(&mut self, _: &'a Barrier<K>, (): ()) -> Result<Passed, ()> {
        Ok(Passed { last: false })
    }

    fn left(
        &mut self,
        _: &'a Barrier<K>,
        round: &mut Round<K>,
        gone: Gone<()>,
        _: &mut WakeBatch<K>,
    ) -> Option<()> {
        if matches!(gone, Gone::Waiting { called: false, .. }) {
            round.arrived -= 1;
        }
        None
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "barrier/tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "barrier/loom_tests.rs"]
mod loom_tests;
