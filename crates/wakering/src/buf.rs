//! Memory that goes along with an op, and comes back with its answer.
//!
//! The kernel may write to a buffer, or read from it, long after somebody lost interest in the op. So an
//! op takes its buffer, keeps it in its slot, and gives it back when it is over; a future that is dropped
//! leaves it there until then.
//!
//! [`FixedBuf`]s are taken from the runtime's pool ([`Builder::registered_buffers`](crate::Builder::registered_buffers))
//! and go back to it. Their memory is registered with the runtime's rings where the kernel lets it: reads and
//! writes of files then need not look up its pages. It begins at a page, as `O_DIRECT` wants it.

pub use wakering_core::fixed::{FixedBuf, FixedBufPool};

use crate::fs::Memory;

/// What an op that moves bytes gives: how that went, and the buffer.
pub type BufResult<T, B> = (std::io::Result<T>, B);

/// A buffer that an op can take along: memory that stays where it is when its owner moves.
///
/// A read fills it from its start, up to its capacity, and sets its length to what was read. A write
/// sends what is in it.
pub trait Buf: Send + Unpin + 'static {
    /// Gives its memory to the op.
    fn into_vec(self) -> Vec<u8>;

    /// Has its memory back.
    fn from_vec(memory: Vec<u8>) -> Self;
}

impl Buf for Vec<u8> {
    fn into_vec(self) -> Vec<u8> {
        self
    }

    fn from_vec(memory: Vec<u8>) -> Self {
        memory
    }
}

/// As long as it is: a read that brings less leaves the rest as it was before, or zero.
impl Buf for Box<[u8]> {
    fn into_vec(self) -> Vec<u8> {
        self.into_vec()
    }

    fn from_vec(mut memory: Vec<u8>) -> Self {
        memory.resize(memory.capacity(), 0);
        memory.into_boxed_slice()
    }
}

/// What reads and writes of files can take along: every [`Buf`], and a [`FixedBuf`].
pub trait FileBuf: Send + Unpin + 'static {
    /// What it is while its op has it.
    type Memory: Memory;

    /// Gives its memory to the op.
    fn into_memory(self) -> Self::Memory;

    /// Has its memory back.
    fn from_memory(memory: Self::Memory) -> Self;
}

impl<B: Buf> FileBuf for B {
    type Memory = Vec<u8>;

    fn into_memory(self) -> Vec<u8> {
        self.into_vec()
    }

    fn from_memory(memory: Vec<u8>) -> Self {
        Self::from_vec(memory)
    }
}

impl FileBuf for FixedBuf {
    type Memory = Self;

    fn into_memory(self) -> Self {
        self
    }

    fn from_memory(memory: Self) -> Self {
        memory
    }
}
