//! A number of permits, taken and given back.

#![forbid(unsafe_code)]

mod owned;

pub use owned::OwnedPermit;

use crate::sync::kind::{Kind, Shared, Sharing};
use crate::sync::permits::{Grantee, PERMITS_MAX, Permits, Take};
use crate::sync::wait::Wait;
use std::fmt;

/// Lets so many in at a time. First come, first served: who asks for many is not overtaken by those
/// who ask for few, and nobody barges past the line.
///
/// ```
/// # use wakering_core::sync::Semaphore;
/// async fn fetch(at_once: &Semaphore) {
///     let _permit = at_once.acquire().await;
///     // no more than so many of these run at a time
/// }
/// ```
pub struct Semaphore<K: Sharing = Shared> {
    permits: Permits<K>,
}

/// Permits, held. Dropped, it gives them back.
#[must_use = "a permit that is not kept is given back at once"]
pub struct Permit<'a, K: Sharing = Shared> {
    semaphore: &'a Semaphore<K>,
    count: usize,
}

/// Waits for permits.
pub type Acquiring<'a, K = Shared> = Wait<'a, Take<Acquires<'a, K>>>;

impl<K: Sharing> Semaphore<K> {
    /// The most permits that there can be.
    pub const PERMITS_MAX: usize = PERMITS_MAX;

    /// With `permits` free.
    ///
    /// # Panics
    ///
    /// Where they are more than [`PERMITS_MAX`](Self::PERMITS_MAX).
    pub fn new(permits: usize) -> Self {
        Self { permits: Permits::new(permits) }
    }

    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// Waits for one permit. See [`acquire_many`](Self::acquire_many).
    #[inline(always)]
    pub fn acquire(&self) -> Acquiring<'_, K> {
        self.acquire_many(1)
    }

    /// Waits until `count` are free at once, and everybody who asked before has been served. More
    /// than there ever are is waited for until [`add`](Self::add) makes them.
    ///
    /// Cancel-safe: it holds nothing while it waits. Dropped, it leaves the line; dropped when the
    /// permits were granted and not taken, they go on to the next.
    #[inline(always)]
    pub fn acquire_many(&self, count: usize) -> Acquiring<'_, K> {
        self.permits.take(count, Acquires { semaphore: self, count })
    }

    /// One permit, where it is free and nobody is in line.
    #[inline(always)]
    pub fn try_acquire(&self) -> Option<Permit<'_, K>> {
        self.try_acquire_many(1)
    }

    /// `count` permits, where so many are free and nobody is in line.
    #[inline(always)]
    pub fn try_acquire_many(&self, count: usize) -> Option<Permit<'_, K>> {
        self.permits.try_take(count).then(|| Permit { semaphore: self, count })
    }

    /// Makes `count` more. The caller keeps the sum below [`PERMITS_MAX`](Self::PERMITS_MAX).
    pub fn add(&self, count: usize) {
        self.permits.give(count);
    }

    /// How many are free now.
    pub fn free(&self) -> usize {
        self.permits.free()
    }

    /// How many tasks are in line.
    pub fn waiting(&self) -> usize {
        self.permits.waiting()
    }
}

#[cfg(not(loom))]
impl Semaphore {
    /// As [`new`](Self::new), for a `static`.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new), when the program is compiled.
    pub const fn const_new(permits: usize) -> Self {
        Self { permits: Permits::const_new(permits) }
    }
}

impl<K: Sharing> fmt::Debug for Semaphore<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("free", &self.free()).finish_non_exhaustive()
    }
}

/// What a wait for a semaphore makes of its permits.
#[derive(Debug)]
pub struct Acquires<'a, K: Sharing> {
    semaphore: &'a Semaphore<K>,
    count: usize,
}

impl<'a, K: Sharing> Grantee for Acquires<'a, K> {
    type Kind = K;
    type Guard = Permit<'a, K>;
    const LABEL: &'static str = "semaphore";

    #[inline(always)]
    fn guard(&self) -> Permit<'a, K> {
        Permit { semaphore: self.semaphore, count: self.count }
    }
}

impl<K: Sharing> Permit<'_, K> {
    /// How many it holds.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Never gives them back: the semaphore has so many fewer from now on.
    pub fn forget(mut self) {
        self.count = 0;
    }
}

impl<K: Sharing> Drop for Permit<'_, K> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.count != 0 {
            self.semaphore.permits.give(self.count);
        }
    }
}

impl<K: Sharing> fmt::Debug for Permit<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("count", &self.count).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "semaphore/tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "semaphore/loom_tests.rs"]
mod loom_tests;
