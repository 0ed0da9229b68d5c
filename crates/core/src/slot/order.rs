//! What the future of an op asks of its loop from another thread, and the stack of slots that ask.
//!
//! ```text
//! futures:  ask (bits into the slot's word) ─ was it in the stack? ─ no ─► push ─ the first? ─► wake
//! loop:     take all ─► read the link ─► take the word ─► do it
//! ```
//!
//! - **Q1** A slot is in the stack once at the most: who sets IN_STACK pushes it. The loop reads the
//!   link before it takes the word, which clears IN_STACK.
//! - **Q2** The word names the generation that asks. What an op asked that is over means nothing: the
//!   slot may be another's by then, whose preparation has not ended.

#![forbid(unsafe_code)]

use crate::loom::{AtomicU32, AtomicU64, Ordering};
use crate::slab::Slab;
use crate::token::Token;

const NONE: u32 = u32::MAX;
/// The head of a stack that nobody takes from any more.
const CLOSED: u32 = u32::MAX - 1;
const IN_STACK: u64 = 1;

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asked(u64);

impl Asked {
    /// To be enqueued: it is prepared.
    pub(crate) const START: Self = Self(2);
    /// To be cancelled.
    pub(crate) const CANCEL: Self = Self(4);
    /// To be freed when it is over: nobody waits for it any more.
    pub(crate) const LEAVE: Self = Self(8);

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A slot's word and link. See the module's text.
#[derive(Debug)]
pub(crate) struct Order {
    word: AtomicU64,
    next: AtomicU32,
}

impl Order {
    pub(super) fn new() -> Self {
        Self { word: AtomicU64::new(0), next: AtomicU32::new(NONE) }
    }
}

/// What is to be done after asking.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ordered {
    /// The loop is to be woken, unless it is awake.
    Wake,
    /// Somebody has seen to that.
    Quiet,
    /// There is no loop any more.
    Closed,
}

/// Slots that ask for something.
#[derive(Debug)]
pub(crate) struct Orders {
    head: AtomicU32,
}

impl Orders {
    pub(crate) fn new() -> Self {
        Self { head: AtomicU32::new(NONE) }
    }

    /// Asks.
    pub(crate) fn ask(&self, slab: &Slab, token: Token, asked: Asked) -> Ordered {
        let order = &slab.slot(token).order;
        let generation = u64::from(token.generation()) << 32;
        let add = |word: u64| {
            let same = word >> 32 == u64::from(token.generation());
            let kept = if same { word } else { word & IN_STACK };
            Some(generation | (kept & u64::from(NONE)) | asked.0 | IN_STACK)
        };
        // Release: with the Acquire of `take`, for what the op was prepared with.
        let before = order.word.fetch_update(Ordering::Release, Ordering::Relaxed, add);
        let (Ok(before) | Err(before)) = before;
        if before & IN_STACK == 0 { self.push(order, token.index()) } else { Ordered::Quiet }
    }

    fn push(&self, order: &Order, index: u32) -> Ordered {
        // Relaxed: read again by the exchange.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == CLOSED {
                // So that whoever asks next is told the same. Relaxed: nobody takes it.
                order.word.fetch_and(!IN_STACK, Ordering::Relaxed);
                return Ordered::Closed;
            }
            // Relaxed: published by the Release of the exchange.
            order.next.store(head, Ordering::Relaxed);
            // Release: with the Acquire of `take_all`.
            match self.head.compare_exchange_weak(head, index, Ordering::Release, Ordering::Relaxed)
            {
                Ok(NONE) => return Ordered::Wake,
                Ok(_) => return Ordered::Quiet,
                Err(now) => head = now,
            }
        }
    }

    /// Whether nobody asks. A hint, but after a fence it sees what was asked before that.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // Relaxed: what it finds is taken with Acquire.
        self.head.load(Ordering::Relaxed) >= CLOSED
    }

    /// For the loop: hands on what each asks, in the order of asking.
    #[inline]
    pub(crate) fn take(&self, slab: &Slab, each: impl FnMut(Token, Asked)) {
        if !self.is_empty() {
            self.take_all(slab, NONE, each);
        }
    }

    /// The same for the last time.
    pub(crate) fn close(&self, slab: &Slab, each: impl FnMut(Token, Asked)) {
        self.take_all(slab, CLOSED, each);
    }

    fn take_all(&self, slab: &Slab, rest: u32, mut each: impl FnMut(Token, Asked)) {
        // Acquire: with the Release of `push`.
        let mut from = self.head.swap(rest, Ordering::Acquire);
        let mut turned = NONE;
        while let Some(slot) = slab.get(from) {
            // Relaxed: taken, so the links are this thread's until the words are.
            let next = slot.order.next.load(Ordering::Relaxed);
            slot.order.next.store(turned, Ordering::Relaxed);
            turned = from;
            from = next;
        }
        while let Some(slot) = slab.get(turned) {
            let index = turned;
            // Relaxed: as above; before the word is taken (Q1).
            turned = slot.order.next.load(Ordering::Relaxed);
            // Acquire: with the Release of `ask`.
            let word = slot.order.word.swap(0, Ordering::Acquire);
            each(Token::new(index, (word >> 32) as u32), Asked(word & u64::from(NONE)));
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn taken(orders: &Orders, slab: &Slab) -> Vec<(Token, bool, bool)> {
        let mut all = Vec::new();
        orders.take(slab, |token, asked| {
            all.push((token, asked.has(Asked::START), asked.has(Asked::CANCEL)));
        });
        all
    }

    #[test]
    fn what_is_asked_twice_comes_once_and_in_order() {
        let slab = Slab::new(3);
        let orders = Orders::new();
        let [a, b] = [Token::new(2, 1), Token::new(0, 1)];
        assert_eq!(orders.ask(&slab, a, Asked::START), Ordered::Wake);
        assert_eq!(orders.ask(&slab, b, Asked::START), Ordered::Quiet);
        assert_eq!(orders.ask(&slab, a, Asked::CANCEL), Ordered::Quiet);
        assert_eq!(taken(&orders, &slab), [(a, true, true), (b, true, false)]);
        assert!(orders.is_empty());
    }

    #[test]
    fn what_an_earlier_op_asked_is_not_done_to_a_later_one() {
        let slab = Slab::new(1);
        let orders = Orders::new();
        assert_eq!(orders.ask(&slab, Token::new(0, 1), Asked::START), Ordered::Wake);
        assert_eq!(orders.ask(&slab, Token::new(0, 2), Asked::CANCEL), Ordered::Quiet);
        assert_eq!(taken(&orders, &slab), [(Token::new(0, 2), false, true)]);
    }

    #[test]
    fn nobody_is_asked_where_there_is_no_loop() {
        let slab = Slab::new(2);
        let orders = Orders::new();
        let [a, b] = [Token::new(0, 1), Token::new(1, 1)];
        assert_eq!(orders.ask(&slab, a, Asked::START), Ordered::Wake);
        let mut last = Vec::new();
        orders.close(&slab, |token, _| last.push(token));
        assert_eq!(last, [a]);
        assert_eq!(orders.ask(&slab, b, Asked::START), Ordered::Closed);
        assert_eq!(orders.ask(&slab, b, Asked::LEAVE), Ordered::Closed, "whoever asks again too");
        assert!(orders.is_empty());
    }
}

#[cfg(all(test, loom))]
#[path = "order/loom_tests.rs"]
mod loom_tests;
