//! Ops as futures: started on the thread of their loop or on another, awaited by a task of any worker.
//!
//! ```text
//! first poll:  slot claimed (whom to wake: the task's number) ─► prepared ─► Pending
//!                └─ on the loop's thread: enqueued          on another: asked for, in the loop's orders
//! the loop:    answer and state into the slot ─► told ─► wake by number
//! next polls:  told: take it, give the slot back      (else Pending; nothing is done twice)
//! dropped:     never started: taken back ─ in flight: orphaned, cancelled, freed by its last completion
//! ```
//!
//! How does the second poll know? The loop writes the outcome, then that it was told with Release, then
//! wakes; the poll reads that with Acquire, on whatever thread. A wake in between finds the slot in flight
//! and changes nothing. A stolen task keeps its op: it stays where it was enqueued, and the slot goes back
//! to the loop when the task has taken the outcome.
//!
//! A waker is stored only where the one who polls is not the task that began: `join_all` and its like
//! poll with wakers of their own, and a future may move from task to task.
//!
//! Full is Busy, and an op that says so may be polled again: [`Ops::run`] waits for room meanwhile.

mod cancel;
mod complete;
mod drain;
mod drive;
mod event_loop;
mod loop_ref;
mod many;
mod parts;
mod post;
mod request;
mod room;

pub use cancel::{CancelToken, is_cancelled, with_cancel};
pub use drain::{Drain, Held, Holding};
pub use event_loop::{EnteredDefault, ops};
pub(crate) use event_loop::{Loops, enter};
pub use many::{Shot, Shots, picked};
pub use parts::Loop;
pub(crate) use post::wake_loop;
pub use request::{Described, Nop, Request, describe};

use crate::abi::ErrorKind;
use crate::buffers::BufferGroup;
use crate::driver::CancelKey;
use crate::error::Error;
use crate::home::Home;
use crate::resource::Resource;
use crate::slot::order::Asked;
use crate::slot::{Completed, Outcome};
use crate::task::here::Here;
use crate::task::{self, Step, TaskId, TaskRef, WaitsFor, WokenFrom};
use crate::token::Token;
use crate::waker::WakerRef;
use event_loop::{EventLoop, Mine};
use loop_ref::LoopRef;
use room::Lack;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What an op answers that had not begun.
const CANCELLED: Outcome = Outcome { result: -libc::ECANCELED, flags: 0 };

static OP: WaitsFor = WaitsFor::numbered("op");

/// A loop of a [`super::LocalScheduler`] or of a [`super::Scheduler`]: what starts ops on it, from any
/// thread. Cheap to clone.
///
/// On the loop's own thread an op goes straight to the driver; from another it is asked for, and the loop
/// is woken if it sleeps.
///
/// Only the loop answers an op: nothing here completes one.
#[derive(Clone)]
pub struct Ops(LoopRef);

impl std::fmt::Debug for Ops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ops").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

impl PartialEq for Ops {
    /// Whether they are of the same loop.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0.as_ptr(), other.0.as_ptr())
    }
}

impl Ops {
    pub(super) fn new(made: Loop, blocks_max: usize) -> Self {
        Self(EventLoop::make(made, blocks_max))
    }

    /// Ops that are begun and not complete. From another thread than the loop's: slots in use.
    pub fn in_flight(&self) -> usize {
        match self.0.mine() {
            Some(mine) => mine.in_flight(),
            None => self.0.home.slab.in_use().count(),
        }
    }

    /// Whether this is the loop's own thread, nothing is in flight, and no other task is ready as far as
    /// can be seen at once: then there is nothing that an op could share a system call with.
    pub fn is_quiet(&self) -> bool {
        self.0.mine().is_some_and(|mine| mine.is_quiet())
    }

    /// Whether this is the loop's own thread, while that runs its tasks.
    pub fn is_here(&self) -> bool {
        self.0.mine().is_some()
    }

