use super::*;
use crate::time::{Timers, VirtualClock, enter};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

const MS: Duration = Duration::from_millis(1);

/// Asks for a tick and moves the clock until it comes. When it was due and when it came, in ms.
fn tick(
    interval: &mut Interval,
    clock: &VirtualClock,
    timers: &Arc<Timers>,
    began: Instant,
) -> (u128, u128) {
    let mut tick = pin!(interval.tick());
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(due) = tick.as_mut().poll(&mut cx) {
            return ((due - began).as_millis(), (clock.now() - began).as_millis());
        }
        assert!(clock.skip());
        timers.fire();
    }
}

/// The moments of ticks with a period of 10 for somebody who is busy from 10 to 35.
fn ticks_of(missed_ticks: MissedTicks) -> (Vec<u128>, Vec<u128>, u64) {
    let clock = VirtualClock::new();
    let timers = Timers::new(clock.clock(), || {});
    let _here = enter(&timers);
    let began = clock.now();
    let mut interval = interval(10 * MS).with_missed_ticks(missed_ticks);
    let mut ticks = Vec::new();
    for count in 0..6 {
        if count == 2 {
            clock.advance(25 * MS);
        }
        ticks.push(tick(&mut interval, &clock, &timers, began));
    }
    let (due, came) = ticks.into_iter().unzip();
    (due, came, interval.missed())
}

#[test]
fn burst_makes_up_for_what_was_missed() {
    let (due, came, missed) = ticks_of(MissedTicks::Burst);
    assert_eq!(due, [0, 10, 20, 30, 40, 50]);
    assert_eq!(came, [0, 10, 35, 35, 40, 50]);
    assert_eq!(missed, 0);
}

#[test]
fn delay_begins_anew_at_the_late_one() {
    let (due, came, missed) = ticks_of(MissedTicks::Delay);
    assert_eq!(due, [0, 10, 20, 45, 55, 65]);
    assert_eq!(came, [0, 10, 35, 45, 55, 65]);
    assert_eq!(missed, 1);
}

#[test]
fn skip_leaves_out_and_keeps_the_schedule() {
    let (due, came, missed) = ticks_of(MissedTicks::Skip);
    assert_eq!(due, [0, 10, 20, 40, 50, 60]);
    assert_eq!(came, [0, 10, 35, 40, 50, 60]);
    assert_eq!(missed, 1);
}

#[test]
fn a_tick_that_was_given_up_is_still_there() {
    let clock = VirtualClock::new();
    let timers = Timers::new(clock.clock(), || {});
    let _here = enter(&timers);
    let began = clock.now();
    let mut interval = interval_at(began + 10 * MS, 10 * MS);
    {
        let mut tick = pin!(interval.tick());
        assert!(tick.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(timers.waiting(), 1);
    }
    assert_eq!(timers.waiting(), 0);
    assert_eq!(tick(&mut interval, &clock, &timers, began), (10, 10));
    interval.reset(clock.now() + 5 * MS);
    assert_eq!(tick(&mut interval, &clock, &timers, began), (25, 25));
}

#[test]
#[should_panic(expected = "not zero")]
fn a_period_of_nothing_is_refused() {
    let _ = interval(Duration::ZERO);
}
