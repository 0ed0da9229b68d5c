//! The timers of one loop: a wheel, the clock that drives it, and how to wake who sleeps over it.
//!
//! The wheel lies behind a lock that is held for a few instructions, because a task may be stolen
//! while it sleeps, and is then polled again, or dropped, on another thread. No waker is cloned,
//! called or dropped under the lock. Deadlines stay with the loop where they were started; its
//! thread fires them, and any other may.
//!
//! How a loop waits:
//!
//! ```text
//! worker:   fire ─► nothing to run ─► prepare_park ─► (its own last look) ─► park ─► unparked ─► fire
//!                                          ▲                                  ▲
//! another:  start: before what the worker waits for? ─► unpark ───────────────┘
//! ```
//!
//! A start before `prepare_park` is in its answer; one after it finds the moment that the worker
//! waits for, under the same lock, and unparks. `unpark` has to be remembered by the worker's park
//! if it comes first, as `std::thread::Thread::unpark` is.

use super::clock::Clock;
use super::entry::{Entry, Linked, State};
use super::sleep::Sleep;
use super::wakes::Wakes;
use super::wheel::{Advance, Wheel};
use crate::loom::{AtomicU64, Mutex, MutexGuard, Ordering};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// How much later than its first deadline a parked loop wakes, unless told otherwise: so that
/// deadlines which lie near each other cost one wakeup together. As much as the kernel itself takes
/// for an ordinary thread. A loop that is awake has no such delay.
pub const SLACK: Duration = Duration::from_micros(50);

const NEVER: u64 = u64::MAX;
/// In the place of the moment that a worker waits for: it does not wait.
const AWAKE: u64 = 0;

/// What became of a waker that was to replace another.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Renewed {
    /// The timer still waits, and wakes the new one.
    Waits,
    /// It has fired.
    Fired,
}

/// See the module's text. One for each loop, made once; starting, firing and cancelling a timer
/// allocates nothing.
pub struct Timers {
    clock: Clock,
    slack: u64,
    /// What the wheel's `next_deadline` says, to be read without the lock.
    next: AtomicU64,
    inner: Mutex<Inner>,
    unpark: Box<dyn Fn() + Send + Sync>,
}

struct Inner {
    wheel: Wheel,
    parked_until: u64,
}

impl Inner {
    /// Whether the worker sleeps past this moment. It is told once.
    fn oversleeps(&mut self, moment: u64) -> bool {
        let oversleeps = moment < self.parked_until;
        if oversleeps {
            self.parked_until = AWAKE;
        }
        oversleeps
    }
}

impl std::fmt::Debug for Timers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timers")
            .field("clock", &self.clock)
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

impl Timers {
    /// The timers of a loop that `unpark` wakes, with the usual [`SLACK`].
    ///
    /// `unpark` is called, from any thread and with no lock held, when a timer was started that is
    /// due before the moment that the loop waits for.
    pub fn new(clock: Clock, unpark: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Self::with_slack(clock, SLACK, unpark)
    }

    /// The same with a slack of one's own: zero where every microsecond counts, a millisecond or
    /// more where many thousands of deadlines shall not cost as many wakeups.
    pub fn with_slack(
        clock: Clock,
        slack: Duration,
        unpark: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Self> {
        let timers = Arc::new(Self {
            clock,
            slack: super::clock::saturated(slack),
            next: AtomicU64::new(NEVER),
            inner: Mutex::new(Inner { wheel: Wheel::new(), parked_until: AWAKE }),
            unpark: Box::new(unpark),
        });
        if let Some(clock) = timers.clock.by_hand() {
            clock.watch(&timers);
        }
        timers
    }

    /// The clock that these timers go by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A sleep on these timers, whatever thread polls it: see [`super::sleep()`].
    pub fn sleep(self: &Arc<Self>, duration: Duration) -> Sleep {
        Sleep::on(self.clone(), duration)
    }

    /// How many timers wait.
    pub fn waiting(&self) -> usize {
        self.lock().wheel.len()
    }

    /// When the first timer is due; it may say too early a moment where that timer was cancelled.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.next_nanos().map(|next| self.clock.moment(next))
    }

    pub(super) fn next_nanos(&self) -> Option<u64> {
        // Relaxed: a number by itself; who needs it in step with the wheel takes the lock.
        Some(self.next.load(Ordering::Relaxed)).filter(|&next| next != NEVER)
    }

    /// Wakes whatever is due, in the order of the deadlines. How many timers fired.
    ///
    /// Cheap where nothing waits (no look at the clock) and where nothing is due (no lock). For the
    /// loop's own thread at every tick; another thread may help a loop that is busy.
    ///
    /// A waker that panics does not keep the others of its batch from being woken; what is due
    /// after that batch is left to the next call.
    pub fn fire(&self) -> usize {
        match self.next_nanos() {
            None => 0,
            Some(next) => {
                let now = self.clock.nanos();
                if next <= now { self.fire_until(now) } else { 0 }
            }
        }
    }

    /// The same for another thread than the loop's own: what is late by `by`, so that the loop was
    /// too busy for it.
    pub(crate) fn fire_late(&self, by: Duration) -> usize {
        let Some(next) = self.next_nanos() else { return 0 };
        let now = self.clock.nanos();
        if next.saturating_add(super::clock::saturated(by)) > now {
            return 0;
        }
        self.fire_until(now)
    }

