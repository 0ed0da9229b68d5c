//! A line of tasks, and nothing else: who waits is woken in the order of coming.

#![forbid(unsafe_code)]

use crate::sync::kind::{Kind, Lock, Parts, Shared, Sharing};
use crate::sync::wait::{Enter, Entry, Gone, Place, Rule, Wait, serve};
use crate::sync::wait_list::WaitList;
use crate::sync::wake_batch::WakeBatch;
use std::marker::PhantomData;

/// Tasks wait, others wake the oldest or all of them. A wake that finds nobody is not remembered.
///
/// [`Rendez`](super::Rendez) is this with a mutex that may be let go meanwhile;
/// [`Notify`](super::Notify) remembers one wake.
pub struct WaitQueue<K: Sharing = Shared> {
    lock: K::Lock<WaitList<K, Woken>>,
}

/// How a waiter was woken: what lies in its node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Woken {
    /// Alone: dropped, it lets the next one have the wake.
    One,
    /// With everybody.
    All,
}

/// Waits for its turn to be woken.
pub type Waiting<'a, K = Shared> = Wait<'a, InLine<K>>;

impl<K: Sharing> Default for WaitQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Sharing> std::fmt::Debug for WaitQueue<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaitQueue").field("waiting", &self.waiting()).finish()
    }
}

#[cfg(not(loom))]
impl WaitQueue {
    /// As [`new`](Self::new), for a `static`.
    pub const fn const_new() -> Self {
        Self { lock: crate::loom::Mutex::new(WaitList::new()) }
    }
}

impl<K: Sharing> WaitQueue<K> {
    /// Nobody waits.
    pub fn new() -> Self {
        Self { lock: K::Lock::new(WaitList::new()) }
    }

    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// Waits until [`wake_one`](Self::wake_one) or [`wake_all`](Self::wake_all) comes to this waiter.
    /// It is in line from its first poll on.
    ///
    /// Cancel-safe: dropped while it waits, it leaves the line; dropped after it was woken alone,
    /// the next in line is woken in its stead.
    pub fn wait(&self) -> Waiting<'_, K> {
        Wait::new(self, InLine(PhantomData))
    }

    /// Wakes who has waited longest. Whether there was anybody.
    pub fn wake_one(&self) -> bool {
        serve(self, |line, wakes| {
            line.grant_first_uncalled(wakes, |woken| *woken = Woken::One).is_some()
        })
    }

    /// Wakes everybody who waits now. How many they were.
    pub fn wake_all(&self) -> usize {
        serve(self, |line, _| {
            let count = line.uncalled();
            line.call_all();
            count
        })
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.lock.with(|line| line.uncalled())
    }
}

impl<K: Sharing> Place for WaitQueue<K> {
    type Kind = K;
    type State = WaitList<K, Woken>;

    #[inline]
    fn lock(&self) -> &<K as Parts>::Lock<WaitList<K, Woken>> {
        &self.lock
    }

    #[inline]
    fn settle(&self, line: &mut WaitList<K, Woken>, wakes: &mut WakeBatch<K>) {
        line.grant_called(wakes, |woken| *woken = Woken::All);
    }
}

/// The rule of [`WaitQueue::wait`].
#[derive(Debug)]
pub struct InLine<K>(PhantomData<K>);

impl<'a, K: Sharing> Rule<'a> for InLine<K> {
    type Place = WaitQueue<K>;
    type Payload = Woken;
    type Output = Woken;
    const LABEL: &'static str = "wakeup";
    const COSTS: bool = false;

    fn line(line: &mut WaitList<K, Woken>) -> &mut WaitList<K, Woken> {
        line
    }

    #[inline]
    fn attempt(&mut self, _: &'a WaitQueue<K>) -> Option<Woken> {
        None
    }

    #[inline]
    fn enter(
        &mut self,
        _: &'a WaitQueue<K>,
        _: &mut WaitList<K, Woken>,
        _: Entry<Woken>,
        _: &mut WakeBatch<K>,
    ) -> Enter<Woken, Woken> {
        Enter::Wait(Woken::All)
    }

    #[inline]
    fn granted(&mut self, _: &'a WaitQueue<K>, woken: Woken) -> Result<Woken, Woken> {
        Ok(woken)
    }

    fn left(
        &mut self,
        _: &'a WaitQueue<K>,
        line: &mut WaitList<K, Woken>,
        gone: Gone<Woken>,
        wakes: &mut WakeBatch<K>,
    ) -> Option<Woken> {
        if gone.into_granted() == Some(Woken::One) {
            line.grant_first_uncalled(wakes, |woken| *woken = Woken::One);
        }
        None
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "wait_queue/tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "wait_queue/loom_tests.rs"]
mod loom_tests;
