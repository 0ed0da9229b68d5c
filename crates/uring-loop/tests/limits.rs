//! What happens at the bounds, and how a ring is woken.

mod support;

use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};
use support::{Lane, pipe, transfer, write_to};
use wakering_core::abi::{ErrorKind, Opcode, completion_flag, op_flag};
use wakering_core::resource::Prepared;
use wakering_core::slot::{Outcome, Publish};
use wakering_core::{Driver, Token};
use wakering_uring_loop::{Personality, UringConfig};

fn readable(fd: RawFd, timeout: Duration) -> bool {
    let mut polled = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which outlives the call.
    unsafe { libc::poll(&raw mut polled, 1, timeout.as_millis() as i32) == 1 }
}

fn both(slots: u32) -> Vec<Lane> {
    [Lane::inline(slots), Lane::worker(slots)].into_iter().flatten().collect()
}

/// More completions than the queue holds: the kernel keeps them, none is lost.
#[test]
fn an_overflowing_completion_queue_loses_nothing() {
    for personality in [Personality::Inline, Personality::Worker] {
        let config =
            UringConfig { entries: 8, completions: 8, personality, ..UringConfig::inline(256) };
        let Some(mut lane) = Lane::new(256, config) else { return };
        assert_eq!(lane.driver.size().completions, 8);
        for round in 0..20 {
            let mut tokens: Vec<Token> =
                (0..256).map(|_| lane.start(Prepared::new(Opcode::Nop))).collect();
            lane.driver.publish().unwrap();
            assert_eq!(lane.driver.in_flight(), 256, "round {round}");
            while lane.driver.in_flight() > 0 {
                assert_ne!(lane.turn(Some(Duration::from_secs(5))), 0);
            }
            let mut came: Vec<Token> = lane.done.drain(..).map(|(token, _)| token).collect();
            tokens.sort_unstable_by_key(|token| token.index());
            came.sort_unstable_by_key(|token| token.index());
            assert_eq!(came, tokens);
            for token in tokens {
                lane.take(token);
            }
        }
        assert!(lane.driver.counters().overflows > 0, "{:?}", lane.driver.counters());
        assert_eq!(lane.driver.counters().stale, 0);
    }
}

#[test]
fn a_full_submission_queue_publishes_by_itself() {
    let config = UringConfig { entries: 4, ..UringConfig::inline(64) };
    let Some(mut lane) = Lane::new(64, config) else { return };
    let tokens: Vec<_> = (0..64).map(|_| lane.start(Prepared::new(Opcode::Nop))).collect();
    let enters = lane.driver.enters();
    assert!(enters >= 15, "{enters} calls for 64 ops through 4 places");
    for token in tokens {
        assert_eq!(lane.result(token), 0);
    }
}

#[test]
fn one_publish_is_one_call_and_nothing_new_is_none() {
    for mut lane in both(32) {
        let before = lane.driver.enters();
        lane.driver.publish().unwrap();
        assert_eq!(lane.driver.enters(), before);
        let tokens: Vec<_> = (0..32).map(|_| lane.start(Prepared::new(Opcode::Nop))).collect();
        assert_eq!(lane.driver.enters(), before);
        lane.driver.publish().unwrap();
        lane.driver.publish().unwrap();
        assert_eq!(lane.driver.enters(), before + 1);
        lane.turn(Some(Duration::ZERO));
        assert_eq!(lane.driver.enters(), before + 1);
        assert_eq!(lane.done.len(), tokens.len());
    }
}

#[test]
fn a_turn_hands_over_no_more_than_asked_and_the_rest_later() {
    for mut lane in both(32) {
        let poll_fd = lane.driver.poll_fd();
        for _ in 0..32 {
            lane.start(Prepared::new(Opcode::Nop));
        }
        let mut came = 0;
        while came < 32 {
            let Lane { driver, done, .. } = &mut lane;
            let sink = &mut |completion: wakering_core::Completion| {
                done.push((completion.token, completion.outcome));
            };
            let turned = driver.turn(Some(Duration::ZERO), 10, sink).unwrap();
            assert!((1..=10).contains(&turned), "{turned}");
            came += turned;
            // Who waits elsewhere is told that there is more.
            assert!(came == 32 || readable(poll_fd, Duration::ZERO), "after {came}");
        }
        lane.turn(Some(Duration::ZERO));
        lane.turn(Some(Duration::ZERO));
        assert!(!readable(poll_fd, Duration::ZERO), "nothing is left to tell");
    }
}