    /// The name of its driver, where this is the loop's own thread.
    pub fn driver_name(&self) -> Option<&'static str> {
        self.0.mine().and_then(|mine| mine.with_driver(|driver| driver.name()).ok())
    }

    /// An op that `request` describes. It starts when it is polled first.
    ///
    /// Safe to cancel: dropped, it is cancelled, and what the kernel borrowed is kept until the
    /// kernel has answered; an outcome that came in spite of that is undone (what was opened is closed).
    pub fn start<P: Request>(&self, request: P) -> Op<P> {
        Op { ops: self.clone(), request, stage: Stage::Unstarted(Lack::Slot) }
    }

    /// An op that answers again and again, until an answer without MORE.
    pub fn start_many<P: Request>(&self, request: P) -> Shots<P> {
        Shots::new(self.start(request))
    }

    /// Starts an op as [`Self::start`], and waits for room where there is none: that wait allocates, once.
    ///
    /// # Errors
    ///
    /// Closed where the loop is gone; what preparing it failed with.
    pub async fn run<P: Request>(&self, request: P) -> Result<P::Output, Error> {
        let mut op = self.start(request);
        match (&mut op).await {
            // In a box, the one that an op may need: else each op's future would carry the 400 bytes of the
            // wait, and each caller's future copy them, for what comes only where a loop is full.
            Err(Error::Kind(ErrorKind::Busy)) => Box::pin(self.run_when_there_is_room(op)).await,
            answer => answer,
        }
    }

    /// Asks that an op of this loop end: its own completion answers, as it would have. Nothing happens
    /// where the op is over.
    pub fn cancel(&self, token: Token) {
        let slot = self.0.home.slab.slot(token);
        let Some(mine) = self.0.mine() else {
            if slot.current(token.index()) == Some(token) {
                let _ = self.0.ask(token, Asked::CANCEL);
            }
            return;
        };
        mine.cancel(token);
    }

    /// Asks that every op of a kind end that is in flight. How many it asked for.
    ///
    /// # Errors
    ///
    /// WrongLoop on another thread; Unsupported where the driver cannot.
    pub fn cancel_where(&self, key: CancelKey) -> Result<usize, Error> {
        self.0.mine().ok_or(ErrorKind::WrongLoop)?.cancel_where(key)
    }

    /// Has ops pick buffers of this group; its number, for
    /// [`Prepared::group`](crate::resource::Prepared::group).
    ///
    /// # Errors
    ///
    /// WrongLoop on another thread; Unsupported where the driver cannot; Busy where a loop has it already.
    pub fn add_buffers(&self, group: Arc<BufferGroup>) -> Result<u16, Error> {
        self.0.mine().ok_or(ErrorKind::WrongLoop)?.add_buffers(group)
    }

    /// A group of buffers for everybody on this loop, with its number. `make` makes it at the first call on
    /// the loop's own thread. `None` where the driver can have none, or nobody has made it yet.
    pub fn shared_buffers(
        &self,
        make: impl FnOnce() -> Arc<BufferGroup>,
    ) -> Option<(u16, Arc<BufferGroup>)> {
        self.0.shared_group(make)
    }

    pub(super) fn bell(&self) -> Arc<Home> {
        self.0.home.clone()
    }

    /// Ties it to its scheduler, before anybody else has it.
    pub(super) fn tie(&self, here: &Here, wake: impl Fn() + Send + Sync + 'static) {
        self.0.tie(here, Box::new(wake));
    }

    fn event_loop(&self) -> &EventLoop {
        &self.0
    }

    /// Claims and prepares an op, and enqueues it on the loop's thread or through its orders. What stage
    /// it is in is written here, where the token lies in a register: handed back beside an error it would
    /// go through memory in pieces of other widths, and the processor waits for each.
    #[inline]
    fn begin<P: Request>(
        &self,
        request: &mut P,
        stage: &mut Stage,
        cx: &Context<'_>,
    ) -> Result<(), Error> {
        if cancel::is_cancelled() {
            return Err(cancel::REFUSED);
        }
        let mine = self.0.mine();
        let whom = self.0.polled(mine.as_ref(), cx);
        let waker_ref = whom.map_or(WakerRef::NOBODY, waker_ref_of);
        let claimed = self.0.claim(mine.as_ref(), waker_ref);
        let Some(token) = claimed else {
            *stage = Stage::Unstarted(Lack::Slot);
            return Err(self.0.room.none_left().into());
        };
        let slot = self.0.home.slab.slot(token);
        slot.telling.begin();
        let begun = match (self.0.prepare(slot, request), &mine) {
            (Ok(()), Some(mine)) => mine.enqueue(token),
            (Ok(()), None) => self.ask_to_start(whom, token, cx),
            (Err(error), _) => Err(error),
        };
        if let Err(error) = begun {
            self.withdraw(mine.as_ref(), token, request);
            *stage = Stage::Unstarted(Lack::Rest);
            return Err(error);
        }
        if let Some(mine) = mine {
            if whom.is_none() {
                self.0.listen(token, cx);
            }
            mine.trace(Step::Enqueued(token));
        }
        note(whom, token, cx);
        *stage = Stage::InFlight(token);
        Ok(())
    }

    #[inline(never)]
    fn ask_to_start(
        &self,
        whom: Option<TaskRef>,
        token: Token,
        cx: &Context<'_>,
    ) -> Result<(), Error> {
        if whom.is_none() {
            self.0.listen(token, cx);
        }
        self.0.ask(token, Asked::START)
    }

    /// Takes back what could not be started.
    #[cold]
    fn withdraw<P: Request>(&self, mine: Option<&Mine<'_>>, token: Token, request: &mut P) {
        let slot = self.0.home.slab.slot(token);
        drop(self.0.forget_other(token));
        let withdrawn = slot.complete_at_once(token, CANCELLED);
        debug_assert_eq!(withdrawn, Completed::Deliver);
        self.0.free(mine, slot, token, |_, resource| request.withdraw(resource));
    }

    /// Sees to it that whoever polls now is told. Whether the op is over instead.
    #[inline]
    fn remember(&self, token: Token, cx: &Context<'_>) -> bool {
        let slot = self.0.home.slab.slot(token);
        let whom = self.0.polled(self.0.mine().as_ref(), cx);
        let over = match whom.filter(|&task| waker_ref_of(task) == slot.waker_ref()) {
            Some(_) => slot.telling.is_told(),
            None => !self.0.listen(token, cx),
        };
        if !over {
            note(whom, token, cx);
        }
        over
    }

    /// The future of a started op is gone.
    fn let_go(&self, token: Token) {
        drop(self.0.forget_other(token));
        let counted = self.0.count_leaving(token);
        match self.0.mine() {
            Some(mine) => {
                mine.let_go(token);
                if counted || !mine.to_give_back.borrow().is_empty() {
                    mine.wake_others();
                }
            }
            None => self.0.let_go_from_outside(token),
        }
    }
}

