//! What a loop shares with the threads that work for it: its slots, its inbox, its bell.

#![forbid(unsafe_code)]

use crate::driver::Completion;
use crate::error::Error;
use crate::inbox::{Inbox, InboxReader, Pushed};
use crate::loom::{AtomicU32, Ordering};
use crate::park::Doorbell;
use crate::slab::Slab;
use crate::slot::{Completed, Outcome};
use crate::token::Token;
use std::os::fd::RawFd;
use std::sync::Arc;

/// Shared as `Arc<Home>` by the owning loop, its driver and every thread that carries out its ops.
/// It lives until the last of them is done, so a thread that is late finds its slot where it was.
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
        Ok(Self { slab, inbox: Inbox::new(), doorbell: Doorbell::new()?, ring })
    }

    /// For the driver: messages to this ring wake the loop as its bell does; `None` before it is
    /// closed.
    pub fn set_ring_fd(&self, fd: Option<RawFd>) {
        // Relaxed: a number. Whoever reads an old one sends in vain, hears so, and rings the bell.
        self.ring.store(fd.map_or(NO_RING, |fd| fd as u32), Ordering::Relaxed);
    }

    /// The ring to send a message to. It may be closed, or another's, by the time it is used.
    pub fn ring_fd(&self) -> Option<RawFd> {
        // Relaxed: as above.
        Some(self.ring.load(Ordering::Relaxed)).filter(|&fd| fd != NO_RING).map(|fd| fd as RawFd)
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