#[test]
fn a_sleeping_ring_is_woken_from_another_thread() {
    for mut lane in both(4) {
        for _ in 0..50 {
            let home = lane.home.clone();
            let start = Instant::now();
            let waker = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(2));
                home.doorbell.ring();
            });
            assert_eq!(lane.turn(None), 0);
            assert!(start.elapsed() < Duration::from_secs(5));
            waker.join().unwrap();
            lane.turn(Some(Duration::ZERO));
        }
        // Rung before it sleeps: it does not sleep.
        lane.home.doorbell.ring();
        assert_eq!(lane.turn(None), 0);
    }
}

#[test]
fn what_another_thread_brings_home_is_handed_over() {
    for mut lane in both(64) {
        let mut came = 0u32;
        for round in 0..200 {
            let tokens: Vec<Token> =
                (0..8).map(|_| lane.claim(Prepared::new(Opcode::Readdir))).collect();
            let home = lane.home.clone();
            let carrier = std::thread::spawn(move || {
                for token in tokens {
                    assert_eq!(home.slab.slot(token).publish(token), Publish::Go);
                    home.deliver(token, Outcome { result: round, flags: 0 });
                }
            });
            let mut here = 0;
            while here < 8 {
                // With ops of its own at the same time.
                let own = lane.start(Prepared::new(Opcode::Nop));
                lane.turn(None);
                for (token, outcome) in std::mem::take(&mut lane.done) {
                    if token == own {
                        assert_eq!(outcome.result, 0);
                    } else if outcome.result == round
                        && lane.with(token, |resource| resource.prepared.opcode == Opcode::Readdir)
                    {
                        here += 1;
                    }
                    lane.take(token);
                }
            }
            came += here;
            carrier.join().unwrap();
            while lane.driver.in_flight() > 0 {
                lane.turn(None);
            }
            for (token, _) in std::mem::take(&mut lane.done) {
                lane.take(token);
            }
        }
        assert_eq!(came, 1600);
    }
}

#[test]
fn a_waiter_elsewhere_hears_everything() {
    for mut lane in both(16) {
        let poll_fd = lane.driver.poll_fd();
        let (reader, writer) = pipe();
        let mut buffer = [0u8; 1];
        for round in 0..500 {
            let token = lane.start(transfer(Opcode::Read, reader.as_raw_fd(), &mut buffer, 0));
            while lane.turn(Some(Duration::ZERO)) > 0 {}
            let writer = writer.try_clone().unwrap();
            let other = std::thread::spawn(move || write_to(&writer, b"x"));
            while lane.done.is_empty() {
                assert!(readable(poll_fd, Duration::from_secs(10)), "round {round}");
                lane.turn(Some(Duration::ZERO));
            }
            other.join().unwrap();
            lane.done.clear();
            lane.take(token);
        }
    }
}

#[test]
fn a_turn_ends_when_its_time_is_over() {
    for mut lane in both(4) {
        let start = Instant::now();
        assert_eq!(lane.turn(Some(Duration::from_millis(20))), 0);
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(20) && waited < Duration::from_secs(5));
    }
}

#[test]
fn a_multishot_poll_delivers_again_and_again() {
    for mut lane in both(4) {
        let (reader, writer) = pipe();
        let poll = Prepared {
            fd: reader.as_raw_fd(),
            op_flags: libc::POLLIN as u32,
            flags: op_flag::MULTISHOT,
            ..Prepared::new(Opcode::PollAdd)
        };
        let token = lane.start(poll);
        for _ in 0..3 {
            lane.turn(Some(Duration::ZERO));
            write_to(&writer, b"x");
            while lane.done.is_empty() {
                lane.turn(Some(Duration::from_secs(5)));
            }
            let (came, outcome) = lane.done.remove(0);
            assert_eq!((came, outcome.flags), (token, completion_flag::MORE));
            assert!(!lane.home.slab.slot(token).is_ready(token));
        }
        lane.done.clear();
        let _ = lane.cancel(token).unwrap();
        while !lane.home.slab.slot(token).is_ready(token) {
            lane.turn(Some(Duration::from_secs(5)));
        }
        lane.take(token);
        assert_eq!(lane.driver.in_flight(), 0);
    }
}

#[test]
fn a_driver_that_is_drained_takes_nothing_more() {
    for mut lane in both(4) {
        let drained = lane.driver.drain(Duration::ZERO, &mut |_| {});
        assert_eq!(drained.still_in_flight, 0);
        let token = lane.claim(Prepared::new(Opcode::Nop));
        assert_eq!(lane.driver.enqueue(token), Err(ErrorKind::Closed.into()));
    }
}
