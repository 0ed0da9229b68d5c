//! Every interleaving of a sleeper with those who wake it. A lost wake is a model that never ends.

use super::*;
use crate::loom::AtomicU32;
use loom::sync::Arc;
use loom::thread;

/// The letters are written and read without an order of their own: loom shows an old value to a
/// reader whom no unpark has brought the new one.
struct Shared {
    parker: Parker,
    bell: Parker,
    letters: [AtomicU32; 2],
}

fn shared() -> Arc<Shared> {
    Arc::new(Shared {
        parker: Parker::new(),
        bell: Parker::new(),
        letters: [AtomicU32::new(0), AtomicU32::new(0)],
    })
}

/// 1 against 3 and 4: the park ends, and what was written before the unpark is seen.
#[test]
fn loom_t9_park_against_unpark() {
    loom::model(|| {
        let shared = shared();
        let other = shared.clone();
        let waker = thread::spawn(move || {
            other.letters[0].store(7, Ordering::Relaxed);
            other.parker.unpark()
        });
        assert_eq!(shared.parker.park(None), Parked::Unparked);
        assert_eq!(shared.letters[0].load(Ordering::Relaxed), 7);
        assert_ne!(waker.join().unwrap(), Unparked::Ring);
    });
}

/// Two unparks: one of them at most makes a system call, and both writers are seen after two looks.
#[test]
fn loom_t5_two_unparks_are_one_wake_at_most() {
    loom::model(|| {
        let shared = shared();
        let wakers: Vec<_> = (0..2)
            .map(|index| {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.letters[index].store(7, Ordering::Relaxed);
                    shared.parker.unpark() == Unparked::Woken
                })
            })
            .collect();
        assert_eq!(shared.parker.park(None), Parked::Unparked);
        let woken = wakers.into_iter().filter_map(|waker| waker.join().unwrap().then_some(()));
        assert!(woken.count() <= 1);
        let _ = shared.parker.take_token();
        for letter in &shared.letters {
            assert_eq!(letter.load(Ordering::Relaxed), 7);
        }
    });
}

/// 2 against 3 and 4: a worker in its driver hears the bell of whoever is told to ring it.
#[test]
fn loom_t5_in_the_driver_the_bell_is_rung() {
    loom::model(|| {
        let shared = shared();
        let other = shared.clone();
        let waker = thread::spawn(move || {
            other.letters[0].store(7, Ordering::Relaxed);
            if other.parker.unpark() == Unparked::Ring {
                let _ = other.bell.unpark();
            }
        });
        let parked = shared.parker.park_in(|| {
            let _ = shared.bell.park(None);
        });
        assert_eq!(parked, Parked::Unparked);
        assert_eq!(shared.letters[0].load(Ordering::Relaxed), 7);
        waker.join().unwrap();
    });
}

/// 5 against 3 and 4: a token that comes as the time is over is taken now or by the next park.
#[test]
fn loom_t9_a_deadline_against_unpark() {
    loom::model(|| {
        let shared = shared();
        let other = shared.clone();
        let waker = thread::spawn(move || other.parker.unpark());
        let deadline = Instant::now() + std::time::Duration::from_secs(3600);
        if shared.parker.park(Some(deadline)) == Parked::Returned {
            assert_eq!(shared.parker.park(None), Parked::Unparked);
        }
        let _ = waker.join().unwrap();
        assert_eq!(shared.parker.take_token(), Parked::Returned);
    });
}
