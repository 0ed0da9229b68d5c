use super::*;
use wakering_core::slot::{Cancel, Publish};
use wakering_core::waker::WakerRef;

fn cqe(token: Token, result: i32, flags: u32) -> Cqe {
    Cqe { token, result, flags }
}

#[test]
fn a_late_entry_touches_nothing() {
    let home = Home::new(2).unwrap();
    let token = home.slab.claim_at(0, WakerRef::NOBODY).unwrap();
    let mut tally = Tally { in_flight: 1, ..Tally::new(2) };
    assert_eq!(tally.settle(&home, cqe(token, 7, 0)), None);
    assert_eq!((tally.stale, tally.in_flight), (1, 1));
    assert!(!home.slab.slot(token).is_ready(token));
}

#[test]
fn an_entry_for_the_last_user_of_a_slot_does_not_reach_the_next() {
    let home = Home::new(1).unwrap();
    let mut tally = Tally::new(1);
    let late = home.slab.claim_at(0, WakerRef::NOBODY).unwrap();
    assert_eq!(home.slab.slot(late).publish(late), Publish::Go);
    tally.note(late, Noted::new(Opcode::Recv, 3));
    tally.settle(&home, cqe(late, 5, 0)).unwrap();
    home.slab.slot(late).take(late, |_, _| ()).unwrap();
    let next = home.slab.claim_at(0, WakerRef::NOBODY).unwrap();
    assert_eq!(home.slab.slot(next).publish(next), Publish::Go);
    tally.note(next, Noted::new(Opcode::Recv, 3));
    for flags in [0, CQE_MORE, CQE_NOTIFICATION] {
        assert_eq!(tally.settle(&home, cqe(late, 7, flags)), None);
    }
    assert_eq!((tally.stale, tally.in_flight), (3, 1));
    assert_eq!(tally.settle(&home, cqe(next, 9, 0)).unwrap().outcome.result, 9);
}

#[test]
fn a_send_without_copying_ends_with_its_notification() {
    let home = Home::new(1).unwrap();
    let mut tally = Tally::new(1);
    let send = |tally: &mut Tally| {
        let token = home.slab.claim_at(0, WakerRef::NOBODY).unwrap();
        assert_eq!(home.slab.slot(token).publish(token), Publish::Go);
        tally.note(token, Noted::new(Opcode::SendZc, 3));
        token
    };
    let token = send(&mut tally);
    assert_eq!(tally.settle(&home, cqe(token, 100, CQE_MORE)), None);
    assert!(!home.slab.slot(token).is_ready(token), "the kernel still has its buffer");
    let ended = tally.settle(&home, cqe(token, 0, CQE_NOTIFICATION)).unwrap();
    assert_eq!(ended.outcome, Outcome { result: 100, flags: 0 });
    home.slab.slot(token).take(token, |_, _| ()).unwrap();
    let token = send(&mut tally);
    assert_eq!(tally.settle(&home, cqe(token, 70, CQE_MORE)), None);
    let ended = tally.settle(&home, cqe(token, i32::MIN, CQE_NOTIFICATION)).unwrap();
    assert_eq!(ended.outcome, Outcome { result: 70, flags: completion_flag::COPIED });
    home.slab.slot(token).take(token, |_, _| ()).unwrap();
    // An error without MORE has no notification.
    let token = send(&mut tally);
    let ended = tally.settle(&home, cqe(token, -libc::EPIPE, 0)).unwrap();
    assert_eq!((ended.outcome.result, tally.in_flight), (-libc::EPIPE, 0));
}

#[test]
fn an_entry_says_which_buffer_was_picked() {
    let told = flags_of(cqe(Token::new(0, 1), 4, 5 << 16 | CQE_BUFFER | CQE_SOCKET_NONEMPTY));
    assert_eq!(told, completion_flag::PICKED | completion_flag::NONEMPTY | 5 << 16);
}