#[inline]
fn waker_ref_of(task: TaskRef) -> WakerRef {
    TaskId::of(task).waker_ref()
}

/// Notes that the task that is polled waits for an op. `whom` where it is found already.
#[inline]
fn note(whom: Option<TaskRef>, token: Token, cx: &Context<'_>) {
    let word = token.index() as usize;
    match whom {
        Some(task) => task::note(task, &OP, word, WokenFrom::Anywhere),
        None => task::note_waiting(cx, &OP, word, WokenFrom::Anywhere),
    }
}

/// One op of a loop, as a future. See [`Ops::start`].
#[must_use = "an op starts when it is polled"]
pub struct Op<P: Request> {
    ops: Ops,
    request: P,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    /// Where it said Busy: for want of this.
    Unstarted(Lack),
    InFlight(Token),
    Done,
}

impl<P: Request> std::fmt::Debug for Op<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.stage {
            Stage::Unstarted(_) => "Op(unstarted)",
            Stage::InFlight(_) => "Op(in flight)",
            Stage::Done => "Op(done)",
        })
    }
}

impl<P: Request> Op<P> {
    /// What it is short of, where it said Busy.
    fn lack(&self) -> Lack {
        match self.stage {
            Stage::Unstarted(lack) => lack,
            Stage::InFlight(_) | Stage::Done => unreachable!("Busy is no end"),
        }
    }

    /// By which [`Ops::cancel`] knows it, while it is in flight.
    pub fn token(&self) -> Option<Token> {
        match self.stage {
            Stage::InFlight(token) => Some(token),
            Stage::Unstarted(_) | Stage::Done => None,
        }
    }

    /// Asks that it end, if it is in flight: it answers as it would have.
    pub fn cancel(&self) {
        if let Some(token) = self.token() {
            self.ops.cancel(token);
        }
    }

    /// Where it waits under a token that says so.
    fn cancel_if_asked(&self) {
        if cancel::is_cancelled() {
            self.cancel();
        }
    }

    /// The loop that it is on.
    pub fn ops(&self) -> &Ops {
        &self.ops
    }

    /// What describes it: with what it keeps, where it was not started.
    pub fn request(&mut self) -> &mut P {
        &mut self.request
    }

    /// Starts it. Whether it was started before: the token of that.
    #[inline]
    fn poll_start(&mut self, cx: &Context<'_>) -> Result<Option<Token>, Error> {
        match self.stage {
            Stage::InFlight(token) => Ok(Some(token)),
            Stage::Unstarted(_) => {
                let Self { ops, request, stage } = self;
                match ops.begin(request, stage, cx) {
                    Ok(()) => Ok(None),
                    Err(error) => Err(self.refused(error)),
                }
            }
            Stage::Done => panic!("an op was polled after it was ready"),
        }
    }

    #[cold]
    fn refused(&mut self, error: Error) -> Error {
        if error != Error::Kind(ErrorKind::Busy) {
            self.stage = Stage::Done;
        }
        error
    }

    #[inline]
    fn is_told(&self, token: Token) -> bool {
        self.ops.0.home.slab.slot(token).telling.is_told()
    }

    /// What the told op came to.
    #[inline]
    fn take(&mut self, token: Token) -> Result<P::Output, Error> {
        self.stage = Stage::Done;
        let event_loop = &self.ops.0;
        let slot = event_loop.home.slab.slot(token);
        if slot.telling.is_lost() {
            return Err(ErrorKind::Closed.into());
        }
        let mine = event_loop.mine();
        let finish = |outcome, resource: &mut Resource| self.request.finish(outcome, resource);
        Ok(event_loop.free(mine.as_ref(), slot, token, finish))
    }
}

impl<P: Request> Future for Op<P> {
    type Output = Result<P::Output, Error>;

    /// Busy is no end: it may be polled again.
    ///
    /// # Panics
    ///
    /// Once it was ready with anything else.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match this.poll_start(cx) {
            Ok(None) => Poll::Pending,
            Ok(Some(token)) => {
                if this.is_told(token) || this.ops.remember(token, cx) {
                    return Poll::Ready(this.take(token));
                }
                this.cancel_if_asked();
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<P: Request> Drop for Op<P> {
    fn drop(&mut self) {
        if let Stage::InFlight(token) = self.stage {
            self.ops.let_go(token);
        }
    }
}
