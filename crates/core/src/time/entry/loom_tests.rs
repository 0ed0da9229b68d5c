//! The owner of a timer against whoever fires it. Run with
//! `RUSTFLAGS="--cfg loom" cargo test -p wakering-core --release --lib -- loom`.

use super::*;
use crate::time::testing::Ledger;
use crate::time::timers::Renewed;
use crate::time::{Clock, Timers};
use loom::thread;
use std::pin::Pin;
use std::sync::Arc;

const DEADLINE: u64 = 1000;

fn started(waker: Waker) -> (Arc<Timers>, Pin<Box<Entry>>) {
    let timers = Timers::new(Clock::real(), || {});
    let entry = Box::pin(Entry::new());
    // SAFETY: Idle and pinned; every model cancels it, or sees it Fired, before it is dropped.
    unsafe { timers.start(entry.as_ref(), 0, DEADLINE, waker) };
    (timers, entry)
}

/// 3 on the owner's thread against 2: the waker is woken once at the most, and whichever way it
/// ends the owner has the entry to itself: that is what it needs to free it.
#[test]
fn loom_cancel_against_fire() {
    loom::model(|| {
        let ledger = Ledger::new();
        let (timers, entry) = started(ledger.waker());
        let other = timers.clone();
        let firing = thread::spawn(move || other.fire_until(DEADLINE));
        // SAFETY: this is the owner, and these are its timers.
        unsafe { timers.cancel(&entry) };
        assert_ne!(entry.state(), State::Waiting);
        // Loom complains if the other thread may still reach the node.
        entry.node.with_mut(|node| {
            // SAFETY: not Waiting, so the owner alone is here (T3).
            assert!(unsafe { &*node }.waker.is_none());
        });
        drop(entry);
        let fired = firing.join().unwrap();
        assert_eq!(ledger.wakes(), fired as u32);
        assert_eq!(timers.waiting(), 0);
        // The ledger's own, and none left in the wheel.
        assert_eq!(Arc::strong_count(&ledger), 1);
    });
}

/// Another poll with another waker against 2: the new one is woken, or the poll hears that the time
/// is over. Never both wakers, never neither.
#[test]
fn loom_renew_against_fire() {
    loom::model(|| {
        let (old, new) = (Ledger::new(), Ledger::new());
        let (timers, entry) = started(old.waker());
        let other = timers.clone();
        let firing = thread::spawn(move || other.fire_until(DEADLINE));
        // SAFETY: this is the owner, and these are its timers.
        let renewed = unsafe { timers.renew(&entry, &new.waker()) };
        assert_eq!(firing.join().unwrap(), 1);
        assert_eq!(entry.state(), State::Fired);
        match renewed {
            Renewed::Waits => assert_eq!((old.wakes(), new.wakes()), (0, 1)),
            Renewed::Fired => assert_eq!((old.wakes(), new.wakes()), (1, 0)),
        }
    });
}

/// The loop and a helper fire at the same moment, more than one batch: each waker is woken once.
#[test]
fn loom_two_fire_at_once() {
    loom::model(|| {
        let ledgers = [Ledger::new(), Ledger::new(), Ledger::new()];
        let timers = Timers::new(Clock::real(), || {});
        let entries = ledgers.each_ref().map(|ledger| {
            let entry = Box::pin(Entry::new());
            // SAFETY: Idle and pinned, and Fired before it is dropped.
            unsafe { timers.start(entry.as_ref(), 0, DEADLINE, ledger.waker()) };
            entry
        });
        let other = timers.clone();
        let firing = thread::spawn(move || other.fire_until(DEADLINE));
        let here = timers.fire_until(DEADLINE);
        assert_eq!(here + firing.join().unwrap(), entries.len());
        assert!(ledgers.iter().all(|ledger| ledger.wakes() == 1));
    });
}
