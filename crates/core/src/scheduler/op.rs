//! Ops as futures, for tasks of a thread that drives its own loop.
//!
//! ```text
//! first poll:  slot claimed (whom to wake: the task's number) ─► prepared ─► enqueued ─► Pending
//! the loop:    answer and state into the slot ─► wake by number
//! next polls:  the slot is Ready: take it, give it back      (else Pending; nothing is done twice)
//! dropped:     the slot is orphaned; its last completion frees it
//! ```
//!
//! How does the second poll know? The loop writes the outcome, then the state with Release, then
//! wakes; the poll reads the state with Acquire. A wake in between finds the slot InFlight and changes
//! nothing.
//!
//! A waker is stored only where the one who polls is not the task that runs: `join_all` and its like
//! poll with wakers of their own, and a future may move from task to task.

use crate::abi::ErrorKind;
use crate::block::BlockPool;
use crate::driver::{Completion, Driver};
use crate::error::Error;
use crate::home::Home;
use crate::loom::thread_local;
use crate::resource::Resource;
use crate::slab::FreeList;
use crate::slot::{Cancel, Orphan, Outcome};
use crate::task::here::Here;
use crate::task::{Step, TaskId, WaitsFor, WokenFrom, note_waiting, run};
use crate::token::Token;
use crate::waker::{Wakee, WakerRef};
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What an op answers that had not begun.
const CANCELLED: Outcome = Outcome { result: -libc::ECANCELED, flags: 0 };

static OP: WaitsFor = WaitsFor::numbered("op");

/// Completions that one turn hands over at most.
const COMPLETIONS_MAX: usize = 256;

/// Whom a slot's completion concerns, beside the task in its `waker_ref`.
#[derive(Debug)]
enum Owner {
    /// The task whose number the slot holds.
    Task,
    /// Somebody else, or a task that polled later than the first.
    Other(Waker),
    /// Nobody: the slot is freed by its completion.
    Nobody,
}

/// The loop of a [`super::LocalScheduler`], or of a worker of a [`super::Scheduler`]: its driver, and what its ops need. Cheap to clone; it
/// stays on its thread.
///
/// Only that thread's loop answers an op, so neither goes to another one:
///
/// ```compile_fail,E0277
/// fn goes<T: Send>(_: T) {}
/// fn elsewhere(ops: wakering_core::scheduler::Ops) {
///     goes(ops);
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn goes<T: Send>(_: T) {}
/// fn elsewhere(ops: &wakering_core::scheduler::Ops) {
///     goes(ops.start(|_, _| Ok(())));
/// }
/// ```
#[derive(Clone)]
pub struct Ops(Rc<Inner>);

struct Inner {
    home: Arc<Home>,
    driver: RefCell<Box<dyn Driver>>,
    free: RefCell<FreeList>,
    blocks: RefCell<BlockPool>,
    owners: RefCell<Box<[Owner]>>,
    /// Wakers of others, to be called when the turn is over.
    to_wake: RefCell<Vec<Waker>>,
    here: Cell<Option<NonNull<Here>>>,
}

impl std::fmt::Debug for Ops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ops").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Ops>> = const { RefCell::new(None) };
}

/// The loop of the scheduler, or the worker, that runs on this thread, if it has one.
pub fn ops() -> Option<Ops> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// While it lives, its ops are what [`ops`] gives on this thread.
pub(super) struct Entered(Option<Ops>);

pub(super) fn enter(ops: Option<&Ops>) -> Entered {
    Entered(CURRENT.with(|current| current.replace(ops.cloned())))
}

impl Drop for Entered {
    fn drop(&mut self) {
        // A thread that ends has forgotten its loop already.
        let _ = CURRENT.try_with(|current| current.replace(self.0.take()));
    }
}

impl Ops {
    pub(super) fn new(driver: Box<dyn Driver>, home: Arc<Home>, blocks_max: usize) -> Self {
        let slots = home.slab.len() as usize;
        let free = RefCell::new(FreeList::new(&home.slab));
        Self(Rc::new(Inner {
            driver: RefCell::new(driver),
            free,
            blocks: RefCell::new(BlockPool::new(blocks_max)),
            owners: RefCell::new((0..slots).map(|_| Owner::Task).collect()),
            to_wake: RefCell::new(Vec::with_capacity(slots)),
            here: Cell::new(None),
            home,
        }))
    }

    /// Ties it to its scheduler, or unties it when that ends.
    pub(super) fn tie(&self, here: Option<NonNull<Here>>) {
        self.0.here.set(here);
    }

    pub(super) fn bell(&self) -> Arc<Home> {
        self.0.home.clone()
    }

