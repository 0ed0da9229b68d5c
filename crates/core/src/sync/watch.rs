//! One value that is always there: who watches it learns that it changed, not every step.

#![forbid(unsafe_code)]

use crate::loom::Ordering;
use crate::sync::kind::{Kind, Local, Lock, Parts, Shared, Sharing, Value, Word};
use crate::sync::wait::{Enter, Entry, Gone, Place, Rule, Wait, serve};
use crate::sync::wait_list::WaitList;
use crate::sync::wake_batch::WakeBatch;
use std::fmt;
use std::marker::PhantomData;

/// The version word: a count of changes above one bit that says that no more will come.
const CLOSED: usize = 1;
const CHANGE: usize = 2;

/// What sender and receivers share.
pub struct Watched<T, K: Sharing> {
    value: K::Value<T>,
    version: K::Word,
    senders: K::Word,
    lock: K::Lock<WaitList<K, ()>>,
}

type Shares<T, K> = <K as Parts>::Ref<Watched<T, K>>;

/// Changes the value. When the last clone is dropped, receivers are told that no change will come.
pub struct Sender<T, K: Sharing = Shared>(Shares<T, K>);

/// Sees the value, and waits for changes. Each clone has seen what the original has.
pub struct Receiver<T, K: Sharing = Shared> {
    shared: Shares<T, K>,
    /// The version that was seen last.
    seen: usize,
}

/// Every sender is gone: the value stays as it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Unchanging;

/// Waits for a change. See [`Receiver::changed`].
pub type Changing<'a, T, K = Shared> = Wait<'a, Changes<'a, T, K>>;

/// A value that any thread may change and watch. The receiver has seen `value`.
///
/// ```
/// # use wakering_core::sync::watch;
/// let (level, mut seen) = watch::channel(1);
/// level.set(2);
/// level.set(3);
/// assert!(seen.has_changed());
/// assert_eq!(seen.see(|level| *level), 3, "only the last is there");
/// assert!(!seen.has_changed());
/// ```
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    ends(value)
}

/// A value for the tasks of one loop.
pub fn local<T>(value: T) -> (Sender<T, Local>, Receiver<T, Local>) {
    ends(value)
}

fn ends<T, K: Sharing>(value: T) -> (Sender<T, K>, Receiver<T, K>) {
    let shared = K::share(Watched {
        value: K::Value::new(value),
        version: K::Word::new(0),
        senders: K::Word::new(1),
        lock: K::Lock::new(WaitList::new()),
    });
    (Sender(shared.clone()), Receiver { shared, seen: 0 })
}

impl<T, K: Sharing> Watched<T, K> {
    fn version(&self) -> usize {
        // Acquire: with the Release by which it is moved.
        self.version.load(Ordering::Acquire)
    }

    /// Calls everybody who waits, after the version was moved.
    fn announce(&self) {
        serve(self, |line, _| line.call_all());
    }

    /// News since `seen`, which is brought up to date by it.
    fn news(&self, seen: &mut usize) -> Option<Result<(), Unchanging>> {
        let version = self.version();
        if version & !CLOSED != *seen {
            *seen = version & !CLOSED;
            return Some(Ok(()));
        }
        (version & CLOSED != 0).then_some(Err(Unchanging))
    }
}

impl<T, K: Sharing> Sender<T, K> {
    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// Replaces the value, and wakes who waits for a change. The old one comes back.
    pub fn set(&self, value: T) -> T {
        self.change(|place| std::mem::replace(place, value))
    }

    /// Changes the value in place, and wakes who waits for a change. `f` keeps readers out for as
    /// long as it runs. It must not use this watch: with `Local` that panics, with `Shared` it may
    /// wait for itself.
    pub fn change<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let result = self.0.value.write(|value| {
            let result = f(value);
            // Inside, so that a reader knows which version it reads. Release: with the Acquire of
            // `version`.
            self.0.version.fetch_add(CHANGE, Ordering::Release);
            result
        });
        self.0.announce();
        result
    }

    /// Looks at the value. As in [`change`](Self::change), `f` must not use this watch.
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        self.0.value.read(f)
    }

    /// A receiver that has seen the value as it is now.
    pub fn subscribe(&self) -> Receiver<T, K> {
        Receiver { shared: self.0.clone(), seen: self.0.version() & !CLOSED }
    }
}

