//! Waiting for a while, or until a moment.

use super::entry::{Entry, State};
use super::timers::{Renewed, Timers};
use crate::task::{WaitsFor, WokenFrom, note_waiting};
use std::cell::{Cell, OnceCell};
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

static SLEEP: WaitsFor = WaitsFor::new("sleep");

/// How long, or until when.
#[derive(Clone, Copy, Debug)]
enum Goal {
    After(Duration),
    At(Instant),
    /// Polled: the entry knows the rest. When that was, on the timers' clock.
    Started(u64),
}

/// A future that is ready after a while, and says how long it took: at least as long as asked for.
/// Made by [`sleep()`], [`sleep_until`] and [`Timers::sleep`].
///
/// Cancel-safe: dropping it takes it out of the wheel, from whatever thread, and loses nothing.
///
/// It stays with the timers on which it was first polled: a task that was stolen meanwhile is woken
/// by the loop where it went to sleep.
pub struct Sleep {
    goal: Cell<Goal>,
    timers: OnceCell<Arc<Timers>>,
    entry: Entry,
    _pinned: PhantomPinned,
}

/// What a finished sleep knows, on the timers' clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slept {
    pub(super) started: u64,
    pub(super) ended: u64,
}

/// Sleeps for `duration`, counted from the first poll. Gives the time that really passed. Nothing
/// waits where it is zero.
///
/// Cancel-safe, see [`Sleep`].
///
/// # Panics
///
/// When it is first polled on a thread without timers: see [`super::enter`].
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::new(Goal::After(duration))
}

/// Sleeps until `deadline` on the clock of the timers ([`super::now`]). Ready at once where it has
/// passed. Gives the time since the first poll.
///
/// Cancel-safe, see [`Sleep`].
///
/// # Panics
///
/// When it is first polled on a thread without timers: see [`super::enter`].
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(Goal::At(deadline))
}

impl Sleep {
    fn new(goal: Goal) -> Self {
        Self {
            goal: Cell::new(goal),
            timers: OnceCell::new(),
            entry: Entry::new(),
            _pinned: PhantomPinned,
        }
    }

    pub(super) fn on(timers: Arc<Timers>, duration: Duration) -> Self {
        let sleep = sleep(duration);
        // It was empty.
        let _ = sleep.timers.set(timers);
        sleep
    }

    /// Whether the time is over, as far as the loop has noticed.
    pub fn is_over(&self) -> bool {
        self.entry.state() == State::Fired
    }

    /// Begins anew: for `duration` from the next poll, on the same timers. Whatever it waited for
    /// is forgotten, and a waker that was registered is woken no more.
    pub fn reset(self: Pin<&mut Self>, duration: Duration) {
        let this = self.as_ref().get_ref();
        this.cancel();
        this.entry.rearm();
        this.goal.set(Goal::After(duration));
    }

    fn cancel(&self) {
        if let Some(timers) = self.timers.get() {
            // SAFETY: this future owns its entry and starts it on these timers only.
            unsafe { timers.cancel(&self.entry) };
        }
    }

    /// What `poll` does, with more to tell.
    pub(super) fn poll_slept(self: Pin<&Self>, cx: &Context<'_>) -> Poll<Slept> {
        let Goal::Started(started) = self.goal.get() else { return self.begin(cx) };
        let timers = self.timers.get_or_init(super::expect_current);
        if self.entry.state() == State::Waiting {
            // SAFETY: this future owns its entry and starts it on these timers only.
            let renewed = unsafe { timers.renew(&self.entry, cx.waker()) };
            if renewed == Renewed::Waits {
                return pending(cx);
            }
        }
        Poll::Ready(Slept { started, ended: timers.clock().nanos() })
    }

    fn begin(self: Pin<&Self>, cx: &Context<'_>) -> Poll<Slept> {
        let timers = self.timers.get_or_init(super::expect_current);
        let now = timers.clock().nanos();
        let deadline = match self.goal.get() {
            Goal::After(duration) => now.saturating_add(super::clock::saturated(duration)),
            Goal::At(moment) => timers.clock().nanos_of(moment),
            Goal::Started(then) => then,
        };
        self.goal.set(Goal::Started(now));
        if deadline <= now {
            self.entry.skip();
            return Poll::Ready(Slept { started: now, ended: now });
        }
        let waker = cx.waker().clone();
        // SAFETY: the entry is pinned with the future that it is a field of, and never moved out.
        let entry = unsafe { self.map_unchecked(|this| &this.entry) };
        // SAFETY: Idle, as the goal says; dropping the future cancels it on these timers.
        unsafe { timers.start(entry, now, deadline, waker) };
        pending(cx)
    }
}

fn pending(cx: &Context<'_>) -> Poll<Slept> {
    static SLEEP: WaitsFor = WaitsFor::new("sleep");
    // The timers have a waker, which counts as one that is out.
    note_waiting(cx, &SLEEP, 0, WokenFrom::Anywhere);
    Poll::Pending
}

impl Future for Sleep {
    type Output = Duration;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Duration> {
        let slept = self.as_ref().poll_slept(cx);
        if slept.is_pending() {
            note_waiting(cx, &SLEEP, 0, WokenFrom::Anywhere);
        }
        slept.map(|slept| Duration::from_nanos(slept.ended - slept.started))
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl std::fmt::Debug for Sleep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sleep")
            .field("goal", &self.goal)
            .field("state", &self.entry.state())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "sleep/tests.rs"]
mod tests;
