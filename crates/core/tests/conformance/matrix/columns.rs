//! The seven situations, each written once for every op.

use super::case::{Case, Made, NOBODYS, Stage};
use super::lane::{Answer, Lane, Op, SLOTS};
use std::time::Duration;
use wakering_core::abi::{ErrorKind, Opcode, completion_flag};
use wakering_core::slot::{Cancel, Orphan};
use wakering_core::{Driver, Error, Token};

/// How a cell went well: the other way is a panic.
pub(crate) enum Cell {
    Passed,
    /// There is nothing to be tested, and why.
    Explained(String),
}

pub(crate) type Setup = fn(&Stage) -> Made;

/// So long an op is watched before it is believed to wait.
const WATCHED: Duration = Duration::from_millis(2);
/// So often a thread may be too slow to begin within that time.
const TRIES_MAX: u32 = 500;
pub(super) const CANCELLED: i32 = -libc::ECANCELED;

/// Success, and error too: an op from start to end.
pub(super) fn plain<D: Driver>(lane: &mut Lane<D>, case: Case) {
    let answers = run(lane, &case);
    case.settle(&answers);
}

/// Cancelled when it is enqueued and not published: withdrawn, or asked and then one outcome.
pub(super) fn cancelled_before<D: Driver>(lane: &mut Lane<D>, case: Case) {
    let tokens = enqueue(lane, &case);
    let cancel = lane.cancel(tokens[0]);
    assert!(matches!(cancel, Cancel::Withdrawn | Cancel::Ask), "{cancel:?}");
    let answers = finish(lane, &tokens);
    if cancel == Cancel::Withdrawn {
        assert_eq!(answers[0].result, CANCELLED);
    }
    settle_or_repeat(lane, case, answers);
}

/// Cancelled while it waits; then once more after what it waits for has happened.
pub(super) fn cancelled_during<D: Driver>(
    lane: &mut Lane<D>,
    stage: &Stage,
    waits: Setup,
) -> Result<Cell, String> {
    let (mut begun, mut tries) = (false, 0);
    while !begun {
        tries += 1;
        assert!(tries < TRIES_MAX, "no thread begins with it");
        let case = waits(stage)?;
        let tokens = start(lane, &case);
        if !still_waits(lane, tokens[0]) {
            let answers = finish(lane, &tokens);
            case.settle(&answers);
            return Ok(Cell::Explained("answers at once where others wait".into()));
        }
        // Where the thread that is to wait has not begun, it is as if it were never published: again.
        begun = lane.cancel(tokens[0]) == Cancel::Ask;
        let answers = finish(lane, &tokens);
        assert_eq!(answers[0].result, CANCELLED, "nothing had come for it");
        if let Some(wake) = &case.wake {
            wake();
            // What it waited for is there for the next one.
            let answers = run(lane, &case);
            case.settle(&answers);
        }
    }
    let case = waits(stage)?;
    if case.wake.is_some() {
        let tokens = start(lane, &case);
        assert!(still_waits(lane, tokens[0]));
        case.wake.iter().for_each(|wake| wake());
        let _ = lane.cancel(tokens[0]);
        let answers = finish(lane, &tokens);
        settle_or_repeat(lane, case, answers);
    }
    Ok(Cell::Passed)
}

/// Cancelled when it is done and its owner has not looked yet.
pub(super) fn cancelled_after<D: Driver>(lane: &mut Lane<D>, case: Case) {
    let tokens = start(lane, &case);
    let mut done = Vec::new();
    while done.len() < tokens.len() {
        for completion in lane.look(Some(Duration::from_millis(100)), usize::MAX) {
            if completion.outcome.flags & completion_flag::MORE == 0 {
                done.push(completion);
            } else {
                lane.take(&completion);
            }
        }
    }
    for completion in &done {
        assert_eq!(lane.cancel(completion.token), Cancel::TooLate);
        // Unchanged: `take` compares it with what is in the slot.
        lane.take(completion);
        assert_eq!(lane.cancel(completion.token), Cancel::Stale);
    }
    let answers = finish(lane, &tokens);
    case.settle(&answers);
}

/// Nobody waits for it any more: before it is published, while it is carried out, while it waits, and
/// after what it waited for has happened.
pub(super) fn dropped<D: Driver>(
    lane: &mut Lane<D>,
    stage: &Stage,
    succeeds: Setup,
    waits: Option<Setup>,
) -> Result<(), String> {
    let mut descriptors = 0;
    // The first round is for what a driver makes when it is needed first.
    for round in 0..2 {
        if round == 1 {
            descriptors = open_descriptors();
        }
        let case = succeeds(stage)?;
        let tokens = enqueue(lane, &case);
        let _ = lane.orphan(tokens[0]);
        finish_linked(lane, &tokens);
        drop(case);
        let case = succeeds(stage)?;
        let tokens = start(lane, &case);
        let _ = lane.orphan(tokens[0]);
        finish_linked(lane, &tokens);
        drop(case);
        for happens in [false, true] {
            if let Some(waits) = waits {
                let mut tries = 0;
                while !dropped_while_it_waits(lane, waits(stage)?, happens) {
                    tries += 1;
                    assert!(tries < TRIES_MAX, "no thread begins with it");
                }
            }
        }
    }
    assert_eq!(open_descriptors(), descriptors, "descriptors are open that nobody has");
    Ok(())
}

