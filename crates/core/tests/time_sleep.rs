//! Sleeping on a loop of one thread: when it wakes, how often, and what it costs.

#[path = "support/looping.rs"]
mod looping;

use looping::{all, run};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use wakering_core::random::Random;
use wakering_core::time::{Clock, Elapsed, VirtualClock, interval, sleep, timeout};

const MS: Duration = Duration::from_millis(1);

/// A machine that is busy elsewhere makes a thread late now and then: what must hold of time spans
/// has to hold in one try of several. What must never happen is asserted in each.
fn in_one_try_of(tries: usize, mut holds: impl FnMut() -> bool) {
    assert!((0..tries).any(|_| holds()), "in none of {tries} tries");
}

async fn logged(ms: u32, log: Rc<RefCell<Vec<u32>>>) -> Duration {
    let slept = sleep(ms * MS).await;
    log.borrow_mut().push(ms);
    slept
}

#[test]
fn l6_sleepers_wake_in_order_and_never_early() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let sleepers = [30, 10, 20].map(|ms| logged(ms, log.clone())).into();
    let (slept, _) = run(Clock::real(), all(sleepers));
    assert_eq!(*log.borrow(), [10, 20, 30]);
    for (slept, asked) in slept.into_iter().zip([30, 10, 20]) {
        assert!(slept >= asked * MS, "{slept:?} of {asked} ms");
    }
}

#[test]
fn m11_one_timer_fires_in_time_with_one_wakeup() {
    in_one_try_of(10, || {
        let began = Instant::now();
        let (slept, cost) = run(Clock::real(), sleep(50 * MS));
        let took = began.elapsed();
        assert!(slept >= 50 * MS && took >= slept);
        assert_eq!(cost.polls, 2);
        took <= 55 * MS && cost.wakeups == 1
    });
}

#[test]
fn m11_timers_near_and_far_cost_a_wakeup_each() {
    in_one_try_of(10, || {
        let sleepers = [3, 17, 29, 58, 93].map(|ms| sleep(ms * MS)).into();
        let (_, cost) = run(Clock::real(), all(sleepers));
        cost.wakeups <= 5
    });
}

/// The sleepers' deadlines lie seconds and hours ahead; meanwhile the loop does nothing at all.
#[test]
fn l6_a_hundred_thousand_sleepers_cost_no_cpu() {
    in_one_try_of(3, || {
        let mut random = Random::new(6);
        let mut sleepers: Vec<_> = (0..100_000)
            .map(|_| Box::pin(sleep(MS * (10_000 + random.below(10_000_000) as u32))))
            .collect();
        let (slept, cost) = run(Clock::real(), async {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            for sleeper in &mut sleepers {
                assert!(sleeper.as_mut().poll(&mut cx).is_pending());
            }
            sleep(500 * MS).await
        });
        assert!(slept >= 500 * MS);
        // Of the CPU time all but a few microseconds is for starting them.
        cost.wakeups == 1 && cost.cpu < 100 * MS
    });
}

#[test]
fn hours_pass_at_once_on_a_clock_by_hand() {
    let clock = VirtualClock::new();
    let began = (Instant::now(), clock.now());
    let (ticks, cost) = run(clock.clock(), async {
        let mut ticks = 0;
        let mut every_hour = interval(3_600_000 * MS);
        let day = timeout(24 * 3_600_000 * MS + MS, async {
            loop {
                every_hour.tick().await;
                ticks += 1;
            }
        });
        let outcome: Result<(), Elapsed> = day.await;
        assert_eq!(outcome, Err(Elapsed));
        ticks
    });
    assert_eq!((ticks, cost.wakeups), (25, 0));
    assert_eq!(clock.now() - began.1, 24 * 3_600_000 * MS + MS);
    assert!(began.0.elapsed() < 60_000 * MS);
}

#[test]
fn a_sleep_is_cut_short_by_nothing_but_its_time() {
    let clock = VirtualClock::new();
    let (results, _) = run(clock.clock(), async {
        let quick = timeout(20 * MS, sleep(10 * MS)).await;
        let slow = timeout(10 * MS, sleep(20 * MS)).await;
        (quick, slow)
    });
    assert_eq!(results, (Ok(10 * MS), Err(Elapsed)));
}
