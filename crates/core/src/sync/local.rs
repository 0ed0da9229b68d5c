//! Short names for what the tasks of one loop share: the primitives of [`sync`](super) without a
//! single atomic operation.
//!
//! ```
//! use wakering_core::sync::{Kind, local};
//! let (sender, receiver) = local::channel(1);
//! sender.try_send("here").unwrap();
//! assert_eq!(receiver.try_recv(), Ok("here"));
//! assert_eq!(local::Mutex::new(0).kind(), Kind::Local);
//! ```

#![forbid(unsafe_code)]

use super::Local;

/// [`super::Mutex`] of one loop.
pub type Mutex<T> = super::Mutex<T, Local>;
/// [`super::OwnerLock`] of one loop.
pub type OwnerLock = super::OwnerLock<Local>;
/// [`super::RwLock`] of one loop.
pub type RwLock<T> = super::RwLock<T, Local>;
/// [`super::Semaphore`] of one loop.
pub type Semaphore = super::Semaphore<Local>;
/// [`super::BufferPool`] of one loop.
pub type BufferPool<B = Box<[u8]>> = super::BufferPool<B, Local>;
/// [`super::Barrier`] of one loop.
pub type Barrier = super::Barrier<Local>;
/// [`super::Rendez`] of one loop.
pub type Rendez = super::Rendez<Local>;
/// [`super::Notify`] of one loop.
pub type Notify = super::Notify<Local>;
/// [`super::WaitQueue`] of one loop.
pub type WaitQueue = super::WaitQueue<Local>;
/// [`super::Channel`] of one loop.
pub type Channel<T> = super::Channel<T, Local>;

pub use super::broadcast::local as broadcast;
pub use super::channel::local as channel;
pub use super::oneshot::local as oneshot;
pub use super::watch::local as watch;
