use super::spin::{LIMIT_MAX, LIMIT_MIN, SHORT};
use super::*;
use std::time::{Duration, Instant};

#[test]
fn t5_at_most_half_search() {
    for (workers, searchers) in [(1, 1), (2, 1), (3, 2), (4, 2), (64, 32), (129, 65)] {
        let idle = Idle::new(workers);
        assert_eq!((0..workers).filter(|_| idle.start_search()).count(), searchers);
        assert_eq!(idle.counts(), (searchers, 0));
    }
}

#[test]
fn t5_a_push_wakes_one_and_the_next_push_nobody() {
    let idle = Idle::new(4);
    assert_eq!(idle.wake_one(), None, "nobody sleeps");
    (0..4).for_each(|worker| idle.sleep(worker, false));
    assert_eq!(idle.counts(), (0, 4));
    assert_eq!(idle.wake_one(), Some(0));
    for _ in 0..100 {
        assert_eq!(idle.wake_one(), None);
        assert_eq!(idle.wake_one_hint(), None);
    }
    assert_eq!(idle.rouse(0, false), Roused::Searching);
    assert_eq!(idle.counts(), (1, 3));
}

#[test]
fn t5_ramp_up_one_after_the_other() {
    let idle = Idle::new(70);
    (0..70).for_each(|worker| idle.sleep(worker, false));
    let mut awake = Vec::new();
    let mut next = idle.wake_one();
    while let Some(worker) = next {
        awake.push(worker);
        assert_eq!(idle.rouse(worker, false), Roused::Searching);
        assert_eq!(idle.found(), Found::Last);
        next = idle.wake_one_hint();
    }
    assert!(awake.into_iter().eq(0..70));
    assert_eq!(idle.counts(), (0, 0));
}

#[test]
fn t5_only_the_last_searcher_looks_for_more() {
    let idle = Idle::new(4);
    idle.sleep(3, false);
    assert!(idle.start_search() && idle.start_search());
    assert_eq!(idle.found(), Found::GoOn);
    assert_eq!(idle.found(), Found::Last);
    assert_eq!(idle.wake_one(), Some(3));
}

#[test]
fn a_worker_that_wakes_by_itself_is_nobodys() {
    let idle = Idle::new(2);
    assert!(idle.start_search());
    idle.sleep(1, true);
    assert_eq!(idle.rouse(1, false), Roused::Working);
    assert_eq!(idle.wake_one(), None);
    assert_eq!(idle.counts(), (0, 0));
}

#[test]
fn short_gaps_make_it_look_and_long_ones_make_it_sleep() {
    let began = Instant::now();
    let mut spin = Spin::new(2);
    let gap = |spin: &mut Spin, gap: Duration| {
        let look = spin.start(began);
        spin.learn(&look, began + gap);
        spin.limit()
    };
    assert_eq!(spin.limit(), LIMIT_MAX);
    assert_eq!(gap(&mut spin, Duration::from_micros(5)), Duration::from_micros(10));
    assert_eq!(gap(&mut spin, Duration::from_nanos(200)), LIMIT_MIN);
    assert_eq!(gap(&mut spin, SHORT), LIMIT_MAX);
    let halvings = (0..10).filter(|_| !gap(&mut spin, Duration::from_millis(1)).is_zero()).count();
    assert_eq!(halvings, 4);
    assert!(!spin.start(began).pause());
    // Work that comes soon after a worker slept shows that it should have looked.
    assert_eq!(gap(&mut spin, Duration::from_micros(60)), LIMIT_MAX);
}

#[test]
fn one_cpu_never_spins() {
    let now = Instant::now();
    let mut spin = Spin::new(1);
    let look = spin.start(now);
    assert!(!look.pause());
    spin.learn(&look, now);
    assert!(spin.limit().is_zero());
}

#[test]
fn a_look_ends() {
    let spin = Spin::new(2);
    let look = spin.start(Instant::now());
    let looks = std::iter::from_fn(|| look.pause().then_some(())).count();
    assert!(looks > 0);
    assert!(look.began.elapsed() >= LIMIT_MAX);
}