    /// Ops that are enqueued and not complete.
    pub fn in_flight(&self) -> usize {
        self.0.driver.borrow().in_flight()
    }

    /// An op that `prepare` describes. It starts when it is polled first.
    ///
    /// Safe to cancel: dropped, it is cancelled, and what the kernel borrowed is kept until the
    /// kernel has answered; an outcome that came in spite of that is lost with it.
    pub fn start<P>(&self, prepare: P) -> Op<P>
    where
        P: FnOnce(&mut Resource, &mut BlockPool) -> Result<(), Error> + Unpin,
    {
        Op { ops: self.clone(), stage: Stage::Unstarted(Some(prepare)) }
    }

    /// Asks that an op of this loop end: its own completion answers, as it would have. Nothing happens
    /// where the op is over.
    pub fn cancel(&self, token: Token) {
        let slot = self.0.home.slab.slot(token);
        match slot.request_cancel(token) {
            Cancel::Ask => self.ask_driver(token),
            // Answered on this thread, and the driver will not see it: whoever polls it is told here.
            Cancel::Withdrawn => {
                self.complete(Completion { token, outcome: CANCELLED });
                self.wake_others();
            }
            Cancel::AskedBefore | Cancel::TooLate | Cancel::Stale => {}
        }
    }

    fn ask_driver(&self, token: Token) {
        if let Ok(mut driver) = self.0.driver.try_borrow_mut() {
            // It is never Busy; where it fails, the op ends by itself.
            let _ = driver.cancel(token);
        }
    }

    /// One pass of the loop. How many completions it brought.
    pub(super) fn turn(&self, timeout: Option<Duration>) -> Result<usize, Error> {
        let turned = self.turn_quietly(timeout);
        self.wake_others();
        turned
    }

    /// The same, but for the wakers of others, which are code of the program's: [`Self::wake_others`]
    /// follows.
    pub(super) fn turn_quietly(&self, timeout: Option<Duration>) -> Result<usize, Error> {
        self.trace(Step::Turn);
        self.0.driver.borrow_mut().turn(timeout, COMPLETIONS_MAX, &mut |completion| {
            self.complete(completion);
        })
    }

    /// Ends the loop with its scheduler: what is still in flight is cancelled, and waited for up to the
    /// deadline.
    pub(super) fn end(&self, deadline: Duration) {
        let drained = self.0.driver.borrow_mut().drain(deadline, &mut |completion| {
            self.complete(completion);
        });
        self.wake_others();
        if drained.still_in_flight > 0 {
            // The kernel still writes there: it stays, on purpose.
            std::mem::forget(self.clone());
        }
        self.tie(None);
    }

    pub(super) fn wake_others(&self) {
        // One at a time, since a waker may come here again.
        loop {
            let waker = self.0.to_wake.borrow_mut().pop();
            let Some(waker) = waker else { break };
            waker.wake();
        }
    }

    /// Notes a completion. It calls nothing of the user's: wakes by number only fill a queue.
    fn complete(&self, completion: Completion) {
        let token = completion.token;
        self.trace(Step::Ready(token));
        let slot = self.0.home.slab.slot(token);
        let owner =
            std::mem::replace(&mut self.0.owners.borrow_mut()[token.index() as usize], Owner::Task);
        match owner {
            Owner::Nobody => {
                self.give_back(token);
                return;
            }
            Owner::Other(waker) => self.0.to_wake.borrow_mut().push(waker),
            Owner::Task => {}
        }
        if let Wakee::Task { id, generation } = slot.waker_ref().wakee()
            && let Some(here) = self.here()
        {
            run::wake_by_number(here, id, generation);
        }
    }

    fn here(&self) -> Option<&Here> {
        // SAFETY: tied to a scheduler, which is there until it unties.
        self.0.here.get().map(|here| unsafe { here.as_ref() })
    }

    fn trace(&self, step: Step) {
        if let Some(here) = self.here() {
            here.trace(|| step);
        }
    }

    /// Takes a Ready slot's outcome and frees the slot.
    fn give_back(&self, token: Token) -> Option<Outcome> {
        let slot = self.0.home.slab.slot(token);
        let outcome = slot.take(token, |taken, resource| {
            resource.release(&mut self.0.blocks.borrow_mut());
            taken.outcome
        })?;
        self.0.free.borrow_mut().give_back(token.index());
        Some(outcome)
    }

