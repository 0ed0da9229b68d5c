//! One op in flight: its state, whom to tell, and what the kernel borrows.
//!
//! ```text
//!        ┌──────────────────────── 4 take ◄───────────────────────────┐
//!        ▼                                                            │
//!      Free ─1 claim─► Queued ─2 publish─► InFlight ─3 last CQE───► Ready
//!                        │                    │  ▲                    ▲
//!                        │                    └──┘ 5 cancel requested │
//!                        │                    └──┘ 6 orphan           │
//!                        ├─7 withdraw (cancel came first)─────────────┤
//!                        └─8 complete at once (cached, or refused)────┘
//! ```
//!
//! 5 and 6 set a flag beside the state; the op stays InFlight, and its last CQE decides.
//!
//! - **I1** From 2 until 3, whoever published owns the [`Resource`]: the kernel, or the pool thread
//!   that carries the op out. Nobody else reaches it.
//! - **I2** In every other state only the op's owner reaches it.
//! - **I3** Only the owner does 1, 4, 5, 6, 7 and 8: the loop's thread, or whoever has the op's future
//!   (see `scheduler/op.rs`). 2 and 3 may come from a thread that the op was handed to.
//! - **I4** The generation is part of the state word, so every transition by token fails when the
//!   slot was given to somebody else since.
//! - **I5** 3 happens once: after it the state is not InFlight, and 2 is the only way there.
//! - **I6** From the moment that a ring has the op until 3, each transition is made by the ring's thread:
//!   an owner on another asks it for 5 and 6. What relies on that is called `at_home`.

pub(crate) mod order;
pub(crate) mod telling;

use crate::loom::{AtomicU32, AtomicU64, Ordering, UnsafeCell};
use crate::resource::Resource;
use crate::token::Token;
use crate::waker::WakerRef;
use order::Order;
use telling::Telling;

const FREE: u64 = 0;
const QUEUED: u64 = 1;
const IN_FLIGHT: u64 = 2;
const READY: u64 = 3;
const STATE_MASK: u64 = 0xFF;
const CANCEL_REQUESTED: u64 = 1 << 8;
const ORPHANED: u64 = 1 << 9;

const fn generation_of(word: u64) -> u32 {
    (word >> 32) as u32
}

const fn word(generation: u32, state: u64) -> u64 {
    ((generation as u64) << 32) | state
}

/// What the kernel (or whoever stood in for it) answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// What the system call would return: a count, or `-errno`, or an error kind's number.
    pub result: i32,
    /// [`crate::abi::completion_flag`]; the upper half is the driver's (a ring's picked buffer).
    pub flags: u32,
}

/// Transition 1 found the slot in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy;

/// What transition 2 found.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Publish {
    /// The caller now owns the resource and owes transition 3.
    Go,
    /// The op was withdrawn, or the slot has another user: forget it.
    Gone,
}

/// What transition 3 found.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completed {
    /// The owner is to be told, and to take.
    Deliver,
    /// Not in flight under this token: a completion that came late. Nothing was touched.
    Stale,
}

/// What remains to be done after 5 or 7.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cancel {
    /// It never started; it is Ready with ECANCELED (7).
    Withdrawn,
    /// Ask whoever carries it out; the last CQE decides (5).
    Ask,
    /// Somebody asked before.
    AskedBefore,
    /// It is Ready already.
    TooLate,
    /// The token names nobody.
    Stale,
}

/// What remains to be done after 6.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Orphan {
    /// It never started; it is Ready with ECANCELED.
    Withdrawn,
    /// The last CQE is still to come.
    WaitForCqe,
    /// It is Ready: take it and throw the outcome away.
    Ready,
    /// The token names nobody.
    Stale,
}

/// What 4 found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// The answer.
    pub outcome: Outcome,
    /// Nobody waits for it: undo what it did (close what it opened).
    pub orphaned: bool,
    /// Whether a cancel was asked for.
    pub cancel_requested: bool,
    /// Whom to tell.
    pub waker_ref: WakerRef,
}

/// See the module's text. `state` and `waker_ref` come first, as the design note has it.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Slot {
    state: AtomicU64,
    waker_ref: AtomicU64,
    pub(crate) next: AtomicU32,
    /// Of an op with a future: see [`Telling`].
    pub(crate) telling: Telling,
    /// Of an op whose future is on another thread: what that asks for.
    pub(crate) order: Order,
    outcome: UnsafeCell<Outcome>,
    resource: UnsafeCell<Resource>,
}

// SAFETY: `outcome` and `resource` are reached by one thread at a time: I1, I2 and the Release of
// each transition that hands them on, paired with the Acquire of the transition that takes them.
unsafe impl Sync for Slot {}
// SAFETY: as above; nothing in a slot is bound to the thread that made it.
unsafe impl Send for Slot {}

