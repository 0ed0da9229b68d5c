//! A worker that goes to sleep against somebody who starts a timer.

use super::*;
use crate::loom::AtomicU32;
use loom::thread;

/// Either the worker's answer has the new deadline in it, or the worker is unparked: it never
/// sleeps past a timer.
#[test]
fn loom_no_start_is_slept_over() {
    loom::model(|| {
        let unparks = Arc::new(AtomicU32::new(0));
        let bell = unparks.clone();
        let timers = Timers::new(Clock::real(), move || {
            bell.fetch_add(1, Ordering::SeqCst);
        });
        let other = timers.clone();
        let hour = 3_600_000_000_000;
        let starting = thread::spawn(move || {
            let entry = Box::pin(Entry::new());
            // SAFETY: Idle and pinned, and cancelled below.
            unsafe { other.start(entry.as_ref(), 0, hour, Waker::noop().clone()) };
            entry
        });
        let answer = timers.prepare_park();
        let entry = starting.join().unwrap();
        match answer {
            None => assert_eq!(unparks.load(Ordering::SeqCst), 1, "it would sleep for ever"),
            Some(_) => assert_eq!(unparks.load(Ordering::SeqCst), 0, "it knew"),
        }
        timers.unparked();
        // SAFETY: this thread has become the owner, and these are its timers.
        unsafe { timers.cancel(&entry) };
        assert_eq!(timers.waiting(), 0);
    });
}
