use super::*;
use crate::time::testing::Ledger;
use crate::time::{Timers, VirtualClock, enter};
use std::future::{pending, ready};
use std::pin::pin;

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_future_that_is_ready_needs_no_timers() {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert_eq!(pin!(timeout(Duration::ZERO, ready(7))).poll(&mut cx), Poll::Ready(Ok(7)));
}

#[test]
fn gives_up_when_the_time_is_over() {
    let clock = VirtualClock::new();
    let timers = Timers::new(clock.clock(), || {});
    let _here = enter(&timers);
    let ledger = Ledger::new();
    let waker = ledger.waker();
    let mut cx = Context::from_waker(&waker);
    let mut limited = pin!(timeout(MS, pending::<()>()));
    assert!(limited.as_mut().poll(&mut cx).is_pending());
    clock.advance(MS);
    assert_eq!((timers.fire(), ledger.wakes()), (1, 1));
    assert_eq!(limited.poll(&mut cx), Poll::Ready(Err(Elapsed)));
    assert_eq!(Error::from(Elapsed), Error::Os(libc::ETIMEDOUT));
}

#[test]
fn a_value_that_comes_with_the_end_of_time_wins() {
    let clock = VirtualClock::new();
    let timers = Timers::new(clock.clock(), || {});
    let _here = enter(&timers);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut limited = pin!(timeout(2 * MS, crate::time::sleep(2 * MS)));
    assert!(limited.as_mut().poll(&mut cx).is_pending());
    assert_eq!(timers.waiting(), 2);
    clock.advance(5 * MS);
    assert_eq!(timers.fire(), 2);
    assert_eq!(limited.poll(&mut cx), Poll::Ready(Ok(5 * MS)));
}

#[test]
fn dropping_it_stops_the_timer() {
    let clock = VirtualClock::new();
    let timers = Timers::new(clock.clock(), || {});
    let _here = enter(&timers);
    {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(pin!(timeout(MS, pending::<()>())).poll(&mut cx).is_pending());
    }
    assert_eq!(timers.waiting(), 0);
}
