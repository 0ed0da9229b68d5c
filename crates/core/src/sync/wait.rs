//! The one future of this module: [`Wait`], and what a primitive says about it.
//!
//! A primitive is a [`Place`] (state and lines under one lock, and the rule by which those in line
//! are served); each of its operations that may wait is a [`Rule`]. Everything that is delicate about
//! waiting (pins, wakers, a grant that meets a drop) is here and in [`wait_list`](super::wait_list),
//! once; the primitives are plain code under a lock.
//!
//! ```text
//! poll, first:   budget used up ─► Pending, woken already
//!                attempt ─served─► Ready
//!                   └─ clone the waker ─► lock ─► enter ─served─► unlock ─► Ready
//!                                                   └─wait─► join the line, settle ─► unlock, wake
//! poll, later:   Waiting ─► keep the waker up to date ─► Pending
//!                Granted ─► granted ─served─► Ready
//!                              └─to be served under the lock─► enter, with the old ticket
//! drop:          Waiting ─► lock ─► leave the line ─► left, settle ─► unlock, wake
//!                Granted ─► lock ─► left (passes on what was granted), settle ─► unlock, wake
//! ```

use crate::sync::kind::{Lock, Parts, Sharing};
use crate::sync::select::Branch;
use crate::sync::wait_list::{Node, WaitList, stage};
use crate::sync::wake_batch::WakeBatch;
use crate::task::{WaitsFor, budget, note_waiting};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

/// Where tasks wait: a primitive's state and lines, under one lock.
pub trait Place {
    /// Who shares it.
    type Kind: Sharing;
    /// What the lock guards.
    type State;

    /// The lock.
    fn lock(&self) -> &<Self::Kind as Parts>::Lock<Self::State>;

    /// Serves those in line as far as there is what they wait for, and the batch has room. Called
    /// after every change, and again while the batch was full.
    fn settle(&self, state: &mut Self::State, wakes: &mut WakeBatch<Self::Kind>);
}

pub(crate) type KindOf<'a, R> = <<R as Rule<'a>>::Place as Place>::Kind;
type StateOf<'a, R> = <<R as Rule<'a>>::Place as Place>::State;
type LineOf<'a, R> = WaitList<KindOf<'a, R>, <R as Rule<'a>>::Payload>;

/// What one operation does at its place.
pub trait Rule<'a> {
    /// Where.
    type Place: Place + 'a;
    /// What lies in the node while it waits, and is changed by the grant.
    type Payload;
    /// What the future gives.
    type Output;
    /// What a stall report says of who waits here.
    const LABEL: &'static str;
    /// Whether it may be served at once again and again: then each time is a step of its task's budget.
    const COSTS: bool;

    /// The line to wait in.
    fn line<'s>(state: &'s mut StateOf<'a, Self>) -> &'s mut LineOf<'a, Self>;

    /// The operation's try form: serves without waiting, or changes nothing.
    fn attempt(&mut self, place: &'a Self::Place) -> Option<Self::Output>;

    /// Under the lock: serves, or says with which payload to wait.
    fn enter(
        &mut self,
        place: &'a Self::Place,
        state: &mut StateOf<'a, Self>,
        entry: Entry<Self::Payload>,
        wakes: &mut WakeBatch<KindOf<'a, Self>>,
    ) -> Enter<Self::Output, Self::Payload>;

    /// After the grant, without the lock. `Err` where the rule wants to [`enter`](Self::enter).
    fn granted(
        &mut self,
        place: &'a Self::Place,
        payload: Self::Payload,
    ) -> Result<Self::Output, Self::Payload>;

    /// Under the lock: its future is dropped. What is to be dropped without the lock comes back.
    fn left(
        &mut self,
        place: &'a Self::Place,
        state: &mut StateOf<'a, Self>,
        gone: Gone<Self::Payload>,
        wakes: &mut WakeBatch<KindOf<'a, Self>>,
    ) -> Option<Self::Payload>;

    /// It is a branch of a select: nothing may happen on its behalf but in its own poll. Said before
    /// the first poll.
    fn selected(&mut self) {}
}

/// How a waiter comes to [`Rule::enter`].
#[derive(Debug)]
pub enum Entry<P> {
    /// For the first time.
    New,
    /// It was granted something, and asked to be served under the lock.
    Called(P),
}

/// What [`Rule::enter`] decided.
#[must_use]
#[derive(Debug)]
pub enum Enter<O, P> {
    /// Served.
    Done(O),
    /// As if this had been granted in line: [`Rule::granted`] follows, without the lock.
    Granted(P),
    /// To the end of the line; or, where it was in line before, back to its place.
    Wait(P),
}

/// What became of a waiter that came in.
enum Served<O, P> {
    Done(O),
    Granted(P),
    Joined,
}

/// In which state a waiter was dropped.
#[derive(Debug)]
pub enum Gone<P> {
    /// In line.
    Waiting {
        /// As it was put there.
        payload: P,
        /// Whether everybody in line had been called, and this one was not granted yet.
        called: bool,
    },
    /// After the grant, before it was taken.
    Granted(P),
}

