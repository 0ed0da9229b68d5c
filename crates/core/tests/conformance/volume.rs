//! Bounds, bells and descriptors to poll.

use super::lane::{Lane, Op, SLOTS, is_readable};
use std::time::{Duration, Instant};
use wakering_core::Driver;
use wakering_core::abi::Opcode;

/// 100,000 ops through 64 slots: none is lost, none is answered twice, nothing is left.
pub(crate) fn many_ops_go_through_few_slots<D: Driver>(lane: &mut Lane<D>) {
    let path = lane.file("data");
    let bytes: Vec<u8> = (0..64 * 64).map(|i| (i / 64) as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    let fd = lane.open(&path, libc::O_RDONLY);
    let mut buffers = vec![[0u8; 64]; SLOTS as usize];
    let (mut started, mut done) = (0u32, 0u32);
    while done < 100_000 {
        while started < 100_000 && lane.has_room() {
            let op = Op::on(Opcode::Read, fd).offset(u64::from(started % 64) * 64);
            let op = if started.is_multiple_of(9) {
                Op::new(Opcode::Nop)
            } else {
                op.into(&mut buffers[(started % SLOTS) as usize])
            };
            lane.enqueue(&op).unwrap();
            started += 1;
        }
        lane.turn(None);
        for (_, answer) in lane.take_answers() {
            assert!(answer.result == 0 || answer.result == 64, "{}", answer.result);
            done += 1;
        }
    }
    assert_eq!((started, done), (100_000, 100_000));
    assert_eq!(lane.driver.in_flight(), 0);
    lane.close(fd);
}

pub(crate) fn the_bell_ends_a_turn<D: Driver>(lane: &mut Lane<D>) {
    let home = lane.home.clone();
    let ringer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        home.doorbell.ring();
    });
    let start = Instant::now();
    assert_eq!(lane.turn(None), 0);
    assert!(start.elapsed() < Duration::from_secs(30));
    ringer.join().unwrap();
}

pub(crate) fn the_descriptor_to_poll_is_readable_when_there_is_something<D: Driver>(
    lane: &mut Lane<D>,
) {
    while lane.turn(Some(Duration::ZERO)) > 0 {}
    let fd = lane.driver.poll_fd();
    assert!(!is_readable(fd, Duration::from_millis(50)), "nothing is there");
    let folder = lane.folder.clone();
    let waits = [
        Op::new(Opcode::Nop),
        Op::new(Opcode::Timeout).offset(20_000_000),
        Op::new(Opcode::Statx).path(&folder).extra([libc::STATX_BASIC_STATS, 0]),
    ];
    for op in &waits {
        let token = lane.start(op);
        while lane.answer(token).is_none() {
            assert!(is_readable(fd, Duration::from_secs(10)), "{op:?}");
            lane.turn(Some(Duration::ZERO));
        }
        while lane.turn(Some(Duration::ZERO)) > 0 {}
        assert!(!is_readable(fd, Duration::from_millis(20)), "silent after {op:?}");
    }
}

pub(crate) fn completions_beyond_the_limit_of_a_turn_are_kept<D: Driver>(lane: &mut Lane<D>) {
    let folder = lane.folder.clone();
    let stat = Op::new(Opcode::Statx).path(&folder).extra([libc::STATX_BASIC_STATS, 0]);
    let nothing = Op::new(Opcode::Nop);
    for index in 0..40 {
        lane.enqueue(if index % 2 == 0 { &stat } else { &nothing }).unwrap();
    }
    lane.driver.publish().unwrap();
    let mut done = 0;
    while done < 40 {
        assert!(is_readable(lane.driver.poll_fd(), Duration::from_secs(10)), "{done} of 40");
        let now = lane.turn_at_most(Some(Duration::ZERO), 7);
        assert!(now <= 7);
        done += now;
    }
    assert_eq!(lane.take_answers().len(), 40);
}
