//! The seven situations for an op with many answers.
//!
//! Each answer but the last says MORE, and the last one never brings anything.

use super::columns::{CANCELLED, Cell, open_descriptors, still_waits};
use super::lane::{Answer, Lane, SLOTS};
use super::stream::Stream;
use wakering_core::abi::{ErrorKind, completion_flag};
use wakering_core::slot::{Cancel, Orphan};
use wakering_core::{Driver, Error, Token};

/// Answers of one op.
const SEVERAL: u32 = 5;

/// Whether the driver says that it cannot do this with many answers.
pub(super) fn is_refused<D: Driver>(lane: &mut Lane<D>, stream: &Stream) -> bool {
    let refused = match lane.enqueue(&stream.op) {
        Err(error) => error == Error::Kind(ErrorKind::Unsupported),
        Ok(token) => {
            let _ = lane.cancel(token);
            lane.finish(token).result == ErrorKind::Unsupported.to_result()
        }
    };
    lane.settle();
    let _ = lane.take_answers();
    refused
}

fn start<D: Driver>(lane: &mut Lane<D>, stream: &Stream) -> Token {
    lane.start(&stream.op)
}

fn has_more(answer: &Answer) -> bool {
    answer.flags & completion_flag::MORE != 0
}

/// Feeds it and waits for the answer to that.
fn feed<D: Driver>(lane: &mut Lane<D>, stream: &Stream, token: Token) {
    stream.feed();
    let answer = lane.finish(token);
    assert!(has_more(&answer), "{} was the last answer", answer.result);
    stream.look(&answer);
}

/// Takes what is still to come, up to the last.
fn last<D: Driver>(lane: &mut Lane<D>, stream: &Stream, token: Token) -> Answer {
    loop {
        let answer = lane.finish(token);
        if !has_more(&answer) {
            return answer;
        }
        stream.look(&answer);
    }
}

fn cancel<D: Driver>(lane: &mut Lane<D>, stream: &Stream, token: Token) {
    assert_eq!(lane.cancel(token), Cancel::Ask);
    assert_eq!(last(lane, stream, token).result, CANCELLED);
}

pub(super) fn success<D: Driver>(lane: &mut Lane<D>, stream: &Stream) {
    let token = start(lane, stream);
    for _ in 0..SEVERAL {
        feed(lane, stream, token);
    }
    cancel(lane, stream, token);
}

pub(super) fn cancelled_before<D: Driver>(lane: &mut Lane<D>, stream: &Stream) {
    let token = lane.enqueue(&stream.op).expect("the driver takes it");
    let cancelled = lane.cancel(token);
    assert!(matches!(cancelled, Cancel::Withdrawn | Cancel::Ask), "{cancelled:?}");
    assert_eq!(last(lane, stream, token).result, CANCELLED);
    success(lane, stream);
}

pub(super) fn cancelled_during<D: Driver>(lane: &mut Lane<D>, stream: &Stream) {
    let token = start(lane, stream);
    assert!(still_waits(lane, token) || !stream.waits());
    cancel(lane, stream, token);
    // Once more after something has come that it may, or may not, have taken.
    let token = start(lane, stream);
    assert!(still_waits(lane, token) || !stream.waits());
    stream.feed();
    let cancelled = lane.cancel(token);
    assert!(matches!(cancelled, Cancel::Ask | Cancel::TooLate), "{cancelled:?}");
    let (mut answers, mut seen) = (Vec::new(), 0);
    while answers.last().is_none_or(has_more) {
        answers.push(lane.finish(token));
    }
    for answer in answers.iter().filter(|answer| has_more(answer)) {
        stream.look(answer);
        seen += 1;
    }
    assert!(seen <= 1 || !stream.waits());
    if seen == 0 && stream.waits() {
        // It is there for the next one.
        let token = start(lane, stream);
        let answer = lane.finish(token);
        assert!(has_more(&answer));
        stream.look(&answer);
        cancel(lane, stream, token);
    }
}

/// Where something else ends it: a cancel comes too late then.
pub(super) fn cancelled_after<D: Driver>(lane: &mut Lane<D>, stream: &Stream) -> Cell {
    let token = start(lane, stream);
    feed(lane, stream, token);
    let Some(result) = stream.end() else {
        cancel(lane, stream, token);
        return Cell::Explained("ends by a cancel only".into());
    };
    let mut done = Vec::new();
    while done.is_empty() {
        done = lane.look(None, usize::MAX);
    }
    let [completion] = done[..] else { panic!("{done:?}") };
    assert_eq!(lane.cancel(token), Cancel::TooLate);
    lane.take(&completion);
    assert_eq!(lane.cancel(token), Cancel::Stale);
    let answer = lane.finish(token);
    assert_eq!((answer.result, has_more(&answer)), (result, false));
    Cell::Passed
}

/// What it opens, or picks, after nobody waits any more is closed, or given back: more often than
/// there are buffers.
pub(super) fn dropped<D: Driver>(
    lane: &mut Lane<D>,
    make: &dyn Fn() -> Result<Stream, String>,
) -> Result<(), String> {
    let mut descriptors = 0;
    for round in 0..2 * super::BUFFERS {
        // The first of each kind are for what a driver makes when it is needed first.
        if round == 3 {
            descriptors = open_descriptors();
        }
        let stream = make()?;
        let token = lane.enqueue(&stream.op).expect("the driver takes it");
        if round % 3 != 0 {
            lane.driver.publish().expect("published");
            lane.turn(Some(std::time::Duration::ZERO));
        }
        if round % 3 == 1 {
            stream.feed();
        }
        assert_ne!(lane.orphan(token), Orphan::Stale);
        lane.settle();
    }
    assert_eq!(open_descriptors(), descriptors, "descriptors are open that nobody has");
    success(lane, &make()?);
    Ok(())
}

/// In every slot one.
pub(super) fn full<D: Driver>(
    lane: &mut Lane<D>,
    make: &dyn Fn() -> Result<Stream, String>,
) -> Result<(), String> {
    let mut streams = Vec::new();
    for _ in 0..SLOTS {
        let stream = make()?;
        let token = lane.enqueue(&stream.op).expect("the driver takes it");
        streams.push((stream, token));
    }
    assert!(!lane.has_room(), "every slot is in use");
    for (stream, token) in &streams {
        feed(lane, stream, *token);
    }
    for (stream, token) in &streams {
        let cancelled = lane.cancel(*token);
        // What ticks may have filled the completion queue, which ends it.
        assert!(cancelled == Cancel::Ask || !stream.waits(), "{cancelled:?}");
    }
    for (stream, token) in &streams {
        let last = last(lane, stream, *token);
        assert!(last.result == CANCELLED || !stream.waits(), "{}", last.result);
    }
    Ok(())
}
