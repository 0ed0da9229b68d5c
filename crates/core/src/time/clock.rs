//! Where a loop reads the time: the machine's clock, or one that a test moves by hand.

#![forbid(unsafe_code)]

use super::timers::Timers;
use crate::loom::{AtomicU64, Mutex, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A clock that never goes back, with nanoseconds counted from its own beginning.
///
/// Clones are the same clock. All loops of a scheduler share one.
#[derive(Clone, Debug)]
pub struct Clock {
    base: Instant,
    by_hand: Option<VirtualClock>,
}

impl Default for Clock {
    fn default() -> Self {
        Self::real()
    }
}

impl Clock {
    /// The machine's monotonic clock.
    pub fn real() -> Self {
        Self { base: Instant::now(), by_hand: None }
    }

    /// What it shows now.
    pub fn now(&self) -> Instant {
        match &self.by_hand {
            None => Instant::now(),
            Some(clock) => clock.now(),
        }
    }

    /// The clock that moves it by hand, if it is such a one.
    pub fn by_hand(&self) -> Option<&VirtualClock> {
        self.by_hand.as_ref()
    }

    /// What it shows now, as a wheel counts it.
    pub(crate) fn nanos(&self) -> u64 {
        match &self.by_hand {
            None => saturated(self.base.elapsed()),
            Some(clock) => clock.nanos(),
        }
    }

    /// A moment as a wheel counts it; one before the clock's beginning is the beginning.
    pub(super) fn nanos_of(&self, moment: Instant) -> u64 {
        saturated(moment.saturating_duration_since(self.base))
    }

    /// The moment that a wheel counts as `nanos`.
    pub(super) fn moment(&self, nanos: u64) -> Instant {
        self.base + Duration::from_nanos(nanos)
    }
}

/// Nanoseconds, at most 584 years of them.
pub(super) fn saturated(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A clock for tests: it stands still until somebody moves it.
///
/// ```
/// use std::{pin::pin, task::{Context, Poll, Waker}, time::Duration};
/// use wakering_core::time::{self, Timers, VirtualClock};
///
/// let clock = VirtualClock::new();
/// let timers = Timers::new(clock.clock(), || {});
/// let _here = time::enter(&timers);
///
/// let mut sleep = pin!(time::sleep(Duration::from_secs(3600)));
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(sleep.as_mut().poll(&mut cx).is_pending());
///
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(timers.fire(), 1);
/// assert_eq!(sleep.poll(&mut cx), Poll::Ready(Duration::from_secs(3600)));
/// ```
#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    base: Instant,
    now: AtomicU64,
    /// Whose loops are told when the time moves.
    watchers: Mutex<Vec<Weak<Timers>>>,
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl VirtualClock {
    /// A clock that stands still.
    pub fn new() -> Self {
        let watchers = Mutex::new(Vec::new());
        Self(Arc::new(Shared { base: Instant::now(), now: AtomicU64::new(0), watchers }))
    }

    /// The clock as [`Timers`] take it.
    pub fn clock(&self) -> Clock {
        Clock { base: self.0.base, by_hand: Some(self.clone()) }
    }

    /// What it shows.
    pub fn now(&self) -> Instant {
        self.0.base + Duration::from_nanos(self.nanos())
    }

    fn nanos(&self) -> u64 {
        // Acquire: with the Release of `advance` and `skip`: who sees the time sees what was done
        // before it came.
        self.0.now.load(Ordering::Acquire)
    }

    /// Moves the time on, and unparks the loops that now have something to fire. It fires nothing
    /// itself: loops do, or [`Timers::fire`].
    pub fn advance(&self, duration: Duration) {
        // Release: with the Acquire of `nanos`.
        self.0.now.fetch_add(saturated(duration), Ordering::AcqRel);
        self.tell();
    }

    /// Moves the time on to the first deadline among all loops of this clock, and unparks those
    /// that have something to fire. Whether there was one.
    ///
    /// A scheduler calls it where it would otherwise wait: hours of sleeping then pass at once.
    pub fn skip(&self) -> bool {
        let watchers = self.watchers();
        let Some(next) = watchers.iter().filter_map(|timers| timers.next_nanos()).min() else {
            return false;
        };
        // Release: with the Acquire of `nanos`. A maximum, because somebody else may have moved it.
        self.0.now.fetch_max(next, Ordering::AcqRel);
        self.tell();
        true
    }

    pub(super) fn watch(&self, timers: &Arc<Timers>) {
        let mut watchers = self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| watcher.strong_count() > 0);
        watchers.push(Arc::downgrade(timers));
    }

    fn tell(&self) {
        let now = self.nanos();
        for timers in self.watchers() {
            timers.time_moved(now);
        }
    }

    /// A copy, so that nobody is called under the lock.
    fn watchers(&self) -> Vec<Arc<Timers>> {
        let watchers = self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.iter().filter_map(Weak::upgrade).collect()
    }
}
