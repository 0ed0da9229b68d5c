//! A bounded pool of 4-KiB blocks for what is too long for a slot: long paths, many segments.

use crate::loom::{Mutex, MutexGuard};
use std::ptr::NonNull;
use std::sync::PoisonError;

/// Bytes of one block: a path of `PATH_MAX` with its NUL, or 256 iovecs.
pub const BLOCK_BYTES: usize = 4096;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Memory([u8; BLOCK_BYTES]);

/// A block on loan. It goes back with [`BlockPool::give_back`]; dropping it only loses it.
#[derive(Debug)]
pub struct Block(NonNull<Memory>);

// SAFETY: a block is exclusive memory; whoever holds the `Block` is the only one to reach it.
unsafe impl Send for Block {}

impl Block {
    /// Its bytes.
    pub fn bytes(&mut self) -> &mut [u8; BLOCK_BYTES] {
        // SAFETY: the block is exclusive memory, valid and initialised while it is on loan.
        unsafe { &mut (*self.0.as_ptr()).0 }
    }

    /// Its first byte. Valid for [`BLOCK_BYTES`] while the block is on loan.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_ptr().cast()
    }
}

/// Owner of all blocks, which any thread may lend and give back.
#[derive(Debug)]
pub struct BlockPool {
    memory: NonNull<[Memory]>,
    free: Mutex<Vec<Block>>,
}

// SAFETY: the pool owns its memory; nothing in it is bound to a thread.
unsafe impl Send for BlockPool {}
// SAFETY: as above; the list is behind a lock.
unsafe impl Sync for BlockPool {}

impl BlockPool {
    /// A pool of `blocks_max` blocks, allocated now and never again.
    pub fn new(blocks_max: usize) -> Self {
        let boxed = vec![Memory([0; BLOCK_BYTES]); blocks_max].into_boxed_slice();
        let memory = NonNull::from(Box::leak(boxed));
        let first = memory.cast::<Memory>();
        let free = (0..blocks_max)
            .rev()
            // SAFETY: `index` is below the length of the allocation that `first` starts.
            .map(|index| Block(unsafe { first.add(index) }))
            .collect();
        Self { memory, free: Mutex::new(free) }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Block>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block, or `None` where all are lent.
    pub fn lend(&self) -> Option<Block> {
        self.free().pop()
    }

    /// Takes a block back that this pool lent.
    pub fn give_back(&self, block: Block) {
        let mut free = self.free();
        debug_assert!(free.len() < self.memory.len(), "a block of another pool");
        free.push(block);
    }

    /// How many can be lent now.
    pub fn available(&self) -> usize {
        self.free().len()
    }
}

impl Drop for BlockPool {
    fn drop(&mut self) {
        // What is still lent may be in the kernel's hands: then all of it stays, on purpose.
        if self.available() == self.memory.len() {
            self.free().clear();
            // SAFETY: `memory` came from `Box::leak` in `new`, every block is back, and this is the
            // only place that frees it.
            drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lends_no_more_than_it_has() {
        let pool = BlockPool::new(2);
        let first = pool.lend().unwrap();
        let second = pool.lend().unwrap();
        assert_ne!(first.0, second.0);
        assert!(pool.lend().is_none());
        pool.give_back(first);
        assert_eq!(pool.available(), 1);
        pool.give_back(second);
    }
}
