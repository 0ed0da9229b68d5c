use super::*;
use crate::loom::AtomicU32;
use crate::time::testing::Ledger;
use crate::time::{VirtualClock, enter, sleep};
use std::pin::pin;
use std::task::{Context, Wake};

const MS: Duration = Duration::from_millis(1);

fn counted(clock: Clock, slack: Duration) -> (Arc<Timers>, Arc<AtomicU32>) {
    let unparks = Arc::new(AtomicU32::new(0));
    let bell = unparks.clone();
    let timers = Timers::with_slack(clock, slack, move || {
        bell.fetch_add(1, Ordering::SeqCst);
    });
    (timers, unparks)
}

/// Polls once with a waker of that name.
fn start(sleep: &mut Pin<Box<Sleep>>, ledger: &Arc<Ledger>) {
    assert!(sleep.as_mut().poll(&mut Context::from_waker(&ledger.waker())).is_pending());
}

#[test]
fn l6_wakes_in_the_order_of_the_deadlines_and_of_starting() {
    let clock = VirtualClock::new();
    let (timers, _) = counted(clock.clock(), SLACK);
    let order = Arc::default();
    let mut sleeps: Vec<_> = [30, 10, 20, 10]
        .iter()
        .enumerate()
        .map(|(name, &ms)| {
            let mut sleep = Box::pin(timers.sleep(ms * MS));
            start(&mut sleep, &Ledger::named(name, &order));
            sleep
        })
        .collect();
    clock.advance(9 * MS);
    assert_eq!(timers.fire(), 0);
    clock.advance(MS);
    assert_eq!(timers.fire(), 2);
    assert_eq!(*order.lock().unwrap(), [1, 3]);
    clock.advance(100 * MS);
    assert_eq!(timers.fire(), 2);
    assert_eq!(*order.lock().unwrap(), [1, 3, 2, 0]);
    assert!(sleeps.iter_mut().all(|sleep| sleep.is_over()));
}

#[test]
fn fires_more_than_a_batch_in_order() {
    let clock = VirtualClock::new();
    let (timers, _) = counted(clock.clock(), SLACK);
    let order = Arc::default();
    let mut sleeps = Vec::new();
    for name in 0..1000 {
        let mut sleep = Box::pin(timers.sleep(Duration::from_nanos(1000 - name as u64)));
        start(&mut sleep, &Ledger::named(name, &order));
        sleeps.push(sleep);
    }
    clock.advance(MS);
    assert_eq!(timers.fire(), 1000);
    assert_eq!(*order.lock().unwrap(), (0..1000).rev().collect::<Vec<_>>());
    assert_eq!((timers.waiting(), timers.fire()), (0, 0));
}

#[test]
fn m11_a_parked_worker_waits_for_the_first_deadline_and_its_slack() {
    let (timers, unparks) = counted(Clock::real(), MS);
    assert_eq!(timers.prepare_park(), None);
    timers.unparked();
    let mut sleep = Box::pin(timers.sleep(50 * MS));
    start(&mut sleep, &Ledger::new());
    let wait = timers.prepare_park().expect("a timer waits");
    assert!(wait <= 51 * MS && wait > 40 * MS, "{wait:?}");
    assert_eq!(unparks.load(Ordering::SeqCst), 0);
}

#[test]
fn only_an_earlier_start_unparks_and_only_once() {
    let (timers, unparks) = counted(Clock::real(), SLACK);
    let seconds = |n| Box::pin(timers.sleep(Duration::from_secs(n)));
    let (mut first, mut later, mut earlier, mut earliest) =
        (seconds(60), seconds(90), seconds(30), seconds(10));
    let ledger = Ledger::new();
    start(&mut first, &ledger);
    timers.prepare_park().expect("a timer waits");
    start(&mut later, &ledger);
    assert_eq!(unparks.load(Ordering::SeqCst), 0, "later than it waits for");
    start(&mut earlier, &ledger);
    assert_eq!(unparks.load(Ordering::SeqCst), 1);
    start(&mut earliest, &ledger);
    assert_eq!(unparks.load(Ordering::SeqCst), 1, "it was told, and has not parked since");
    timers.unparked();
    drop(earliest);
    start(&mut seconds(1), &ledger);
    assert_eq!(unparks.load(Ordering::SeqCst), 1, "awake");
}

