//! What a worker has done, for others to read.

#![forbid(unsafe_code)]

use crate::loom::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a worker has done so far. Numbers are some microseconds old.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Metrics {
    /// Tasks polled. Of a worker that is awake, up to 60 of the last ones are missing.
    pub polls: u64,
    /// Polls of tasks that came from the slot of the last one woken, before the queue; as old as
    /// `polls`.
    pub slot_polls: u64,
    /// Polls that took as long as the limit of [`Options::slow_poll`](super::Options::slow_poll).
    pub slow_polls: u64,
    /// Times that something was stolen from another worker.
    pub steals: u64,
    /// Times that it went to sleep.
    pub parks: u64,
    /// Times that its queue was full and half of it went to the inject queue.
    pub overflows: u64,
    /// Times that it began to search.
    pub searches: u64,
    /// How long it was awake, its searches included. The clock is read where it goes to sleep and
    /// where it wakes.
    pub busy: Duration,
    /// Tasks in its queue now; those that are pinned to it, and the one in the slot, not counted.
    pub queued: usize,
    /// Whether it sleeps now.
    pub asleep: bool,
}

/// What the workers do together, now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Activity {
    /// Workers that look for work.
    pub searching: usize,
    /// Workers that sleep.
    pub asleep: usize,
    /// Tasks that are not over, system tasks included.
    pub tasks: usize,
}

/// Written by their worker alone, now and then.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counts {
    polls: AtomicU64,
    slot_polls: AtomicU64,
    pub(super) steals: AtomicU64,
    pub(super) parks: AtomicU64,
    pub(super) overflows: AtomicU64,
    pub(super) searches: AtomicU64,
    awake: Awake,
}

/// How long the worker was awake until it slept last, and since when it is. Zero: it sleeps.
#[derive(Debug, Default)]
struct Awake {
    nanos: AtomicU64,
    since: AtomicU64,
}

impl Counts {
    /// The worker's own numbers, now and then.
    pub(super) fn polled(&self, polls: u64, slot_polls: u64) {
        // Relaxed: numbers.
        self.polls.store(polls, Ordering::Relaxed);
        self.slot_polls.store(slot_polls, Ordering::Relaxed);
    }

    /// The worker sleeps; `now` since the scheduler began.
    pub(super) fn lie_down(&self, now: Duration) {
        let Awake { nanos, since } = &self.awake;
        // Relaxed: its own.
        let awake = nanos_of(now).saturating_sub(since.load(Ordering::Relaxed));
        // Release, here and below: with the Acquire of `busy`, which sees the two in the order in which
        // they were written.
        since.store(0, Ordering::Release);
        nanos.store(nanos.load(Ordering::Relaxed) + awake, Ordering::Release);
    }

    /// The worker is awake; `now` since the scheduler began.
    pub(super) fn get_up(&self, now: Duration) {
        // Release: as above.
        self.awake.since.store(nanos_of(now), Ordering::Release);
    }

    fn busy(&self, now: Instant, began: Instant) -> (Duration, bool) {
        let Awake { nanos, since } = &self.awake;
        loop {
            // Acquire: with the Release of `get_up`, after the time that belongs to it.
            let up = since.load(Ordering::Acquire);
            // Acquire: with the Release of `lie_down`: who sees its time sees that it lay down.
            let awake = nanos.load(Ordering::Acquire);
            // Relaxed: behind both.
            if since.load(Ordering::Relaxed) != up {
                continue;
            }
            let now = nanos_of(now.saturating_duration_since(began));
            let more = if up == 0 { 0 } else { now.saturating_sub(up) };
            return (Duration::from_nanos(awake + more), up == 0);
        }
    }

    /// What is counted here; the rest is the caller's.
    pub(super) fn read(&self, began: Instant) -> Metrics {
        // Relaxed: numbers.
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (busy, asleep) = self.busy(Instant::now(), began);
        Metrics {
            polls: get(&self.polls),
            slot_polls: get(&self.slot_polls),
            steals: get(&self.steals),
            parks: get(&self.parks),
            overflows: get(&self.overflows),
            searches: get(&self.searches),
            busy,
            asleep,
            slow_polls: 0,
            queued: 0,
        }
    }
}

/// Counts, by the only thread that writes the number.
pub(super) fn add(count: &AtomicU64) {
    // Relaxed: a number.
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// Not zero.
fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}
