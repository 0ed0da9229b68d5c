//! Ringing other loops: by a message from ring to ring, which goes out with whatever is published
//! next, and by their doorbell where there is no ring or the message does not arrive.
//!
//! ```text
//! ring ─► an entry in our queue ─ publish ─► an entry in their completions ─► heard like the bell
//!   │ no ring, no room        └─ failed: we hear of it, and ring ─┐
//!   └──────────────────────────────► their doorbell ◄─────────────┘
//! ```
//!
//! - **M1** Between the push and the moment it is heard, a message is in our queue or theirs, or its
//!   failure is in our completions: it cannot be lost while this driver turns. One that is dropped with
//!   any of that left rings the doorbells: an SQ thread takes nothing from a ring that is closed.
//! - **M2** Who sends borrows the ring until the kernel has taken the message, and a ring is closed when
//!   nobody has it borrowed: its number would be another's by then.

#![forbid(unsafe_code)]

use super::UringDriver;
use crate::completion::PEERS_MAX;
use crate::encode;
use std::sync::Arc;
use std::time::Duration;
use wakering_core::Home;

/// A sender has the ring from its push to its next call.
const SENDERS_WAIT_MAX: Duration = Duration::from_secs(1);

/// The loops that were sent messages.
#[derive(Debug)]
pub(super) struct Peers {
    homes: Vec<Arc<Home>>,
    /// Those with a message that may not be published yet, and whose ring is borrowed, one bit for each.
    waiting: u64,
}

impl Peers {
    pub(super) fn new() -> Self {
        Self { homes: Vec::with_capacity(PEERS_MAX as usize), waiting: 0 }
    }

    /// Under which number a failure will name it; `None` where there are too many.
    fn number(&mut self, home: &Arc<Home>) -> Option<u32> {
        if let Some(number) = self.homes.iter().position(|known| Arc::ptr_eq(known, home)) {
            return Some(number as u32);
        }
        if self.homes.len() < PEERS_MAX as usize {
            self.homes.push(home.clone());
            return Some(self.homes.len() as u32 - 1);
        }
        // Whoever has no ring any more needs no message.
        let mut known = self.homes.iter().enumerate();
        let (number, _) =
            known.find(|(number, known)| self.waiting & 1 << number == 0 && !known.has_ring())?;
        self.homes[number] = home.clone();
        Some(number as u32)
    }

    fn rings_of(&self, bits: u64) -> impl Iterator<Item = &Home> {
        let homes = self.homes.iter().enumerate();
        homes.filter(move |(number, _)| bits & 1 << number != 0).map(|(_, home)| &**home)
    }
}

impl UringDriver {
    pub(super) fn ring_other(&mut self, other: &Arc<Home>) {
        if !self.kernel.messages || !self.send_message(other) {
            other.doorbell.ring();
        }
    }

    fn send_message(&mut self, other: &Arc<Home>) -> bool {
        self.return_rings();
        let Some(number) = self.peers.number(other) else { return false };
        let waiting = self.peers.waiting;
        let bit = 1 << number;
        if waiting & bit != 0 && !self.ring.is_sqpoll() {
            return true;
        }
        if !self.ring.has_room() && self.make_room(1).is_err() {
            return false;
        }
        if waiting & bit == 0 {
            let Some(fd) = other.borrow_ring() else { return false };
            if encode::message(&mut self.ring, fd, number).is_err() {
                other.return_ring();
                return false;
            }
        } else if let Some(fd) = other.borrow_ring() {
            // Borrowed already: the SQ thread may have taken the message before.
            let sent = encode::message(&mut self.ring, fd, number).is_ok();
            other.return_ring();
            return sent;
        }
        self.peers.waiting |= bit;
        true
    }

    /// Gives back what was borrowed for messages that the kernel has taken (M2).
    pub(super) fn return_rings(&mut self) {
        if self.peers.waiting != 0 && self.ring.unpublished() == 0 {
            let waiting = std::mem::take(&mut self.peers.waiting);
            self.peers.rings_of(waiting).for_each(Home::return_ring);
        }
    }

    /// After each look at the completions.
    pub(super) fn ring_unheard(&mut self) {
        self.return_rings();
        if self.tally.unheard != 0 {
            let unheard = std::mem::take(&mut self.tally.unheard);
            self.peers.rings_of(unheard).for_each(|home| home.doorbell.ring());
        }
    }

    /// Before the ring is closed (M1, M2).
    pub(super) fn end_messages(&mut self) {
        if self.ring.unpublished() > 0 || self.ring.has_anything() {
            self.peers.homes.iter().for_each(|home| home.doorbell.ring());
        }
        let waiting = std::mem::take(&mut self.peers.waiting);
        self.peers.rings_of(waiting).for_each(Home::return_ring);
        // Who does not give it back in so long never does.
        self.home.close_ring(SENDERS_WAIT_MAX);
    }
}
