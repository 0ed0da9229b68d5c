//! The cell alone, with two wakers in turn: told once, after the outcome is there.

use super::*;
use crate::sync::Shared;
use crate::sync::loom_support::Count;
use loom::sync::Arc;
use loom::thread;

#[test]
fn loom_wait_cell_finish_against_two_polls() {
    loom::model(|| {
        let cell = Arc::new(WaitCell::<Shared>::new());
        let thread = {
            let cell = cell.clone();
            // SAFETY: alive, by this thread's reference; it finishes once.
            thread::spawn(move || unsafe { WaitCell::finish(&raw const *cell, 3) })
        };
        let (old, old_waker) = Count::new();
        let (new, new_waker) = Count::new();
        let mut ready = cell.poll(&mut Context::from_waker(&old_waker)).is_ready();
        ready = ready || cell.poll(&mut Context::from_waker(&new_waker)).is_ready();
        assert_eq!(thread.join().unwrap(), Finished::Told);
        if !ready {
            assert!(old.get() + new.get() >= 1, "whoever waits is told");
        }
        assert_eq!(cell.outcome(), Some(3));
        assert_eq!(cell.abandon(), Left::Last(3));
    });
}

#[test]
fn loom_wait_cell_exactly_one_is_last() {
    loom::model(|| {
        let cell = Arc::new(WaitCell::<Shared>::new());
        let thread = {
            let cell = cell.clone();
            // SAFETY: alive, by this thread's reference; it finishes once.
            thread::spawn(move || unsafe { WaitCell::finish(&raw const *cell, 1) })
        };
        let (_, waker) = Count::new();
        let _ = cell.poll(&mut Context::from_waker(&waker));
        let left = cell.abandon();
        let finished = thread.join().unwrap();
        assert_eq!(left == Left::First, finished == Finished::Abandoned);
    });
}
