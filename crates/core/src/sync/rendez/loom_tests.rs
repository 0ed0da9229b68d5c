//! Sleepers with a mutex, and who wakes them.

use super::*;
use crate::sync::loom_support::{Count, block_on, poll_once};
use crate::sync::{Mutex, Shared};
use loom::sync::Arc;
use loom::thread;

fn bounded(f: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(f);
}

/// The classic use: a condition under a mutex. The sleeper misses no wakeup between its look at the
/// condition and its sleep.
#[test]
fn loom_rendez_a_condition_under_a_mutex() {
    bounded(|| {
        let both = Arc::new((Mutex::<bool>::new(false), Rendez::<Shared>::new()));
        let thread = {
            let both = both.clone();
            thread::spawn(move || {
                let mut ready = block_on(both.0.lock());
                *ready = true;
                both.1.wakeup();
            })
        };
        block_on(async {
            let mut ready = both.0.lock().await;
            while !*ready {
                ready = both.1.sleep_unlocked(ready).await;
            }
        });
        thread.join().unwrap();
        assert_eq!(both.1.sleeping(), 0);
    });
}

/// A sleeper is dropped while a wakeup comes: the other sleeper gets it, or it found nobody but the
/// other.
#[test]
fn loom_rendez_wakeup_against_drop() {
    bounded(|| {
        let rendez = Arc::new(Rendez::<Shared>::new());
        let ((_, ignored), (count, waker)) = (Count::new(), Count::new());
        let mut leaving = Box::pin(rendez.sleep());
        let mut staying = Box::pin(rendez.sleep());
        assert!(poll_once(leaving.as_mut(), &ignored).is_pending());
        assert!(poll_once(staying.as_mut(), &waker).is_pending());
        let thread = {
            let rendez = rendez.clone();
            thread::spawn(move || rendez.wakeup())
        };
        drop(leaving);
        assert_eq!(thread.join().unwrap(), 1);
        assert_eq!(count.get(), 1);
        assert!(poll_once(staying.as_mut(), &waker).is_ready());
    });
}

/// All sleepers are counted and woken, or not yet asleep.
#[test]
fn loom_rendez_wakeup_of_all_counts() {
    bounded(|| {
        let rendez = Arc::new(Rendez::<Shared>::new());
        let (count, waker) = Count::new();
        let mut first = Box::pin(rendez.sleep());
        assert!(poll_once(first.as_mut(), &waker).is_pending());
        let thread = {
            let rendez = rendez.clone();
            thread::spawn(move || rendez.wakeup_all())
        };
        let mut second = Box::pin(rendez.sleep());
        assert!(poll_once(second.as_mut(), &waker).is_pending());
        let woken = thread.join().unwrap();
        assert!(woken == 1 || woken == 2, "{woken}");
        assert_eq!((count.get(), rendez.sleeping()), (woken, 2 - woken));
    });
}
