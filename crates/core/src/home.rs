//! What a loop shares with the threads that work for it: its slots, its inbox, its bell.

#![forbid(unsafe_code)]

use crate::driver::Completion;
use crate::error::Error;
use crate::inbox::{Inbox, InboxReader, Pushed};
use crate::loom::{AtomicU32, Ordering, yield_now};
use crate::park::Doorbell;
use crate::slab::Slab;
use crate::slot::{Completed, Outcome};
use crate::token::Token;
use std::os::fd::RawFd;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Shared as `Arc<Home>` by the owning loop, its driver and every thread that carries out its ops.
/// It lives until the last of them is done, so a thread that is late finds its slot where it was.
///
/// Of a scheduler's loop, only the scheduler and the driver make transitions of its slots: see
/// [`Loop::new`](crate::scheduler::Loop::new).
#[derive(Debug)]
pub struct Home {
    /// Where its ops live.
    pub slab: Arc<Slab>,
    /// Where completions of other threads arrive.
    pub inbox: Inbox,
    /// What wakes it.
    pub doorbell: Doorbell,
    /// The ring that wakes it too, by a message; [`NO_RING`] where it has none.
    ring: AtomicU32,
    /// Those who are about to send to it.
    senders: AtomicU32,
    /// How a thread without a ring wakes it, where there is a better way than the bell.
    from_outside: OnceLock<fn(&Home)>,
}

const NO_RING: u32 = u32::MAX;

impl Home {
    /// A home of `slots_max` slots. Fails where no descriptor is to be had for the bell.
    pub fn new(slots_max: u32) -> Result<Self, Error> {
        Self::sharing(Arc::new(Slab::new(slots_max)))
    }

    /// A second home for the ops of `slab`: the inbox and the bell of a thread that carries out
    /// ops of another loop.
    pub fn sharing(slab: Arc<Slab>) -> Result<Self, Error> {
        let ring = AtomicU32::new(NO_RING);
        let senders = AtomicU32::new(0);
        let (inbox, doorbell) = (Inbox::new(), Doorbell::new()?);
        Ok(Self { slab, inbox, doorbell, ring, senders, from_outside: OnceLock::new() })
    }

    /// For the driver: messages to this ring wake the loop as its bell does. `None` where there are none
    /// after all.
    pub fn set_ring_fd(&self, fd: Option<RawFd>) {
        // SeqCst: before the look of `close_ring`, with the addition of `borrow_ring`.
        self.ring.store(fd.map_or(NO_RING, |fd| fd as u32), Ordering::SeqCst);
    }

    /// Whether it has a ring. A hint.
    pub fn has_ring(&self) -> bool {
        // Relaxed: a hint.
        self.ring.load(Ordering::Relaxed) != NO_RING
    }

    /// The ring to send a message to, which stays open until [`Self::return_ring`]: its number would be
    /// another's otherwise, and a message to somebody else's ring is a completion that it never asked for.
    pub fn borrow_ring(&self) -> Option<RawFd> {
        // SeqCst: either this sees that there is no ring any more, or `close_ring` sees the sender.
        self.senders.fetch_add(1, Ordering::SeqCst);
        let fd = self.ring.load(Ordering::SeqCst);
        if fd == NO_RING {
            self.return_ring();
            return None;
        }
        Some(fd as RawFd)
    }

    /// The message was sent, or will not be.
    pub fn return_ring(&self) {
        // Release: with the Acquire of `close_ring`.
        self.senders.fetch_sub(1, Ordering::Release);
    }

    /// For the driver, before it closes its ring: takes it away from senders, and waits for those who have
    /// borrowed it. Whether they all returned it in time.
    pub fn close_ring(&self, patience: Duration) -> bool {
        self.set_ring_fd(None);
        let until = Instant::now() + patience;
        // SeqCst: after the store; Acquire with the Release of `return_ring`.
        while self.senders.load(Ordering::SeqCst) > 0 {
            if Instant::now() >= until {
                return false;
            }
            yield_now();
        }
        true
    }

    /// For the driver: how threads without a ring wake it best. It falls back on the bell.
    pub fn set_from_outside(&self, ring: fn(&Home)) {
        // A second driver of the same home says the same.
        let _ = self.from_outside.set(ring);
    }

    /// Wakes the loop, from a thread that has no ring of its own at hand.
    pub fn ring_from_outside(&self) {
        match self.from_outside.get() {
            Some(ring) => ring(self),
            None => self.doorbell.ring(),
        }
    }

    /// Brings an outcome home from another thread (transition 3) and rings where that is needed.
    pub fn deliver(&self, token: Token, outcome: Outcome) {
        if self.deliver_silently(token, outcome) == Pushed::Ring {
            self.doorbell.ring();
        }
    }

    /// As [`Self::deliver`] for a batch: the caller rings once if any of them says so.
    pub fn deliver_silently(&self, token: Token, outcome: Outcome) -> Pushed {
        match self.slab.slot(token).complete(token, outcome) {
            Completed::Deliver => self.inbox.push(&self.slab, token.index()),
            Completed::Stale => Pushed::Rung,
        }
    }

    /// The next completion that another thread brought, for the owner, who has silenced the bell
    /// before (see [`crate::inbox`]).
    pub fn next_delivery(&self, reader: &mut InboxReader) -> Option<Completion> {
        loop {
            let index = reader.next(&self.inbox, &self.slab)?;
            let slot = self.slab.get(index)?;
            // A slot in the inbox is Ready and stays so until the owner takes it.
            if let Some(token) = slot.current(index)
                && let Some(outcome) = slot.peek(token)
            {
                return Some(Completion { token, outcome });
            }
        }
    }
}
