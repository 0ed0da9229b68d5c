//! Timers and turns that wait.

use super::lane::{Lane, Op};
use std::time::{Duration, Instant};
use wakering_core::Driver;
use wakering_core::abi::Opcode;
use wakering_core::slot::Cancel;

fn timeout<'a>(after: Duration) -> Op<'a> {
    Op::new(Opcode::Timeout).offset(after.as_nanos() as u64)
}

pub(crate) fn end_with_etime_in_the_order_of_their_time<D: Driver>(lane: &mut Lane<D>) {
    let start = Instant::now();
    let tokens: Vec<_> =
        [60, 20, 0, 40].map(|ms| (ms, lane.start(&timeout(Duration::from_millis(ms))))).into();
    let mut order = Vec::new();
    while order.len() < tokens.len() {
        lane.turn(None);
        for (done, answer) in lane.take_answers() {
            assert_eq!(answer.result, -libc::ETIME);
            let ms = tokens.iter().find(|(_, token)| *token == done).unwrap().0;
            assert!(start.elapsed() >= Duration::from_millis(ms), "not before its time");
            order.push(ms);
        }
    }
    assert_eq!(order, [0, 20, 40, 60]);
}

pub(crate) fn a_cancelled_timer_ends_at_once<D: Driver>(lane: &mut Lane<D>) {
    let start = Instant::now();
    let tokens: Vec<_> = (0..30).map(|_| lane.start(&timeout(Duration::from_secs(3600)))).collect();
    assert_eq!(lane.turn(Some(Duration::ZERO)), 0);
    for &token in tokens.iter().rev() {
        assert_eq!(lane.cancel(token), Cancel::Ask);
        assert!(matches!(lane.cancel(token), Cancel::AskedBefore | Cancel::TooLate));
    }
    for token in tokens {
        assert_eq!(lane.finish(token).result, -libc::ECANCELED);
    }
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_eq!(lane.driver.in_flight(), 0);
}

pub(crate) fn a_turn_without_work_ends_when_its_time_is_over<D: Driver>(lane: &mut Lane<D>) {
    let start = Instant::now();
    assert_eq!(lane.turn(Some(Duration::from_millis(30))), 0);
    assert!(start.elapsed() >= Duration::from_millis(29));
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(lane.turn(Some(Duration::ZERO)), 0);
    }
    assert!(start.elapsed() < Duration::from_secs(5), "zero does not wait");
}
