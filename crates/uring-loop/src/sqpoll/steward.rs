//! Steers one SQ thread: gathers what its loops see, asks the [`Policy`] a few times a second, and does
//! what it decides.
//!
//! ```text
//! loops ─ note(publish) ─► gaps ─► Policy ─► keeper ring attached, exchanged, closed
//!                                    ▲  └──► route, which each loop is told when it next notes
//!                      times of the thread, of its CPU
//! ```
//!
//! A loop notes at most one publish per tick of the kernel, so the ops of a burst pay nothing. Asking
//! reads files and may make a ring: it is up to the loop to find a moment at which no op waits for it.

#![forbid(unsafe_code)]

use super::clock;
use super::keeper::Keeper;
use super::policy::{Decision, Policy, Reason, Route, Setting, Spent, Window};
use super::thread::{Thread, Times, cpu_ticks};
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::time::Duration;

/// Decisions that are remembered.
pub const DECISIONS_MAX: usize = 32;
/// How often the policy is asked.
const WINDOW_MS: u64 = 100;
/// How long the thread's CPU is watched before it is called free, and how much of it must be idle.
const CPU_WATCH_MS: u64 = 500;
const CPU_IDLE_SHARE: f64 = 0.5;

/// What a loop tells since it last did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Note {
    pub(crate) now_ms: u64,
    pub(crate) ops: u64,
    pub(crate) crowded: u64,
    pub(crate) wake_delay: Option<Duration>,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Steward {
    policy: Policy,
    keeper: Option<Keeper>,
    decisions: VecDeque<Decision>,
    window: Window,
    window_began_ms: u64,
    published_ms: Option<u64>,
    times: Times,
    cpu_seen: Option<(u64, u64, u64)>,
}

impl Steward {
    pub(crate) fn new(weight: u32, may_leave: bool) -> Self {
        Self {
            policy: Policy::new(weight, may_leave, clock::tick_ms()),
            keeper: None,
            decisions: VecDeque::with_capacity(DECISIONS_MAX),
            window: Window::default(),
            window_began_ms: clock::now_ms(),
            published_ms: None,
            times: Times::default(),
            cpu_seen: None,
        }
    }

    pub(crate) fn setting(&self) -> Setting {
        self.policy.setting()
    }

    pub(crate) fn keeper_ms(&self) -> Option<u32> {
        self.keeper.as_ref().map(|keeper| keeper.idle_ms)
    }

    pub(crate) fn decisions(&self) -> impl Iterator<Item = Decision> {
        self.decisions.iter().copied()
    }

    /// The last ring goes: the thread ends only when the keeper is gone too.
    pub(crate) fn close_keeper(&mut self) {
        self.keeper = None;
    }

    /// A loop has published. Whether it is time to ask.
    pub(crate) fn note(&mut self, note: Note) -> bool {
        let before = self.published_ms.replace(note.now_ms);
        if let Some(gap) = before.and_then(|before| note.now_ms.checked_sub(before))
            && gap > 0
        {
            self.policy.gap(u32::try_from(gap).unwrap_or(u32::MAX));
        }
        self.window.ops += note.ops;
        self.window.crowded += note.crowded;
        self.window.wake_delay = note.wake_delay.or(self.window.wake_delay);
        self.is_due(note.now_ms)
    }

