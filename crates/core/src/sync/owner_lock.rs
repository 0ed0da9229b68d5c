//! A mutex without a guard: who locked it is written on it.

#![forbid(unsafe_code)]

use crate::loom::Ordering;
use crate::sync::kind::{Kind, Shared, Sharing, Word};
use crate::sync::permits::{Grantee, Permits, Take};
use crate::sync::wait::Wait;
use std::fmt;
use std::num::NonZeroUsize;

/// Who locks: a number that the caller gives to each of its tasks.
pub type Owner = NonZeroUsize;

/// A lock for callers that cannot hold a guard: JavaScript, C, a protocol with one message for lock
/// and one for unlock. Who locks says who it is, and nobody else can unlock.
///
/// ```
/// # use std::num::NonZeroUsize;
/// # use wakering_core::sync::{OwnerLock, UnlockError};
/// let (ada, bob) = (NonZeroUsize::MIN, NonZeroUsize::MAX);
/// let lock: OwnerLock = OwnerLock::new();
/// assert!(lock.try_lock_by(ada));
/// assert_eq!(lock.unlock_by(bob), Err(UnlockError::Foreign));
/// assert_eq!(lock.unlock_by(ada), Ok(()));
/// assert_eq!(lock.unlock_by(ada), Err(UnlockError::NotLocked));
/// ```
pub struct OwnerLock<K: Sharing = Shared> {
    permits: Permits<K>,
    /// Who holds it; 0 where nobody does, or the lock is on its way to a waiter.
    owner: K::Word,
}

/// An unlock that was refused. The lock is as it was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UnlockError {
    /// Nobody holds it.
    NotLocked,
    /// Somebody else holds it.
    Foreign,
}

impl fmt::Display for UnlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotLocked => "unlock of a lock that nobody holds",
            Self::Foreign => "unlock of a lock that somebody else holds",
        })
    }
}

impl std::error::Error for UnlockError {}

/// Waits for an [`OwnerLock`].
pub type LockingBy<'a, K = Shared> = Wait<'a, Take<LocksBy<'a, K>>>;

impl<K: Sharing> OwnerLock<K> {
    /// An unlocked one.
    pub fn new() -> Self {
        Self { permits: Permits::new(1), owner: K::Word::new(0) }
    }

    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// Waits for the lock, in the order of asking. An owner who asks twice waits for itself.
    ///
    /// Cancel-safe: dropped while it waits, it leaves the line; dropped when the lock was handed to
    /// it and not taken, the lock goes on to the next. Once it was ready the lock is held, until
    /// [`unlock_by`](Self::unlock_by).
    pub fn lock_by(&self, owner: Owner) -> LockingBy<'_, K> {
        self.permits.take(1, LocksBy { lock: self, owner })
    }

    /// Locks it where it is free and nobody is in line. Whether it did.
    pub fn try_lock_by(&self, owner: Owner) -> bool {
        let locked = self.permits.try_take(1);
        if locked {
            self.own(owner);
        }
        locked
    }

    fn own(&self, owner: Owner) {
        // Relaxed: read by the owner itself, which has written it; whoever else reads it reads
        // something that is not its own number, whichever value it sees.
        self.owner.store(owner.get(), Ordering::Relaxed);
    }

    /// Unlocks, or hands the lock to the first in line.
    pub fn unlock_by(&self, owner: Owner) -> Result<(), UnlockError> {
        // Relaxed: see `own`. An owner who unlocked before finds at least its own 0.
        match self.owner() {
            Some(held_by) if held_by == owner => {
                self.owner.store(0, Ordering::Relaxed);
                self.permits.give(1);
                Ok(())
            }
            Some(_) => Err(UnlockError::Foreign),
            None => Err(UnlockError::NotLocked),
        }
    }

    /// Who holds it, as far as this thread can see.
    pub fn owner(&self) -> Option<Owner> {
        // Relaxed: see `own`.
        Owner::new(self.owner.load(Ordering::Relaxed))
    }

    /// How many are in line.
    pub fn waiting(&self) -> usize {
        self.permits.waiting()
    }
}

impl<K: Sharing> Default for OwnerLock<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Sharing> fmt::Debug for OwnerLock<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerLock").field("owner", &self.owner()).finish_non_exhaustive()
    }
}

/// What a wait for an [`OwnerLock`] makes of its permit.
#[derive(Debug)]
pub struct LocksBy<'a, K: Sharing> {
    lock: &'a OwnerLock<K>,
    owner: Owner,
}

impl<'a, K: Sharing> Grantee for LocksBy<'a, K> {
    type Kind = K;
    type Guard = ();
    const LABEL: &'static str = "mutex";

    fn guard(&self) {
        self.lock.own(self.owner);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "owner_lock/tests.rs"]
mod tests;
