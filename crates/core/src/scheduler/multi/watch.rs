//! Those who wait for the scheduler itself: for its tasks to be over, its workers to end, or a task
//! to say `exit_all`.

#![forbid(unsafe_code)]

use crate::loom::long_lived::{Condvar, Mutex, MutexGuard};
use std::sync::PoisonError;
use std::task::Waker;
use std::time::Instant;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Watch {
    inner: Mutex<Inner>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    /// How often there was news.
    news: u64,
    /// Of futures that are to end with everything else.
    wakers: Vec<(u64, Waker)>,
    tickets: u64,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is news: whoever waits looks again.
    pub(super) fn tell(&self) {
        self.lock().news += 1;
        self.bell.notify_all();
    }

    /// The same, and futures that wait for the end are woken.
    pub(super) fn tell_all(&self) {
        let wakers = std::mem::take(&mut self.lock().wakers);
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
        self.tell();
    }

    /// Futures that wait for the end are to look whether they wait for ever. Their wakers, which are
    /// those of [`block_on`](crate::task::block_on), are not cloned: who looks counts them.
    pub(super) fn wake(&self) {
        self.lock().wakers.iter().for_each(|(_, waker)| waker.wake_by_ref());
    }

    /// Waits until `look` gives something, which is asked again whenever there is news. `None` where
    /// the deadline comes first.
    pub(super) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        loop {
            // First the number, then the look: news in between ends the wait at once.
            let news = self.lock().news;
            if let Some(found) = look() {
                return Some(found);
            }
            let mut inner = self.lock();
            while inner.news == news {
                let Some(deadline) = deadline else {
                    inner = self.bell.wait(inner).unwrap_or_else(PoisonError::into_inner);
                    continue;
                };
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return None;
                }
                let waited = self.bell.wait_timeout(inner, left);
                inner = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    /// Has a waker woken by `tell_all`, until the ticket is given back.
    pub(super) fn register(&self, waker: Waker) -> u64 {
        let mut inner = self.lock();
        inner.tickets += 1;
        let ticket = inner.tickets;
        inner.wakers.push((ticket, waker));
        ticket
    }

    pub(super) fn forget(&self, ticket: u64) {
        let mut inner = self.lock();
        let place = inner.wakers.iter().position(|&(other, _)| other == ticket);
        let waker = place.map(|place| inner.wakers.swap_remove(place));
        drop(inner);
        drop(waker);
    }
}
