//! The two rings of a loop whose SQ thread is steered: S1 to S6 of `sqpoll/switching.rs`.

mod support;

use std::os::fd::AsRawFd;
use std::time::Duration;
use support::steered::{Auto, each_personality, op_and_pause};
use support::{Lane, pipe, transfer, write_to};
use wakering_core::Driver;
use wakering_core::abi::{Opcode, op_flag};
use wakering_core::buffers::BufferGroup;
use wakering_core::resource::Prepared;
use wakering_core::slot::Cancel;
use wakering_uring_loop::sqpoll::policy::{Reason, Route};

const NOP: Prepared = Prepared::new(Opcode::Nop);

#[test]
fn ops_in_flight_end_where_they_began() {
    each_personality(|mut lane| {
        let (reader, writer) = pipe();
        let (mut over_sq, mut over_plain) = ([0u8; 1], [0u8; 1]);
        for _ in 0..50 {
            let fd = reader.as_raw_fd();
            let first = lane.start(transfer(Opcode::Read, fd, &mut over_sq, 0));
            assert_eq!(lane.turn(Some(Duration::ZERO)), 0);
            // A place for a file of the plain ring's own sends the loop there.
            let place = lane.driver.reserve_file().unwrap();
            assert_eq!(lane.driver.route(), Route::Plain);
            let second = lane.start(transfer(Opcode::Read, fd, &mut over_plain, 0));
            assert_eq!(lane.turn(Some(Duration::ZERO)), 0);
            assert_eq!(lane.driver.in_flight(), 2);
            write_to(&writer, b"a");
            write_to(&writer, b"b");
            assert_eq!((lane.result(first), lane.result(second)), (1, 1));
            let mut both = [over_sq[0], over_plain[0]];
            both.sort_unstable();
            assert_eq!(&both, b"ab");
            lane.driver.release_file(place).unwrap();
            let back = (0..1000).any(|_| {
                op_and_pause(&mut lane, Duration::from_millis(1));
                lane.driver.route() == Route::SqThread
            });
            assert!(back, "{}", lane.driver.report());
        }
    });
}

#[test]
fn a_cancel_goes_to_the_ring_that_has_the_op() {
    each_personality(|mut lane| {
        let (reader, _writer) = pipe();
        let mut buffers = [[0u8; 1]; 2];
        let fd = reader.as_raw_fd();
        let first = lane.start(transfer(Opcode::Read, fd, &mut buffers[0], 0));
        lane.turn(Some(Duration::ZERO));
        lane.driver.reserve_file().unwrap();
        let second = lane.start(transfer(Opcode::Read, fd, &mut buffers[1], 0));
        lane.turn(Some(Duration::ZERO));
        for token in [first, second] {
            assert_eq!(lane.cancel(token).unwrap(), Cancel::Ask);
            assert_eq!(lane.result(token), -libc::ECANCELED);
        }
        assert_eq!(lane.driver.counters().cancels.found, 2);
    });
}

#[test]
fn both_rings_are_drained() {
    each_personality(|mut lane| {
        let (reader, _writer) = pipe();
        let mut buffers = [[0u8; 1]; 2];
        for (round, buffer) in buffers.iter_mut().enumerate() {
            lane.start(transfer(Opcode::Read, reader.as_raw_fd(), buffer, 0));
            lane.turn(Some(Duration::ZERO));
            if round == 0 {
                lane.driver.reserve_file().unwrap();
            }
        }
        let mut ended = Vec::new();
        let Lane { driver, .. } = &mut lane;
        let drained = driver.drain(Duration::from_secs(10), &mut |completion| {
            ended.push(completion.outcome.result);
        });
        assert_eq!((drained.still_in_flight, ended), (0, vec![-libc::ECANCELED; 2]));
    });
}

