//! The trait by which a loop is driven, whatever carries its ops out.
//!
//! ```text
//! enqueue ─► publish ─► (the kernel, or a pool thread) ─► turn ─► Completion
//!                                  ▲
//!                       cancel ────┘ asks; the op's own completion answers
//! ```
//!
//! A driver takes tokens of its home's slots: Queued and prepared. It makes transitions 2 and 3 of
//! [`crate::slot`] and hands each Completion to the sink of `turn`, never re-entrantly: all that is
//! ready is drained first, user code runs afterwards.

#![forbid(unsafe_code)]

use crate::abi::{ErrorKind, Opcode};
use crate::buffers::BufferGroup;
use crate::error::Error;
use crate::home::Home;
use crate::slot::Outcome;
use crate::token::Token;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

pub mod sim;

/// One answer. The slot is Ready: the owner takes it. (Of a multishot op, every answer but the
/// last comes while it is still InFlight; its `outcome.flags` say MORE.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Completion {
    /// Which op.
    pub token: Token,
    /// What became of it.
    pub outcome: Outcome,
}

/// Where `turn` puts completions. The receiver takes the slot, starts nothing and blocks nowhere.
pub type Sink<'a> = &'a mut dyn FnMut(Completion);

/// What is left after [`Driver::drain`].
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Drained {
    /// Ops that the kernel (or a pool thread) still holds. Where it is not zero the home, and every
    /// buffer that these ops name, must stay for ever.
    pub still_in_flight: usize,
}

/// Which ops are to be cancelled, where it is not one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CancelKey {
    /// Those of a descriptor.
    Fd(RawFd),
    /// Those that do this.
    Opcode(Opcode),
    /// All.
    All,
}

/// What carries out the ops of one loop, on the loop's own thread.
pub trait Driver {
    /// Its name: `uring`, `poll` or `sim`.
    fn name(&self) -> &'static str;

    /// Whether it can carry this op out itself. Another that is enqueued all the same completes with
    /// Unsupported.
    fn supports(&self, opcode: Opcode) -> bool;

    /// Takes an op whose slot is Queued and prepared. Busy where its queue is full even after
    /// publishing; the slot then stays Queued and the caller's.
    fn enqueue(&mut self, token: Token) -> Result<(), Error>;

    /// Makes everything enqueued visible to whoever carries it out: one system call at the most.
    fn publish(&mut self) -> Result<(), Error>;

    /// One pass: publishes, waits up to `timeout` (zero: not at all; `None`: until something
    /// comes or the bell rings), and hands at most `completions_max` completions to `sink`. How
    /// many it handed over.
    fn turn(
        &mut self,
        timeout: Option<Duration>,
        completions_max: usize,
        sink: Sink<'_>,
    ) -> Result<usize, Error>;

    /// Asks that an op be cancelled on which [`crate::slot::Slot::request_cancel`] said Ask. Never
    /// Busy: room for cancels is kept. The op's own completion is the answer.
    fn cancel(&mut self, token: Token) -> Result<(), Error>;

    /// Asks that every op of a kind be cancelled that is in flight now: as [`Self::cancel`] for each,
    /// transition 5 included. How many it asked for.
    fn cancel_where(&mut self, _key: CancelKey) -> Result<usize, Error> {
        Err(ErrorKind::Unsupported.into())
    }

    /// Has ops pick buffers of this group; its number, for
    /// [`Prepared::group`](crate::resource::Prepared::group). Unsupported where that is unknown.
    fn add_buffers(&mut self, _group: Arc<BufferGroup>) -> Result<u16, Error> {
        Err(ErrorKind::Unsupported.into())
    }

    /// Forgets a group, after the last op that picks from it is over.
    fn remove_buffers(&mut self, _group: u16) {}

    /// Rings the bell of another loop, or has it rung with the next publish: whatever costs least.
    fn ring(&mut self, other: &Arc<Home>) {
        other.doorbell.ring();
    }

    /// Refuses new ops, cancels what it has, and turns until nothing is in flight or the time is
    /// over.
    fn drain(&mut self, deadline: Duration, sink: Sink<'_>) -> Drained;

    /// A descriptor that is readable whenever a `turn` with no timeout would get on: for loops that
    /// wait elsewhere (libuv, epoll).
    fn poll_fd(&self) -> RawFd;

    /// Ops enqueued and not completed.
    fn in_flight(&self) -> usize;

    /// How many system calls it made to publish or to wait.
    fn enters(&self) -> u64;
}
