//! A loop: what every thread has of it, and what is its own thread's.
//!
//! ```text
//! EventLoop ┬ home, orders, room, wakers of others, shots      any thread
//!           └ own: driver, free slots, whom to wake            its thread, as `Mine`
//! ```
//!
//! - **O1** `own` is reached only through [`Mine`], which [`EventLoop::mine`] gives to the thread that has
//!   entered the loop. Only the scheduler that made it enters it, on the thread where the driver was
//!   made.
//! - **O2** The driver is dropped there too: by `end`. Where that never came, it is never dropped.

use super::loop_ref::{LoopRef, References};
use super::room::Room;
use super::{Loop, Ops, Request};
use crate::abi::ErrorKind;
use crate::block::BlockPool;
use crate::buffers::BufferGroup;
use crate::driver::{CancelKey, Driver};
use crate::error::Error;
use crate::fixed::FixedBuf;
use crate::home::Home;
use crate::loom::{AtomicU32, AtomicUsize, Mutex, MutexGuard, RwLock, thread_local};
use crate::resource::Resource;
use crate::slab::FreeList;
use crate::slot::order::{Asked, Ordered, Orders};
use crate::slot::{Outcome, Slot};
use crate::task::here::{self, Here};
use crate::task::{self, Step, TaskRef};
use crate::token::Token;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::ptr::{NonNull, null};
use std::sync::{Arc, OnceLock, PoisonError};
use std::task::{Context, Waker};

/// Wakes the loop's thread if it sleeps, wherever it does.
pub(crate) type Wake = Box<dyn Fn() + Send + Sync>;

/// See the module's text.
pub(crate) struct EventLoop {
    pub(super) references: References,
    pub(super) home: Arc<Home>,
    pub(super) orders: Orders,
    pub(super) room: Room,
    blocks: BlockPool,
    /// Of each slot: whom to wake beside the task in its `waker_ref`. See G1 of `slot::telling`.
    others: Box<[Mutex<Option<Waker>>]>,
    /// Of each slot: whom to tell when an op that was let go is over.
    pub(super) leaving: Box<[Mutex<Option<Waker>>]>,
    /// Of each slot: answers of an op that gives many.
    pub(super) shots: Box<[Mutex<VecDeque<Outcome>>]>,
    pub(super) groups: RwLock<Vec<(u16, Arc<BufferGroup>)>>,
    /// The group for whoever has none of its own, or that there can be none.
    shared_group: OnceLock<Option<(u16, Arc<BufferGroup>)>>,
    wake: OnceLock<Wake>,
    /// Not zero: its thread has posted messages to others, and not sent them.
    pub(super) posted: AtomicU32,
    /// At its end: ops that the kernel still has.
    pub(super) left: AtomicUsize,
    /// Of the scheduler whose tasks the slots' `waker_ref` names.
    dispatch: OnceLock<usize>,
    own: Own,
}

/// The thread's own part.
pub(super) struct Own {
    pub(super) driver: RefCell<Option<Box<dyn Driver>>>,
    free: RefCell<FreeList>,
    /// Wakers of others, to be called when the turn is over.
    pub(super) to_wake: RefCell<Vec<Waker>>,
    /// Of ops that nobody waits for: they go back when the turn is over, since that may wake, too.
    pub(super) to_give_back: RefCell<Vec<FixedBuf>>,
    /// Asked for by other threads, and refused as Busy by the driver.
    pub(super) held: RefCell<VecDeque<Token>>,
    /// Ops of many answers that nobody takes: to be cancelled when the turn is over.
    pub(super) to_cancel: RefCell<Vec<Token>>,
    /// A turn goes on, in which nothing of the program's is called.
    pub(super) turns: Cell<bool>,
    /// See M5 of `room`.
    pub(super) owes_ring: Cell<bool>,
    here: Cell<Option<NonNull<Here>>>,
}

// SAFETY: `own` is one thread's (O1, O2); all else may be everybody's.
unsafe impl Send for EventLoop {}
// SAFETY: as above.
unsafe impl Sync for EventLoop {}

impl Drop for EventLoop {
    fn drop(&mut self) {
        // O2: this may be another thread.
        std::mem::forget(self.own.driver.get_mut().take());
    }
}

