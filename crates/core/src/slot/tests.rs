//! Each transition in each state, by name.

use super::*;

fn claimed() -> (Slot, Token) {
    let slot = Slot::new();
    let generation = slot.claim(WakerRef::port(3)).unwrap();
    (slot, Token::new(3, generation))
}

fn result(result: i32) -> Outcome {
    Outcome { result, flags: 0 }
}

#[test]
fn f3_an_op_goes_round_and_its_token_is_stale_afterwards() {
    let (slot, token) = claimed();
    assert_eq!(slot.publish(token), Publish::Go);
    assert_eq!(slot.claim(WakerRef::NOBODY), Err(Busy));
    assert!(slot.take(token, |_, _| ()).is_none());
    assert_eq!(slot.complete(token, result(7)), Completed::Deliver);
    let taken = slot.take(token, |taken, _| taken).unwrap();
    assert_eq!(taken.outcome.result, 7);
    assert_eq!(taken.waker_ref, WakerRef::port(3));
    assert!(!taken.orphaned && !taken.cancel_requested);
    assert_eq!(slot.complete(token, result(8)), Completed::Stale);
    assert_eq!(slot.publish(token), Publish::Gone);
    assert_eq!(slot.request_cancel(token), Cancel::Stale);
    assert_eq!(slot.orphan(token), Orphan::Stale);
    let next = Token::new(3, slot.claim(WakerRef::NOBODY).unwrap());
    assert_ne!(next, token);
    assert_eq!(slot.publish(token), Publish::Gone, "a late publish must not start the next op");
}

#[test]
fn f3_a_second_completion_is_stale() {
    let (slot, token) = claimed();
    let _ = slot.publish(token);
    assert_eq!(slot.complete(token, result(1)), Completed::Deliver);
    assert_eq!(slot.complete(token, result(2)), Completed::Stale);
    assert_eq!(slot.take(token, |taken, _| taken.outcome.result), Some(1));
}

#[test]
fn cancel_of_a_queued_op_withdraws_it() {
    let (slot, token) = claimed();
    assert_eq!(slot.request_cancel(token), Cancel::Withdrawn);
    assert_eq!(slot.publish(token), Publish::Gone);
    assert_eq!(slot.take(token, |taken, _| taken.outcome.result), Some(-libc::ECANCELED));
}

#[test]
fn cancel_in_flight_asks_once_and_the_last_completion_decides() {
    let (slot, token) = claimed();
    let _ = slot.publish(token);
    assert_eq!(slot.request_cancel(token), Cancel::Ask);
    assert_eq!(slot.request_cancel(token), Cancel::AskedBefore);
    assert_eq!(slot.complete(token, result(64)), Completed::Deliver);
    assert_eq!(slot.request_cancel(token), Cancel::TooLate);
    let taken = slot.take(token, |taken, _| taken).unwrap();
    assert!(taken.cancel_requested);
    assert_eq!(taken.outcome.result, 64, "the value won");
}

#[test]
fn an_orphan_is_reaped_by_its_last_completion() {
    let (slot, token) = claimed();
    let _ = slot.publish(token);
    assert_eq!(slot.orphan(token), Orphan::WaitForCqe);
    assert_eq!(slot.complete(token, result(5)), Completed::Deliver);
    assert!(slot.take(token, |taken, _| taken.orphaned).unwrap());
}

#[test]
fn an_orphan_that_never_started_is_withdrawn() {
    let (slot, token) = claimed();
    assert_eq!(slot.orphan(token), Orphan::Withdrawn);
    assert!(slot.take(token, |taken, _| taken.orphaned).unwrap());
}

#[test]
fn an_answer_at_once_skips_the_kernel() {
    let (slot, token) = claimed();
    assert_eq!(slot.complete_at_once(token, result(4096)), Completed::Deliver);
    assert!(slot.is_ready(token));
    assert_eq!(slot.orphan(token), Orphan::Ready);
    assert_eq!(slot.take(token, |taken, _| taken.outcome.result), Some(4096));
}
