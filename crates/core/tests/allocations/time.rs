//! The life of a timer: start, fire, cancel, a limit that is not reached, ticks.

use super::Table;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use wakering_core::time::{Clock, Timers, VirtualClock, enter, interval, sleep, timeout};

const MS: Duration = Duration::from_millis(1);

fn by_hand(table: &mut Table) {
    let clock = VirtualClock::new();
    let timers = Timers::new(clock.clock(), || {});
    let _here = enter(&timers);
    let mut cx = Context::from_waker(Waker::noop());
    let mut round = 0;
    table.row("timer: start, cancel", || {
        round += 1;
        let mut sleep = pin!(sleep(round * MS));
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        assert_eq!(timers.waiting(), 1);
    });
    table.row("timer: start, begin anew, cancel", || {
        let mut sleep = pin!(sleep(20 * MS));
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        sleep.as_mut().reset(MS);
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
    });
    table.row("timer: a limit that is not reached", || {
        let mut limited = pin!(timeout(MS, std::future::ready(1)));
        assert!(limited.as_mut().poll(&mut cx).is_ready());
    });
    table.row("timer: a limit that is cancelled", || {
        let mut limited = pin!(timeout(MS, std::future::pending::<()>()));
        assert!(limited.as_mut().poll(&mut cx).is_pending());
    });
    let mut ticks = interval(MS);
    table.row("timer: a tick that is not awaited to its end", || {
        let mut tick = pin!(ticks.tick());
        let _ = tick.as_mut().poll(&mut cx);
    });
    assert_eq!(timers.waiting(), 0);
}

fn real(table: &mut Table) {
    let timers = Timers::new(Clock::real(), || {});
    let _here = enter(&timers);
    let mut cx = Context::from_waker(Waker::noop());
    table.row("timer: start, fire", || {
        let mut sleep = pin!(timers.sleep(Duration::from_nanos(500)));
        while sleep.as_mut().poll(&mut cx) == Poll::Pending {
            timers.fire();
        }
    });
    let mut ticks = interval(Duration::from_nanos(500));
    table.row("timer: tick", || {
        let mut tick = pin!(ticks.tick());
        while tick.as_mut().poll(&mut cx).is_pending() {
            timers.fire();
        }
    });
}

pub(super) fn rows(table: &mut Table) {
    by_hand(table);
    real(table);
}
