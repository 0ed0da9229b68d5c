//! One event, one waiter: whoever is done last owns what lies around the cell.
//!
//! ```text
//!           ┌──────────────────────────2 finish──────────────────────────┐
//!           │                                                            ▼
//!         Empty ─1 wait─► Waiting ─3 finish takes the waker─► Taking ─4─► Done
//!           ▲  │             │                                  │          ▲
//!           │  │             └─5 other waker, or abandon─► Empty│          │
//!           │  └─6 abandon─► Abandoned        Taking+Abandoned ◄┘─7 abandon│
//!           │                                        └──────────4──────────┘
//! ```
//!
//! - **C1** The waker is written by the waiter in Empty, and taken by whoever leaves Waiting.
//! - **C2** The step to Done is the last that the finisher does to the cell, unless the waiter had
//!   abandoned it (6, 7): then the finisher is the last one there, and was told so.
//! - **C3** Abandoning is the last that the waiter does to the cell, unless it is Done: then the
//!   waiter is the last one there, and was told so.

use crate::loom::{Ordering, UnsafeCell, spin_loop};
use crate::sync::kind::{Sharing, Word};
use std::mem::MaybeUninit;
use std::task::{Context, Poll, Waker};

const EMPTY: usize = 0;
const WAITING: usize = 1;
const TAKING: usize = 2;
const TAKING_ABANDONED: usize = 3;
const ABANDONED: usize = 4;
/// Plus the outcome.
const DONE: usize = 8;

/// See the module's text.
pub(crate) struct WaitCell<K: Sharing> {
    state: K::Word,
    waker: UnsafeCell<MaybeUninit<Waker>>,
}

/// What the finisher found.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Finished {
    /// The waiter has, or will have, the outcome; the cell is no longer the finisher's to touch.
    Told,
    /// The waiter went before: the finisher is the last one here (C2).
    Abandoned,
}

/// What the waiter found when it went.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    /// The finisher is still to come; the cell is no longer the waiter's to touch.
    First,
    /// The finisher was here, with this outcome: the waiter is the last one (C3).
    Last(usize),
}

impl<K: Sharing> WaitCell<K> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self { state: K::Word::new(EMPTY), waker: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// 2, or 3 and 4.
    ///
    /// # Safety
    ///
    /// `this` is alive; the finisher calls this once.
    #[inline(always)]
    pub(crate) unsafe fn finish(this: *const Self, outcome: usize) -> Finished {
        // SAFETY: alive, until the exchange that leads to Done (C2).
        let cell = unsafe { &*this };
        // Release: with the Acquire of `poll` and `abandon`, so that they see what belongs to the
        // outcome. Acquire: with the Release of `abandon`.
        match cell.state.exchange(EMPTY, DONE + outcome, Ordering::AcqRel) {
            Ok(_) => Finished::Told,
            // SAFETY: passed on: no step to Done was made.
            Err(_) => unsafe { Self::finish_waited_for(this, outcome) },
        }
    }

    /// # Safety
    ///
    /// As [`Self::finish`].
    #[inline(never)]
    unsafe fn finish_waited_for(this: *const Self, outcome: usize) -> Finished {
        // SAFETY: alive, until the step to Done (C2).
        let cell = unsafe { &*this };
        loop {
            // Acquire: with the Release by which the waiter registered (C1).
            match cell.state.exchange(WAITING, TAKING, Ordering::Acquire) {
                Ok(_) => break,
                // Acquire: with the Release of `abandon`.
                Err(ABANDONED) if cell.state.load(Ordering::Acquire) == ABANDONED => {
                    return Finished::Abandoned;
                }
                // AcqRel: as in `finish`.
                Err(_) => {
                    if cell.state.exchange(EMPTY, DONE + outcome, Ordering::AcqRel).is_ok() {
                        return Finished::Told;
                    }
                }
            }
        }
        // SAFETY: this left Waiting, so the waker is there, and is this thread's (C1).
        let waker = cell.waker.with(|waker| unsafe { waker.cast::<Waker>().read() });
        // AcqRel: as in `finish`.
        if cell.state.swap(DONE + outcome, Ordering::AcqRel) == TAKING_ABANDONED {
            return Finished::Abandoned;
        }
        K::wake(waker);
        Finished::Told
    }

