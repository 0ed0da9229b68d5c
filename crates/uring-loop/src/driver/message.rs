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
//! - **M2** A ring that is closed takes its number out of its home before. A number read before that
//!   may name another file: the message fails, or another loop wakes up for nothing.

#![forbid(unsafe_code)]

use super::UringDriver;
use crate::completion::PEERS_MAX;
use crate::encode;
use std::os::fd::RawFd;
use std::sync::Arc;
use wakering_core::Home;

/// The loops that were sent messages.
#[derive(Debug)]
pub(super) struct Peers {
    homes: Vec<Arc<Home>>,
    /// Those with a message that is not published, one bit for each, and how many calls there were.
    waiting: (u64, u64),
}

impl Peers {
    pub(super) fn new() -> Self {
        Self { homes: Vec::with_capacity(PEERS_MAX as usize), waiting: (0, 0) }
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
        let number = self.homes.iter().position(|known| known.ring_fd().is_none())?;
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
        let fd = other.ring_fd().filter(|_| self.kernel.messages);
        if fd.is_none_or(|fd| !self.send_message(fd, other)) {
            other.doorbell.ring();
        }
    }

    fn send_message(&mut self, fd: RawFd, other: &Arc<Home>) -> bool {
        let Some(number) = self.peers.number(other) else { return false };
        let (mut waiting, calls) = self.peers.waiting;
        if calls != self.ring.enters || self.ring.is_sqpoll() {
            waiting = 0;
        }
        let bit = 1 << number;
        if waiting & bit == 0 {
            if !self.ring.has_room() && self.make_room(1).is_err() {
                return false;
            }
            if encode::message(&mut self.ring, fd, number).is_err() {
                return false;
            }
        }
        self.peers.waiting = (waiting | bit, self.ring.enters);
        true
    }

    /// After each look at the completions.
    pub(super) fn ring_unheard(&mut self) {
        if self.tally.unheard != 0 {
            let unheard = std::mem::take(&mut self.tally.unheard);
            self.peers.rings_of(unheard).for_each(|home| home.doorbell.ring());
        }
    }

    /// Before the ring is closed (M1, M2).
    pub(super) fn end_messages(&mut self) {
        self.home.set_ring_fd(None);
        if self.ring.unpublished() > 0 || self.ring.has_anything() {
            self.peers.homes.iter().for_each(|home| home.doorbell.ring());
        }
    }
}