#[test]
fn an_entry_with_more_to_come_leaves_the_op_in_flight() {
    let home = Home::new(2).unwrap();
    let token = home.slab.claim_at(1, WakerRef::NOBODY).unwrap();
    let slot = home.slab.slot(token);
    assert_eq!(slot.publish(token), Publish::Go);
    let mut tally = Tally { in_flight: 1, ..Tally::new(2) };
    let more = tally.settle(&home, cqe(token, 4, CQE_MORE)).unwrap();
    assert_eq!(more.outcome, Outcome { result: 4, flags: completion_flag::MORE });
    assert!(!slot.is_ready(token));
    let last = tally.settle(&home, cqe(token, -125, 0)).unwrap();
    assert_eq!(last.outcome.result, -125);
    assert!(slot.is_ready(token));
    assert_eq!(tally.in_flight, 0);
}

#[test]
fn a_cancel_in_vain_is_kept_while_its_op_is_in_flight() {
    let home = Home::new(1).unwrap();
    let mut tally = Tally::new(1);
    let token = home.slab.claim_at(0, WakerRef::NOBODY).unwrap();
    let slot = home.slab.slot(token);
    let answer = cqe(Tag::Cancel.token(0), -libc::EALREADY, 0);
    assert_eq!(slot.publish(token), Publish::Go);
    assert_eq!(tally.settle(&home, answer), None);
    assert!(tally.in_vain.is_empty(), "nobody asked for this op");
    assert_eq!(slot.request_cancel(token), Cancel::Ask);
    assert_eq!(tally.settle(&home, answer), None);
    assert_eq!(tally.in_vain, [token]);
    tally.in_vain.clear();
    tally.in_flight += 1;
    tally.settle(&home, cqe(token, 1, 0)).unwrap();
    assert_eq!(tally.settle(&home, cqe(Tag::CancelAgain.token(0), -libc::ENOENT, 0)), None);
    assert!(tally.in_vain.is_empty(), "it is over");
    assert_eq!(tally.cancels.not_found, 0, "counted once, by its first answer");
}

#[test]
fn an_op_that_was_interrupted_because_of_a_cancel_was_cancelled() {
    let home = Home::new(1).unwrap();
    let mut tally = Tally::new(2);
    for (asked, errno) in [(false, libc::EINTR), (true, libc::EINTR), (false, 512), (true, 512)] {
        let token = home.slab.claim_at(0, WakerRef::NOBODY).unwrap();
        let slot = home.slab.slot(token);
        assert_eq!(slot.publish(token), Publish::Go);
        tally.in_flight += 1;
        if asked {
            assert_eq!(slot.request_cancel(token), Cancel::Ask);
        }
        let ended = tally.settle(&home, cqe(token, -errno, 0)).unwrap();
        let expected = if asked { -libc::ECANCELED } else { -libc::EINTR };
        assert_eq!(ended.outcome.result, expected);
        slot.take(token, |_, _| ()).unwrap();
    }
}

#[test]
fn a_close_that_was_interrupted_is_not_one_that_never_began() {
    let home = Home::new(1).unwrap();
    let mut tally = Tally { draining: true, ..Tally::new(1) };
    for (errno, expected) in [(512, libc::EINTR), (libc::ECANCELED, libc::ECANCELED)] {
        let token = home.slab.claim_at(0, WakerRef::NOBODY).unwrap();
        assert_eq!(home.slab.slot(token).publish(token), Publish::Go);
        tally.note(token, Noted::new(Opcode::Close, 3));
        let ended = tally.settle(&home, cqe(token, -errno, 0)).unwrap();
        assert_eq!(ended.outcome.result, -expected);
        home.slab.slot(token).take(token, |_, _| ()).unwrap();
    }
}

#[test]
fn cancel_answers_are_counted_and_told_nobody() {
    let home = Home::new(1).unwrap();
    let mut tally = Tally::new(2);
    for result in [0, -libc::ENOENT, -libc::EALREADY, -libc::ENOENT] {
        assert_eq!(tally.settle(&home, cqe(Tag::Cancel.token(0), result, 0)), None);
    }
    assert_eq!(tally.settle(&home, cqe(Tag::Drain.token(0), -libc::ENOENT, 0)), None);
    assert_eq!(tally.cancels, CancelOutcomes { found: 1, not_found: 2, running: 1 });
}
