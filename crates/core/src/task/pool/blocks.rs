//! Where chunks come from: one allocation for several of them, the more the more there are. Each is
//! aligned to its size, and an allocator wastes nearly as much before a single one.

use super::chunk::Chunk;
use crate::error::Error;
use std::alloc::Layout;
use std::ptr::NonNull;

/// Chunks in one block.
const BLOCK_CHUNKS_MAX: usize = 32;

/// All blocks of a depot. Dropped, it gives them back.
#[derive(Debug)]
pub(super) struct Blocks {
    blocks: Vec<(NonNull<Chunk>, Layout)>,
    /// What is left of the last block.
    next: NonNull<Chunk>,
    left: usize,
}

// SAFETY: it owns its blocks, and hands out each chunk once.
unsafe impl Send for Blocks {}

impl Blocks {
    pub(super) const fn new() -> Self {
        Self { blocks: Vec::new(), next: NonNull::dangling(), left: 0 }
    }

    /// Memory for one chunk, where `so_far` were taken and `max` is the bound. ENOMEM where the system
    /// has none.
    pub(super) fn take(&mut self, so_far: usize, max: usize) -> Result<NonNull<Chunk>, Error> {
        if self.left == 0 {
            self.allocate((so_far / 2).clamp(1, BLOCK_CHUNKS_MAX).min(max - so_far))?;
        }
        let chunk = self.next;
        // SAFETY: inside the block, or at its end.
        self.next = unsafe { chunk.byte_add(Chunk::LAYOUT.size()) };
        self.left -= 1;
        Ok(chunk)
    }

    fn allocate(&mut self, chunks: usize) -> Result<(), Error> {
        let no_memory = Error::Os(libc::ENOMEM);
        let size = Chunk::LAYOUT.size() * chunks;
        let layout = Layout::from_size_align(size, Chunk::LAYOUT.align()).map_err(|_| no_memory)?;
        self.blocks.try_reserve(1).map_err(|_| no_memory)?;
        // SAFETY: the layout is not empty.
        let memory = unsafe { std::alloc::alloc(layout) };
        self.next = NonNull::new(memory.cast()).ok_or(no_memory)?;
        self.left = chunks;
        self.blocks.push((self.next, layout));
        Ok(())
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        for &(block, layout) in &self.blocks {
            // SAFETY: `allocate` had it with this layout, and no task in it is referred to: the
            // scheduler let go of the depot only after the last one (`close`).
            unsafe { std::alloc::dealloc(block.as_ptr().cast(), layout) };
        }
    }
}
