//! What the threads of whole schedulers and pools are made of: the system's, or shuttle's. No loom
//! model starts any of them: there would be too many interleavings.

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, mpsc},
    thread::{Builder, JoinHandle},
};
#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, mpsc},
    thread::{Builder, JoinHandle},
};

/// For a `static`, which lives longer than any model: nothing may hang on its order.
pub(crate) use std::sync::atomic::{AtomicU64 as StaticU64, Ordering as StaticOrdering};
