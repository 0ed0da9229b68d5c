//! How long an SQ thread stays awake, and when a loop does without it. Numbers in, decisions out:
//! nothing here talks to the kernel.
//!
//! ```text
//!             pauses: another step is cheaper
//!                 ┌──────────────────────┐
//!                 ▼                      │
//!  begin ─► over the SQ thread, idle = STEPS[step]
//!             │       ▲
//!   CPU busy, │       │ enough to do, its CPU free, and held back no longer
//!   low duty  ▼       │
//!           plain submission (held back for 1 s, 2 s … 60 s)
//! ```
//!
//! - **P1** What is minimised is CPU seconds + weight x delay of the first op after a pause.
//! - **P2** A change needs evidence: a tenth less cost (a fiftieth, where it spares the CPU), a tenth of
//!   a second of the thread's time.
//! - **P3** Leaving twice in short order doubles the time until the next return.

#![forbid(unsafe_code)]

use std::time::Duration;

pub(crate) mod pauses;
mod reason;

use pauses::Pauses;
pub use pauses::STEPS;
pub use reason::{Decision, Reason, Route, Setting};

/// What a second of delay of the first op after a pause weighs, in CPU seconds, where nobody says
/// otherwise. A wake of 50 us is then worth 5 ms of looking, about what the shortest idle time costs.
pub const WEIGHT_DEFAULT: u32 = 100;

/// A wake costs its system call and two switches, besides the delay.
const WAKE_CPU_MS: f64 = 0.02;
/// Each op beyond the eighth of a batch, while a second ring is attached (measured: 20 to 60 ns).
const KEEPER_MS_PER_OP: f64 = 50e-6;
/// A pass over several rings takes so many from each.
pub(crate) const PASS_OPS: u64 = 8;
/// So much cheaper must a longer idle time be, and a shorter one: in doubt the CPU is spared.
const BETTER_LONGER: f64 = 0.9;
const BETTER_SHORTER: f64 = 0.98;
const PAUSES_MIN: f64 = 3.0;
/// Of this much of the thread's time is known before it is judged, and twice as much is remembered.
const EVIDENCE_MS: f64 = 100.0;
/// Shares of the thread's time that are work.
const DUTY_LEAVE: f64 = 0.02;
const DUTY_RETURN: f64 = 0.06;
/// The share of the time it wanted its CPU in which somebody else had it, how much that is at the
/// least, and in how many windows in a row: others come and go, an SQ thread that begins waits too.
const WAITED_SHARE: f64 = 0.25;
const WAITED_MIN: Duration = Duration::from_millis(10);
const CONTENDED_WINDOWS: u32 = 2;
const HOLD_MIN: Duration = Duration::from_secs(1);
const HOLD_MAX: Duration = Duration::from_secs(60);
/// Who stays for so many times the last hold has not left in short order.
const SETTLED_HOLDS: u32 = 10;
/// What an op costs the thread until it was measured.
const OP_MS: f64 = 500e-6;
/// Delays outside of these are of the op, or of the clock.
const DELAYS_MS: (f64, f64) = (0.005, 0.5);

/// What became of the SQ thread in a window of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    /// It was on its CPU, at work or looking for some.
    pub ran: Duration,
    /// It wanted its CPU and did not get it.
    pub waited: Duration,
    /// It carried something out. Known since Linux 6.12.
    pub worked: Option<Duration>,
}

/// What was seen in a window of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Window {
    /// How long it was.
    pub length: Duration,
    /// Ops published in it.
    pub ops: u64,
    /// Of these, those beyond the eighth of their batch.
    pub crowded: u64,
    /// From a publish that woke the thread to the first completion, where there was one.
    pub wake_delay: Option<Duration>,
    /// Where the kernel tells.
    pub spent: Option<Spent>,
    /// Whether the thread's CPU has time, where that is known without trying.
    pub cpu_free: Option<bool>,
}

/// See the module's text.
#[derive(Debug)]
pub struct Policy {
    weight: f64,
    may_leave: bool,
    floor_ms: u32,
    pauses: Pauses,
    delays_ms: [f64; 8],
    delays: usize,
    op_ms: f64,
    route: Route,
    step: usize,
    /// Of the thread's time, as far as it is remembered. Over a plain ring: what it would be.
    worked_ms: f64,
    awake_ms: f64,
    /// How long the gaps of this window would have kept it awake.
    guessed_ms: f64,
    /// Windows in a row in which somebody else had the thread's CPU.
    contended: u32,
    now: Duration,
    since: Duration,
    hold: Duration,
    held_until: Duration,
}

impl Policy {
    /// Over the SQ thread, at the shortest idle time.
    pub fn new(weight: u32, may_leave: bool, tick_ms: u32) -> Self {
        Self {
            weight: f64::from(weight),
            may_leave,
            floor_ms: 0,
            pauses: Pauses::new(tick_ms.max(1)),
            delays_ms: [0.05; 8],
            delays: 0,
            op_ms: OP_MS,
            route: Route::SqThread,
            step: 0,
            worked_ms: 0.0,
            awake_ms: 0.0,
            guessed_ms: 0.0,
            contended: 0,
            now: Duration::ZERO,
            since: Duration::ZERO,
            hold: HOLD_MIN,
            held_until: Duration::ZERO,
        }
    }

    /// What holds now.
    pub fn setting(&self) -> Setting {
        Setting { route: self.route, idle_ms: STEPS[self.step].max(self.floor_ms) }
    }

    /// Since it began: the windows together.
    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// Another ring of this thread has this idle time: none under it can be had. One between two steps
    /// counts as the lower of them.
    pub fn set_floor(&mut self, floor_ms: u32) {
        self.floor_ms = floor_ms;
    }

