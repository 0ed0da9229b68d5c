//! A permit that owns a counted reference to its semaphore instead of borrowing it.

#![forbid(unsafe_code)]

use super::{Permit, Semaphore};
use crate::sync::kind::{Local, Parts, Shared, Sharing};
use std::fmt;
use std::rc::Rc;
#[cfg(not(loom))]
use std::sync::Arc;

/// Permits of a [`Semaphore`] that many own, held. Dropped, it gives them back.
#[must_use = "a permit that is not kept is given back at once"]
pub struct OwnedPermit<K: Sharing = Shared> {
    semaphore: <K as Parts>::Ref<Semaphore<K>>,
    count: usize,
}

impl<K: Sharing> Semaphore<K> {
    async fn own(this: <K as Parts>::Ref<Self>, count: usize) -> OwnedPermit<K> {
        this.acquire_many(count).await.forget();
        OwnedPermit { semaphore: this, count }
    }

    fn try_own(this: &<K as Parts>::Ref<Self>, count: usize) -> Option<OwnedPermit<K>> {
        this.try_acquire_many(count).map(Permit::forget)?;
        Some(OwnedPermit { semaphore: this.clone(), count })
    }
}

// A model's own `Arc` is no receiver.
#[cfg(not(loom))]
impl Semaphore {
    /// As [`acquire_many`](Self::acquire_many), with a permit that keeps the semaphore: it may go with
    /// a task that is spawned.
    ///
    /// Cancel-safe, as [`acquire_many`](Self::acquire_many) is.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use wakering_core::sync::Semaphore;
    /// let at_once: Arc<Semaphore> = Arc::new(Semaphore::new(2));
    /// # wakering_core::task::block_on(async {
    /// let permit = at_once.clone().acquire_owned(1).await;
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(at_once.free(), 2);
    /// # });
    /// ```
    pub async fn acquire_owned(self: Arc<Self>, count: usize) -> OwnedPermit {
        Self::own(self, count).await
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with a permit that keeps the semaphore.
    pub fn try_acquire_owned(self: &Arc<Self>, count: usize) -> Option<OwnedPermit> {
        Self::try_own(self, count)
    }
}

impl Semaphore<Local> {
    /// As [`acquire_many`](Self::acquire_many), with a permit that keeps the semaphore.
    ///
    /// Cancel-safe, as [`acquire_many`](Self::acquire_many) is.
    pub async fn acquire_owned(self: Rc<Self>, count: usize) -> OwnedPermit<Local> {
        Self::own(self, count).await
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with a permit that keeps the semaphore.
    pub fn try_acquire_owned(self: &Rc<Self>, count: usize) -> Option<OwnedPermit<Local>> {
        Self::try_own(self, count)
    }
}

impl<K: Sharing> OwnedPermit<K> {
    /// How many it holds.
    pub const fn count(&self) -> usize {
        self.count
    }
}

impl<K: Sharing> Drop for OwnedPermit<K> {
    fn drop(&mut self) {
        if self.count != 0 {
            self.semaphore.permits.give(self.count);
        }
    }
}

impl<K: Sharing> fmt::Debug for OwnedPermit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").field("count", &self.count).finish_non_exhaustive()
    }
}
