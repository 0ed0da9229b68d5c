//! One value that is always there: who watches it learns that it changed, not every step.

#![forbid(unsafe_code)]

use crate::sync::kind::{Kind, Local, Parts, Shared, Sharing, Value};
use crate::sync::news::{Listener, Listens, News};
use crate::sync::wait::Wait;
use std::fmt;

/// What sender and receivers share.
pub struct Watched<T, K: Sharing> {
    value: K::Value<T>,
    /// How often the value was changed.
    changes: News<K>,
}

type Shares<T, K> = <K as Parts>::Ref<Watched<T, K>>;

/// Changes the value. When the last clone is dropped, receivers are told that no change will come.
pub struct Sender<T, K: Sharing = Shared>(Shares<T, K>);

/// Sees the value, and waits for changes. Each clone has seen what the original has.
pub struct Receiver<T, K: Sharing = Shared> {
    shared: Shares<T, K>,
    /// How many changes it has seen.
    seen: usize,
}

/// Every sender is gone: the value stays as it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Unchanging;

/// Waits for a change. See [`Receiver::changed`].
pub type Changing<'a, T, K = Shared> = Wait<'a, Listens<Changes<'a, T, K>>>;

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
    let shared = K::share(Watched { value: K::Value::new(value), changes: News::new() });
    (Sender(shared.clone()), Receiver { shared, seen: 0 })
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
            // Inside, so that a reader knows which change it reads.
            self.0.changes.tell();
            result
        });
        self.0.changes.announce();
        result
    }

    /// Looks at the value. As in [`change`](Self::change), `f` must not use this watch.
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        self.0.value.read(f)
    }

    /// A receiver that has seen the value as it is now.
    pub fn subscribe(&self) -> Receiver<T, K> {
        Receiver { shared: self.0.clone(), seen: self.0.changes.told().count() }
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
            *seen = shared.changes.told().count();
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
        self.shared.changes.told().count() != self.seen
    }

    /// Waits for a change since the value was seen, and has seen it then. `Err` once no change can
    /// come, after the last one was seen.
    ///
    /// Cancel-safe: a change is seen by the poll that says so. Dropped, it has seen nothing.
    pub fn changed(&mut self) -> Changing<'_, T, K> {
        let watched = &*self.shared;
        Wait::new(&watched.changes, Listens(Changes { seen: &mut self.seen, watched }))
    }
}

/// Who waits for a change. See [`Receiver::changed`].
#[derive(Debug)]
pub struct Changes<'a, T, K: Sharing> {
    seen: &'a mut usize,
    watched: &'a Watched<T, K>,
}

impl<T, K: Sharing> Listener for Changes<'_, T, K> {
    type Kind = K;
    type Output = Result<(), Unchanging>;
    const LABEL: &'static str = "watch";

    fn seen(&self) -> usize {
        *self.seen
    }

    #[inline]
    fn read(&mut self) -> Option<Self::Output> {
        let told = self.watched.changes.told();
        if told.count() != *self.seen {
            *self.seen = told.count();
            return Some(Ok(()));
        }
        told.is_all().then_some(Err(Unchanging))
    }
}

impl<T, K: Sharing> Clone for Sender<T, K> {
    fn clone(&self) -> Self {
        self.0.changes.add_sender();
        Self(self.0.clone())
    }
}

impl<T, K: Sharing> Drop for Sender<T, K> {
    fn drop(&mut self) {
        self.0.changes.drop_sender();
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

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "watch/tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "watch/loom_tests.rs"]
mod loom_tests;
