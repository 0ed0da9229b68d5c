use super::*;

const WINDOW: Duration = Duration::from_millis(100);

fn policy(weight: u32) -> Policy {
    Policy::new(weight, true, 4)
}

/// Pauses of this length, each its own window, with a thread that is busy enough to stay.
fn pauses(policy: &mut Policy, gap_ms: u32, times: usize) -> Vec<Decision> {
    let busy = Spent {
        ran: Duration::from_millis(10),
        waited: Duration::ZERO,
        worked: Some(Duration::from_millis(5)),
    };
    (0..times)
        .filter_map(|_| {
            policy.gap(4);
            policy.gap(gap_ms);
            let length = Duration::from_millis(gap_ms.into());
            policy.window(&Window {
                length,
                ops: 5000,
                wake_delay: Some(Duration::from_micros(50)),
                spent: Some(busy),
                ..Window::default()
            })
        })
        .collect()
}

/// Windows in which the thread ran, waited and worked for so many milliseconds.
fn windows(policy: &mut Policy, [ran, waited, worked]: [u64; 3], times: usize) -> Vec<Decision> {
    let spent = Spent {
        ran: Duration::from_millis(ran),
        waited: Duration::from_millis(waited),
        worked: Some(Duration::from_millis(worked)),
    };
    let window = Window { length: WINDOW, ops: 100, spent: Some(spent), ..Window::default() };
    (0..times).filter_map(|_| policy.window(&window)).collect()
}

/// Windows over the plain ring: so many ops in each tick.
fn plain(policy: &mut Policy, ops: u64, free: Option<bool>, times: usize) -> Vec<Decision> {
    (0..times)
        .filter_map(|_| {
            (0..25).for_each(|_| policy.gap(4));
            let window = Window { length: WINDOW, ops, cpu_free: free, ..Window::default() };
            policy.window(&window)
        })
        .collect()
}

#[test]
fn f14_steady_bursty_idle_moves_the_idle_time_as_documented() {
    let mut policy = policy(1000);
    // Steady: nothing to bridge.
    for _ in 0..100 {
        policy.gap(4);
    }
    assert!(windows(&mut policy, [100, 0, 50], 20).is_empty());
    assert_eq!(policy.setting(), Setting { route: Route::SqThread, idle_ms: 4 });
    // Bursts every 30 ms: a wake of 50 us is worth 50 ms, so staying awake is cheaper.
    let decisions = pauses(&mut policy, 28, 20);
    assert_eq!(decisions.len(), 1);
    assert_eq!(policy.setting().idle_ms, 30);
    let Reason::Pauses { before_ms, after_ms } = decisions[0].reason else {
        panic!("{:?}", decisions[0])
    };
    assert!(after_ms < before_ms && (27.0..29.0).contains(&after_ms), "{}", decisions[0]);
    // Idle: an op a second.
    let decisions = pauses(&mut policy, 1000, 20);
    assert_eq!(decisions.last().map(|decision| decision.setting.idle_ms), Some(4));
    assert_eq!(policy.setting().route, Route::SqThread);
}

#[test]
fn one_pause_is_no_reason_to_stay_awake() {
    let mut policy = policy(1000);
    assert!(pauses(&mut policy, 28, 2).is_empty());
    assert_eq!(pauses(&mut policy, 28, 2).len(), 1);
}

#[test]
fn the_weight_decides_between_cpu_time_and_delay() {
    for (weight, idle_ms) in [(1, 4), (100, 4), (1000, 100), (10_000, 100)] {
        let mut policy = policy(weight);
        pauses(&mut policy, 40, 20);
        assert_eq!(policy.setting().idle_ms, idle_ms, "weight {weight}");
    }
}

#[test]
fn pauses_around_the_threshold_do_not_flutter() {
    // A wake is worth 50 ms: bridging pauses of 54 ms saves next to nothing.
    let mut policy = policy(1000);
    let mut decisions = 0;
    for round in 0..200 {
        decisions += pauses(&mut policy, 52 + round % 8, 1).len();
    }
    assert_eq!(decisions, 0);
}

#[test]
fn what_another_ring_keeps_awake_anyway_is_not_decided_again() {
    let mut policy = policy(1000);
    policy.set_floor(100);
    assert!(pauses(&mut policy, 40, 20).is_empty());
    assert_eq!(policy.setting().idle_ms, 100);
}