/// A loop on its own thread.
#[derive(Clone, Copy)]
pub(super) struct Mine<'a> {
    pub(super) event_loop: &'a EventLoop,
    _stays_here: PhantomData<*const ()>,
}

impl std::ops::Deref for Mine<'_> {
    type Target = Own;

    #[inline]
    fn deref(&self) -> &Own {
        // O1.
        &self.event_loop.own
    }
}

thread_local! {
    static CURRENT: Cell<*const EventLoop> = const { Cell::new(null()) };
    static DEFAULT: RefCell<Option<Ops>> = const { RefCell::new(None) };
}

/// The loop that ops of the calling code go to: its thread's own, or one of the scheduler's whose worker
/// this is, or the one that was [entered](Ops::enter_default) for a thread without.
pub fn ops() -> Option<Ops> {
    match NonNull::new(CURRENT.try_with(Cell::get).unwrap_or(null()).cast_mut()) {
        // SAFETY: this thread has entered it, and `Entered` has a reference to it.
        Some(entered) => Some(Ops(unsafe { LoopRef::of_entered(entered) })),
        None => elsewhere(),
    }
}

#[cold]
fn elsewhere() -> Option<Ops> {
    let of_scheduler = here::with(|here| here.and_then(Here::loop_for_this_worker));
    let entered = || DEFAULT.try_with(|entered| entered.borrow().clone()).ok().flatten();
    of_scheduler.or_else(entered)
}

/// While it lives, its loop is the one whose thread this is.
pub(crate) struct Entered<'a> {
    before: *const EventLoop,
    _ops: PhantomData<&'a Ops>,
}

/// Enters a loop on its own thread, or none.
pub(crate) fn enter(ops: Option<&Ops>) -> Entered<'_> {
    let entered = ops.map_or(null(), |ops| ops.0.as_ptr());
    Entered { before: CURRENT.with(|current| current.replace(entered)), _ops: PhantomData }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        // A thread that ends has forgotten its loop already.
        let _ = CURRENT.try_with(|current| current.set(self.before));
    }
}

/// While it lives, ops of this thread go to the loop that was entered. See [`Ops::enter_default`].
#[must_use]
#[derive(Debug)]
pub struct EnteredDefault {
    before: Option<Ops>,
    _stays_here: PhantomData<*const ()>,
}

impl Ops {
    /// Has [`ops`] give this loop on a thread that has none of its own, until what it returns is
    /// dropped.
    pub fn enter_default(&self) -> EnteredDefault {
        let before = DEFAULT.with(|entered| entered.replace(Some(self.clone())));
        EnteredDefault { before, _stays_here: PhantomData }
    }
}

impl Drop for EnteredDefault {
    fn drop(&mut self) {
        let _ = DEFAULT.try_with(|entered| entered.replace(self.before.take()));
    }
}

impl EventLoop {
    pub(super) fn make(made: Loop, blocks_max: usize) -> LoopRef {
        let Loop { driver, home } = made;
        let slots = home.slab.len() as usize;
        let (room, free) = Room::of(&home.slab);
        LoopRef::new(|references| Self {
            references,
            orders: Orders::new(),
            room,
            blocks: BlockPool::new(blocks_max),
            others: (0..slots).map(|_| Mutex::new(None)).collect(),
            leaving: (0..slots).map(|_| Mutex::new(None)).collect(),
            left: AtomicUsize::new(0),
            shots: (0..slots).map(|_| Mutex::new(VecDeque::new())).collect(),
            groups: RwLock::new(Vec::new()),
            shared_group: OnceLock::new(),
            wake: OnceLock::new(),
            posted: AtomicU32::new(0),
            dispatch: OnceLock::new(),
            own: Own {
                driver: RefCell::new(Some(driver)),
                free: RefCell::new(free),
                to_wake: RefCell::new(Vec::with_capacity(slots)),
                to_give_back: RefCell::default(),
                held: RefCell::new(VecDeque::with_capacity(slots)),
                to_cancel: RefCell::new(Vec::with_capacity(slots)),
                turns: Cell::new(false),
                owes_ring: Cell::new(false),
                here: Cell::new(None),
            },
            home,
        })
    }

