//! Buffers whose memory a loop may have registered with its kernel.
//!
//! ```text
//! pool ─ take ─► FixedBuf ─ goes along with an op ─► its slot ─ answered ─► FixedBuf ─ dropped ─► pool
//!                                                      └─ nobody waits: the last completion ─────► pool
//! ```
//!
//! A registered buffer spares an op the look-up of its pages. All buffers of a pool are one piece of
//! memory, which each loop registers as one. The loop that carries an op out sees whether the op's buffer
//! lies in what it has registered; to any other the buffer is memory like all.
//!
//! - **F1** A piece is reached by one [`FixedBuf`] at a time, and lies within the pool's pages, which each
//!   piece keeps.
//! - **F2** Every byte of the pages is initialised, from the start on.

use crate::error::Error;
use crate::pages::{PAGE, Pages};
use crate::sync::{BufferPool, Pooled, Watermarks};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

/// Buffers in one pool at the most.
const COUNT_MAX: usize = 1 << 15;

/// One buffer's memory.
#[derive(Debug)]
struct Piece {
    pages: Arc<Pages>,
    start: NonNull<u8>,
    bytes: u32,
}

// SAFETY: it is memory that nobody else reaches (F1).
unsafe impl Send for Piece {}
// SAFETY: as above; a shared one gives out its address alone.
unsafe impl Sync for Piece {}

/// A fixed number of buffers of one size, each of which begins at a page, as O_DIRECT wants it. A clone is
/// the same pool.
#[derive(Clone, Debug)]
pub struct FixedBufPool {
    pages: Arc<Pages>,
    /// In boxes, so that a buffer is small enough for a slot.
    buffers: BufferPool<Box<Piece>>,
}

impl FixedBufPool {
    /// `count` buffers of `bytes` each, rounded up to whole pages. Allocated now and never again.
    ///
    /// # Errors
    ///
    /// ENOMEM where there is no room for them; EINVAL for none, more than 32,768, or one of 2 GiB.
    pub fn new(count: usize, bytes: usize) -> Result<Self, Error> {
        let bytes = bytes.max(1).checked_next_multiple_of(PAGE);
        let bytes = bytes.filter(|&bytes| bytes < 1 << 31 && (1..=COUNT_MAX).contains(&count));
        let bytes = bytes.ok_or(Error::Os(libc::EINVAL))?;
        let pages = Arc::new(Pages::new(count * bytes).ok_or(Error::Os(libc::ENOMEM))?);
        let pieces = (0..count).map(|number| {
            let start = pages.start().wrapping_add(number * bytes);
            let start = NonNull::new(start).expect("the pages are somewhere");
            Box::new(Piece { pages: pages.clone(), start, bytes: bytes as u32 })
        });
        let buffers = BufferPool::new(pieces, Watermarks { low: 0, high: count });
        Ok(Self { pages, buffers })
    }

    /// A buffer with nothing in it, once there is one: first come, first served.
    ///
    /// Cancel-safe.
    pub async fn take(&self) -> FixedBuf {
        FixedBuf { piece: Some(self.buffers.get().await), length: 0 }
    }

    /// A buffer with nothing in it, where one is free and nobody is in line.
    pub fn try_take(&self) -> Option<FixedBuf> {
        Some(FixedBuf { piece: Some(self.buffers.try_get()?), length: 0 })
    }

    /// How many are free.
    pub fn free(&self) -> usize {
        self.buffers.free()
    }

    /// Where its memory lies, and how much it is: for whoever registers it, and keeps the pool for as long.
    pub fn memory(&self) -> (*mut u8, usize) {
        (self.pages.start(), self.pages.bytes())
    }

    /// Whether a buffer is one of these.
    #[inline]
    pub fn owns(&self, buffer: &FixedBuf) -> bool {
        buffer.piece.as_ref().is_some_and(|piece| Arc::ptr_eq(&piece.pages, &self.pages))
    }
}

