//! Time: sleeping, giving up after a while, and coming back at intervals.
//!
//! ```text
//!   Sleep ◄── Timeout, Interval          futures: the timer's entry lies in them
//!     │ start, renew, cancel
//!     ▼
//!   Timers ──► Clock                     one for each loop; the wheel behind a short lock
//!     │ fire ─► wakers
//!     ▼
//!   Wheel                                a plain structure: no thread, no allocation
//! ```
//!
//! A timer that is started, fires or is cancelled allocates nothing: its place in the wheel is part
//! of the future, which is pinned while it waits. 100,000 sleeping tasks are 100,000 list entries
//! and cost no time until they are due. Nothing fires early, timers of a loop fire in the order of
//! their deadlines, and a parked loop wakes about once for each.
//!
//! Time starts to count when a future is first polled, as nothing happens in a future before. The
//! polling thread needs [`Timers`]: a scheduler's worker has entered its own, other threads call
//! [`enter`], or make a sleep on given timers ([`Timers::sleep`]).

mod clock;
mod entry;
mod interval;
mod sleep;
#[cfg(all(test, not(shuttle)))]
mod testing;
mod timeout;
mod timers;
mod wakes;
mod wheel;

pub use clock::{Clock, VirtualClock};
pub use interval::{Interval, MissedTicks, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout};
pub use timers::{SLACK, Timers};

use crate::loom::thread_local;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Timers>>> = const { RefCell::new(None) };
}

/// While it lives, this thread's sleeps are started on the timers that were entered.
///
/// Dropped in the reverse order of entering, it gives back those of before.
#[derive(Debug)]
#[must_use = "the timers are left again when this is dropped"]
pub struct Entered {
    before: Option<Arc<Timers>>,
    /// It belongs to its thread.
    thread: PhantomData<*const ()>,
}

/// Makes these the timers on which this thread's sleeps are started.
pub fn enter(timers: &Arc<Timers>) -> Entered {
    let before = CURRENT.with(|current| current.replace(Some(timers.clone())));
    Entered { before, thread: PhantomData }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.before.take();
        // A thread that ends has forgotten its timers already.
        let _ = CURRENT.try_with(|current| current.replace(before));
    }
}

/// The timers that this thread has entered.
pub fn current() -> Option<Arc<Timers>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// The time on the clock of this thread's timers, or the machine's where it has none.
pub fn now() -> Instant {
    current().map_or_else(Instant::now, |timers| timers.clock().now())
}

fn expect_current() -> Arc<Timers> {
    current().expect(
        "a timer was started on a thread that has no timers: poll it in a task of a scheduler, or \
         call `wakering_core::time::enter` on this thread first",
    )
}
