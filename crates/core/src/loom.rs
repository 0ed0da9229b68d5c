//! The one switch between the standard library's threads and atomics and models of them.
//!
//! Every other module of this crate takes its atomics, cells, locks and threads from here. So `--cfg
//! loom` explores each interleaving of the very code that ships, weak orderings included, in models
//! of a few steps; `--cfg shuttle` runs whole schedulers through interleavings at random, where every
//! ordering is as good as SeqCst.

mod futex;
pub(crate) mod long_lived;
#[cfg(all(test, shuttle))]
pub(crate) mod testing;

pub(crate) use futex::Futex;

/// Whether this is a model: then there is no time, and everything bounded is small.
pub(crate) const MODEL: bool = cfg!(any(loom, shuttle));

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    hint::spin_loop,
    sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    sync::{Arc, Mutex, MutexGuard, RwLock},
    thread::{self, yield_now},
};

#[cfg(shuttle)]
pub(crate) use shuttle::{
    hint::spin_loop,
    sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    sync::{Arc, Mutex, MutexGuard, RwLock},
    thread::{self, yield_now},
};

#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    sync::{Arc, Mutex, MutexGuard, RwLock},
    thread::{self, yield_now},
};

/// `std::thread_local!` with a constant for each, or the model's.
macro_rules! thread_local_of_model {
    ($($(#[$attribute:meta])* static $name:ident: $type:ty = const $value:block;)+) => {
        #[cfg(loom)]
        ::loom::thread_local! { $($(#[$attribute])* static $name: $type = $value;)+ }
        #[cfg(shuttle)]
        ::shuttle::thread_local! { $($(#[$attribute])* static $name: $type = $value;)+ }
        #[cfg(not(any(loom, shuttle)))]
        ::std::thread_local! { $($(#[$attribute])* static $name: $type = const $value;)+ }
    };
}
pub(crate) use thread_local_of_model as thread_local;

#[cfg(not(loom))]
pub(crate) use real::UnsafeCell;

#[cfg(not(loom))]
mod real {
    /// `std::cell::UnsafeCell` with the closure interface that loom checks.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        pub(crate) fn into_inner(self) -> T {
            self.0.into_inner()
        }

        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}
