//! Ops that answer again and again: a socket that accepts, a stream that receives.
//!
//! ```text
//! completion with MORE ─► the slot's queue ─► whoever waits is woken ─► next
//! the last one ─► told, as of every op ─► what is in the queue first, then it, then nothing
//! ```
//!
//! The queue is bounded: an op that gives more than is taken is cancelled, and whoever takes starts
//! another when it has seen the end. What it answered before the cancel reached it comes on top, and is
//! handed over like the rest.

#![forbid(unsafe_code)]

use super::event_loop::{EventLoop, Mine};
use super::{Op, Ops, Request, Stage};
use crate::abi::{completion_flag, io_flag};
use crate::buffers::BufferGroup;
use crate::error::Error;
use crate::loom::MutexGuard;
use crate::slot::Outcome;
use crate::token::Token;
use std::collections::VecDeque;
use std::sync::PoisonError;
use std::task::{Context, Poll};

/// Answers of one op that wait to be taken: as many of the loop's buffers has a stream that nobody reads, as
/// many connections a socket whose accepts nobody takes. A kernel hands over 32 of one op before it looks at
/// the next: with twice that no op is stopped whose answers are taken after each turn.
const SHOTS_MAX: usize = 64;

/// Hands on the buffers of an answer that picked some: each with the bytes in it. More than one where
/// the op asked for a BUNDLE.
pub fn picked(
    group: &BufferGroup,
    outcome: Outcome,
    io_flags: u32,
    mut each: impl FnMut(u16, u32),
) {
    let mut left = u32::try_from(outcome.result).unwrap_or(0);
    let mut buffer = (outcome.flags >> completion_flag::PICKED_SHIFT) as u16;
    loop {
        let next = group.following(buffer);
        let bytes = left.min(group.bytes_each());
        left -= bytes;
        each(buffer, bytes);
        match next {
            Some(next) if left > 0 && io_flags & io_flag::BUNDLE != 0 => buffer = next,
            _ => return,
        }
    }
}

impl EventLoop {
    fn queue(&self, token: Token) -> MutexGuard<'_, VecDeque<Outcome>> {
        self.shots[token.index() as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Undoes what nobody took, of an op that was told, or is about to be lost.
    pub(super) fn discard_shots(&self, token: Token) {
        loop {
            let shot = self.queue(token).pop_front();
            let Some(outcome) = shot else { return };
            self.with_told(token, |resource| self.undo(outcome, resource));
        }
    }
}

impl Mine<'_> {
    /// One of several answers.
    pub(super) fn shot(&self, token: Token, outcome: Outcome) {
        let slot = self.event_loop.home.slab.slot(token);
        let mut queue = self.event_loop.queue(token);
        queue.push_back(outcome);
        let full = queue.len() == SHOTS_MAX;
        drop(queue);
        if slot.is_orphaned(token) {
            return;
        }
        if full {
            self.to_cancel.borrow_mut().push(token);
        }
        self.tell(slot.waker_ref(), token, slot.telling.tell_of_a_shot());
    }
}

/// The answers of one op. See [`Ops::start_many`].
///
/// Safe to cancel: dropped, the op is cancelled, and answers that nobody took are undone.
#[derive(Debug)]
#[must_use = "an op starts when it is polled"]
pub struct Shots<P: Request> {
    op: Op<P>,
}

impl<P: Request> Shots<P> {
    pub(super) const fn new(op: Op<P>) -> Self {
        Self { op }
    }

    /// Whether it was started and its end not seen.
    pub fn is_armed(&self) -> bool {
        self.op.token().is_some()
    }

    /// Asks that it end. Its last answer says so.
    pub fn cancel(&self) {
        self.op.cancel();
    }

    /// The loop that it is on.
    pub fn ops(&self) -> &Ops {
        self.op.ops()
    }

    /// The next answer; the last one has no MORE. Whoever polls is woken; only the one who polled last.
    ///
    /// # Errors
    ///
    /// As [`Op`]'s.
    ///
    /// # Panics
    ///
    /// After the last one.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Shot<P::Output>, Error>> {
        let token = match self.op.poll_start(cx) {
            Ok(Some(token)) => token,
            Ok(None) => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        };
        // First, so that one look is enough: what came before this is seen now, what comes later wakes.
        self.op.ops().remember(token, cx);
        if let Some(answer) = self.take(token) {
            return Poll::Ready(answer);
        }
        self.op.cancel_if_asked();
        Poll::Pending
    }

    /// The next answer, if it is there.
    fn take(&mut self, token: Token) -> Option<Result<Shot<P::Output>, Error>> {
        let event_loop = self.op.ops().event_loop();
        // Before the queue: what was pushed before the end is in it then.
        let told = event_loop.home.slab.slot(token).telling.is_told();
        if let Some(outcome) = event_loop.queue(token).pop_front() {
            return Some(Ok(Shot::More(outcome)));
        }
        told.then(|| self.op.take(token).map(Shot::Last))
    }

    /// Waits for the next answer.
    ///
    /// # Errors
    ///
    /// As [`Self::poll_next`]'s.
    pub async fn next(&mut self) -> Result<Shot<P::Output>, Error> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Whether its end was seen.
    pub fn is_over(&self) -> bool {
        matches!(self.op.stage, Stage::Done)
    }
}

/// One of several answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shot<T> {
    /// More follow.
    More(Outcome),
    /// The last one.
    Last(T),
}
