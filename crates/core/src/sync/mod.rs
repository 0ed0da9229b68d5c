//! Synchronisation for tasks, by who shares it.
mod barrier;
pub mod broadcast;
mod buffer_pool;
pub mod channel;
mod kind;
mod mutex;
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
pub mod waits_for;
mod wake_batch;
pub mod wake_post;
pub mod watch;

pub use barrier::{Arriving, Barrier, Passed};
pub use buffer_pool::{BufferPool, Getting, Pooled, Pressure, Reaching, Watermarks};
pub use channel::{Channel, RecvError, SendError, TryRecvError, TrySendError, channel};
pub use kind::{Kind, Local, Shared, Sharing};
pub use mutex::{Locking, Mutex, MutexGuard};
pub use notify::{Notified, Notify};
pub use owner_lock::{LockingBy, Owner, OwnerLock, UnlockError};
pub use rendez::Rendez;
pub use rwlock::{READERS_MAX, ReadGuard, Reading, RwLock, WriteGuard, Writing};
pub use select::{First2, First3, First4, select, try_select};
pub use semaphore::{Acquiring, Permit, Semaphore};
pub use wait::Wait;
pub use wait_queue::{WaitQueue, Waiting, Woken};

#[cfg(all(test, not(loom)))]
#[path = "../../tests/support/sync_ledger.rs"]
mod ledger;

#[cfg(all(test, loom))]
mod loom_support;