    /// No keeper is to be had: the shortest idle time holds, for dozens of pauses at the least.
    pub fn cannot_raise(&mut self) {
        self.step = 0;
        self.pauses.add_keeper_cost(10.0 * f64::from(STEPS[STEPS.len() - 1]));
    }

    /// So long after the one before, something was published.
    pub fn gap(&mut self, gap_ms: u32) {
        let looked_ms = self.pauses.looked_ms(self.setting().idle_ms);
        self.guessed_ms += f64::from(gap_ms).min(looked_ms);
        if self.pauses.is_pause(gap_ms) {
            self.pauses.add(gap_ms);
        }
    }

    /// The end of a window. At most one thing changes.
    pub fn window(&mut self, window: &Window) -> Option<Decision> {
        self.now += window.length;
        self.learn(window);
        let reason = match self.route {
            Route::SqThread => self.leave(window).or_else(|| self.steer()),
            Route::Plain => self.come_back(window),
        }?;
        Some(Decision { at: self.now, setting: self.setting(), reason })
    }

    /// What a wake is worth, in milliseconds of CPU (P1). The delay is the second best of the last
    /// eight: a slow op behind a wake is not the wake's fault.
    fn price_ms(&self) -> f64 {
        let mut delays = self.delays_ms;
        delays.sort_unstable_by(f64::total_cmp);
        self.weight * delays[1] + WAKE_CPU_MS
    }

    fn learn(&mut self, window: &Window) {
        if let Some(delay) = window.wake_delay {
            let place = self.delays % self.delays_ms.len();
            self.delays_ms[place] = ms(delay).clamp(DELAYS_MS.0, DELAYS_MS.1);
            self.delays += 1;
        }
        self.pauses.add_keeper_cost(window.crowded as f64 * KEEPER_MS_PER_OP);
        let worked = window.spent.and_then(|spent| spent.worked);
        if self.route == Route::SqThread
            && let Some(worked) = worked
            && window.ops >= 1000
        {
            let measured = (ms(worked) / window.ops as f64).clamp(OP_MS / 10.0, OP_MS * 20.0);
            self.op_ms += (measured - self.op_ms) / 4.0;
        }
        let guessed_ms = std::mem::take(&mut self.guessed_ms);
        let worked_ms = worked.map_or(window.ops as f64 * self.op_ms, ms);
        match (self.route, window.spent) {
            (Route::SqThread, Some(spent)) => {
                self.worked_ms += worked_ms.min(ms(spent.ran));
                self.awake_ms += ms(spent.ran);
                let busy = spent.waited >= WAITED_MIN && waited_share(spent) >= WAITED_SHARE;
                self.contended = if busy { self.contended + 1 } else { 0 };
            }
            // Nobody counts, or the thread is asleep: what it would have had to do.
            _ => {
                self.worked_ms += window.ops as f64 * self.op_ms;
                self.awake_ms += guessed_ms;
            }
        }
    }

    /// Of the thread's time, the share that is work, once enough is known. Then half is forgotten.
    fn duty(&mut self) -> Option<f64> {
        if self.awake_ms < EVIDENCE_MS {
            return None;
        }
        let duty = (self.worked_ms / self.awake_ms).min(1.0);
        if self.awake_ms > 2.0 * EVIDENCE_MS {
            self.worked_ms /= 2.0;
            self.awake_ms /= 2.0;
        }
        Some(duty)
    }

    fn leave(&mut self, window: &Window) -> Option<Reason> {
        let duty = self.duty();
        if !self.may_leave {
            return None;
        }
        let reason = if self.contended >= CONTENDED_WINDOWS {
            let waited = window.spent.map_or(0.0, waited_share);
            Reason::CpuBusy { waited }
        } else {
            duty.filter(|&duty| duty < DUTY_LEAVE).map(|duty| Reason::LowDuty { duty })?
        };
        let stayed = self.now.saturating_sub(self.since);
        let in_short_order = self.since > Duration::ZERO && stayed < self.hold * SETTLED_HOLDS;
        self.hold = if in_short_order { (self.hold * 2).min(HOLD_MAX) } else { HOLD_MIN };
        self.held_until = self.now + self.hold;
        self.step = 0;
        self.go(Route::Plain);
        Some(reason)
    }

    fn come_back(&mut self, window: &Window) -> Option<Reason> {
        let duty = self.duty()?;
        if duty < DUTY_RETURN || self.now < self.held_until || window.cpu_free == Some(false) {
            return None;
        }
        self.go(Route::SqThread);
        Some(Reason::Load { duty })
    }

    fn go(&mut self, route: Route) {
        self.route = route;
        self.since = self.now;
        (self.worked_ms, self.awake_ms) = (0.0, 0.0);
        self.contended = 0;
    }

    fn steer(&mut self) -> Option<Reason> {
        let price_ms = self.price_ms();
        let cost = |step| self.pauses.cost_ms(step, price_ms, self.floor_ms);
        let now_ms = cost(self.step);
        let (best, best_ms) =
            (0..STEPS.len()).map(|step| (step, cost(step))).min_by(|a, b| a.1.total_cmp(&b.1))?;
        let raises = best > self.step;
        let seen = self.pauses.seen();
        let better = if raises { BETTER_LONGER } else { BETTER_SHORTER };
        if best == self.step || best_ms > better * now_ms || (raises && seen < PAUSES_MIN) {
            return None;
        }
        self.step = best;
        Some(Reason::Pauses { before_ms: now_ms / seen, after_ms: best_ms / seen })
    }
}

fn waited_share(spent: Spent) -> f64 {
    let wanted = spent.ran + spent.waited;
    ms(spent.waited) / ms(wanted).max(f64::MIN_POSITIVE)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod duties;
#[cfg(test)]
mod tests;