/// A buffer of a [`FixedBufPool`]: bytes up to its length, and room up to its capacity. It goes back when it
/// is dropped; dropped in flight, when the kernel has answered.
///
/// The default is none: no memory, and no room. It is what an op gives back whose runtime has ended before
/// the kernel let go of the buffer.
///
/// ```
/// # use wakering_core::fixed::FixedBufPool;
/// let pool = FixedBufPool::new(2, 4096).unwrap();
/// let mut buffer = pool.try_take().unwrap();
/// buffer.extend_from_slice(b"hello");
/// assert_eq!((&buffer[..], buffer.capacity()), (&b"hello"[..], 4096));
/// drop(buffer);
/// assert_eq!(pool.free(), 2);
/// ```
#[derive(Debug, Default)]
pub struct FixedBuf {
    piece: Option<Pooled<Box<Piece>>>,
    length: u32,
}

impl FixedBuf {
    /// How many bytes it has room for.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.piece.as_ref().map_or(0, |piece| piece.bytes as usize)
    }

    /// Where its memory begins.
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.piece.as_ref().map_or(NonNull::dangling(), |piece| piece.start).as_ptr()
    }

    /// Says how much is in it. What nobody has written is zero, or what lay there before.
    ///
    /// # Panics
    ///
    /// Where it has no room for so much.
    #[inline]
    pub fn set_len(&mut self, length: usize) {
        assert!(length <= self.capacity(), "a buffer of {} bytes", self.capacity());
        self.length = length as u32;
    }

    /// Has nothing in it.
    pub const fn clear(&mut self) {
        self.length = 0;
    }

    /// Puts bytes behind those that are in it.
    ///
    /// # Panics
    ///
    /// Where it has no room for them.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let before = self.len();
        self.set_len(before + bytes.len());
        self[before..].copy_from_slice(bytes);
    }
}

impl Deref for FixedBuf {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let start = self.piece.as_ref().map_or(NonNull::dangling(), |piece| piece.start);
        // SAFETY: so many bytes lie there, initialised (F2), and are this one's (F1).
        unsafe { std::slice::from_raw_parts(start.as_ptr(), self.length as usize) }
    }
}

impl DerefMut for FixedBuf {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let start = self.as_mut_ptr();
        // SAFETY: as above, and it is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(start, self.length as usize) }
    }
}

impl AsRef<[u8]> for FixedBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for FixedBuf {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_at_pages_and_are_nobody_elses() {
        let pool = FixedBufPool::new(3, 5000).unwrap();
        let mut taken: Vec<_> = (0..3).map(|_| pool.try_take().unwrap()).collect();
        assert!(pool.try_take().is_none());
        for (number, buffer) in taken.iter_mut().enumerate() {
            assert_eq!((buffer.as_mut_ptr() as usize % PAGE, buffer.capacity()), (0, 2 * PAGE));
            buffer.set_len(2 * PAGE);
            buffer.fill(number as u8);
        }
        for (number, buffer) in taken.iter().enumerate() {
            assert!(pool.owns(buffer) && buffer.iter().all(|&byte| byte == number as u8));
        }
        drop(taken);
        assert_eq!((pool.free(), pool.try_take().unwrap().len()), (3, 0));
    }

    #[test]
    fn a_buffer_outlives_its_pool_and_belongs_to_one() {
        let (pool, other) = (FixedBufPool::new(1, 1).unwrap(), FixedBufPool::new(1, 1).unwrap());
        let mut buffer = pool.try_take().unwrap();
        assert!(!other.owns(&buffer) && !other.owns(&FixedBuf::default()));
        drop(pool);
        buffer.extend_from_slice(&[7; PAGE]);
        assert_eq!(buffer[..], [7; PAGE]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |count, bytes| FixedBufPool::new(count, bytes).unwrap_err();
        assert_eq!(refused(0, 4096), Error::Os(libc::EINVAL));
        assert_eq!(refused(1, usize::MAX), Error::Os(libc::EINVAL));
        assert_eq!(refused(COUNT_MAX + 1, 1), Error::Os(libc::EINVAL));
        assert_eq!(FixedBuf::default().capacity(), 0);
    }
}
