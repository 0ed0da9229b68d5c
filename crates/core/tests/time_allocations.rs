//! A timer's whole life allocates nothing: start, wake, cancel, a limit that is not reached, ticks.

#[path = "support/counting.rs"]
mod counting;

use counting::allocations;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use wakering_core::time::{Clock, Timers, VirtualClock, enter, interval, sleep, timeout};

const MS: Duration = Duration::from_millis(1);

// One test, because the count is of all threads.
#[test]
fn l6_a_million_timers_allocate_nothing() {
    let clock = VirtualClock::new();
    let timers = Timers::new(clock.clock(), || {});
    let _here = enter(&timers);
    let mut cx = Context::from_waker(Waker::noop());
    let mut ticks = interval(MS);
    // Telling who moves the clock copies a list: the test's own, so it is moved before counting.
    clock.advance(MS);
    let before = allocations();
    for round in 0..250_000u32 {
        let mut fires = pin!(sleep(Duration::from_nanos(1)));
        let mut cancelled = pin!(sleep(round * MS + MS));
        let mut limited = pin!(timeout(MS, std::future::pending::<()>()));
        let mut tick = pin!(ticks.tick());
        assert!(fires.as_mut().poll(&mut cx).is_pending());
        assert!(cancelled.as_mut().poll(&mut cx).is_pending());
        assert!(limited.as_mut().poll(&mut cx).is_pending());
        let _ = tick.as_mut().poll(&mut cx);
        assert!(timers.waiting() >= 3);
        cancelled.as_mut().reset(MS);
        assert!(cancelled.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!(allocations() - before, 0);
    assert_eq!(timers.waiting(), 0);
    fire_ten_thousand();
}

fn fire_ten_thousand() {
    let timers = Timers::new(Clock::real(), || {});
    let mut cx = Context::from_waker(Waker::noop());
    let before = allocations();
    for _ in 0..10_000 {
        let mut sleep = pin!(timers.sleep(Duration::from_nanos(500)));
        while sleep.as_mut().poll(&mut cx) == Poll::Pending {
            timers.fire();
        }
    }
    assert_eq!(allocations() - before, 0);
}
