//! The duty table without a kernel: what a policy costs over the patterns of `npm run bench:sqpoll`,
//! beside fixed idle times, on a machine of ticks and prices that were measured (Linux 6.18).
//!
//! ```text
//! |◄───────────────────── period ─────────────────────►|
//! |first op, then work ~ a publish in each tick | pause |
//! ```

use super::*;

const TICK_US: u64 = 4_000;
/// The first op after a pause: the thread is awake, it has to be woken, the loop submits it itself.
const AWAKE_US: f64 = 8.5;
const WAKE_US: [f64; 4] = [45.0, 80.0, 60.0, 52.0];
const PLAIN_US: f64 = 13.0;
/// Nanoseconds of an op; about half of them are the thread's work.
const OP_NS: u64 = 930;
const WEIGHTS: [u32; 2] = [100, 1000];
const FIXED_MS: [u32; 4] = [1, 10, 100, 1000];
/// How much more than the best fixed idle time a policy may cost.
const RATIO_MAX: f64 = 1.3;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
struct Pattern {
    period_us: u64,
    work_us: u64,
}

const fn pattern(period_ms: u64, work_us: u64) -> Pattern {
    Pattern { period_us: period_ms * 1000, work_us }
}

/// Who says how long the thread stays awake.
enum Chooser {
    Fixed(u32),
    Policy(Box<Policy>),
}

impl Chooser {
    fn steered(weight: u32, may_leave: bool) -> Self {
        Self::Policy(Box::new(Policy::new(weight, may_leave, TICK_US as u32 / 1000)))
    }

    fn setting(&self) -> Setting {
        match self {
            Self::Fixed(idle_ms) => Setting { route: Route::SqThread, idle_ms: *idle_ms },
            Self::Policy(policy) => policy.setting(),
        }
    }
}

/// A loop, its SQ thread and what both have cost.
struct Machine {
    chooser: Chooser,
    wakes: usize,
    noted_ms: Option<u64>,
    window_began_ms: u64,
    window: Window,
    spent: Spent,
    cpu_us: f64,
    delayed_us: f64,
}

impl Machine {
    fn new(chooser: Chooser) -> Self {
        Self {
            chooser,
            wakes: 0,
            noted_ms: None,
            window_began_ms: 0,
            window: Window::default(),
            spent: Spent { worked: Some(Duration::ZERO), ..Spent::default() },
            cpu_us: 0.0,
            delayed_us: 0.0,
        }
    }

    /// The thread is on its CPU.
    fn ran(&mut self, time_us: u64) {
        self.cpu_us += time_us as f64;
        self.spent.ran += Duration::from_micros(time_us);
    }

    /// Nothing is published for so long. How long the op behind it takes.
    fn pause(&mut self, pause_us: u64) -> f64 {
        let Setting { route, idle_ms } = self.chooser.setting();
        if route == Route::Plain {
            return PLAIN_US;
        }
        let bridged_us = (u64::from(idle_ms) * 1000).div_ceil(TICK_US) * TICK_US;
        if pause_us <= bridged_us {
            self.ran(pause_us);
            return AWAKE_US;
        }
        self.ran(bridged_us + TICK_US / 2);
        self.wakes += 1;
        let delay_us = WAKE_US[self.wakes % WAKE_US.len()];
        self.window.wake_delay = Some(Duration::from_nanos((delay_us * 1e3) as u64));
        delay_us
    }

    /// Ops one after the other, for so long.
    fn work(&mut self, time_us: u64) {
        let ops = time_us * 1000 / OP_NS;
        self.window.ops += ops;
        self.cpu_us += time_us as f64;
        if self.chooser.setting().route == Route::SqThread {
            self.ran(time_us);
            let worked = Duration::from_nanos(ops * OP_NS / 2);
            self.spent.worked = self.spent.worked.map(|before| before + worked);
        }
    }

    /// As a steward does at the first publish of a tick.
    fn note(&mut self, now_us: u64) {
        let now_ms = now_us / TICK_US * (TICK_US / 1000);
        let before = self.noted_ms.replace(now_ms);
        let Chooser::Policy(policy) = &mut self.chooser else { return };
        match before.map(|before| now_ms - before) {
            Some(0) => return,
            Some(gap) => policy.gap(gap as u32),
            None => {}
        }
        let length = now_ms - self.window_began_ms;
        if length >= 100 {
            self.window_began_ms = now_ms;
            let length = Duration::from_millis(length);
            let none = Spent { worked: Some(Duration::ZERO), ..Spent::default() };
            let spent = Some(std::mem::replace(&mut self.spent, none));
            policy.window(&Window { length, spent, ..std::mem::take(&mut self.window) });
        }
    }

