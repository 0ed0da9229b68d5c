//! A word on which a thread can sleep: the kernel's futex, or a model of one.

use super::{AtomicU32, Ordering};
#[cfg(loom)]
use loom::sync::{Condvar, Mutex};
#[cfg(shuttle)]
use shuttle::sync::{Condvar, Mutex};
use std::time::Duration;

/// See the module's text. One thread sleeps at a time.
#[derive(Debug)]
pub(crate) struct Futex {
    word: AtomicU32,
    #[cfg(any(loom, shuttle))]
    queue: Mutex<()>,
    #[cfg(any(loom, shuttle))]
    sleeper: Condvar,
}

#[cfg(not(any(loom, shuttle)))]
impl Futex {
    pub(crate) const fn new(word: u32) -> Self {
        Self { word: AtomicU32::new(word) }
    }

    /// Sleeps while the word is `expected`, for `timeout` at the most. May return for no reason.
    pub(crate) fn wait(&self, expected: u32, timeout: Option<Duration>) {
        let timeout = timeout.map(|timeout| libc::timespec {
            // Longer than a machine runs is as good as for ever.
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos() as libc::c_long,
        });
        let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the kernel reads four bytes at the word's address and a timespec, or none.
        unsafe { libc::syscall(libc::SYS_futex, self.word.as_ptr(), operation, expected, timeout) };
    }

    /// Wakes the sleeper, if there is one.
    pub(crate) fn wake(&self) {
        let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the kernel takes the address as a name and touches nothing behind it.
        unsafe { libc::syscall(libc::SYS_futex, self.word.as_ptr(), operation, 1) };
    }
}

#[cfg(any(loom, shuttle))]
impl Futex {
    pub(crate) fn new(word: u32) -> Self {
        Self { word: AtomicU32::new(word), queue: Mutex::new(()), sleeper: Condvar::new() }
    }

    /// A timeout is over at once: in a model all that can happen before it, happens before the call.
    pub(crate) fn wait(&self, expected: u32, timeout: Option<Duration>) {
        if timeout.is_some() {
            return super::yield_now();
        }
        let queue = self.queue.lock().unwrap();
        if self.word.load(Ordering::SeqCst) == expected {
            drop(self.sleeper.wait(queue).unwrap());
        }
    }

    pub(crate) fn wake(&self) {
        let _queue = self.queue.lock().unwrap();
        self.sleeper.notify_one();
    }
}

impl Futex {
    pub(crate) fn load(&self, ordering: Ordering) -> u32 {
        self.word.load(ordering)
    }

    pub(crate) fn swap(&self, word: u32, ordering: Ordering) -> u32 {
        self.word.swap(word, ordering)
    }

    pub(crate) fn compare_exchange(
        &self,
        expected: u32,
        word: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        self.word.compare_exchange(expected, word, success, failure)
    }
}