impl<T, K: Sharing> Receiver<T, K> {
    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// Looks at the value. As in [`Sender::change`], `f` must not change this watch. What was seen
    /// does not change by it: see [`see`](Self::see).
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        self.shared.value.read(f)
    }

    /// Looks at the value, and has seen it: [`changed`](Self::changed) waits for the next change.
    pub fn see<R>(&mut self, f: impl FnOnce(&T) -> R) -> R {
        let (shared, seen) = (&self.shared, &mut self.seen);
        shared.value.read(|value| {
            *seen = shared.version() & !CLOSED;
            f(value)
        })
    }

    /// A copy of the value, which is seen by that.
    pub fn get(&mut self) -> T
    where
        T: Clone,
    {
        self.see(T::clone)
    }

    /// Whether the value has changed since it was seen.
    pub fn has_changed(&self) -> bool {
        self.shared.version() & !CLOSED != self.seen
    }

    /// Waits for a change since the value was seen, and has seen it then. `Err` once no change can
    /// come, after the last one was seen.
    ///
    /// Cancel-safe: a change is seen by the poll that says so. Dropped, it has seen nothing.
    pub fn changed(&mut self) -> Changing<'_, T, K> {
        Wait::new(&*self.shared, Changes { seen: &mut self.seen, shared: PhantomData })
    }
}

impl<T, K: Sharing> Place for Watched<T, K> {
    type Kind = K;
    type State = WaitList<K, ()>;

    fn lock(&self) -> &<K as Parts>::Lock<WaitList<K, ()>> {
        &self.lock
    }

    fn settle(&self, line: &mut WaitList<K, ()>, wakes: &mut WakeBatch<K>) {
        line.grant_called(wakes, |()| ());
    }
}

/// The rule of [`Receiver::changed`].
#[derive(Debug)]
pub struct Changes<'a, T, K> {
    seen: &'a mut usize,
    shared: PhantomData<(fn() -> T, K)>,
}

impl<'a, T: 'a, K: Sharing> Rule<'a> for Changes<'a, T, K> {
    type Place = Watched<T, K>;
    type Payload = ();
    type Output = Result<(), Unchanging>;
    const LABEL: &'static str = "watch";

    fn line(line: &mut WaitList<K, ()>) -> &mut WaitList<K, ()> {
        line
    }

    fn attempt(&mut self, watched: &'a Watched<T, K>) -> Option<Self::Output> {
        watched.news(self.seen)
    }

    /// The version moves before the lock is taken to call those in line: who looks under the lock
    /// and sees nothing new is in line when the call comes.
    fn enter(
        &mut self,
        watched: &'a Watched<T, K>,
        _: &mut WaitList<K, ()>,
        _: Entry<()>,
        _: &mut WakeBatch<K>,
    ) -> Enter<Self::Output, ()> {
        watched.news(self.seen).map_or(Enter::Wait(()), Enter::Done)
    }

    fn granted(&mut self, watched: &'a Watched<T, K>, (): ()) -> Result<Self::Output, ()> {
        watched.news(self.seen).ok_or(())
    }

    fn left(
        &mut self,
        _: &'a Watched<T, K>,
        _: &mut WaitList<K, ()>,
        _: Gone<()>,
        _: &mut WakeBatch<K>,
    ) -> Option<()> {
        None
    }
}

impl<T, K: Sharing> Clone for Sender<T, K> {
    fn clone(&self) -> Self {
        // Relaxed: this sender keeps the count from falling to zero meanwhile.
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl<T, K: Sharing> Drop for Sender<T, K> {
    fn drop(&mut self) {
        // AcqRel: the last one has the changes of the others behind it.
        if self.0.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Release: with the Acquire of `version`. Only the last sender adds the one bit.
            self.0.version.fetch_add(CLOSED, Ordering::Release);
            self.0.announce();
        }
    }
}

impl<T, K: Sharing> Clone for Receiver<T, K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), seen: self.seen }
    }
}

impl fmt::Display for Unchanging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody is left who could change the value")
    }
}

impl std::error::Error for Unchanging {}

impl<T, K: Sharing> fmt::Debug for Watched<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("kind", &K::KIND).finish_non_exhaustive()
    }
}

impl<T, K: Sharing> fmt::Debug for Sender<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("kind", &K::KIND).finish_non_exhaustive()
    }
}

impl<T, K: Sharing> fmt::Debug for Receiver<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("changed", &self.has_changed()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
#[path = "watch/tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "watch/loom_tests.rs"]
mod loom_tests;
