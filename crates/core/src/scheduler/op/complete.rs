//! The loop's side: what is asked for, what comes back, and the end.
//!
//! ```text
//! turn:  orders of other threads ─► driver's turn ─► each completion ─► told, woken by number
//!                                                          └─ unwanted: undone, freed
//!        ─► cancels of those that give too much ─► wakers of others
//! ```

use super::event_loop::{EventLoop, Mine};
use super::many::picked;
use super::{CANCELLED, Ops};
use crate::abi::{ErrorKind, Opcode, completion_flag, op_flag};
use crate::buffers::BufferGroup;
use crate::descriptor;
use crate::driver::Completion;
use crate::error::Error;
use crate::fixed::FixedBuf;
use crate::loom::Ordering;
use crate::resource::Resource;
use crate::slot::order::Asked;
use crate::slot::telling::Listener;
use crate::slot::{Cancel, Completed, Orphan, Outcome};
use crate::task::{Step, run};
use crate::token::Token;
use crate::waker::{Wakee, WakerRef};
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::Duration;

/// Completions that one turn hands over at most.
const COMPLETIONS_MAX: usize = 256;

impl Mine<'_> {
    /// Whether a turn may bring something.
    #[inline]
    pub(super) fn is_busy(&self) -> bool {
        !self.event_loop.orders.is_empty()
            || self.event_loop.room.is_wanted()
            || self.in_flight() > 0
    }

    /// Ops that are begun, by this thread or asked for by another, and not complete.
    pub(super) fn in_flight(&self) -> usize {
        let held = self.held.borrow().len();
        self.with_driver(|driver| driver.in_flight()).unwrap_or(0) + held
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.in_flight() == 0 && self.here().is_some_and(|here| here.queue.is_empty())
    }

    /// One pass, and the wakers of others.
    #[inline]
    pub(super) fn turn_and_wake(&self, timeout: Option<Duration>) -> Result<usize, Error> {
        let turned = self.turn(timeout);
        self.wake_others();
        turned
    }

    /// One pass. How many completions and orders there were, and whether room was shared: any of it may have
    /// woken somebody.
    #[inline]
    pub(super) fn turn(&self, timeout: Option<Duration>) -> Result<usize, Error> {
        self.trace(Step::Turn);
        self.turns.set(true);
        // An order may have woken somebody here, an op that was let go or withdrawn, and so may room.
        let shared = self.event_loop.room.is_wanted() && self.share_room();
        let asked = !self.event_loop.orders.is_empty() || !self.held.borrow().is_empty();
        let ordered = if asked { self.take_orders() } else { 0 };
        let ordered = ordered + usize::from(shared);
        let timeout = if ordered > 0 { Some(Duration::ZERO) } else { timeout };
        let mut sink = |completion| self.complete(completion);
        let turned = self.with_driver(|driver| driver.turn(timeout, COMPLETIONS_MAX, &mut sink));
        while let Some(token) = self.take_to_cancel() {
            self.cancel(token);
        }
        self.turns.set(false);
        turned?.map(|completions| completions + ordered)
    }

    fn take_to_cancel(&self) -> Option<Token> {
        self.to_cancel.borrow_mut().pop()
    }

    #[inline]
    pub(super) fn wake_others(&self) {
        self.ring_if_owed();
        // One at a time, since a waker may come here again.
        loop {
            let waker = self.to_wake.borrow_mut().pop();
            let Some(waker) = waker else { break };
            waker.wake();
        }
        while let Some(buffer) = self.take_to_give_back() {
            drop(buffer);
        }
    }

    #[inline]
    fn take_to_give_back(&self) -> Option<FixedBuf> {
        self.to_give_back.borrow_mut().pop()
    }

    /// What other threads ask for. How much that was.
    fn take_orders(&self) -> usize {
        let mut taken = 0;
        let held_before = self.held.borrow().len();
        for _ in 0..held_before {
            let held = self.held.borrow_mut().pop_front();
            held.into_iter().for_each(|token| self.begin_ordered(token));
        }
        let slab = &self.event_loop.home.slab;
        self.event_loop.orders.take(slab, |token, asked| {
            taken += 1;
            self.follow(token, asked);
        });
        taken
    }

    fn follow(&self, token: Token, asked: Asked) {
        let slot = self.event_loop.home.slab.slot(token);
        if slot.current(token.index()) != Some(token) {
            // Of an op that is over (Q2 of `slot::order`).
            return;
        }
        if asked.has(Asked::START) {
            self.begin_ordered(token);
        }
        if asked.has(Asked::LEAVE) {
            self.let_go(token);
        } else if asked.has(Asked::CANCEL) {
            self.cancel(token);
        }
    }

    fn begin_ordered(&self, token: Token) {
        if !self.event_loop.home.slab.slot(token).is_queued(token) {
            // Withdrawn while it was held back: the slot may be somebody else's, who prepares it.
            return;
        }
        match self.enqueue(token) {
            Ok(()) => self.trace(Step::Enqueued(token)),
            Err(Error::Kind(ErrorKind::Busy)) => self.held.borrow_mut().push_back(token),
            Err(error) => self.answer(token, Outcome { result: error.to_result(), flags: 0 }),
        }
    }

    /// Answers an op that the driver has not begun with.
    fn answer(&self, token: Token, outcome: Outcome) {
        let slot = self.event_loop.home.slab.slot(token);
        if slot.complete_at_once(token, outcome) == Completed::Deliver {
            self.complete(Completion { token, outcome });
        }
    }

    pub(super) fn cancel(&self, token: Token) {
        let slot = self.event_loop.home.slab.slot(token);
        match slot.request_cancel(token) {
            Cancel::Ask => self.ask_driver(token),
            // Answered on this thread, and the driver will not see it: whoever polls it is told here.
            Cancel::Withdrawn => {
                self.complete(Completion { token, outcome: CANCELLED });
                if !self.turns.get() {
                    self.wake_others();
                }
            }
            Cancel::AskedBefore | Cancel::TooLate | Cancel::Stale => {}
        }
    }

    fn ask_driver(&self, token: Token) {
        // It is never Busy; where it fails, the op ends by itself.
        let _ = self.with_driver(|driver| driver.cancel(token));
    }

    /// The future of a started op is gone.
    pub(super) fn let_go(&self, token: Token) {
        let slot = self.event_loop.home.slab.slot(token);
        if slot.telling.is_told() {
            return self.event_loop.discard(Some(self), token);
        }
        match slot.orphan(token) {
            Orphan::Stale => {}
            // Never begun: the driver forgets it when it comes across it.
            Orphan::Withdrawn => self.event_loop.discard(Some(self), token),
            Orphan::Ready | Orphan::WaitForCqe => {
                if slot.request_cancel(token) == Cancel::Ask {
                    self.ask_driver(token);
                }
            }
        }
    }

    /// Notes a completion. It calls nothing of the user's: wakes by number only fill a queue.
    #[inline]
    fn complete(&self, completion: Completion) {
        let Completion { token, outcome } = completion;
        let slot = self.event_loop.home.slab.slot(token);
        if outcome.flags & completion_flag::MORE != 0 {
            return self.shot(token, outcome);
        }
        self.trace(Step::Ready(token));
        if slot.is_orphaned(token) {
            return self.event_loop.discard(Some(self), token);
        }
        // Read before the slot may be taken and given to another op.
        let waker_ref = slot.waker_ref();
        match slot.telling.tell() {
            Listener::Gone => self.event_loop.discard(Some(self), token),
            listener => self.tell(waker_ref, token, listener),
        }
    }

    #[inline(always)]
    pub(super) fn tell(&self, waker_ref: WakerRef, token: Token, listener: Listener) {
        if listener == Listener::Other {
            self.to_wake.borrow_mut().extend(self.event_loop.take_other(token));
        }
        if let Wakee::Task { id, generation } = waker_ref.wakee()
            && let Some(here) = self.here()
        {
            run::wake_by_number(here, id, generation);
        }
    }

    /// The end: refuses orders, drains the driver and drops it. How many ops the kernel still has.
    pub(super) fn end(&self, deadline: Duration) -> usize {
        self.turns.set(true);
        self.take_orders();
        let slab = &self.event_loop.home.slab;
        let closed = Outcome { result: ErrorKind::Closed.to_result(), flags: 0 };
        self.event_loop.orders.close(slab, |token, asked| {
            // What was to begin does not any more.
            self.follow(token, if asked.has(Asked::LEAVE) { Asked::LEAVE } else { Asked::CANCEL });
        });
        for token in std::mem::take(&mut *self.held.borrow_mut()) {
            self.answer(token, closed);
        }
        let Some(mut driver) = self.driver.borrow_mut().take() else { return 0 };
        let left = driver.drain(deadline, &mut |completion| self.complete(completion));
        for token in slab.in_use() {
            let slot = slab.slot(token);
            if !slot.telling.is_told() {
                // Whoever has the op gets nothing of it any more, and may not know what to undo.
                self.event_loop.discard_shots(token);
                self.tell(slot.waker_ref(), token, slot.telling.lose());
                self.tell_later(self.event_loop.take_leaving(token));
            }
        }
        drop(driver);
        self.turns.set(false);
        self.with_free(|own| self.event_loop.room.close(own));
        self.event_loop.room.ring();
        self.wake_others();
        // Relaxed: whoever waited for the end sees it.
        self.event_loop.left.store(left.still_in_flight, Ordering::Relaxed);
        self.leave();
        left.still_in_flight
    }
}

