use super::*;
use crate::time::testing::Ledger;
use crate::time::{Clock, VirtualClock, enter};
use std::pin::pin;

const MS: Duration = Duration::from_millis(1);

fn by_hand() -> (VirtualClock, Arc<Timers>) {
    let clock = VirtualClock::new();
    let timers = Timers::new(clock.clock(), || {});
    (clock, timers)
}

fn poll(sleep: Pin<&mut Sleep>, ledger: &Arc<Ledger>) -> Poll<Duration> {
    sleep.poll(&mut Context::from_waker(&ledger.waker()))
}

#[test]
fn l6_gives_the_time_that_really_passed() {
    let (clock, timers) = by_hand();
    let _here = enter(&timers);
    let ledger = Ledger::new();
    let mut sleep = pin!(sleep(10 * MS));
    // Time before the first poll does not count.
    clock.advance(5 * MS);
    assert_eq!(poll(sleep.as_mut(), &ledger), Poll::Pending);
    clock.advance(9 * MS);
    assert_eq!((timers.fire(), sleep.is_over()), (0, false));
    assert_eq!(poll(sleep.as_mut(), &ledger), Poll::Pending);
    clock.advance(4 * MS);
    assert_eq!((timers.fire(), ledger.wakes()), (1, 1));
    clock.advance(MS);
    assert_eq!(poll(sleep.as_mut(), &ledger), Poll::Ready(14 * MS));
}

#[test]
fn zero_and_the_past_are_ready_at_once() {
    let (clock, timers) = by_hand();
    let _here = enter(&timers);
    clock.advance(MS);
    let ledger = Ledger::new();
    assert_eq!(poll(pin!(sleep(Duration::ZERO)), &ledger), Poll::Ready(Duration::ZERO));
    let past = clock.now() - MS;
    assert_eq!(poll(pin!(sleep_until(past)), &ledger), Poll::Ready(Duration::ZERO));
    let mut soon = pin!(sleep_until(clock.now() + MS));
    assert_eq!(poll(soon.as_mut(), &ledger), Poll::Pending);
    clock.advance(MS);
    assert_eq!(timers.fire(), 1);
    assert_eq!(poll(soon.as_mut(), &ledger), Poll::Ready(MS));
    assert_eq!(ledger.wakes(), 1);
}

#[test]
fn for_ever_is_a_long_time() {
    let (clock, timers) = by_hand();
    let mut sleep = pin!(timers.sleep(Duration::MAX));
    assert_eq!(poll(sleep.as_mut(), &Ledger::new()), Poll::Pending);
    clock.advance(Duration::from_secs(60 * 60 * 24 * 365 * 500));
    assert_eq!((timers.fire(), timers.waiting()), (0, 1));
    assert_eq!(timers.prepare_park(), None);
}

#[test]
fn dropped_while_waiting_wakes_nobody() {
    let (clock, timers) = by_hand();
    let ledger = Ledger::new();
    let mut sleep = Box::pin(timers.sleep(MS));
    assert_eq!(poll(sleep.as_mut(), &ledger), Poll::Pending);
    assert_eq!((timers.waiting(), Arc::strong_count(&ledger)), (1, 2));
    drop(sleep);
    assert_eq!((timers.waiting(), Arc::strong_count(&ledger)), (0, 1));
    assert_eq!(timers.next_deadline(), None);
    clock.advance(MS);
    assert_eq!((timers.fire(), ledger.wakes()), (0, 0));
}

#[test]
fn polled_again_with_another_waker_wakes_that_one() {
    let (clock, timers) = by_hand();
    let (old, new) = (Ledger::new(), Ledger::new());
    let mut sleep = pin!(timers.sleep(MS));
    assert_eq!(poll(sleep.as_mut(), &old), Poll::Pending);
    assert_eq!(poll(sleep.as_mut(), &new), Poll::Pending);
    assert_eq!(Arc::strong_count(&old), 1);
    clock.advance(MS);
    assert_eq!(timers.fire(), 1);
    assert_eq!((old.wakes(), new.wakes()), (0, 1));
}

#[test]
fn begins_anew_after_reset_waiting_or_over() {
    let (clock, timers) = by_hand();
    let ledger = Ledger::new();
    let mut sleep = pin!(timers.sleep(MS));
    assert_eq!(poll(sleep.as_mut(), &ledger), Poll::Pending);
    sleep.as_mut().reset(3 * MS);
    assert_eq!(timers.waiting(), 0);
    assert_eq!(poll(sleep.as_mut(), &ledger), Poll::Pending);
    clock.advance(2 * MS);
    assert_eq!(timers.fire(), 0);
    clock.advance(MS);
    assert_eq!((timers.fire(), ledger.wakes()), (1, 1));
    assert_eq!(poll(sleep.as_mut(), &ledger), Poll::Ready(3 * MS));
    sleep.as_mut().reset(MS);
    assert!(!sleep.is_over());
    assert_eq!(poll(sleep.as_mut(), &ledger), Poll::Pending);
    clock.advance(MS);
    assert_eq!((timers.fire(), ledger.wakes()), (1, 2));
    assert_eq!(poll(sleep.as_mut(), &ledger), Poll::Ready(MS));
}

/// As a stolen task does: started here, polled and dropped there.
#[test]
fn may_be_polled_and_dropped_on_another_thread() {
    let (clock, timers) = by_hand();
    let ledger = Ledger::new();
    let mut sleeps: Vec<_> = (0..4).map(|_| Box::pin(timers.sleep(MS))).collect();
    for sleep in &mut sleeps {
        assert_eq!(poll(sleep.as_mut(), &ledger), Poll::Pending);
    }
    let kept = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let mut kept = sleeps.split_off(2);
                drop(sleeps);
                for sleep in &mut kept {
                    assert_eq!(poll(sleep.as_mut(), &ledger), Poll::Pending);
                }
                kept
            })
            .join()
            .unwrap()
    });
    assert_eq!(timers.waiting(), 2);
    clock.advance(MS);
    assert_eq!((timers.fire(), ledger.wakes()), (2, 2));
    drop(kept);
}

#[test]
#[should_panic(expected = "wakering_core::time::enter")]
fn says_so_where_there_are_no_timers() {
    let _ = poll(pin!(sleep(MS)), &Ledger::new());
}

#[test]
fn never_ends_early_by_the_real_clock() {
    let timers = Timers::new(Clock::real(), || {});
    for micros in [1, 10, 100, 1000] {
        let mut sleep = pin!(timers.sleep(Duration::from_micros(micros)));
        let ledger = Ledger::new();
        let began = Instant::now();
        while poll(sleep.as_mut(), &ledger).is_pending() {
            timers.fire();
        }
        assert!(began.elapsed() >= Duration::from_micros(micros));
    }
}

#[test]
fn is_no_larger_than_its_entry_and_three_words() {
    assert!(size_of::<Sleep>() <= 80, "{}", size_of::<Sleep>());
}