#[test]
fn whoever_waits_elsewhere_hears_of_both_rings() {
    each_personality(|mut lane| {
        let bell = lane.driver.poll_fd();
        let (first_reader, first_writer) = pipe();
        let (second_reader, second_writer) = pipe();
        let mut buffers = [[0u8; 1]; 2];
        let [first_buffer, second_buffer] = &mut buffers;
        for _ in 0..20 {
            let fds = [first_reader.as_raw_fd(), second_reader.as_raw_fd()];
            let first = lane.start(transfer(Opcode::Read, fds[0], first_buffer, 0));
            lane.turn(Some(Duration::ZERO));
            let place = lane.driver.reserve_file().unwrap();
            let second = lane.start(transfer(Opcode::Read, fds[1], second_buffer, 0));
            lane.turn(Some(Duration::ZERO));
            for (writer, token) in [(&first_writer, first), (&second_writer, second)] {
                write_to(writer, b"x");
                while lane.done.is_empty() {
                    assert!(readable(bell), "the bell stays silent");
                    lane.turn(Some(Duration::ZERO));
                }
                assert_eq!(lane.result(token), 1);
            }
            lane.driver.release_file(place).unwrap();
            op_and_pause(&mut lane, Duration::from_millis(5));
        }
    });
}

/// Whether it becomes readable.
fn readable(fd: i32) -> bool {
    let mut polled = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which outlives the call.
    unsafe { libc::poll(&raw mut polled, 1, 10_000) == 1 }
}

#[test]
fn a_bell_from_another_thread_ends_a_turn_over_both_rings() {
    each_personality(|mut lane| {
        let (reader, writer) = pipe();
        let mut buffer = [0u8; 1];
        let token = lane.start(transfer(Opcode::Read, reader.as_raw_fd(), &mut buffer, 0));
        lane.turn(Some(Duration::ZERO));
        lane.driver.reserve_file().unwrap();
        for _ in 0..50 {
            let home = lane.home.clone();
            let ringer = std::thread::spawn(move || home.doorbell.ring());
            assert_eq!(lane.turn(None), 0, "returns, for the bell");
            ringer.join().unwrap();
            lane.home.doorbell.clear();
        }
        write_to(&writer, b"x");
        // Whoever takes nothing is not kept, and what is there is not lost.
        assert_eq!(lane.driver.turn(None, 0, &mut |_| unreachable!("nothing is taken")), Ok(0));
        assert_eq!(lane.result(token), 1);
    });
}

#[test]
fn what_is_registered_has_the_same_place_in_both_rings() {
    each_personality(|mut lane| {
        let (reader, writer) = pipe();
        let mut memory = vec![0u8; 4096];
        let file = lane.driver.register_file(reader.as_raw_fd()).unwrap();
        // SAFETY: the memory outlives the lane's ops, which are awaited below.
        let buffer = unsafe { lane.driver.register_buffer(memory.as_mut_ptr(), memory.len()) };
        let registered = buffer.unwrap();
        let read = |memory: &mut Vec<u8>| Prepared {
            registered,
            fixed_file: file,
            ..transfer(Opcode::Read, reader.as_raw_fd(), &mut memory[..1], 0)
        };
        for route in [Route::SqThread, Route::Plain] {
            assert_eq!(lane.driver.route(), route);
            write_to(&writer, b"x");
            assert_eq!(lane.run(read(&mut memory)), 1);
            lane.driver.reserve_file().unwrap();
        }
        lane.driver.unregister_file(file).unwrap();
        lane.driver.unregister_buffer(registered).unwrap();
        assert!(lane.driver.unregister_file(file).is_err());
    });
}

/// A message would be a completion in one of the rings, and the other may be the one that is slept in.
#[test]
fn other_loops_ring_its_bell_and_send_no_message() {
    each_personality(|mut lane| {
        let Some(mut other) = Lane::inline(4) else { return };
        assert!(!lane.home.has_ring());
        for _ in 0..2 {
            other.driver.ring(&lane.home);
            other.driver.publish().unwrap();
            assert_eq!(lane.turn(None), 0, "returns, for the bell");
            // Over the other ring too.
            lane.driver.reserve_file().unwrap();
        }
    });
}

