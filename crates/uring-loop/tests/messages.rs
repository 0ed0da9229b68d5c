//! One loop wakes another by a message from ring to ring, and no wake is lost.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::time::Duration;
use support::{Lane, skip};
use wakering_core::abi::Opcode;
use wakering_core::resource::Prepared;
use wakering_core::{Driver, Home};
use wakering_uring_loop::{Sqpoll, UringConfig, outside};

type Config = fn() -> UringConfig;

fn over_sqpoll() -> UringConfig {
    UringConfig::inline(8).with_sqpoll(Sqpoll { cpu: None, idle_ms: 20, share: None })
}

const PERSONALITIES: [Config; 3] =
    [|| UringConfig::inline(8), || UringConfig::worker(8), over_sqpoll];

/// Where one thread leaves numbers for another, which it wakes only where that is about to sleep.
#[derive(Default)]
struct Letters {
    written: AtomicU64,
    sleeping: AtomicBool,
}

/// Reads what was written; sleeps in a turn while there is nothing. Who writes does so, then looks
/// whether this one sleeps; this one says so, then looks once more.
fn read_until(lane: &mut Lane, letters: &Letters, number: u64) {
    loop {
        if letters.written.load(Ordering::Acquire) >= number {
            return;
        }
        letters.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if letters.written.load(Ordering::Relaxed) < number {
            lane.turn(None);
        }
        letters.sleeping.store(false, Ordering::Relaxed);
    }
}

fn write(lane: &mut Lane, letters: &Letters, number: u64, other: &Arc<Home>) {
    letters.written.store(number, Ordering::Release);
    fence(Ordering::SeqCst);
    if letters.sleeping.load(Ordering::Relaxed) {
        lane.driver.ring(other);
    }
}

/// Two threads answer each other so many times: a wake that is lost ends in both of them asleep.
fn back_and_forth(configs: [Config; 2], rounds: u64) -> Option<[u64; 2]> {
    let letters = [Letters::default(), Letters::default()];
    let homes = [(); 2].map(|()| std::sync::OnceLock::<Arc<Home>>::new());
    let ready = std::sync::Barrier::new(2);
    let play = |me: usize| {
        let lane = Lane::new(8, configs[me]());
        if let Some(lane) = &lane {
            homes[me].set(lane.home.clone()).unwrap();
        }
        ready.wait();
        let other = homes[1 - me].get()?;
        let mut lane = lane?;
        for round in 1..=rounds {
            if me == 0 {
                write(&mut lane, &letters[1], round, other);
                read_until(&mut lane, &letters[0], round);
            } else {
                read_until(&mut lane, &letters[1], round);
                write(&mut lane, &letters[0], round, other);
            }
        }
        // What was rung last goes out before this thread stops turning.
        lane.driver.publish().unwrap();
        ready.wait();
        Some(lane.driver.enters())
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| play(1));
        let first = play(0);
        Some([first?, other.join().unwrap()?])
    })
}

#[test]
fn each_personality_wakes_each() {
    for one in PERSONALITIES {
        for other in PERSONALITIES {
            if back_and_forth([one, other], 2_000).is_none() {
                return;
            }
        }
    }
}

#[test]
fn r7_a_million_messages_both_ways_and_no_wake_is_lost() {
    const ROUNDS: u64 = 125_000;
    for config in [PERSONALITIES[1], PERSONALITIES[0]] {
        if back_and_forth([config, config], ROUNDS).is_none() {
            return;
        }
    }
    flood([PERSONALITIES[1], PERSONALITIES[1]]);
    flood([PERSONALITIES[0], PERSONALITIES[1]]);
}

