//! Ops that start one after the other.
//!
//! ```text
//! op with LINK ─► collected ─┬─ op without: all go into the queue at once ─► the kernel
//!                            └─ one is refused or withdrawn: none of them starts, each is cancelled
//! ```
//!
//! The kernel takes a chain whole only where it finds it whole: what is published in between cuts it,
//! and the rest would start as if nothing came before. An SQ thread looks at any time, and takes eight
//! entries at a time where it serves several rings: there a chain goes into an empty queue.

use super::Pending;
use crate::ring::Ring;
use io_uring::squeue::Entry;
use wakering_core::Token;

/// The most ops of a chain: what an SQ thread takes at a time (`IORING_SQPOLL_CAP_ENTRIES_VALUE`).
pub(crate) const CHAIN_MAX: usize = 8;

/// A chain whose last op has not come yet.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    entries: Vec<Entry>,
    tokens: Vec<Token>,
    /// One of its ops was refused: what else belongs to it is cancelled.
    broken: bool,
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::with_capacity(CHAIN_MAX),
            tokens: Vec::with_capacity(CHAIN_MAX),
            broken: false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether the op that comes now belongs to a chain that is not to start.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Adds an op. Whether it was the last: then it is to be pushed.
    pub(crate) fn add(&mut self, token: Token, pending: Pending<'_>) -> bool {
        self.tokens.push(token);
        self.entries.push(pending.entry.clone());
        !pending.links
    }

    /// Writes all of it into the queue, which has room.
    pub(crate) fn push(&mut self, ring: &mut Ring) {
        // SAFETY: R2 of `ring`: as for each of the entries alone.
        let pushed = unsafe { ring.push_together(&self.entries) };
        debug_assert_eq!(pushed, Ok(()), "the caller made room");
        self.entries.clear();
        self.tokens.clear();
    }

    /// It is not to start: the ops that were collected, to be answered. `goes_on` where more of it
    /// will come.
    pub(crate) fn break_off(&mut self, goes_on: bool) -> impl Iterator<Item = Token> + '_ {
        self.broken = goes_on;
        self.entries.clear();
        self.tokens.drain(..)
    }
}