/// Several ops, each but the last linked to the next; the route changes where `change` says.
fn chain_over_a_change(lane: &mut Auto, first: Prepared, at: usize, turns: bool) -> Vec<i32> {
    let linked =
        |prepared: Prepared| Prepared { flags: prepared.flags | op_flag::LINK, ..prepared };
    let mut place = None;
    let mut tokens = Vec::new();
    for number in 0..5 {
        if number == at {
            place = Some(lane.driver.reserve_file().unwrap());
            assert_eq!(lane.driver.route(), Route::Plain);
        }
        if turns {
            lane.turn(Some(Duration::ZERO));
        }
        tokens.push(match number {
            0 => lane.start(linked(first)),
            4 => lane.start(NOP),
            _ => lane.start(linked(NOP)),
        });
    }
    let results = tokens.iter().map(|&token| lane.result(token)).collect();
    assert_eq!(lane.driver.in_flight(), 0);
    lane.driver.release_file(place.unwrap()).unwrap();
    let back = (0..1000).any(|_| {
        op_and_pause(lane, Duration::from_millis(1));
        lane.driver.route() == Route::SqThread
    });
    assert!(back, "{}", lane.driver.report());
    results
}

#[test]
fn a_chain_goes_whole_to_one_ring_whenever_the_route_changes() {
    each_personality(|mut lane| {
        let bad = transfer(Opcode::Read, -1, &mut [], 0);
        for at in 0..5 {
            for turns in [false, true] {
                let results = chain_over_a_change(&mut lane, bad, at, turns);
                let mut expected = [-libc::ECANCELED; 5];
                expected[0] = -libc::EBADF;
                assert_eq!(results, expected, "at {at}, turns {turns}");
                assert_eq!(chain_over_a_change(&mut lane, NOP, at, turns), [0; 5]);
            }
        }
    });
}

#[test]
fn a_chain_that_is_broken_stays_so_when_the_route_changes() {
    each_personality(|mut lane| {
        let none = Prepared::new(Opcode::Readdir);
        for at in 0..5 {
            let results = chain_over_a_change(&mut lane, none, at, true);
            assert_eq!(results[1..], [-libc::ECANCELED; 4], "at {at}");
        }
    });
}

fn reasons(lane: &Auto) -> Vec<Reason> {
    lane.driver.report().decisions.iter().map(|decision| decision.reason).collect()
}

#[test]
fn what_holds_a_loop_on_its_plain_ring_is_reported() {
    each_personality(|mut lane| {
        let place = lane.driver.reserve_file().unwrap();
        let held = Reason::Held { files: 1, groups: 0 };
        assert_eq!(reasons(&lane), [held]);
        let report = lane.driver.report();
        assert_eq!(report.decisions[0].setting.route, Route::Plain, "{report}");
        assert!(report.to_string().contains("1 places for files, 0 groups"), "{report}");
        // More of it changes nothing.
        let Ok(group) = lane.driver.add_buffers(BufferGroup::new(1, 64)) else {
            return support::skip("this kernel has no groups of buffers");
        };
        lane.driver.release_file(place).unwrap();
        op_and_pause(&mut lane, Duration::from_millis(5));
        assert_eq!((lane.driver.route(), reasons(&lane)), (Route::Plain, vec![held]));
        lane.driver.remove_buffers(group);
        assert_eq!(reasons(&lane), [held, Reason::HeldNoMore]);
        op_and_pause(&mut lane, Duration::from_millis(5));
        assert_eq!(lane.driver.route(), Route::SqThread);
        // A place that is given back the other way holds nothing either.
        let place = lane.driver.reserve_file().unwrap();
        lane.driver.unregister_file(place).unwrap();
        assert_eq!(reasons(&lane).last(), Some(&Reason::HeldNoMore));
        let group = lane.driver.add_buffers(BufferGroup::new(1, 64)).unwrap();
        assert_eq!(reasons(&lane).last(), Some(&Reason::Held { files: 0, groups: 1 }));
        lane.driver.remove_buffers(group);
    });
}
