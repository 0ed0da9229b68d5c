//! Cancelling tells the truth: one outcome for each op, and no byte is lost.

use super::lane::{Lane, Op, close_now, make_fifo, pipe, write_now};
use std::time::{Duration, Instant};
use wakering_core::Driver;
use wakering_core::abi::{Opcode, POSITION_CURRENT};
use wakering_core::random::Random;
use wakering_core::slot::Cancel;

fn read<'a>(fd: i32, buffer: &mut [u8]) -> Op<'a> {
    Op::on(Opcode::Read, fd).into(buffer).offset(POSITION_CURRENT)
}

pub(crate) fn an_op_that_was_not_published_is_withdrawn<D: Driver>(lane: &mut Lane<D>) {
    let path = lane.file("never made");
    let create = Op::new(Opcode::OpenAt).path(&path).flags(libc::O_CREAT).extra([0o600, 0]);
    for _ in 0..200 {
        let token = lane.enqueue(&create).unwrap();
        match lane.cancel(token) {
            Cancel::Withdrawn => {}
            // A ring takes an op as soon as it is enqueued; then it is open to see and answers.
            Cancel::Ask => {
                let result = lane.finish(token).result;
                if result >= 0 {
                    close_now(result);
                }
                return;
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(lane.answer(token).unwrap().result, -libc::ECANCELED);
    }
    lane.turn(Some(Duration::ZERO));
    assert!(!path.exists());
}

/// 10,000 rounds: a read waits, is cancelled, and one byte is written at about the same time. The
/// byte is in the outcome, or still in the pipe.
pub(crate) fn a_cancelled_read_takes_no_byte<D: Driver>(lane: &mut Lane<D>) {
    let (out, into) = pipe();
    let mut random = Random::new(11);
    let mut seen = Vec::new();
    let mut cancelled = 0;
    for round in 0..10_000u32 {
        let mut buffer = [0; 1];
        let token = lane.start(&read(out, &mut buffer));
        if random.below(4) == 0 {
            lane.turn(Some(Duration::ZERO));
        }
        let first = random.below(3);
        if first == 0 {
            write_now(into, &[round as u8]);
        }
        let _ = lane.cancel(token);
        // In a third of the rounds the byte comes only after the answer.
        let early = (first == 2).then(|| lane.finish(token));
        if first != 0 {
            write_now(into, &[round as u8]);
        }
        match early.unwrap_or_else(|| lane.finish(token)).result {
            1 => seen.push(buffer[0]),
            result => {
                assert_eq!(result, -libc::ECANCELED);
                cancelled += 1;
                let again = lane.run(&read(out, &mut buffer));
                assert_eq!(again.result, 1);
                seen.push(buffer[0]);
            }
        }
    }
    assert!(seen.iter().enumerate().all(|(round, &byte)| byte == round as u8));
    assert_eq!(seen.len(), 10_000);
    assert!(cancelled > 0, "some cancels win");
    close_now(out);
    close_now(into);
}

/// 20,000 ops of several kinds, each cancelled at some moment: every one answers once.
pub(crate) fn every_race_has_one_outcome<D: Driver>(lane: &mut Lane<D>) {
    let path = lane.file("data");
    std::fs::write(&path, [7; 4096]).unwrap();
    let fd = lane.open(&path, libc::O_RDONLY);
    let (out, into) = pipe();
    let mut random = Random::new(5);
    let mut buffer = vec![[0u8; 64]; 64];
    let (mut started, mut answered, mut cancelled) = (0, 0, 0);
    let mut live = Vec::new();
    while answered < 20_000 {
        while started < 20_000 && lane.has_room() {
            let room = &mut buffer[started % 64];
            let op = match random.below(5) {
                0 => Op::new(Opcode::Nop),
                1 => Op::new(Opcode::Timeout).offset(random.below(300_000)),
                2 => read(out, &mut room[..1]),
                3 => Op::new(Opcode::OpenAt).path(&path).flags(libc::O_RDONLY),
                _ => Op::on(Opcode::Read, fd).into(room).offset(0),
            };
            let opens = op_opens(&op);
            let token =
                if random.below(3) == 0 { lane.enqueue(&op).unwrap() } else { lane.start(&op) };
            live.push((token, opens));
            started += 1;
        }
        for _ in 0..random.below(8) {
            let place = random.below(live.len().max(1) as u64) as usize;
            if let Some(&(token, _)) = live.get(place) {
                let _ = lane.cancel(token);
            }
        }
        write_now(into, b"x");
        lane.turn(Some(Duration::from_micros(random.below(2) * 200)));
        for (token, answer) in lane.take_answers() {
            let place = live.iter().position(|(other, _)| *other == token).expect("answers once");
            let (_, opens) = live.swap_remove(place);
            answered += 1;
            match answer.result {
                result if result == -libc::ECANCELED => cancelled += 1,
                result if opens => close_now(result),
                result => assert!(result >= 0 || result == -libc::ETIME, "{result}"),
            }
        }
    }
    assert_eq!((started, answered), (20_000, 20_000));
    assert!(live.is_empty());
    assert!(cancelled > 0 && cancelled < 20_000, "{cancelled}");
    lane.close(fd);
    close_now(out);
    close_now(into);
}

fn op_opens(op: &Op<'_>) -> bool {
    op.opcode() == Opcode::OpenAt
}

/// An open of a FIFO waits for the other end. A driver may answer at once (a ring tries without
/// waiting); one that waits gives up when asked.
pub(crate) fn a_blocked_open_of_a_fifo_can_be_given_up<D: Driver>(lane: &mut Lane<D>) {
    let path = lane.file("fifo");
    make_fifo(&path);
    for _ in 0..20 {
        let token = lane.start(&Op::new(Opcode::OpenAt).path(&path).flags(libc::O_RDONLY));
        lane.turn(Some(Duration::from_millis(5)));
        let _ = lane.cancel(token);
        let start = Instant::now();
        match lane.finish(token).result {
            result if result >= 0 => close_now(result),
            result => assert_eq!(result, -libc::ECANCELED),
        }
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

pub(crate) fn draining_ends_what_waits<D: Driver>(lane: &mut Lane<D>) {
    let (out, into) = pipe();
    let path = lane.file("fifo");
    make_fifo(&path);
    let mut buffer = [0; 4];
    let mut tokens = vec![
        lane.start(&read(out, &mut buffer)),
        lane.start(&Op::new(Opcode::Timeout).offset(3_600_000_000_000)),
        lane.start(&Op::on(Opcode::PollAdd, out).flags(i32::from(libc::POLLIN))),
    ];
    for _ in 0..8 {
        tokens.push(lane.start(&Op::new(Opcode::OpenAt).path(&path).flags(libc::O_WRONLY)));
    }
    lane.turn(Some(Duration::from_millis(5)));
    tokens.push(lane.enqueue(&Op::new(Opcode::Nop)).unwrap());
    let start = Instant::now();
    assert_eq!(lane.drain(Duration::from_secs(20)), 0);
    assert!(start.elapsed() < Duration::from_secs(10), "it does not sit out its deadline");
    for token in tokens {
        let result = lane.answer(token).expect("each op has answered").result;
        let fine = [-libc::ECANCELED, -libc::ENXIO, 0];
        assert!(fine.contains(&result), "{result}");
    }
    close_now(out);
    close_now(into);
}
