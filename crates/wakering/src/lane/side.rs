//! What the lane's own thread remembers of each slot while the kernel holds the rest.

#![forbid(unsafe_code)]

use super::content::Content;
use super::fifo::Reader;
use super::position::Beginning;
use wakering_core::abi::{HandleId, Opcode};
use wakering_core::policy;

/// The owner's half of a slot.
#[derive(Debug)]
pub(crate) struct Side {
    /// What the op in the slot does.
    pub(crate) opcode: Opcode,
    /// Who carries it out.
    pub(crate) lane: policy::Lane,
    /// Whether it keeps the process alive.
    pub(crate) keeps_alive: bool,
    /// The handle that counts it, or none.
    pub(crate) handle: HandleId,
    /// The open FIFO whose writer is waited for.
    pub(super) reader: Option<Reader>,
    /// What an open that brings content has come to.
    pub(super) content: Option<Content>,
    /// Where a write at the file's own position began.
    pub(super) beginning: Option<Beginning>,
    /// Staged data of a write to come, or the result of an op until it is taken.
    pub(crate) owned: Option<Vec<u8>>,
}

impl Side {
    pub(crate) const fn new() -> Self {
        Self {
            opcode: Opcode::Nop,
            lane: policy::Lane::Loop,
            keeps_alive: false,
            handle: HandleId::NONE,
            reader: None,
            content: None,
            beginning: None,
            owned: None,
        }
    }
}
