//! What a scheduler of one thread does when nothing is ready.
//!
//! ```text
//! nothing is ready ─► looks a while for what other threads bring, where that came soon lately
//!                        │ nothing came
//!                        ▼
//!                     is it stalled? ─► the entry falls asleep ─► the loop waits, or the thread parks
//! ```

#![forbid(unsafe_code)]

use super::{LocalScheduler, Ops, RunError, Stalled};
use crate::loom::{Ordering, fence};
use crate::task::stuck::is_stuck;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl LocalScheduler {
    /// Nothing is ready: waits for the loop, for other threads, or for the first timer.
    pub(super) fn wait(&self) -> Result<(), RunError> {
        let mut spin = self.spin.get();
        let look = self.may_look().then(|| spin.start(Instant::now()));
        if look.as_ref().is_some_and(|look| look.until(|| !self.shared.entry.is_empty())) {
            self.take_arrived();
        } else {
            self.sleep()?;
        }
        if let Some(look) = look {
            spin.learn(&look, Instant::now());
            self.spin.set(spin);
        }
        Ok(())
    }

    /// Whether it is worth a look what other threads bring: a loop's answers and timers do not come
    /// that way.
    fn may_look(&self) -> bool {
        let soon = |deadline| deadline <= Instant::now() + self.spin.get().limit();
        !self.skips && self.in_flight() == 0 && !self.timers.next_deadline().is_some_and(soon)
    }

    /// Sleeps until there is something to do.
    fn sleep(&self) -> Result<(), RunError> {
        self.check_stalled()?;
        if self.skips && self.in_flight() == 0 && self.shared.entry.is_empty() {
            if let Some(clock) = self.timers.clock().by_hand() {
                clock.skip();
            }
            if self.timers.fire() > 0 {
                return Ok(());
            }
        }
        if !self.shared.entry.fall_asleep() {
            self.take_arrived();
            return Ok(());
        }
        // With the fence of `Entry::rouse`: this sees what was asked for, or that sees us asleep.
        fence(Ordering::SeqCst);
        let has_orders = self.ops.as_ref().is_some_and(Ops::has_orders);
        let left = if has_orders { Some(Duration::ZERO) } else { self.timers.prepare_park() };
        let turned = match &self.ops {
            Some(ops) => ops.turn(left).map(|_| ()),
            None => {
                self.shared.park(left);
                Ok(())
            }
        };
        self.timers.unparked();
        self.shared.entry.wake_up();
        self.take_arrived();
        self.timers.fire();
        turned.map_err(RunError::Loop)
    }

    fn in_flight(&self) -> usize {
        self.ops.as_ref().map_or(0, |ops| ops.in_flight() + usize::from(ops.has_orders()))
    }

    fn check_stalled(&self) -> Result<(), RunError> {
        // The scheduler itself has one count of `Shared`.
        if Arc::strong_count(&self.shared) > 1
            || self.in_flight() > 0
            || self.timers.next_deadline().is_some()
        {
            return Ok(());
        }
        // What came meanwhile came from somebody.
        if !self.witness.all_stuck(&self.shared.dispatch.depot, is_stuck)
            || !self.shared.entry.is_empty()
        {
            return Ok(());
        }
        Err(RunError::Stalled(Stalled { tasks: self.dump() }))
    }
}