#[test]
fn a_slow_op_behind_a_wake_does_not_make_wakes_dear() {
    let mut policy = Policy::new(100, false, 4);
    for round in 0..50 {
        policy.gap(40);
        let delay = if round % 4 == 0 { 50 } else { 100_000 };
        let window = Window {
            length: WINDOW,
            wake_delay: Some(Duration::from_micros(delay)),
            ..Window::default()
        };
        assert_eq!(policy.window(&window), None);
    }
}

#[test]
fn an_sq_thread_whose_cpu_is_busy_is_left_and_tried_again_later_and_later() {
    let mut policy = policy(100);
    let mut holds = Vec::new();
    for _ in 0..4 {
        assert!(windows(&mut policy, [50, 50, 40], 1).is_empty(), "it may be passing");
        let decisions = windows(&mut policy, [50, 50, 40], 1);
        assert!(matches!(decisions[0].reason, Reason::CpuBusy { waited } if waited > 0.4));
        assert_eq!(policy.setting(), Setting { route: Route::Plain, idle_ms: 4 });
        let left = policy.now;
        while plain(&mut policy, 100_000, None, 1).is_empty() {}
        assert_eq!(policy.setting().route, Route::SqThread);
        holds.push((policy.now - left).as_secs());
    }
    assert_eq!(holds, [1, 2, 4, 8]);
    // Who stays for long has settled.
    assert!(windows(&mut policy, [90, 1, 50], 1000).is_empty());
    assert_eq!(windows(&mut policy, [50, 50, 40], 2).len(), 1);
    assert_eq!(policy.hold, HOLD_MIN);
}

#[test]
fn a_cpu_that_is_known_to_be_busy_is_not_tried() {
    let mut policy = policy(100);
    assert_eq!(windows(&mut policy, [50, 50, 40], 2).len(), 1);
    assert!(plain(&mut policy, 100_000, Some(false), 100).is_empty());
    let decisions = plain(&mut policy, 100_000, Some(true), 1);
    assert!(matches!(decisions[0].reason, Reason::Load { duty } if duty > 0.4));
}

#[test]
fn a_thread_that_only_looks_is_left_and_comes_back_for_work() {
    let mut policy = policy(100);
    // An op each 10 ms: 4 ms of looking, next to no work.
    let decisions = windows(&mut policy, [40, 0, 0], 10);
    assert_eq!(decisions.len(), 1);
    assert!(matches!(decisions[0].reason, Reason::LowDuty { duty } if duty < 0.01));
    assert_eq!(decisions[0].at, 3 * WINDOW, "after a tenth of a second of its time");
    assert!(plain(&mut policy, 1000, None, 100).is_empty());
    assert_eq!(plain(&mut policy, 50_000, None, 10).len(), 1);
}

#[test]
fn without_leave_to_leave_it_stays() {
    let mut policy = Policy::new(100, false, 4);
    assert!(windows(&mut policy, [50, 50, 0], 100).is_empty());
    assert_eq!(policy.setting().route, Route::SqThread);
}

#[test]
fn where_the_kernel_counts_nothing_the_gaps_tell() {
    let mut policy = policy(100);
    let mut decisions = Vec::new();
    for _ in 0..40 {
        policy.gap(100);
        let window = Window { length: WINDOW, ops: 1, ..Window::default() };
        decisions.extend(policy.window(&window));
    }
    assert!(matches!(decisions[..], [Decision { reason: Reason::LowDuty { .. }, .. }]));
}

#[test]
fn a_keeper_that_cannot_be_had_is_not_asked_for_at_each_window() {
    let mut policy = policy(1000);
    assert_eq!(pauses(&mut policy, 28, 4).len(), 1);
    policy.cannot_raise();
    assert_eq!(policy.setting().idle_ms, 4);
    assert!(pauses(&mut policy, 28, 20).is_empty());
}

#[test]
fn decisions_say_what_holds_and_why() {
    let decision = Decision {
        at: Duration::from_millis(1500),
        setting: Setting { route: Route::Plain, idle_ms: 4 },
        reason: Reason::CpuBusy { waited: 0.5 },
    };
    let said = "1.500 s: plain submission (its CPU was somebody else's for 50 % of the time)";
    assert_eq!(decision.to_string(), said);
}