    /// Ties it to its scheduler: who is told, and how its thread is woken. Once, before anybody else has
    /// it.
    pub(crate) fn tie(&self, here: &Here, wake: Wake) {
        self.own.here.set(Some(NonNull::from(here)));
        let dispatch = self.dispatch.set(here.dispatch_address());
        let wake = self.wake.set(wake);
        debug_assert!(dispatch.is_ok() && wake.is_ok(), "a loop has one scheduler");
        self.references.settle();
    }

    /// What only its own thread may do.
    #[inline]
    pub(super) fn mine(&self) -> Option<Mine<'_>> {
        let current = CURRENT.try_with(Cell::get).unwrap_or(null());
        std::ptr::eq(current, self).then_some(Mine { event_loop: self, _stays_here: PhantomData })
    }

    /// Hands on the loop that this thread has entered, if there is one.
    pub(super) fn with_current<R>(f: impl FnOnce(Option<Mine<'_>>) -> R) -> R {
        let current = CURRENT.try_with(Cell::get).unwrap_or(null());
        // SAFETY: `Entered` holds an `Ops` of it.
        let event_loop = unsafe { current.as_ref() };
        f(event_loop.map(|event_loop| Mine { event_loop, _stays_here: PhantomData }))
    }

    /// The task that is polled, if `cx` has its own waker and this loop knows it by number.
    #[inline]
    pub(super) fn polled(&self, mine: Option<&Mine<'_>>, cx: &Context<'_>) -> Option<TaskRef> {
        match mine {
            Some(mine) => task::polled(mine.here()?, cx),
            None => here::with(|here| {
                let here = here?;
                let known = self.dispatch.get() == Some(&here.dispatch_address());
                task::polled(here, cx).filter(|_| known)
            }),
        }
    }

    pub(super) fn wake(&self) {
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }

    /// Has the loop do something with an op of this thread's.
    ///
    /// # Errors
    ///
    /// Closed where there is no loop any more.
    pub(super) fn ask(&self, token: Token, asked: Asked) -> Result<(), Error> {
        match self.orders.ask(&self.home.slab, token, asked) {
            Ordered::Wake => self.wake(),
            Ordered::Quiet => {}
            Ordered::Closed => return Err(ErrorKind::Closed.into()),
        }
        Ok(())
    }

    /// Prepares an op that this thread has claimed.
    #[inline]
    pub(super) fn prepare<P: Request>(&self, slot: &Slot, request: &mut P) -> Result<(), Error> {
        let prepare = |resource: &mut Resource| request.prepare(resource, &self.blocks);
        // SAFETY: Queued, and this is its owner: nobody was told of it.
        unsafe { slot.with_resource(prepare) }
    }

    /// Takes a Ready op (transition 4) and gives its slot back.
    #[inline]
    pub(super) fn free<R>(
        &self,
        mine: Option<&Mine<'_>>,
        slot: &Slot,
        token: Token,
        f: impl FnOnce(Outcome, &mut Resource) -> R,
    ) -> R {
        let taken = slot.take(token, |taken, resource| {
            let result = f(taken.outcome, resource);
            if resource.needs_release() && resource.release(&self.blocks) {
                self.blocks_are_back();
            }
            result
        });
        self.give_slot_back(mine, token.index());
        taken.expect("whoever was told takes, once")
    }

    /// Looks at the resource of an op that this thread was told of, and has not taken; or, at the end of its
    /// loop, of one that the driver has and never answers.
    pub(super) fn with_told<R>(&self, token: Token, f: impl FnOnce(&mut Resource) -> R) -> R {
        // SAFETY: Ready, and this is its owner (I2 of `slot`); or InFlight and of many answers, for which the
        // kernel writes nothing there, and published by this thread's driver (I1), which is at its end.
        unsafe { self.home.slab.slot(token).with_resource(f) }
    }

    /// Has the one who polls now be woken too. Whether it will be: else the op is over.
    pub(super) fn listen(&self, token: Token, cx: &Context<'_>) -> bool {
        let is_same = |waker: &Waker| waker.will_wake(cx.waker());
        let known = self.other(token).as_ref().is_some_and(is_same);
        if !known {
            // To clone it and to drop the one before may be code of the program's: without the lock.
            let waker = cx.waker().clone();
            let before = self.other(token).replace(waker);
            drop(before);
        }
        let listens = self.home.slab.slot(token).telling.listen();
        if !listens {
            drop(self.take_other(token));
        }
        listens
    }

    /// The waker that was stored for an op, which nobody will poll any more.
    pub(super) fn forget_other(&self, token: Token) -> Option<Waker> {
        let is_stored = self.home.slab.slot(token).telling.has_other();
        is_stored.then(|| self.take_other(token)).flatten()
    }

    /// The group for whoever has none of its own, made where this is the loop's thread.
    pub(super) fn shared_group(
        &self,
        make: impl FnOnce() -> Arc<BufferGroup>,
    ) -> Option<(u16, Arc<BufferGroup>)> {
        if let (None, Some(mine)) = (self.shared_group.get(), self.mine()) {
            let group = make();
            let added = mine.add_buffers(group.clone()).ok();
            let _ = self.shared_group.set(added.map(|number| (number, group)));
        }
        self.shared_group.get().cloned().flatten()
    }

    fn other(&self, token: Token) -> MutexGuard<'_, Option<Waker>> {
        self.others[token.index() as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The waker of whoever listens (G1).
    #[cold]
    pub(super) fn take_other(&self, token: Token) -> Option<Waker> {
        self.other(token).take()
    }
}

impl<'a> Mine<'a> {
    #[inline]
    pub(super) fn with_free<R>(&self, f: impl FnOnce(&mut FreeList) -> R) -> R {
        f(&mut self.free.borrow_mut())
    }

    #[inline]
    pub(super) fn with_driver<R>(&self, f: impl FnOnce(&mut dyn Driver) -> R) -> Result<R, Error> {
        match self.driver.borrow_mut().as_deref_mut() {
            Some(driver) => Ok(f(driver)),
            None => Err(ErrorKind::Closed.into()),
        }
    }

    #[inline]
    pub(super) fn enqueue(&self, token: Token) -> Result<(), Error> {
        // A driver has room again after a turn.
        self.with_driver(|driver| driver.enqueue(token))?
            .inspect_err(|_| self.event_loop.room.stir())
    }

    pub(super) fn cancel_where(&self, key: CancelKey) -> Result<usize, Error> {
        self.with_driver(|driver| driver.cancel_where(key))?
    }

    pub(super) fn add_buffers(&self, group: Arc<BufferGroup>) -> Result<u16, Error> {
        if !group.take_for_a_loop() {
            return Err(ErrorKind::Busy.into());
        }
        let number = self.with_driver(|driver| driver.add_buffers(group.clone()))??;
        let groups = self.event_loop.groups.write();
        groups.unwrap_or_else(PoisonError::into_inner).push((number, group));
        Ok(number)
    }

    /// Its scheduler's part of this thread.
    #[inline]
    pub(super) fn here(&self) -> Option<&'a Here> {
        // SAFETY: tied to a scheduler, which is there until it unties.
        self.event_loop.own.here.get().map(|here| unsafe { here.as_ref() })
    }

    /// It is no loop's thread any more.
    pub(super) fn leave(self) {
        self.event_loop.own.here.set(None);
        CURRENT.with(|current| current.set(null()));
        self.event_loop.references.part();
    }

    #[inline]
    pub(super) fn trace(&self, step: Step) {
        if let Some(here) = self.here() {
            here.trace(|| step);
        }
    }
}

/// A scheduler's loops, for those of its workers that have none.
#[derive(Debug, Default)]
pub(crate) struct Loops(OnceLock<Box<[Ops]>>);

impl Loops {
    /// Once they are made, before there is a task.
    pub(crate) fn set(&self, loops: Box<[Ops]>) {
        let set = self.0.set(loops);
        debug_assert!(set.is_ok(), "a scheduler makes its loops once");
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Ops] {
        self.0.get().map_or(&[], |loops| loops)
    }

    /// The one for a worker.
    pub(crate) fn for_worker(&self, worker: u32) -> Option<Ops> {
        let loops = self.all();
        loops.get(worker as usize % loops.len().max(1)).cloned()
    }
}
