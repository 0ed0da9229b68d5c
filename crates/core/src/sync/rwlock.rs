//! Many readers or one writer: a reader takes one permit of many, a writer takes all.
//!
//! - **R1** A reader holds one permit and a writer holds [`READERS_MAX`], which is all there are: a
//!   writer excludes everybody, readers exclude writers.

use crate::loom::UnsafeCell;
use crate::sync::kind::{Kind, Shared, Sharing};
use crate::sync::permits::{Grantee, Permits, Take};
use crate::sync::wait::Wait;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// So many may read at the same time; the next one waits.
pub const READERS_MAX: usize = 1 << 30;

/// A value that many tasks read or one writes, also across `.await`.
///
/// First come, first served: a writer that waits blocks the readers that come after it, so a stream
/// of readers does not starve it; the readers behind it come in together when it is done.
pub struct RwLock<T, K: Sharing = Shared> {
    permits: Permits<K>,
    value: UnsafeCell<T>,
}

// SAFETY: readers on several threads share `&T`, a writer carries `&mut T` to its thread (R1).
unsafe impl<T: Send + Sync, K: Sharing> Sync for RwLock<T, K> where Permits<K>: Sync {}

/// The lock, held beside other readers. Dropped, it unlocks.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct ReadGuard<'a, T, K: Sharing = Shared> {
    lock: &'a RwLock<T, K>,
}

/// The lock, held alone. Dropped, it unlocks.
#[must_use = "a guard that is not kept unlocks at once"]
pub struct WriteGuard<'a, T, K: Sharing = Shared> {
    lock: &'a RwLock<T, K>,
}

// SAFETY: a guard is a `&mut T` with a `&RwLock`: shared, it shows `&T`.
unsafe impl<T: Sync, K: Sharing> Sync for WriteGuard<'_, T, K> where Permits<K>: Sync {}

/// Waits to read.
pub type Reading<'a, T, K = Shared> = Wait<'a, Take<Reads<'a, T, K>>>;

/// Waits to write.
pub type Writing<'a, T, K = Shared> = Wait<'a, Take<Writes<'a, T, K>>>;

#[cfg(not(loom))]
impl<T> RwLock<T> {
    /// As [`new`](Self::new), for a `static`.
    pub const fn const_new(value: T) -> Self {
        Self { permits: Permits::const_new(READERS_MAX), value: UnsafeCell::new(value) }
    }
}

impl<T, K: Sharing> RwLock<T, K> {
    /// An unlocked one.
    pub fn new(value: T) -> Self {
        Self { permits: Permits::new(READERS_MAX), value: UnsafeCell::new(value) }
    }

    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// Waits until nobody writes, and nobody who came before waits to write.
    ///
    /// Cancel-safe: dropped while it waits, it leaves the line; dropped when the lock was granted and
    /// not taken, it is given back.
    #[inline(always)]
    pub fn read(&self) -> Reading<'_, T, K> {
        self.permits.take(1, Reads(self))
    }

    /// Waits until nobody reads or writes.
    ///
    /// Cancel-safe: dropped while it waits, it leaves the line, and the readers that it held up come
    /// in; dropped when the lock was granted and not taken, the lock goes on to the next.
    #[inline(always)]
    pub fn write(&self) -> Writing<'_, T, K> {
        self.permits.take(READERS_MAX, Writes(self))
    }

    /// To read, where nobody writes and nobody is in line.
    #[inline(always)]
    pub fn try_read(&self) -> Option<ReadGuard<'_, T, K>> {
        self.permits.try_take(1).then(|| ReadGuard { lock: self })
    }

    /// To write, where nobody reads or writes and nobody is in line.
    #[inline(always)]
    pub fn try_write(&self) -> Option<WriteGuard<'_, T, K>> {
        self.permits.try_take(READERS_MAX).then(|| WriteGuard { lock: self })
    }

    /// How many tasks are in line.
    pub fn waiting(&self) -> usize {
        self.permits.waiting()
    }

    /// The value, without the lock.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: Default, K: Sharing> Default for RwLock<T, K> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug, K: Sharing> fmt::Debug for RwLock<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("RwLock");
        match self.try_read() {
            Some(guard) => all.field("value", &*guard),
            None => all.field("value", &format_args!("<locked>")),
        };
        all.finish_non_exhaustive()
    }
}

/// What a wait to read makes of its permit.
#[derive(Debug)]
pub struct Reads<'a, T, K: Sharing>(&'a RwLock<T, K>);

/// What a wait to write makes of its permits.
#[derive(Debug)]
pub struct Writes<'a, T, K: Sharing>(&'a RwLock<T, K>);

impl<'a, T, K: Sharing> Grantee for Reads<'a, T, K> {
    type Kind = K;
    type Guard = ReadGuard<'a, T, K>;
    const LABEL: &'static str = "rwlock (read)";

    #[inline(always)]
    fn guard(&self) -> ReadGuard<'a, T, K> {
        ReadGuard { lock: self.0 }
    }
}

impl<'a, T, K: Sharing> Grantee for Writes<'a, T, K> {
    type Kind = K;
    type Guard = WriteGuard<'a, T, K>;
    const LABEL: &'static str = "rwlock (write)";

    #[inline(always)]
    fn guard(&self) -> WriteGuard<'a, T, K> {
        WriteGuard { lock: self.0 }
    }
}

impl<'a, T, K: Sharing> WriteGuard<'a, T, K> {
    /// Goes on as a reader, without a moment in which another could write. Readers in line come in.
    pub fn downgrade(this: Self) -> ReadGuard<'a, T, K> {
        let lock = this.lock;
        std::mem::forget(this);
        lock.permits.give(READERS_MAX - 1);
        ReadGuard { lock }
    }
}

impl<T, K: Sharing> Deref for ReadGuard<'_, T, K> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: nobody writes while this guard lives (R1).
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T, K: Sharing> Deref for WriteGuard<'_, T, K> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only one (R1).
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T, K: Sharing> DerefMut for WriteGuard<'_, T, K> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the only one (R1), and is borrowed mutably for as long.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T, K: Sharing> Drop for ReadGuard<'_, T, K> {
    #[inline(always)]
    fn drop(&mut self) {
        self.lock.permits.give(1);
    }
}

impl<T, K: Sharing> Drop for WriteGuard<'_, T, K> {
    #[inline(always)]
    fn drop(&mut self) {
        self.lock.permits.give(READERS_MAX);
    }
}

impl<T: fmt::Debug, K: Sharing> fmt::Debug for ReadGuard<'_, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

impl<T: fmt::Debug, K: Sharing> fmt::Debug for WriteGuard<'_, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "rwlock/tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "rwlock/loom_tests.rs"]
mod loom_tests;