impl<P> Gone<P> {
    /// What had been granted to it.
    pub(crate) fn into_granted(self) -> Option<P> {
        match self {
            Self::Waiting { .. } => None,
            Self::Granted(payload) => Some(payload),
        }
    }
}

/// A future that waits at a place of this module. Each operation that returns one says whether it is
/// cancel-safe.
///
/// It joins the line when it is polled first, not when it is made; whoever joined first is served
/// first. It needs no allocation: its place in the line lies in itself. Under this crate's schedulers
/// a task that is served at once too often in one poll lets the others run first (see
/// [`poll_proceed`](crate::task::poll_proceed)).
///
/// # Panics
///
/// When it is polled after it was ready.
#[must_use = "futures do nothing unless they are polled"]
pub struct Wait<'a, R: Rule<'a>> {
    place: &'a R::Place,
    rule: R,
    node: Node<KindOf<'a, R>, R::Payload>,
}

impl<'a, R: Rule<'a>> fmt::Debug for Wait<'a, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("for", &R::LABEL).finish_non_exhaustive()
    }
}

impl<'a, R: Rule<'a>> Wait<'a, R> {
    #[inline(always)]
    pub(crate) fn new(place: &'a R::Place, rule: R) -> Self {
        Self { place, rule, node: Node::new() }
    }

    fn poll_slowly(&mut self, cx: &mut Context<'_>) -> Poll<R::Output> {
        match self.node.stage() {
            stage::IDLE => self.enter(cx, Entry::New, None),
            stage::WAITING => self.stay(cx),
            stage::GRANTED => self.take(cx),
            _ => panic!("a {} future was polled after it was ready", R::LABEL),
        }
    }

    /// Transition 4.
    fn take(&mut self, cx: &mut Context<'_>) -> Poll<R::Output> {
        // SAFETY: this is the node's future, it is Granted, and becomes Idle by this.
        let (payload, ticket) = unsafe { self.node.take_granted() };
        self.use_granted(cx, payload, Some(ticket))
    }

    fn use_granted(
        &mut self,
        cx: &mut Context<'_>,
        payload: R::Payload,
        ticket: Option<u64>,
    ) -> Poll<R::Output> {
        match self.rule.granted(self.place, payload) {
            Ok(output) => {
                self.node.finish();
                Poll::Ready(output)
            }
            Err(payload) => self.enter(cx, Entry::Called(payload), ticket),
        }
    }

    /// Transition 1, or 7 for who has a ticket.
    fn enter(
        &mut self,
        cx: &mut Context<'_>,
        entry: Entry<R::Payload>,
        ticket: Option<u64>,
    ) -> Poll<R::Output> {
        // Cloned here, because a waker's clone may be anybody's code.
        let mut waker = Some(KindOf::<R>::keep(cx.waker()));
        let (place, rule, node) = (self.place, &mut self.rule, &self.node);
        // SAFETY: `self` came out of a pin, and `node` is never moved.
        let node = unsafe { Pin::new_unchecked(node) };
        let served = serve(place, |state, wakes| {
            let payload = match rule.enter(place, state, entry, wakes) {
                Enter::Wait(payload) => payload,
                Enter::Done(output) => return Served::Done(output),
                Enter::Granted(payload) => return Served::Granted(payload),
            };
            let (line, waker) = (R::line(state), waker.take().expect("it is used once"));
            match ticket.filter(|ticket| line.is_uncalled(*ticket)) {
                // SAFETY: the lock is held, the node is Idle, and `Drop` removes it where no grant
                // did (L3).
                None => unsafe { line.push(node, waker, payload) },
                // SAFETY: as above.
                Some(ticket) => unsafe { line.push_back_in(node, waker, payload, ticket) },
            }
            Served::Joined
        });
        match served {
            Served::Done(output) => {
                self.node.finish();
                Poll::Ready(output)
            }
            Served::Granted(payload) => self.use_granted(cx, payload, ticket),
            Served::Joined => self.pending(cx),
        }
    }

    /// Every Pending of this module goes through here (and through the oneshot's poll): the place
    /// where a task learns what it waits for.
    #[inline]
    fn pending(&self, cx: &Context<'_>) -> Poll<R::Output> {
        let reason = const { &WaitsFor::addressed(R::LABEL) };
        let place = std::ptr::from_ref(self.place).addr();
        note_waiting(cx, reason, place, KindOf::<R>::WOKEN_FROM);
        Poll::Pending
    }

    /// Transition 2.
    fn stay(&mut self, cx: &mut Context<'_>) -> Poll<R::Output> {
        // SAFETY: `self` came out of a pin, and `node` is never moved.
        let node = unsafe { Pin::new_unchecked(&self.node) };
        let same = self.place.lock().with(|state| {
            (node.stage() == stage::WAITING)
                // SAFETY: the lock is held, and the node is Waiting in this line.
                .then(|| unsafe { R::line(state).will_wake(node, cx.waker()) })
        });
        match same {
            Some(true) => self.pending(cx),
            Some(false) => self.stay_with(cx, KindOf::<R>::keep(cx.waker())),
            None => self.take(cx),
        }
    }

    fn stay_with(&mut self, cx: &mut Context<'_>, waker: Waker) -> Poll<R::Output> {
        // SAFETY: `self` came out of a pin, and `node` is never moved.
        let node = unsafe { Pin::new_unchecked(&self.node) };
        let replaced = self.place.lock().with(|state| {
            if node.stage() != stage::WAITING {
                return Err(waker);
            }
            // SAFETY: the lock is held, and the node is Waiting in this line.
            Ok(unsafe { R::line(state).replace_waker(node, waker) })
        });
        match replaced {
            Ok(_old) => self.pending(cx),
            Err(_unused) => self.take(cx),
        }
    }

    /// Transition 5 or 6.
    #[cold]
    fn leave(&mut self) {
        let (place, rule, node) = (self.place, &mut self.rule, &self.node);
        // SAFETY: a future that joined a line was pinned, and is until its memory goes away.
        let node = unsafe { Pin::new_unchecked(node) };
        // What comes out is dropped here, after the lock was let go.
        let _remains = serve(place, |state, wakes| {
            let (gone, waker) = if node.stage() == stage::WAITING {
                // SAFETY: the lock is held, and the node is Waiting in this line.
                let removed = unsafe { R::line(state).remove(node) };
                let (payload, called) = (removed.payload, removed.called);
                (Gone::Waiting { payload, called }, Some(removed.waker))
            } else {
                // SAFETY: this is the node's future, it is Granted, and becomes Idle by this.
                let (payload, _) = unsafe { node.take_granted() };
                (Gone::Granted(payload), None)
            };
            (rule.left(place, state, gone, wakes), waker)
        });
    }
}

