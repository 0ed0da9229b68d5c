//! How this thread wakes another loop: by a message of its own ring, where it has one.
//!
//! ```text
//! wake of somebody else's task ─► that loop sleeps? ─ no ─► nothing to do
//!                                        └─ yes ─► this thread has a loop ─► its driver sends with its next
//!                                           │                                publish, after this poll
//!                                           └─ none, or the driver is at work ─► the bell, at once
//! ```
//!
//! So the wakes of one poll go out in one system call, with one message for each loop that sleeps.

#![forbid(unsafe_code)]

use super::Ops;
use super::event_loop::{EventLoop, Mine};
use crate::home::Home;
use crate::loom::Ordering;
use std::sync::Arc;

/// Wakes the loop of `home`, after the poll that goes on here at the latest.
pub(crate) fn wake_loop(home: &Arc<Home>) {
    let posted = EventLoop::with_current(|mine| mine.is_some_and(|mine| mine.post(home)));
    if !posted {
        home.ring_from_outside();
    }
}

impl Mine<'_> {
    fn post(&self, home: &Arc<Home>) -> bool {
        let Ok(mut driver) = self.driver.try_borrow_mut() else { return false };
        let Some(driver) = driver.as_deref_mut() else { return false };
        driver.ring(home);
        // Relaxed, here and below: of this thread alone.
        self.event_loop.posted.store(1, Ordering::Relaxed);
        true
    }
}

impl Ops {
    /// Sends what was posted by the poll before. For the scheduler, after each.
    #[inline]
    pub(in crate::scheduler) fn send_posts(&self) {
        if self.0.posted.load(Ordering::Relaxed) != 0 {
            self.send_posts_now();
        }
    }

    #[cold]
    fn send_posts_now(&self) {
        if let Some(mine) = self.0.mine() {
            // Where it fails (EAGAIN), it is tried again; a turn that fails too says so.
            if let Ok(Ok(())) = mine.with_driver(|driver| driver.publish()) {
                self.0.posted.store(0, Ordering::Relaxed);
            }
        }
    }
}
