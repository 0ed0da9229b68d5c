//! A loop as the scheduler sees it that drives it.

#![forbid(unsafe_code)]

use super::Ops;
use super::event_loop::Mine;
use crate::error::Error;
use std::time::Duration;

/// On the loop's own thread.
impl Ops {
    /// One pass of the loop. How many completions and orders it saw.
    #[inline]
    pub(in crate::scheduler) fn turn(&self, timeout: Option<Duration>) -> Result<usize, Error> {
        self.in_charge().turn_and_wake(timeout)
    }

    /// The same without waiting, where it may bring something.
    #[inline]
    pub(in crate::scheduler) fn turn_if_busy(&self) -> Result<usize, Error> {
        let mine = self.in_charge();
        if mine.is_busy() { mine.turn_and_wake(Some(Duration::ZERO)) } else { Ok(0) }
    }

    /// The same, but for the wakers of others, which are code of the program's: [`Self::wake_others`]
    /// follows.
    #[inline]
    pub(in crate::scheduler) fn turn_quietly(
        &self,
        timeout: Option<Duration>,
    ) -> Result<usize, Error> {
        self.in_charge().turn(timeout)
    }

    #[inline]
    pub(in crate::scheduler) fn wake_others(&self) {
        if let Some(mine) = self.0.mine() {
            mine.wake_others();
        }
    }

    /// Whether a turn may bring something.
    #[inline]
    pub(in crate::scheduler) fn is_busy(&self) -> bool {
        self.in_charge().is_busy()
    }

    /// Whether another thread asks for something. After a fence it sees all that was asked before.
    #[inline]
    pub(in crate::scheduler) fn has_orders(&self) -> bool {
        !self.0.orders.is_empty()
    }

    /// Ends the loop with its scheduler: what is still in flight is cancelled, and waited for up to the
    /// deadline.
    pub(in crate::scheduler) fn end(&self, deadline: Duration) {
        self.send_posts();
        if self.in_charge().end(deadline) > 0 {
            // The kernel still writes there: it stays, on purpose.
            std::mem::forget(self.clone());
        }
    }

    #[inline]
    fn in_charge(&self) -> Mine<'_> {
        self.0.mine().expect("the loop is driven by its own thread, which has entered it")
    }
}