/// Every operation of this module can be a branch of a select.
impl<'a, R: Rule<'a>> Branch for Wait<'a, R> {
    type Output = R::Output;

    fn selected(self: Pin<&mut Self>) {
        // SAFETY: nothing is moved out; `rule` is not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        if this.node.stage() == stage::IDLE {
            this.rule.selected();
        }
    }

    fn poll_branch(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R::Output> {
        self.poll(cx)
    }

    fn try_now(self: Pin<&mut Self>) -> Option<R::Output> {
        // SAFETY: nothing is moved out; `rule` is not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        if this.node.stage() != stage::IDLE {
            return None;
        }
        let output = this.rule.attempt(this.place)?;
        this.node.finish();
        Some(output)
    }
}

impl<'a, R: Rule<'a>> Future for Wait<'a, R> {
    type Output = R::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R::Output> {
        // SAFETY: nothing is moved out; `rule` is not pinned, `node` stays where it is.
        let this = unsafe { self.get_unchecked_mut() };
        if this.node.stage() == stage::IDLE {
            let served = if R::COSTS {
                ready!(budget::spend(cx, || this.rule.attempt(this.place)))
            } else {
                this.rule.attempt(this.place)
            };
            if let Some(output) = served {
                this.node.finish();
                return Poll::Ready(output);
            }
        }
        this.poll_slowly(cx)
    }
}

impl<'a, R: Rule<'a>> Drop for Wait<'a, R> {
    #[inline]
    fn drop(&mut self) {
        if matches!(self.node.stage(), stage::WAITING | stage::GRANTED) {
            self.leave();
        }
    }
}

/// Changes a place's state, serves who can be served by it, and wakes them without the lock.
#[inline]
pub(crate) fn serve<P: Place, R>(
    place: &P,
    change: impl FnOnce(&mut P::State, &mut WakeBatch<P::Kind>) -> R,
) -> R {
    let mut rounds = Rounds { place, wakes: WakeBatch::new() };
    let result = place.lock().with(|state| {
        let result = change(state, &mut rounds.wakes);
        place.settle(state, &mut rounds.wakes);
        result
    });
    rounds.go();
    // Empty by now: its drop is for panics only.
    std::mem::forget(rounds);
    result
}

/// Wakes a batch at a time. Dropped by a waker's panic, it goes on: nobody who was served, or is to
/// be served by this change, waits for the next one.
struct Rounds<'a, P: Place> {
    place: &'a P,
    wakes: WakeBatch<P::Kind>,
}

impl<P: Place> Rounds<'_, P> {
    #[inline]
    fn go(&mut self) {
        while self.wakes.is_full() {
            self.wakes.wake();
            self.place.lock().with(|state| self.place.settle(state, &mut self.wakes));
        }
        self.wakes.wake();
    }
}

impl<P: Place> Drop for Rounds<'_, P> {
    #[cold]
    fn drop(&mut self) {
        loop {
            self.place.lock().with(|state| self.place.settle(state, &mut self.wakes));
            if self.wakes.is_empty() {
                return;
            }
            self.wakes.wake();
        }
    }
}