/// Whether it had begun to wait, or did not need to.
fn dropped_while_it_waits<D: Driver>(lane: &mut Lane<D>, case: Case, happens: bool) -> bool {
    let tokens = start(lane, &case);
    if !still_waits(lane, tokens[0]) {
        let answers = finish(lane, &tokens);
        case.settle(&answers);
        return true;
    }
    if happens && let Some(wake) = &case.wake {
        wake();
    }
    let orphan = lane.orphan(tokens[0]);
    finish_linked(lane, &tokens);
    if !happens && let Some(wake) = &case.wake {
        wake();
        let answers = run(lane, &case);
        case.settle(&answers);
    }
    orphan != Orphan::Withdrawn
}

/// All slots in use, and more ops than the submission queue has places.
pub(super) fn full<D: Driver>(
    lane: &mut Lane<D>,
    stage: &Stage,
    succeeds: Setup,
    waits: Option<Setup>,
) -> Result<(), String> {
    let (cases, tokens) = fill(lane, stage, succeeds)?;
    for (case, tokens) in cases.into_iter().zip(tokens) {
        let answers = finish(lane, &tokens);
        case.settle(&answers);
    }
    let Some(waits) = waits else { return Ok(()) };
    let (cases, tokens) = fill(lane, stage, waits)?;
    lane.driver.publish().expect("published");
    for tokens in &tokens {
        let _ = lane.cancel(tokens[0]);
    }
    still_waits(lane, tokens[0][0]);
    for (case, tokens) in cases.into_iter().zip(tokens) {
        // One that could not be ended any more: a send whose bytes lie there, and are not fetched.
        let goes_on = !lane.has_answer(tokens[0]);
        let wake = || case.wake.iter().for_each(|wake| wake());
        if goes_on {
            wake();
        }
        let answers = finish(lane, &tokens);
        if answers[0].result != CANCELLED {
            if !goes_on {
                wake();
            }
            case.settle(&answers);
        }
    }
    Ok(())
}

type Filled = (Vec<Case>, Vec<Vec<Token>>);

/// Enqueues cases until no slot is left for another.
fn fill<D: Driver>(lane: &mut Lane<D>, stage: &Stage, setup: Setup) -> Result<Filled, String> {
    let mut cases = vec![setup(stage)?];
    while cases.len() * cases[0].slots() + cases[0].slots() <= SLOTS as usize {
        cases.push(setup(stage)?);
    }
    let tokens = cases.iter().map(|case| enqueue(lane, case)).collect();
    assert!(lane.room() < cases[0].slots(), "every slot is in use");
    Ok((cases, tokens))
}

/// What a driver says of an op that it cannot carry out.
pub(super) fn unsupported<D: Driver>(lane: &mut Lane<D>, opcode: Opcode) {
    let unsupported = ErrorKind::Unsupported;
    // With numbers that make sense: otherwise they would be what is refused.
    let option = [libc::SOL_SOCKET as u32, libc::SO_TYPE as u32];
    match lane.enqueue(&Op::on(opcode, NOBODYS).place(0).extra(option).length(4)) {
        Ok(token) => assert_eq!(lane.finish(token).result, unsupported.to_result()),
        Err(error) => assert_eq!(error, Error::Kind(unsupported)),
    }
}

/// An op that was cancelled has done nothing: the same once more does it.
fn settle_or_repeat<D: Driver>(lane: &mut Lane<D>, case: Case, mut answers: Vec<Answer>) {
    if answers[0].result == CANCELLED {
        answers = run(lane, &case);
    }
    case.settle(&answers);
}

fn run<D: Driver>(lane: &mut Lane<D>, case: &Case) -> Vec<Answer> {
    let tokens = start(lane, case);
    finish(lane, &tokens)
}

fn start<D: Driver>(lane: &mut Lane<D>, case: &Case) -> Vec<Token> {
    let tokens = enqueue(lane, case);
    lane.driver.publish().expect("published");
    tokens
}

fn enqueue<D: Driver>(lane: &mut Lane<D>, case: &Case) -> Vec<Token> {
    let ops = std::iter::once(&case.op).chain(&case.linked);
    ops.map(|op| lane.enqueue(op).unwrap_or_else(|_| after_publishing(lane, op))).collect()
}

/// Some driver leaves it to its owner to publish when its queue is full.
fn after_publishing<D: Driver>(lane: &mut Lane<D>, op: &Op<'_>) -> Token {
    lane.driver.publish().expect("published");
    lane.enqueue(op).expect("the driver takes it")
}

fn finish<D: Driver>(lane: &mut Lane<D>, tokens: &[Token]) -> Vec<Answer> {
    tokens.iter().map(|&token| finish_one(lane, token)).collect()
}

/// The answer of an op. Where the kernel still has its memory then, one follows that says when it has
/// let go of it.
fn finish_one<D: Driver>(lane: &mut Lane<D>, token: Token) -> Answer {
    let answer = lane.finish(token);
    if answer.flags & completion_flag::MORE != 0 {
        let last = lane.finish(token);
        assert_eq!((last.result, last.flags & completion_flag::MORE), (0, 0));
    }
    answer
}

/// The head of a chain is an orphan; the ops behind it are not.
fn finish_linked<D: Driver>(lane: &mut Lane<D>, tokens: &[Token]) {
    for &token in &tokens[1..] {
        lane.finish(token);
    }
    lane.settle();
}

/// Whether the op has no answer yet, although everything was done for it.
pub(super) fn still_waits<D: Driver>(lane: &mut Lane<D>, token: Token) -> bool {
    for pause in [Duration::ZERO, Duration::ZERO, WATCHED] {
        lane.turn(Some(pause));
    }
    !lane.has_answer(token)
}

pub(super) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("proc is mounted").count()
}
