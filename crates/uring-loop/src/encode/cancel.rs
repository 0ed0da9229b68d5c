//! Requests to cancel. Each has a completion of its own, which is counted and told nobody: the op
//! that it ends gives the answer.

use crate::completion::Tag;
use crate::ring::{Full, Ring};
use io_uring::opcode as kernel;
use io_uring::squeue::Entry;
use io_uring::types::{CancelBuilder, Fd};
use wakering_core::Token;

/// Asks that the op of `target` be cancelled; answered under `tag`.
pub(crate) fn cancel(ring: &mut Ring, target: Token, tag: Tag) -> Result<(), Full> {
    let entry = kernel::AsyncCancel::new(target.to_bits())
        .build()
        .user_data(tag.token(target.index()).to_bits());
    push(ring, &entry)
}

/// Asks that everything in the ring be cancelled.
pub(crate) fn cancel_all(ring: &mut Ring) -> Result<(), Full> {
    let entry = kernel::AsyncCancel2::new(CancelBuilder::any().all())
        .build()
        .user_data(Tag::Drain.token(0).to_bits());
    push(ring, &entry)
}

/// The `number`th harmless entry of [`crate::probe::Trial`].
pub(crate) fn trial(number: u32, fd: i32) -> Entry {
    match number {
        0 => kernel::Nop::new().build(),
        1 => kernel::AsyncCancel2::new(CancelBuilder::any().all()).build(),
        _ => kernel::AsyncCancel2::new(CancelBuilder::fd(Fd(fd)).all()).build(),
    }
}

/// One entry of a trial, which names no memory.
pub(crate) fn push_trial(ring: &mut Ring, entry: &Entry) -> Result<(), Full> {
    push(ring, &entry.clone().user_data(Tag::Trial.token(0).to_bits()))
}

fn push(ring: &mut Ring, entry: &Entry) -> Result<(), Full> {
    // SAFETY: R2 of `ring`: the entry names no memory.
    unsafe { ring.push(entry) }
}
