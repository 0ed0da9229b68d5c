//! A mutex for tasks: the lock goes from hand to hand in the order of asking.
//!
//! - **M1** The one permit is there exactly while no [`MutexGuard`] is (and none is on its way to a
//!   waiter): who holds the guard is the only one to reach the value.

mod owned;

pub use owned::OwnedMutexGuard;

use crate::loom::UnsafeCell;
use crate::sync::kind::{Kind, Shared, Sharing};
use crate::sync::permits::{Grantee, Permits, Take};
use crate::sync::wait::Wait;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A value that one task at a time may reach, also across `.await`.
///
/// First come, first served: an unlock with tasks in line hands the lock to the first of them, and
/// [`try_lock`](Self::try_lock) fails until all of them have had it. An unlock never yields. Free, it
/// costs one atomic read-modify-write to lock and one to unlock (none where `K` is
/// [`Local`](super::Local)). Only the guard unlocks, so a foreign unlock does not compile; where
/// guards cannot go, see [`OwnerLock`](super::OwnerLock).
///
/// A task that panics while it holds the guard unlocks by unwinding; there is no poison.
///
/// ```
/// # use wakering_core::sync::Mutex;
/// async fn add(total: &Mutex<u64>, count: u64) -> u64 {
///     let mut total = total.lock().await;
///     *total += count;
///     *total
/// }
/// ```
pub struct Mutex<T, K: Sharing = Shared> {
    permits: Permits<K>,
    value: UnsafeCell<T>,
}

// SAFETY: the guard reaches the value alone (M1), whatever thread it is on, and carries it there by
// `&mut`: hence `T: Send`. The permits say whether other threads may come at all.
unsafe impl<T: Send, K: Sharing> Sync for Mutex<T, K> where Permits<K>: Sync {}

/// The lock, held. Dropped, it unlocks.
///
/// That of a [`Local`](super::Local) mutex stays on its thread, since its lock counts without atomics:
///
/// ```compile_fail,E0277
/// use wakering_core::sync::{Local, Mutex};
/// let mutex = Mutex::<u32, Local>::new(0);
/// let guard = mutex.try_lock().unwrap();
/// std::thread::scope(|scope| _ = scope.spawn(|| drop(guard)));
/// ```
#[must_use = "a guard that is not kept unlocks at once"]
pub struct MutexGuard<'a, T, K: Sharing = Shared> {
    mutex: &'a Mutex<T, K>,
}

// SAFETY: a guard is a `&mut T` with a `&Mutex`: shared, it shows `&T`.
unsafe impl<T: Sync, K: Sharing> Sync for MutexGuard<'_, T, K> where Permits<K>: Sync {}

/// Waits for a mutex.
pub type Locking<'a, T, K = Shared> = Wait<'a, Take<Locks<'a, T, K>>>;

impl<T, K: Sharing> Mutex<T, K> {
    /// An unlocked mutex.
    pub fn new(value: T) -> Self {
        Self { permits: Permits::new(1), value: UnsafeCell::new(value) }
    }

    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// Waits for the lock.
    ///
    /// Cancel-safe: dropped while it waits, it leaves the line; dropped when the lock was handed to
    /// it and not taken, the lock goes on to the next.
    #[inline(always)]
    pub fn lock(&self) -> Locking<'_, T, K> {
        self.permits.take(1, Locks(self))
    }

    /// The lock, where it is free and nobody is in line for it.
    #[inline(always)]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T, K>> {
        self.permits.try_take(1).then(|| MutexGuard { mutex: self })
    }

    /// Whether it is locked now.
    pub fn is_locked(&self) -> bool {
        self.permits.free() == 0
    }

    /// How many tasks are in line.
    pub fn waiting(&self) -> usize {
        self.permits.waiting()
    }

    /// The value, for who has the mutex to itself.
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self`: no guard borrows it.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    /// The value, without the mutex.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

#[cfg(not(loom))]
impl<T> Mutex<T> {
    /// As [`new`](Self::new), for a `static`.
    ///
    /// ```
    /// # use wakering_core::sync::Mutex;
    /// static NAMES: Mutex<Vec<String>> = Mutex::const_new(Vec::new());
    /// NAMES.try_lock().unwrap().push("ada".into());
    /// ```
    pub const fn const_new(value: T) -> Self {
        Self { permits: Permits::const_new(1), value: UnsafeCell::new(value) }
    }
}

impl<T: Default, K: Sharing> Default for Mutex<T, K> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug, K: Sharing> fmt::Debug for Mutex<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Mutex");
        match self.try_lock() {
            Some(guard) => all.field("value", &*guard),
            None => all.field("value", &format_args!("<locked>")),
        };
        all.finish_non_exhaustive()
    }
}

/// What a wait for a mutex makes of its permit.
#[derive(Debug)]
pub struct Locks<'a, T, K: Sharing>(&'a Mutex<T, K>);

impl<'a, T, K: Sharing> Grantee for Locks<'a, T, K> {
    type Kind = K;
    type Guard = MutexGuard<'a, T, K>;
    const LABEL: &'static str = "mutex";

    #[inline(always)]
    fn guard(&self) -> MutexGuard<'a, T, K> {
        MutexGuard { mutex: self.0 }
    }
}

impl<'a, T, K: Sharing> MutexGuard<'a, T, K> {
    /// The mutex that it locks.
    pub fn mutex(this: &Self) -> &'a Mutex<T, K> {
        this.mutex
    }
}

impl<T, K: Sharing> Deref for MutexGuard<'_, T, K> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only one (M1), and lends `&T` for as long as it is borrowed.
        self.mutex.value.with(|value| unsafe { &*value })
    }
}

impl<T, K: Sharing> DerefMut for MutexGuard<'_, T, K> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the only one (M1), and is borrowed mutably for as long.
        self.mutex.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T, K: Sharing> Drop for MutexGuard<'_, T, K> {
    #[inline(always)]
    fn drop(&mut self) {
        self.mutex.permits.give(1);
    }
}

impl<T: fmt::Debug, K: Sharing> fmt::Debug for MutexGuard<'_, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "mutex/tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "mutex/loom_tests.rs"]
mod loom_tests;