impl EventLoop {
    /// The future of a started op is gone, on another thread.
    pub(super) fn let_go_from_outside(&self, token: Token) {
        let telling = &self.home.slab.slot(token).telling;
        let asked = || self.ask(token, Asked::LEAVE).is_ok() || telling.leave();
        if telling.is_told() || !asked() {
            self.discard(None, token);
        }
    }

    /// Frees a Ready slot that nobody wants, and undoes what its op did.
    pub(super) fn discard(&self, mine: Option<&Mine<'_>>, token: Token) {
        let leaving = self.take_leaving(token);
        let slot = self.home.slab.slot(token);
        let mut fixed = None;
        if !slot.telling.is_lost() {
            self.discard_shots(token);
            self.free(mine, slot, token, |outcome, resource| {
                fixed = resource.fixed.take();
                self.undo(outcome, resource);
            });
        }
        match mine {
            Some(mine) => {
                mine.to_give_back.borrow_mut().extend(fixed);
                mine.tell_later(leaving);
            }
            None => leaving.into_iter().for_each(Waker::wake),
        }
    }

    /// Closes what was opened, or came along, or was to be closed and was not; gives back what was picked.
    pub(super) fn undo(&self, outcome: Outcome, resource: &mut Resource) {
        let prepared = resource.prepared;
        if outcome.flags & completion_flag::PICKED != 0 {
            self.give_picked_back(outcome, resource);
        } else if prepared.opcode == Opcode::Recvmsg && outcome.result >= 0 {
            resource.received().descriptors(descriptor::close);
        }
        let opens = matches!(prepared.opcode, Opcode::OpenAt | Opcode::Accept | Opcode::Socket)
            && prepared.flags & op_flag::DIRECT == 0;
        if opens && outcome.result >= 0 {
            descriptor::close(outcome.result);
        }
        if prepared.opcode == Opcode::Close
            && outcome.result == -libc::ECANCELED
            && prepared.fd >= 0
        {
            descriptor::close(prepared.fd);
        }
        if prepared.opcode == Opcode::Pipe && outcome.result >= 0 {
            let ends = resource.back_bytes().as_chunks::<4>().0;
            ends[..2].iter().for_each(|&end| descriptor::close(i32::from_ne_bytes(end)));
        }
    }

    fn give_picked_back(&self, outcome: Outcome, resource: &mut Resource) {
        let prepared = resource.prepared;
        let Some(group) = self.group(prepared.group) else { return };
        picked(&group, outcome, prepared.extra[0], |buffer, length| {
            // SAFETY: picked for a completion that nobody has taken.
            let bytes = unsafe { group.take(buffer, length) };
            if prepared.opcode == Opcode::Recvmsg {
                resource.received_in(&bytes).descriptors(descriptor::close);
            }
        });
    }

    /// The group of this number.
    pub(super) fn group(&self, number: u16) -> Option<Arc<BufferGroup>> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        groups.iter().find(|(known, _)| *known == number).map(|(_, group)| group.clone())
    }
}

impl Ops {
    /// After the end of its scheduler: ops that the kernel, or a thread, had not ended within the deadline.
    /// What they borrowed is left to them for ever.
    pub fn left(&self) -> usize {
        // Relaxed: see `Mine::end`.
        self.0.left.load(Ordering::Relaxed)
    }

    /// Ops of other threads that the driver had no room for, so far waiting on the loop's own thread.
    pub fn held(&self) -> usize {
        self.0.mine().map_or(0, |mine| mine.held.borrow().len())
    }
}