    /// So many periods, the first of which begins at this moment.
    fn run(&mut self, pattern: Pattern, begin_us: u64, periods: u64) {
        let Pattern { period_us, work_us } = pattern;
        for number in 0..periods {
            let start_us = begin_us + number * period_us;
            let end_us = start_us + work_us;
            let mut now_us = start_us;
            while now_us < end_us {
                self.note(now_us);
                let next_us = ((now_us / TICK_US + 1) * TICK_US).min(end_us);
                self.work(next_us - now_us);
                now_us = next_us;
            }
            if work_us < period_us {
                self.delayed_us += self.pause(period_us - work_us);
            }
        }
    }
}

/// CPU seconds + weight x delay, in microseconds a period, once `warm_up` is over.
fn cost_us(chooser: Chooser, pattern: Pattern, weight: u32, [warm_up, periods]: [u64; 2]) -> f64 {
    let mut machine = Machine::new(chooser);
    machine.run(pattern, 0, warm_up);
    (machine.cpu_us, machine.delayed_us) = (0.0, 0.0);
    machine.run(pattern, warm_up * pattern.period_us, periods);
    (machine.cpu_us + f64::from(weight) * machine.delayed_us) / periods as f64
}

/// As the bench measures: half a second, or a period and more.
fn periods(pattern: Pattern) -> [u64; 2] {
    let warm_up = (500_000 / pattern.period_us).max(1) + 1;
    [warm_up, warm_up.max(100)]
}

fn best_fixed_us(pattern: Pattern, weight: u32) -> f64 {
    let costs =
        FIXED_MS.map(|idle_ms| cost_us(Chooser::Fixed(idle_ms), pattern, weight, periods(pattern)));
    costs.into_iter().fold(f64::MAX, f64::min)
}

/// The policy with and without the plain ring, for both weights.
fn assert_cheap(pattern: Pattern) {
    for weight in WEIGHTS {
        let best_us = best_fixed_us(pattern, weight);
        for may_leave in [true, false] {
            let steered = Chooser::steered(weight, may_leave);
            let ratio = cost_us(steered, pattern, weight, periods(pattern)) / best_us;
            assert!(ratio <= RATIO_MAX, "{pattern:?}, weight {weight}, {may_leave}: {ratio:.2}");
        }
    }
}

const DUTY_1: Pattern = pattern(10, 100);
const DUTY_10: Pattern = pattern(10, 1_000);
const DUTY_50: Pattern = pattern(10, 5_000);
const DUTY_100: Pattern = pattern(10, 10_000);
const EVERY_50_MS: Pattern = pattern(50, 10_000);
const EVERY_500_MS: Pattern = pattern(500, 10_000);
const EVERY_5_S: Pattern = pattern(5_000, 10_000);
const PATTERNS: [Pattern; 7] =
    [DUTY_1, DUTY_10, DUTY_50, DUTY_100, EVERY_50_MS, EVERY_500_MS, EVERY_5_S];

#[test]
fn at_1_percent_it_costs_little_more_than_the_best_fixed_idle_time() {
    assert_cheap(DUTY_1);
}

#[test]
fn at_10_percent() {
    assert_cheap(DUTY_10);
}

#[test]
fn at_50_percent() {
    assert_cheap(DUTY_50);
}

#[test]
fn without_a_pause() {
    assert_cheap(DUTY_100);
}

#[test]
fn with_a_burst_every_50_ms() {
    assert_cheap(EVERY_50_MS);
}

#[test]
fn with_a_burst_every_500_ms() {
    assert_cheap(EVERY_500_MS);
}

#[test]
fn with_a_burst_every_5_s() {
    assert_cheap(EVERY_5_S);
}

/// Else the tests above would say nothing.
#[test]
fn no_fixed_idle_time_would_do_for_all() {
    for idle_ms in FIXED_MS {
        let misses = PATTERNS.iter().flat_map(|&pattern| {
            WEIGHTS.map(|weight| {
                let cost_us = cost_us(Chooser::Fixed(idle_ms), pattern, weight, periods(pattern));
                cost_us / best_fixed_us(pattern, weight)
            })
        });
        let worst = misses.fold(0.0, f64::max);
        assert!(worst > RATIO_MAX, "idle {idle_ms} ms: {worst:.2} at the worst");
    }
}
