use super::*;
use crate::loom::{AtomicU32, AtomicUsize};
use crate::park::Doorbell;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(20))
}

#[test]
fn empty_by_park_until_the_deadline() {
    let parker = Parker::new();
    let began = Instant::now();
    assert_eq!(parker.park(soon()), Parked::Returned);
    assert!(began.elapsed() >= Duration::from_millis(20));
    assert_eq!(parker.park(Some(began)), Parked::Returned);
}

#[test]
fn t5_many_unparks_are_one_token_and_no_system_call() {
    let parker = Parker::new();
    for _ in 0..3 {
        assert_eq!(parker.unpark(), Unparked::Awake);
    }
    assert_eq!(parker.park(None), Parked::Unparked);
    assert_eq!(parker.park(soon()), Parked::Returned);
    assert_eq!(parker.take_token(), Parked::Returned);
    assert_eq!(parker.unpark(), Unparked::Awake);
    assert_eq!(parker.take_token(), Parked::Unparked);
    assert_eq!(parker.park(soon()), Parked::Returned);
}

#[test]
fn t5_asleep_by_unpark_takes_one_wake() {
    let parker = Arc::new(Parker::new());
    let sleeper = parker.clone();
    let thread = thread::spawn(move || sleeper.park(None));
    // The worker is Asleep before it is in the kernel; the wake works from then on.
    let mut woken = 0;
    while woken == 0 {
        if parker.state.load(Ordering::Relaxed) == ASLEEP {
            woken += usize::from(parker.unpark() == Unparked::Woken);
        }
        thread::yield_now();
    }
    assert_eq!(thread.join().unwrap(), Parked::Unparked);
    assert_eq!((woken, parker.unpark()), (1, Unparked::Awake));
}

#[test]
fn t5_in_the_driver_by_unpark_asks_for_one_ring() {
    let parker = Parker::new();
    let bell = Doorbell::new().unwrap();
    let parked = parker.park_in(|| {
        let rings = (0..5).filter(|_| parker.unpark() == Unparked::Ring).count();
        assert_eq!(rings, 1);
        bell.ring();
    });
    assert_eq!(parked, Parked::Unparked);
    assert!(bell.clear());
    assert_eq!(parker.park_in(|| ()), Parked::Returned);
    assert_eq!(parker.unpark(), Unparked::Awake);
    assert_eq!(parker.park_in(|| panic!("a token is there")), Parked::Unparked);
}

/// A ball between two threads: each park ends, and what was written before an unpark is seen.
#[test]
fn a_thousand_hand_overs() {
    let parkers = Arc::new([Parker::new(), Parker::new()]);
    let ball = Arc::new(AtomicUsize::new(0));
    let ended = Arc::new(AtomicU32::new(0));
    let (others, other_ball, other_end) = (parkers.clone(), ball.clone(), ended.clone());
    let thread = thread::spawn(move || {
        let mut last = false;
        while !last {
            let _ = others[1].park(None);
            last = other_end.load(Ordering::Relaxed) == 1;
            other_ball.fetch_add(1, Ordering::Relaxed);
            let _ = others[0].unpark();
        }
    });
    for round in 0..1000 {
        if round == 999 {
            ended.store(1, Ordering::Relaxed);
        }
        let _ = parkers[1].unpark();
        assert_eq!(parkers[0].park(None), Parked::Unparked);
        assert_eq!(ball.load(Ordering::Relaxed), round + 1);
    }
    thread.join().unwrap();
}
