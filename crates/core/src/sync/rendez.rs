//! A meeting point: tasks sleep, others wake them.

#![forbid(unsafe_code)]

use crate::sync::kind::{Kind, Shared, Sharing};
use crate::sync::mutex::MutexGuard;
use crate::sync::wait_queue::{WaitQueue, Waiting, Woken};
use std::future::poll_fn;
use std::pin::pin;

/// A condition variable that needs no mutex. Who sleeps is woken in the order of coming; a wakeup
/// that finds nobody asleep is not remembered.
///
/// With tasks of one loop nothing can happen between a look at the condition and the `sleep().await`
/// that follows it. With other threads it can: look and change the condition under a
/// [`Mutex`](super::Mutex), and sleep with [`sleep_unlocked`](Self::sleep_unlocked).
///
/// ```
/// # use wakering_core::sync::{Mutex, Rendez};
/// async fn get(pool: &Mutex<Vec<u32>>, given_back: &Rendez) -> u32 {
///     let mut pool = pool.lock().await;
///     loop {
///         if let Some(item) = pool.pop() {
///             return item;
///         }
///         pool = given_back.sleep_unlocked(pool).await;
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Rendez<K: Sharing = Shared> {
    sleepers: WaitQueue<K>,
}

impl<K: Sharing> Rendez<K> {
    /// Nobody sleeps.
    pub fn new() -> Self {
        Self { sleepers: WaitQueue::new() }
    }

    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// Sleeps until [`wakeup`](Self::wakeup) or [`wakeup_all`](Self::wakeup_all) comes to this
    /// sleeper. It sleeps from its first poll on.
    ///
    /// Cancel-safe: dropped asleep, it leaves the line; dropped after it was woken alone, the next
    /// in line is woken in its stead.
    pub fn sleep(&self) -> Waiting<'_, K> {
        self.sleepers.wait()
    }

    /// Falls asleep, then unlocks; wakes up, then locks again. Whoever locks in between finds this
    /// sleeper asleep.
    ///
    /// Cancel-safe: dropped asleep, it leaves the line, and the mutex stays unlocked by it; dropped
    /// after it was woken alone and before it has the lock, the next sleeper is woken in its stead.
    pub async fn sleep_unlocked<'m, T, M: Sharing>(
        &self,
        guard: MutexGuard<'m, T, M>,
    ) -> MutexGuard<'m, T, M> {
        let mutex = MutexGuard::mutex(&guard);
        let mut guard = Some(guard);
        let mut sleep = pin!(self.sleep());
        let woken = poll_fn(|cx| {
            // The first poll joins the line, then the guard goes.
            let answer = sleep.as_mut().poll(cx);
            guard = None;
            answer
        })
        .await;
        let unused = Unused { rendez: self, woken };
        let guard = mutex.lock().await;
        std::mem::forget(unused);
        guard
    }

    /// Wakes who has slept longest. How many that were: 1 or 0.
    pub fn wakeup(&self) -> usize {
        usize::from(self.sleepers.wake_one())
    }

    /// Wakes everybody who sleeps now. How many they were.
    pub fn wakeup_all(&self) -> usize {
        self.sleepers.wake_all()
    }

    /// How many sleep.
    pub fn sleeping(&self) -> usize {
        self.sleepers.waiting()
    }
}

#[cfg(not(loom))]
impl Rendez {
    /// As [`new`](Self::new), for a `static`.
    pub const fn const_new() -> Self {
        Self { sleepers: WaitQueue::const_new() }
    }
}

impl<K: Sharing> Default for Rendez<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// A wakeup whose sleeper has not got its mutex back. Dropped, it goes to the next.
struct Unused<'a, K: Sharing> {
    rendez: &'a Rendez<K>,
    woken: Woken,
}

impl<K: Sharing> Drop for Unused<'_, K> {
    fn drop(&mut self) {
        if self.woken == Woken::One {
            self.rendez.wakeup();
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "rendez/tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "rendez/loom_tests.rs"]
mod loom_tests;
