//! Requests to cancel. Each has a completion of its own, which is counted and told nobody: the op
//! that it ends gives the answer.

use crate::completion::Tag;
use crate::ring::{Full, Ring};
use io_uring::opcode as kernel;
use io_uring::squeue::Entry;
use io_uring::types::CancelBuilder;
use wakering_core::Token;

/// Asks that the op of `target` be cancelled; answered under `tag`.
pub(crate) fn cancel(ring: &mut Ring, target: Token, tag: Tag) -> Result<(), Full> {
    let entry = kernel::AsyncCancel::new(target.to_bits())
        .build()
        .user_data(tag.token(target.index()).to_bits());
    push(ring, &entry)
}

/// Asks that everything in the ring be cancelled; answered under `tag`.
pub(crate) fn cancel_all(ring: &mut Ring, tag: Tag) -> Result<(), Full> {
    let entry = kernel::AsyncCancel2::new(CancelBuilder::any().all())
        .build()
        .user_data(tag.token(0).to_bits());
    push(ring, &entry)
}

fn push(ring: &mut Ring, entry: &Entry) -> Result<(), Full> {
    // SAFETY: R2 of `ring`: the entry names no memory.
    unsafe { ring.push(entry) }
}