    fn is_due(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.window_began_ms) >= WINDOW_MS
    }

    /// Asks the policy, where no other loop has just done so. `ring` is one of those that the thread
    /// serves, `floor_ms` the longest idle time among them.
    pub(crate) fn ask(&mut self, now_ms: u64, ring: RawFd, floor_ms: u32, cpu: Option<u32>) {
        if !self.is_due(now_ms) {
            return;
        }
        let length = now_ms - std::mem::replace(&mut self.window_began_ms, now_ms);
        self.window.length = Duration::from_millis(length);
        let thread = Thread::of_ring(ring);
        self.window.spent = thread.and_then(|thread| self.spent(&thread));
        self.window.cpu_free = self.cpu_free(cpu, now_ms);
        self.policy.set_floor(floor_ms);
        let window = std::mem::take(&mut self.window);
        if let Some(decision) = self.policy.window(&window) {
            self.carry_out(decision, ring, floor_ms);
        }
    }

    /// Since the last time.
    fn spent(&mut self, thread: &Thread) -> Option<Spent> {
        let now = thread.times()?;
        let before = std::mem::replace(&mut self.times, now);
        let worked = now.worked.zip(before.worked.or(Some(Duration::ZERO)));
        Some(Spent {
            ran: now.ran.saturating_sub(before.ran),
            waited: now.waited.saturating_sub(before.waited),
            worked: worked.map(|(now, before)| now.saturating_sub(before)),
        })
    }

    /// While nothing goes over the thread, its CPU's idle time tells whether there is room for it.
    fn cpu_free(&mut self, cpu: Option<u32>, now_ms: u64) -> Option<bool> {
        if self.policy.setting().route == Route::SqThread {
            self.cpu_seen = None;
            return None;
        }
        let cpu = cpu?;
        let Some((since_ms, idle_before, all_before)) = self.cpu_seen else {
            let (idle, all) = cpu_ticks(cpu)?;
            self.cpu_seen = Some((now_ms, idle, all));
            return Some(false);
        };
        if now_ms - since_ms < CPU_WATCH_MS {
            return Some(false);
        }
        let (idle, all) = cpu_ticks(cpu)?;
        self.cpu_seen = Some((now_ms, idle, all));
        let (idle, all) = (idle.saturating_sub(idle_before), all.saturating_sub(all_before));
        Some(idle as f64 >= CPU_IDLE_SHARE * all as f64)
    }

    fn carry_out(&mut self, mut decision: Decision, ring: RawFd, floor_ms: u32) {
        let Setting { route, idle_ms } = decision.setting;
        let wanted = (route == Route::SqThread && idle_ms > floor_ms).then_some(idle_ms);
        // The new one first: in between, the thread would fall asleep.
        match wanted.map(|idle_ms| Keeper::attach(ring, idle_ms)).transpose() {
            Ok(keeper) => self.keeper = keeper,
            Err(errno) => {
                self.keeper = None;
                self.policy.cannot_raise();
                decision.setting = self.policy.setting();
                decision.reason = Reason::NoKeeper { errno };
            }
        }
        self.remember(decision);
    }

    /// Something holds for one loop, whatever the policy says.
    pub(crate) fn one_loop(&mut self, reason: Reason) {
        let mut setting = self.policy.setting();
        if matches!(reason, Reason::Held { .. }) {
            setting.route = Route::Plain;
        }
        self.remember(Decision { at: self.policy.now(), setting, reason });
    }

    fn remember(&mut self, decision: Decision) {
        if self.decisions.len() == DECISIONS_MAX {
            self.decisions.pop_front();
        }
        self.decisions.push_back(decision);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_says_when_it_is_time_to_ask_and_asks_nothing() {
        let mut steward = Steward::new(100, true);
        let begin_ms = steward.window_began_ms;
        let note = |now_ms| Note { now_ms, ops: 1, ..Note::default() };
        assert!(!steward.note(note(begin_ms + WINDOW_MS - 1)));
        // An op waits for each of these: the window goes on until somebody has time.
        for later_ms in [WINDOW_MS, 5 * WINDOW_MS] {
            assert!(steward.note(note(begin_ms + later_ms)));
        }
        assert_eq!((steward.policy.now(), steward.window.ops), (Duration::ZERO, 3));
        // Of a ring that is none, the kernel tells nothing.
        steward.ask(begin_ms + 6 * WINDOW_MS, -1, 4, None);
        assert_eq!(steward.policy.now(), Duration::from_millis(6 * WINDOW_MS));
        // Another loop has the same thought a moment later.
        steward.ask(begin_ms + 6 * WINDOW_MS + 1, -1, 4, None);
        assert_eq!(steward.policy.now(), Duration::from_millis(6 * WINDOW_MS));
        assert!(!steward.note(note(begin_ms + 6 * WINDOW_MS + 4)));
    }
}