#[test]
fn time_moved_by_hand_unparks_who_waits_for_it() {
    let clock = VirtualClock::new();
    let (timers, unparks) = counted(clock.clock(), SLACK);
    let mut sleep = Box::pin(timers.sleep(10 * MS));
    start(&mut sleep, &Ledger::new());
    assert_eq!(timers.prepare_park(), None, "time by hand does not pass by waiting");
    clock.advance(9 * MS);
    assert_eq!(unparks.load(Ordering::SeqCst), 0);
    clock.advance(MS);
    assert_eq!(unparks.load(Ordering::SeqCst), 1);
    assert_eq!(timers.prepare_park(), Some(Duration::ZERO));
    assert_eq!(timers.fire(), 1);
}

#[test]
fn skipping_goes_to_the_first_deadline_of_all_loops() {
    let clock = VirtualClock::new();
    let began = clock.now();
    assert!(!clock.skip(), "nobody waits");
    let ((one, _), (other, _)) = (counted(clock.clock(), SLACK), counted(clock.clock(), SLACK));
    let mut sleeps = [one.sleep(70 * MS), other.sleep(50 * MS)].map(Box::pin);
    sleeps.iter_mut().for_each(|sleep| start(sleep, &Ledger::new()));
    assert!(clock.skip());
    assert_eq!(clock.now() - began, 50 * MS);
    assert_eq!((one.fire(), other.fire()), (0, 1));
    assert!(clock.skip());
    assert_eq!(clock.now() - began, 70 * MS);
    assert_eq!((one.fire(), other.fire()), (1, 0));
}

/// A waker whose every call goes back to the timers.
struct Meddler(Arc<Timers>, Mutex<Option<Pin<Box<Sleep>>>>);

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        let mut sleep = Box::pin(self.0.sleep(MS));
        start(&mut sleep, &Ledger::new());
        *self.1.lock().unwrap() = Some(sleep);
        assert_eq!(self.0.fire(), 0);
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        // Also in the midst of a cancel, whose lock would be ours to wait for.
        let _ = self.0.waiting();
    }
}

#[test]
fn a_waker_may_use_the_timers_when_woken_and_when_dropped() {
    let clock = VirtualClock::new();
    let (timers, _) = counted(clock.clock(), SLACK);
    let meddler = || Arc::new(Meddler(timers.clone(), Mutex::new(None)));
    let mut sleeps = [MS, 2 * MS, 3 * MS].map(|after| Box::pin(timers.sleep(after)));
    for sleep in &mut sleeps {
        let waker = meddler().into();
        assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        // The first is replaced, and with it goes the last reference to the first meddler.
        let waker = meddler().into();
        assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    clock.advance(2 * MS);
    assert_eq!(timers.fire(), 2);
    drop(sleeps);
    assert_eq!(timers.waiting(), 0);
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_being_woken() {
    let clock = VirtualClock::new();
    let (timers, _) = counted(clock.clock(), SLACK);
    let ledger = Ledger::new();
    let mut sleeps = [MS, 2 * MS, 3 * MS].map(|after| Box::pin(timers.sleep(after)));
    start(&mut sleeps[0], &ledger);
    let panics = Arc::new(Panics).into();
    assert!(sleeps[1].as_mut().poll(&mut Context::from_waker(&panics)).is_pending());
    start(&mut sleeps[2], &ledger);
    clock.advance(3 * MS);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| timers.fire()));
    assert!(caught.is_err());
    assert_eq!((ledger.wakes(), timers.waiting()), (2, 0));
}

#[test]
fn entering_nests_and_is_left_again() {
    let clock = VirtualClock::new();
    let (outer, inner) = (Timers::new(clock.clock(), || {}), Timers::new(clock.clock(), || {}));
    let here = || crate::time::current().map(|timers| Arc::as_ptr(&timers));
    assert_eq!(here(), None);
    let entered_outer = enter(&outer);
    {
        let _entered_inner = enter(&inner);
        assert_eq!(here(), Some(Arc::as_ptr(&inner)));
    }
    assert_eq!(here(), Some(Arc::as_ptr(&outer)));
    let mut sleep = pin!(sleep(MS));
    assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!((outer.waiting(), inner.waiting()), (1, 0));
    drop(entered_outer);
    assert_eq!(here(), None);
    assert_eq!(crate::time::now().duration_since(clock.now()).as_secs(), 0);
}
