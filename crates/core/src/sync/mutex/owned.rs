//! A guard that owns a counted reference to its mutex instead of borrowing it: for what outlives the
//! function that locked, such as a spawned task.

use super::Mutex;
use crate::sync::kind::{Local, Parts, Shared, Sharing};
use std::fmt;
use std::marker::PhantomData;
use std::mem::forget;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
#[cfg(not(loom))]
use std::sync::Arc;

/// The lock of a [`Mutex`] that many own, held. Dropped, it unlocks.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct OwnedMutexGuard<T, K: Sharing = Shared> {
    mutex: <K as Parts>::Ref<Mutex<T, K>>,
    /// Shared, it shows `&T`, which a shared mutex does not.
    shows: PhantomData<T>,
}

impl<T, K: Sharing> Mutex<T, K> {
    async fn own(this: <K as Parts>::Ref<Self>) -> OwnedMutexGuard<T, K> {
        // The permit is the new guard's from here on.
        forget(this.lock().await);
        OwnedMutexGuard { mutex: this, shows: PhantomData }
    }

    fn try_own(this: &<K as Parts>::Ref<Self>) -> Option<OwnedMutexGuard<T, K>> {
        // The permit is the new guard's from here on.
        this.try_lock().map(forget)?;
        Some(OwnedMutexGuard { mutex: this.clone(), shows: PhantomData })
    }
}

// A model's own `Arc` is no receiver.
#[cfg(not(loom))]
impl<T> Mutex<T> {
    /// As [`lock`](Self::lock), with a guard that keeps the mutex.
    ///
    /// Cancel-safe, as [`lock`](Self::lock) is.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use wakering_core::sync::Mutex;
    /// let total: Arc<Mutex<u32>> = Arc::new(Mutex::new(0));
    /// let lock = total.clone().lock_owned();
    /// let thread = std::thread::spawn(|| {
    ///     wakering_core::task::block_on(async { *lock.await += 1 });
    /// });
    /// thread.join().unwrap();
    /// assert_eq!(*total.try_lock_owned().unwrap(), 1);
    /// ```
    pub async fn lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        Self::own(self).await
    }

    /// As [`try_lock`](Self::try_lock), with a guard that keeps the mutex.
    pub fn try_lock_owned(self: &Arc<Self>) -> Option<OwnedMutexGuard<T>> {
        Self::try_own(self)
    }
}

impl<T> Mutex<T, Local> {
    /// As [`lock`](Self::lock), with a guard that keeps the mutex.
    ///
    /// Cancel-safe, as [`lock`](Self::lock) is.
    pub async fn lock_owned(self: Rc<Self>) -> OwnedMutexGuard<T, Local> {
        Self::own(self).await
    }

    /// As [`try_lock`](Self::try_lock), with a guard that keeps the mutex.
    pub fn try_lock_owned(self: &Rc<Self>) -> Option<OwnedMutexGuard<T, Local>> {
        Self::try_own(self)
    }
}

impl<T, K: Sharing> OwnedMutexGuard<T, K> {
    /// The mutex that it locks.
    pub const fn mutex(this: &Self) -> &<K as Parts>::Ref<Mutex<T, K>> {
        &this.mutex
    }
}

impl<T, K: Sharing> Deref for OwnedMutexGuard<T, K> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only one (M1), and lends `&T` for as long as it is borrowed.
        self.mutex.value.with(|value| unsafe { &*value })
    }
}

impl<T, K: Sharing> DerefMut for OwnedMutexGuard<T, K> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the only one (M1), and is borrowed mutably for as long.
        self.mutex.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T, K: Sharing> Drop for OwnedMutexGuard<T, K> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.permits.give(1);
    }
}

impl<T: fmt::Debug, K: Sharing> fmt::Debug for OwnedMutexGuard<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}