impl Slot {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU64::new(word(1, FREE)),
            waker_ref: AtomicU64::new(0),
            next: AtomicU32::new(u32::MAX),
            telling: Telling::new(),
            order: Order::new(),
            outcome: UnsafeCell::new(Outcome::default()),
            resource: UnsafeCell::new(Resource::new()),
        }
    }

    /// Transition 1. The generation of this use.
    #[inline]
    pub fn claim(&self, waker_ref: WakerRef) -> Result<u32, Busy> {
        // Relaxed: only this thread makes a slot Free (I3).
        let now = self.state.load(Ordering::Relaxed);
        if now & STATE_MASK != FREE {
            return Err(Busy);
        }
        // Relaxed: published by the Release of `publish`, or read by this thread.
        self.waker_ref.store(waker_ref.to_bits(), Ordering::Relaxed);
        let generation = generation_of(now);
        // Release: with the Acquire of `publish` on another thread.
        self.state.store(word(generation, QUEUED), Ordering::Release);
        Ok(generation)
    }

    /// Transition 2: from here on the caller, or the kernel that it tells, owns the resource.
    #[inline]
    pub fn publish(&self, token: Token) -> Publish {
        let queued = word(token.generation(), QUEUED);
        let in_flight = word(token.generation(), IN_FLIGHT);
        // Acquire: with the Release of `claim`, so that the resource is seen as prepared.
        match self.state.compare_exchange(queued, in_flight, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => Publish::Go,
            Err(_) => Publish::Gone,
        }
    }

    /// Transition 3, by whoever published. Touches nothing where the token is stale.
    #[inline]
    pub fn complete(&self, token: Token, outcome: Outcome) -> Completed {
        // Acquire: with the Release half of `publish`, where another thread published.
        let now = self.state.load(Ordering::Acquire);
        if generation_of(now) != token.generation() || now & STATE_MASK != IN_FLIGHT {
            return Completed::Stale;
        }
        // SAFETY: InFlight, and the caller published: `outcome` is its own until Ready (I1, I5).
        self.outcome.with_mut(|place| unsafe { place.write(outcome) });
        // An addition, because 5 and 6 may set their flags meanwhile; nobody else leaves InFlight.
        // Release: with the Acquire of `take`.
        self.state.fetch_add(READY - IN_FLIGHT, Ordering::AcqRel);
        Completed::Deliver
    }

    /// As [`Self::publish`], by the thread of a ring: no other makes a transition of the op meanwhile,
    /// so it takes no exchange (I6).
    #[inline]
    pub fn publish_at_home(&self, token: Token) -> Publish {
        // Acquire: with the Release of `claim`, where another thread claimed and handed over.
        if self.state.load(Ordering::Acquire) != word(token.generation(), QUEUED) {
            return Publish::Gone;
        }
        // Relaxed: for this thread, and for the kernel, which is told of the op after this.
        self.state.store(word(token.generation(), IN_FLIGHT), Ordering::Relaxed);
        Publish::Go
    }

    /// As [`Self::complete`], of what was published at home (I6).
    #[inline]
    pub fn complete_at_home(&self, token: Token, outcome: Outcome) -> Completed {
        // Relaxed: written by this thread.
        let now = self.state.load(Ordering::Relaxed);
        if generation_of(now) != token.generation() || now & STATE_MASK != IN_FLIGHT {
            return Completed::Stale;
        }
        // SAFETY: InFlight, and this thread published: `outcome` is its own until Ready (I1, I5).
        self.outcome.with_mut(|place| unsafe { place.write(outcome) });
        // A store, because 5 and 6 are this thread's too. Release: with the Acquire of `take`.
        self.state.store(now + (READY - IN_FLIGHT), Ordering::Release);
        Completed::Deliver
    }

    /// Transition 8: the owner answers a Queued op itself.
    pub fn complete_at_once(&self, token: Token, outcome: Outcome) -> Completed {
        let queued = word(token.generation(), QUEUED);
        let ready = word(token.generation(), READY);
        // Relaxed on failure: nothing is read then. The exchange, because a thread that the op was
        // handed to may publish it at this moment.
        match self.state.compare_exchange(queued, ready, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => {
                // SAFETY: the op is Ready and this is the owner, the only one to read it (I2, I3).
                self.outcome.with_mut(|place| unsafe { place.write(outcome) });
                Completed::Deliver
            }
            Err(_) => Completed::Stale,
        }
    }

    /// Transition 5, or 7 where the op has not started.
    pub fn request_cancel(&self, token: Token) -> Cancel {
        let cancelled = Outcome { result: -libc::ECANCELED, flags: 0 };
        if self.complete_at_once(token, cancelled) == Completed::Deliver {
            return Cancel::Withdrawn;
        }
        match self.mark(token, CANCEL_REQUESTED) {
            None => Cancel::Stale,
            Some(before) if before & STATE_MASK == READY => Cancel::TooLate,
            Some(before) if before & CANCEL_REQUESTED != 0 => Cancel::AskedBefore,
            Some(_) => Cancel::Ask,
        }
    }

    /// Transition 6. Allocates nothing: what the kernel holds already lives here.
    pub fn orphan(&self, token: Token) -> Orphan {
        let cancelled = Outcome { result: -libc::ECANCELED, flags: 0 };
        let withdrawn = self.complete_at_once(token, cancelled) == Completed::Deliver;
        match self.mark(token, ORPHANED) {
            None => Orphan::Stale,
            Some(_) if withdrawn => Orphan::Withdrawn,
            Some(before) if before & STATE_MASK == READY => Orphan::Ready,
            Some(_) => Orphan::WaitForCqe,
        }
    }

    /// Sets a flag on an op that is InFlight or Ready; the word before, unless the token is stale.
    fn mark(&self, token: Token, flag: u64) -> Option<u64> {
        let add = |now: u64| {
            let current = generation_of(now) == token.generation() && now & STATE_MASK != FREE;
            current.then_some(now | flag)
        };
        // An exchange, because another thread may take the op meanwhile and claim the slot again.
        // AcqRel: where this finds Ready, `take` may follow at once.
        self.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, add).ok()
    }

    /// Whether the op under this token has not begun. Only its owner withdraws it.
    pub(crate) fn is_queued(&self, token: Token) -> bool {
        // Acquire: with the Release of `claim`.
        self.state.load(Ordering::Acquire) == word(token.generation(), QUEUED)
    }

    /// Transition 4: hands outcome and resource to `f`, then frees the slot. `None` where the op is
    /// not Ready or the token is stale.
    #[inline]
    pub fn take<R>(&self, token: Token, f: impl FnOnce(Taken, &mut Resource) -> R) -> Option<R> {
        // Acquire: with the Release of `complete`.
        let now = self.state.load(Ordering::Acquire);
        if generation_of(now) != token.generation() || now & STATE_MASK != READY {
            return None;
        }
        let taken = Taken {
            // SAFETY: Ready: the writer is done, and only the owner reads (I2).
            outcome: self.outcome.with(|place| unsafe { place.read() }),
            orphaned: now & ORPHANED != 0,
            cancel_requested: now & CANCEL_REQUESTED != 0,
            // Relaxed: written by this thread in `claim`.
            waker_ref: WakerRef::from_bits(self.waker_ref.load(Ordering::Relaxed)),
        };
        // SAFETY: Ready: the kernel is done with it, and this is the owner (I1, I2).
        let result = self.resource.with_mut(|resource| f(taken, unsafe { &mut *resource }));
        // Release: with nobody yet; the next `claim` is this thread's, the next `publish` pairs
        // with that. The generation changes here, so tokens of this use are stale from now on.
        self.state.store(word(token.generation().wrapping_add(1), FREE), Ordering::Release);
        Some(result)
    }

    /// The resource, for its owner of the moment.
    ///
    /// # Safety
    ///
    /// The caller is the owning thread and the op is Queued or Ready (I2), or the caller published
    /// it and has not completed it (I1).
    #[inline]
    pub unsafe fn with_resource<R>(&self, f: impl FnOnce(&mut Resource) -> R) -> R {
        // SAFETY: the caller is the only one to reach it.
        self.resource.with_mut(|resource| f(unsafe { &mut *resource }))
    }

    /// The answer, without taking it: for the owner. `None` until the op is Ready.
    pub fn peek(&self, token: Token) -> Option<Outcome> {
        // SAFETY: Ready: the writer is done, and only the owner frees the slot (I2).
        self.is_ready(token).then(|| self.outcome.with(|place| unsafe { place.read() }))
    }

    /// Whether the op under this token has an answer.
    #[inline]
    pub fn is_ready(&self, token: Token) -> bool {
        // Acquire: with the Release of `complete`.
        let now = self.state.load(Ordering::Acquire);
        generation_of(now) == token.generation() && now & STATE_MASK == READY
    }

    /// Whether 5 was made on the op under this token, for whoever carries it out and finds it
    /// interrupted.
    pub fn is_cancel_requested(&self, token: Token) -> bool {
        // Relaxed: the flag is set before anybody is asked to interrupt the op.
        let now = self.state.load(Ordering::Relaxed);
        generation_of(now) == token.generation() && now & CANCEL_REQUESTED != 0
    }

    /// Whether 6 was made on the op under this token, for the loop that completes it.
    #[inline]
    pub fn is_orphaned(&self, token: Token) -> bool {
        // Relaxed: the loop's own thread sets the flag.
        let now = self.state.load(Ordering::Relaxed);
        generation_of(now) == token.generation() && now & ORPHANED != 0
    }

    /// Whom to tell, for the loop that completes an op without taking it.
    #[inline]
    pub fn waker_ref(&self) -> WakerRef {
        // Relaxed: written before the op was handed on.
        WakerRef::from_bits(self.waker_ref.load(Ordering::Relaxed))
    }

    /// The token of the slot's present use, unless it is Free. Only a hint on other threads.
    #[inline]
    pub fn current(&self, index: u32) -> Option<Token> {
        let now = self.state.load(Ordering::Relaxed);
        (now & STATE_MASK != FREE).then(|| Token::new(index, generation_of(now)))
    }
}

#[cfg(not(any(loom, shuttle)))]
const _: () = {
    assert!(std::mem::offset_of!(Slot, state) == 0);
    assert!(std::mem::offset_of!(Slot, waker_ref) == 8);
    assert!(size_of::<Slot>() <= 768);
};

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "slot/tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "slot/loom_tests.rs"]
mod loom_tests;
