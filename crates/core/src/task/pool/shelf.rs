//! Free places of one size, for one thread at a time: two stacks and what is left of a chunk.
//!
//! ```text
//!  take ◄── loaded ──► empty: swap with spare ──► empty: carve ──► used up: a stack of the depot,
//!  put  ──► loaded ──► full: spare goes to the depot, loaded becomes spare       or a new chunk
//! ```
//!
//! With two stacks, a thread that takes and puts around the edge of one does not go to the depot
//! each time.

use super::chunk::Chunk;
use crate::scheduler::link::Link;
use crate::task::header::Header;
use std::ptr::{NonNull, null_mut, without_provenance_mut};

/// Free places, linked through their headers, newest first.
#[derive(Debug, Default)]
pub(super) struct Stack {
    top: Option<NonNull<Header>>,
    pub(super) len: u32,
}

// SAFETY: a stack owns its places alone.
unsafe impl Send for Stack {}

impl Stack {
    pub(super) const fn new() -> Self {
        Self { top: None, len: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, place: NonNull<Header>) {
        // SAFETY: a free place of this pool, which is there as long as the pool.
        let header = unsafe { place.as_ref() };
        let top = self.top.map_or(std::ptr::null_mut(), NonNull::as_ptr);
        header.link.set_next(top.cast::<Link>());
        self.top = Some(place);
        self.len += 1;
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<NonNull<Header>> {
        let place = self.top?;
        // SAFETY: as in `push`.
        let header = unsafe { place.as_ref() };
        self.top = NonNull::new(header.link.next().cast::<Header>());
        self.len -= 1;
        Some(place)
    }
}

/// Stacks of free places, linked through the joiner's words of their top places.
#[derive(Debug, Default)]
pub(super) struct Pile {
    top: Option<NonNull<Header>>,
    pub(super) places: usize,
}

// SAFETY: a pile owns its places alone.
unsafe impl Send for Pile {}

impl Pile {
    pub(super) const fn new() -> Self {
        Self { top: None, places: 0 }
    }

    pub(super) fn push(&mut self, stack: Stack) {
        let Some(top) = stack.top else { return };
        let below = self.top.map_or(null_mut(), NonNull::as_ptr).cast();
        // SAFETY: a free place of this pool.
        let header = unsafe { top.as_ref() };
        // A free place has no joiner.
        header.set_joiner([below, without_provenance_mut(stack.len as usize)]);
        self.top = Some(top);
        self.places += stack.len as usize;
    }

    pub(super) fn pop(&mut self) -> Option<Stack> {
        let top = self.top?;
        // SAFETY: a free place of this pool.
        let [below, len] = unsafe { top.as_ref() }.joiner();
        let len = len.addr() as u32;
        self.top = NonNull::new(below.cast());
        self.places -= len as usize;
        Some(Stack { top: Some(top), len })
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) loaded: Stack,
    pub(super) spare: Stack,
    chunk: Option<NonNull<Chunk>>,
    uncarved: u32,
}

// SAFETY: a shelf owns its places, and the right to carve its chunk, alone.
unsafe impl Send for Shelf {}

impl Shelf {
    pub(super) const fn new() -> Self {
        Self { loaded: Stack::new(), spare: Stack::new(), chunk: None, uncarved: 0 }
    }

    /// A free place, if the shelf has one.
    #[inline]
    pub(super) fn take(&mut self) -> Option<NonNull<Header>> {
        if let Some(place) = self.loaded.pop() {
            return Some(place);
        }
        self.take_more()
    }

    fn take_more(&mut self) -> Option<NonNull<Header>> {
        std::mem::swap(&mut self.loaded, &mut self.spare);
        if let Some(place) = self.loaded.pop() {
            return Some(place);
        }
        let chunk = self.chunk?;
        if self.uncarved == 0 {
            return None;
        }
        self.uncarved -= 1;
        // SAFETY: the chunk is this shelf's to carve, and has places left.
        Some(unsafe { Chunk::carve(chunk) })
    }

    /// Puts a free place back. A stack that is too much for the shelf.
    #[inline]
    pub(super) fn put(&mut self, place: NonNull<Header>, stack_max: u32) -> Option<Stack> {
        self.loaded.push(place);
        if self.loaded.len < stack_max {
            return None;
        }
        let full = std::mem::take(&mut self.loaded);
        Some(std::mem::replace(&mut self.spare, full))
    }

    /// A stack of the depot, for a shelf that is empty.
    pub(super) fn load(&mut self, stack: Stack) {
        debug_assert!(self.loaded.top.is_none());
        self.loaded = stack;
    }

    /// A chunk that nobody has carved, for a shelf that is empty.
    pub(super) fn open(&mut self, chunk: NonNull<Chunk>, places: u32) {
        debug_assert_eq!(self.uncarved, 0);
        self.chunk = Some(chunk);
        self.uncarved = places;
    }
}