/// Each writes as fast as it can, and reads when it likes: most are elided, some race with a sleep.
fn flood(configs: [Config; 2]) {
    const EACH: u64 = 125_000;
    let letters = [Letters::default(), Letters::default()];
    let homes = [(); 2].map(|()| std::sync::OnceLock::<Arc<Home>>::new());
    let ready = std::sync::Barrier::new(2);
    let play = |me: usize| {
        let mut lane = Lane::new(8, configs[me]()).expect("a ring, as before");
        homes[me].set(lane.home.clone()).unwrap();
        ready.wait();
        let other = homes[1 - me].get().unwrap();
        for round in 1..=EACH {
            write(&mut lane, &letters[1 - me], round, other);
            if round % 16 == me as u64 {
                lane.turn(Some(Duration::ZERO));
            }
            if round % 64 == 0 {
                // It has to have heard of the other's to go on.
                lane.driver.publish().unwrap();
                read_until(&mut lane, &letters[me], round - 32);
            }
        }
        lane.driver.publish().unwrap();
        read_until(&mut lane, &letters[me], EACH);
        ready.wait();
    };
    std::thread::scope(|scope| {
        scope.spawn(|| play(1));
        play(0);
    });
}

#[test]
fn messages_go_out_with_the_next_publish_and_complete_nowhere() {
    let Some(mut lane) = Lane::inline(8) else { return };
    let Some(mut other) = Lane::worker(8) else { return };
    if !other.home.has_ring() {
        return skip("this kernel has no messages from ring to ring");
    }
    let before = lane.driver.enters();
    for _ in 0..100 {
        lane.driver.ring(&other.home);
    }
    let nop = lane.start(Prepared::new(Opcode::Nop));
    assert_eq!(lane.driver.enters(), before);
    assert_eq!(lane.result(nop), 0);
    assert_eq!(lane.driver.enters(), before + 1);
    assert!(!other.home.doorbell.clear(), "nobody rang the doorbell");
    // Heard: a turn without an end ends.
    assert_eq!(other.turn(None), 0);
    assert_eq!((lane.driver.in_flight(), other.driver.in_flight()), (0, 0));
    assert_eq!(lane.driver.counters().stale + other.driver.counters().stale, 0);
}

#[test]
fn a_message_that_does_not_arrive_rings_the_doorbell() {
    for config in PERSONALITIES {
        let Some(mut lane) = Lane::new(8, config()) else { return };
        let home = Arc::new(Home::new(1).unwrap());
        // A loop without a ring.
        lane.driver.ring(&home);
        assert!(home.doorbell.clear());
        // One whose ring is not one any more.
        let file = std::fs::File::open("/dev/null").unwrap();
        home.set_ring_fd(Some(std::os::fd::AsRawFd::as_raw_fd(&file)));
        lane.driver.ring(&home);
        while !home.doorbell.clear() {
            lane.turn(Some(Duration::from_millis(1)));
        }
        let Some(gone) = Lane::worker(8) else { return };
        let home = gone.home.clone();
        drop(gone);
        assert!(!home.has_ring());
        lane.driver.ring(&home);
        assert!(home.doorbell.clear());
        assert_eq!(lane.driver.in_flight(), 0);
    }
}

#[test]
fn a_driver_that_is_dropped_has_rung() {
    let Some(mut other) = Lane::worker(8) else { return };
    for config in PERSONALITIES {
        let Some(mut lane) = Lane::new(8, config()) else { return };
        lane.driver.ring(&other.home);
        drop(lane);
        assert_eq!(other.turn(None), 0);
    }
}

#[test]
fn a_thread_without_a_ring_wakes_each() {
    for config in PERSONALITIES {
        let Some(mut lane) = Lane::new(8, config()) else { return };
        let letters = Arc::new((Letters::default(), Letters::default()));
        let (home, shared) = (lane.home.clone(), letters.clone());
        const ROUNDS: u64 = 20_000;
        let outside = std::thread::spawn(move || {
            for round in 1..=ROUNDS {
                shared.0.written.store(round, Ordering::Release);
                fence(Ordering::SeqCst);
                if shared.0.sleeping.load(Ordering::Relaxed) {
                    outside::ring(&home);
                }
                while round % 8 == 0 && shared.1.written.load(Ordering::Acquire) < round {
                    std::thread::yield_now();
                }
            }
        });
        for round in (8..=ROUNDS).step_by(8) {
            read_until(&mut lane, &letters.0, round);
            letters.1.written.store(round, Ordering::Release);
        }
        outside.join().unwrap();
        let gone = Home::new(1).unwrap();
        outside::ring(&gone);
        assert!(gone.doorbell.clear());
    }
}