    fn begin<P>(&self, prepare: P, cx: &Context<'_>) -> Result<Token, Error>
    where
        P: FnOnce(&mut Resource, &mut BlockPool) -> Result<(), Error>,
    {
        let whom = crate::task::own_waker(cx);
        let waker_ref = whom.map_or(WakerRef::NOBODY, TaskId::waker_ref);
        let claimed = self.0.free.borrow_mut().claim(&self.0.home.slab, waker_ref);
        let token = claimed.map_err(|_| Error::Kind(ErrorKind::Busy))?;
        let slot = self.0.home.slab.slot(token);
        // SAFETY: Queued, and this is the loop's own thread.
        let prepared = unsafe {
            slot.with_resource(|resource| prepare(resource, &mut self.0.blocks.borrow_mut()))
        };
        let enqueued = prepared.and_then(|()| self.0.driver.borrow_mut().enqueue(token));
        if let Err(error) = enqueued {
            let withdrawn = slot.request_cancel(token);
            debug_assert_eq!(withdrawn, Cancel::Withdrawn);
            self.give_back(token);
            return Err(error);
        }
        if whom.is_none() {
            self.set_owner(token, Owner::Other(cx.waker().clone()));
        }
        self.trace(Step::Enqueued(token));
        Ok(token)
    }

    fn set_owner(&self, token: Token, owner: Owner) {
        let before =
            std::mem::replace(&mut self.0.owners.borrow_mut()[token.index() as usize], owner);
        // A waker's destructor may come here again: after the borrow.
        drop(before);
    }

    /// Sees to it that whoever polls now is told.
    fn remember(&self, token: Token, cx: &Context<'_>) {
        let slot = self.0.home.slab.slot(token);
        if let Some(task) = crate::task::own_waker(cx)
            && task.waker_ref() == slot.waker_ref()
        {
            return;
        }
        let known = match &self.0.owners.borrow()[token.index() as usize] {
            Owner::Other(waker) => waker.will_wake(cx.waker()),
            _ => false,
        };
        if !known {
            self.set_owner(token, Owner::Other(cx.waker().clone()));
        }
    }

    fn let_go(&self, token: Token) {
        let slot = self.0.home.slab.slot(token);
        match slot.orphan(token) {
            Orphan::Withdrawn | Orphan::Ready => {
                self.set_owner(token, Owner::Task);
                self.give_back(token);
            }
            Orphan::WaitForCqe => {
                self.set_owner(token, Owner::Nobody);
                if slot.request_cancel(token) == Cancel::Ask {
                    self.ask_driver(token);
                }
            }
            Orphan::Stale => {}
        }
    }
}

/// One op of a loop, as a future. See [`Ops::start`].
#[must_use = "an op starts when it is polled"]
pub struct Op<P> {
    ops: Ops,
    stage: Stage<P>,
}

enum Stage<P> {
    Unstarted(Option<P>),
    InFlight(Token),
    Done,
}

impl<P> std::fmt::Debug for Op<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.stage {
            Stage::Unstarted(_) => "Op(unstarted)",
            Stage::InFlight(_) => "Op(in flight)",
            Stage::Done => "Op(done)",
        })
    }
}

impl<P> Op<P> {
    /// By which [`Ops::cancel`] knows it, while it is in flight.
    pub fn token(&self) -> Option<Token> {
        match self.stage {
            Stage::InFlight(token) => Some(token),
            Stage::Unstarted(_) | Stage::Done => None,
        }
    }
}

impl<P> Future for Op<P>
where
    P: FnOnce(&mut Resource, &mut BlockPool) -> Result<(), Error> + Unpin,
{
    type Output = Result<Outcome, Error>;

    /// # Panics
    ///
    /// Once it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let token = match &mut this.stage {
            Stage::Unstarted(prepare) => {
                let Some(prepare) = prepare.take() else { unreachable!("it is taken once") };
                this.stage = Stage::Done;
                match this.ops.begin(prepare, cx) {
                    Ok(token) => this.stage = Stage::InFlight(token),
                    Err(error) => return Poll::Ready(Err(error)),
                }
                let Stage::InFlight(token) = this.stage else { unreachable!("set above") };
                token
            }
            Stage::InFlight(token) => {
                let token = *token;
                if let Some(outcome) = this.ops.give_back(token) {
                    this.stage = Stage::Done;
                    return Poll::Ready(Ok(outcome));
                }
                this.ops.remember(token, cx);
                token
            }
            Stage::Done => panic!("an op was polled after it was ready"),
        };
        note_waiting(cx, &OP, token.index() as usize, WokenFrom::Anywhere);
        Poll::Pending
    }
}

impl<P> Drop for Op<P> {
    fn drop(&mut self) {
        if let Stage::InFlight(token) = self.stage {
            self.ops.let_go(token);
        }
    }
}
