//! Synchronisation for tasks, by who shares it.
//!
//! | | waits for | served |
//! |---|---|---|
//! | [`Mutex`], [`OwnerLock`] | the lock | handed over, first come first served |
//! | [`RwLock`] | to read beside others, or to write alone | in order; a waiting writer blocks new readers |
//! | [`Semaphore`] | so many permits at once | in order, nobody barges past |
//! | [`BufferPool`] | a buffer; a watermark | in order |
//! | [`Barrier`] | everybody else | all at once, round after round |
//! | [`Rendez`], [`WaitQueue`] | a wakeup, not remembered | the oldest, or all |
//! | [`Notify`] | a ring, one is remembered | the oldest, or all |
//! | [`oneshot`] | one value | |
//! | [`Channel`], [`channel()`] | room, or an item | in order on both sides |
//! | [`watch`] | a change of the one value | all |
//! | [`broadcast`] | the next of all values | all |
//! | [`select()`] | any of several of these | any that is ready, each equally often |
//!
//! **Who shares it** is a parameter: [`Local`] for the tasks of one loop (no atomic operation is made,
//! and the compiler keeps the primitive on its thread), [`Shared`], the default, for any thread. Each
//! primitive's `kind()` says which. [`local`] has short names for the first.
//!
//! **Waiting** allocates nothing: a waiter's place in line lies in its own future, so a line cannot
//! overflow either. What is bounded by memory of its own (channels, broadcasts, pools) allocates when
//! it is made, and is full when it is full.
//!
//! **Cancelling** is dropping: every future here may be dropped at any time. It leaves the line, and
//! what was granted to it and not taken goes to the next. Each operation's text says what that means
//! for it.
//!
//! **Waking** happens after the lock of a line was let go, never inside.
//!
//! These primitives know wakers and nothing else of a runtime: they work under any. Under this crate's
//! schedulers they say what a task waits for.
//!
//! ```compile_fail
//! # use wakering_core::sync::{Local, Mutex};
//! fn share<T: Sync>(_: T) {}
//! share(Mutex::<u32, Local>::new(0)); // one loop's, and the compiler knows
//! ```

mod barrier;
pub mod broadcast;
mod buffer_pool;
pub mod channel;
mod kind;
pub mod local;
mod mutex;
mod news;
mod notify;
pub mod oneshot;
mod owner_lock;
mod permits;
mod rendez;
mod rwlock;
pub mod select;
mod semaphore;
mod wait;
mod wait_cell;
mod wait_list;
mod wait_queue;
mod wake_batch;
pub mod watch;

pub use barrier::{Arriving, Barrier, Passed};
pub use buffer_pool::{BufferPool, Getting, Pooled, Pressure, Reaching, Watermarks};
pub use channel::{
    Channel, Receiving, RecvError, SendError, Sending, TryRecvError, TrySendError, channel,
};
pub use kind::{Kind, Local, Shared, Sharing};
pub use mutex::{Locking, Mutex, MutexGuard, OwnedMutexGuard};
pub use notify::{Notified, Notify};
pub use owner_lock::{LockingBy, Owner, OwnerLock, UnlockError};
pub use rendez::Rendez;
pub use rwlock::{READERS_MAX, ReadGuard, Reading, RwLock, WriteGuard, Writing};
pub use select::{First2, First3, First4, select, try_select};
pub use semaphore::{Acquiring, OwnedPermit, Permit, Semaphore};
pub use wait::Wait;
pub use wait_queue::{WaitQueue, Waiting, Woken};

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "../../tests/support/sync_ledger.rs"]
mod ledger;

#[cfg(all(test, not(any(loom, shuttle))))]
mod wait_tests;

#[cfg(all(test, loom))]
pub(crate) mod loom_support;