    /// In how long [`Self::fire_late`] has something to do. `None` where nothing waits, or time does
    /// not pass by itself.
    pub(crate) fn late_in(&self, by: Duration) -> Option<Duration> {
        let next = self.next_nanos().filter(|_| self.clock.by_hand().is_none())?;
        let late = next.saturating_add(super::clock::saturated(by));
        Some(Duration::from_nanos(late.saturating_sub(self.clock.nanos())))
    }

    /// The same, the time being `now`.
    pub(super) fn fire_until(&self, now: u64) -> usize {
        let mut fired = 0;
        loop {
            let mut wakes = Wakes::new();
            let advance = {
                let mut inner = self.lock();
                let advance = inner.wheel.advance(now, &mut wakes);
                self.note_next(&inner);
                advance
            };
            fired += wakes.len();
            wakes.wake_all();
            if advance == Advance::Done {
                return fired;
            }
        }
    }

    /// Says that the loop is going to wait, and how long it may: zero where something is due,
    /// `None` until it is unparked. From here until [`Timers::unparked`] an earlier start unparks.
    pub fn prepare_park(&self) -> Option<Duration> {
        let mut inner = self.lock();
        let wake_at = match inner.wheel.next_deadline() {
            // Time that is moved by hand does not pass while one waits: who moves it unparks.
            Some(next) if self.clock.by_hand().is_some() => next,
            Some(next) => next.saturating_add(self.slack),
            None => NEVER,
        };
        inner.parked_until = wake_at;
        drop(inner);
        if wake_at == NEVER {
            return None;
        }
        let left = wake_at.saturating_sub(self.clock.nanos());
        if left > 0 && self.clock.by_hand().is_some() {
            return None;
        }
        Some(Duration::from_nanos(left))
    }

    /// Says that the loop is awake again: starts are its own to notice.
    pub fn unparked(&self) {
        self.lock().parked_until = AWAKE;
    }

    /// The time was moved by hand: who waits for less is unparked.
    pub(super) fn time_moved(&self, now: u64) {
        let due = {
            let mut inner = self.lock();
            let parked = inner.parked_until != AWAKE;
            let due = parked && inner.wheel.next_deadline().is_some_and(|next| next <= now);
            if due {
                inner.parked_until = AWAKE;
            }
            due
        };
        if due {
            (self.unpark)();
        }
    }

    /// Transition 1.
    ///
    /// # Safety
    ///
    /// The caller owns the Idle entry, and calls [`Timers::cancel`] on these timers before it lets
    /// go of it.
    pub(super) unsafe fn start(&self, entry: Pin<&Entry>, now: u64, deadline: u64, waker: Waker) {
        let oversleeps = {
            let mut inner = self.lock();
            // SAFETY: the caller's promise: pinned, and cancelled before it is gone.
            unsafe { inner.wheel.start(entry.get_ref(), now, deadline, waker) };
            self.note_next(&inner);
            inner.oversleeps(deadline.saturating_add(self.slack))
        };
        if oversleeps {
            (self.unpark)();
        }
    }

    /// Puts another waker in the place of the one that a timer was started with.
    ///
    /// # Safety
    ///
    /// The caller owns the entry, which was started on these timers.
    pub(super) unsafe fn renew(&self, entry: &Entry, waker: &Waker) -> Renewed {
        let same = |node: &mut super::entry::Node| {
            node.waker.as_ref().is_some_and(|old| old.will_wake(waker))
        };
        {
            let _inner = self.lock();
            // SAFETY: the lock is held, and the entry is in no other wheel (caller).
            let Some(linked) = (unsafe { Linked::of(entry) }) else { return Renewed::Fired };
            if linked.node(same) {
                return Renewed::Waits;
            }
        }
        // Cloned here and dropped below, because both are the program's code.
        let new = waker.clone();
        let inner = self.lock();
        // SAFETY: as above; the lock was free in between, so this is asked again.
        let Some(linked) = (unsafe { Linked::of(entry) }) else { return Renewed::Fired };
        let old = linked.node(|node| node.waker.replace(new));
        drop(inner);
        drop(old);
        Renewed::Waits
    }

    /// Transition 3, unless the timer has fired or never started.
    ///
    /// # Safety
    ///
    /// The caller owns the entry, which was started on these timers if on any.
    pub(super) unsafe fn cancel(&self, entry: &Entry) {
        if entry.state() != State::Waiting {
            return;
        }
        let waker = {
            let mut inner = self.lock();
            // SAFETY: the lock is held, and the entry is in no other wheel (caller).
            let Some(linked) = (unsafe { Linked::of(entry) }) else { return };
            let waker = inner.wheel.cancel(linked);
            self.note_next(&inner);
            waker
        };
        drop(waker);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics under the lock; if something did, the wheel is still worth more than none.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_next(&self, inner: &Inner) {
        // Relaxed: a hint for `fire` on the loop's own thread, which made the change or is unparked
        // after it.
        self.next.store(inner.wheel.next_deadline().unwrap_or(NEVER), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "timers/tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "timers/loom_tests.rs"]
mod loom_tests;