    /// 1 and 5: the outcome, or the waker is told when it is there. For the waiter only.
    #[inline]
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<usize> {
        match self.outcome() {
            Some(outcome) => Poll::Ready(outcome),
            None => self.register(cx),
        }
    }

    /// The outcome, where it is there. For the waiter only.
    #[inline(always)]
    pub(crate) fn outcome(&self) -> Option<usize> {
        // Acquire: with the Release of `finish`.
        self.state.load(Ordering::Acquire).checked_sub(DONE)
    }

    fn register(&self, cx: &mut Context<'_>) -> Poll<usize> {
        loop {
            // Acquire: with the Release of `finish`.
            match self.state.load(Ordering::Acquire) {
                EMPTY => {
                    let waker = K::keep(cx.waker());
                    // SAFETY: Empty, and this is the waiter: nobody else reaches the waker (C1).
                    self.waker.with_mut(|place| unsafe { place.cast::<Waker>().write(waker) });
                    // Release: with the Acquire of `finish_waited_for`.
                    if self.state.exchange(EMPTY, WAITING, Ordering::Release).is_ok() {
                        return Poll::Pending;
                    }
                    // SAFETY: Done, and never Waiting: the waker is still this thread's (C1).
                    drop(self.waker.with(|waker| unsafe { waker.cast::<Waker>().read() }));
                }
                WAITING if self.will_wake(cx.waker()) => return Poll::Pending,
                WAITING => self.unregister(),
                TAKING => {
                    // The finisher is between two instructions. Its waker may be an old one.
                    spin_loop();
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                done => return Poll::Ready(done - DONE),
            }
        }
    }

    fn will_wake(&self, waker: &Waker) -> bool {
        // SAFETY: it was written before Waiting, and nobody writes it but the waiter, which is this
        // thread. The finisher may take it meanwhile, which leaves its bits as they are.
        self.waker.with(|place| K::is_same(unsafe { &*place.cast::<Waker>() }, waker))
    }

    /// 5.
    fn unregister(&self) {
        // Acquire: with this thread's own Release; nothing else is passed on.
        if self.state.exchange(WAITING, EMPTY, Ordering::Acquire).is_ok() {
            // SAFETY: this left Waiting, so the waker is this thread's (C1).
            drop(self.waker.with(|waker| unsafe { waker.cast::<Waker>().read() }));
        }
    }

    /// 6 or 7, for the waiter. Where it is the first to go, it must not touch the cell again.
    #[inline]
    pub(crate) fn abandon(&self) -> Left {
        loop {
            // Acquire: with the Release of `finish`.
            match self.state.load(Ordering::Acquire) {
                // Release: with the Acquire of `finish`, for who is last there.
                EMPTY if self.state.exchange(EMPTY, ABANDONED, Ordering::Release).is_ok() => {
                    return Left::First;
                }
                WAITING => self.unregister(),
                TAKING
                    if self.state.exchange(TAKING, TAKING_ABANDONED, Ordering::Release).is_ok() =>
                {
                    return Left::First;
                }
                EMPTY | TAKING => {}
                done => return Left::Last(done - DONE),
            }
        }
    }

    /// Whether the waiter went. For the finisher only.
    pub(crate) fn is_abandoned(&self) -> bool {
        // Relaxed: nothing is read because of it.
        self.state.load(Ordering::Relaxed) == ABANDONED
    }
}

#[cfg(all(test, loom))]
#[path = "wait_cell/loom_tests.rs"]
mod loom_tests;
