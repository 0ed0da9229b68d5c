//! Memory that goes along with an op, and comes back with its answer.
//!
//! The kernel may write to a buffer, or read from it, long after somebody lost interest in the op. So an
//! op takes its buffer, keeps it in its slot, and gives it back when it is over; a future that is dropped
//! leaves it there until then.

#![forbid(unsafe_code)]

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
