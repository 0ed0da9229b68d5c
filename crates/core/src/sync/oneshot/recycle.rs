//! Cells that are used again: each thread keeps some, and what one thread gives back too often goes
//! to those that take too often.
//!
//! ```text
//! obtain:     this thread's list ─empty─► a chain of the depot's ─none─► the allocator
//! give back:  this thread's list ─two chains long─► one to the depot ─full─► the allocator
//! ```
//!
//! A pair that lives on one thread, or whose ends go back and forth, uses the thread's own list. Where
//! one thread makes all pairs and another ends them, the cells return through the depot, a chain at
//! a time. Both are bounded: a thread keeps at most two chains of each size, the depot 64.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

#[cfg(not(loom))]
pub(super) use lists::{give_back, obtain};

/// Takes a cell from the allocator.
fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: no layout that comes here is empty: a cell begins with its word.
    let room = unsafe { alloc(layout) };
    NonNull::new(room).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives it back to the allocator.
///
/// # Safety
///
/// It came from [`allocate`] with this layout.
unsafe fn deallocate(room: NonNull<u8>, layout: Layout) {
    // SAFETY: passed on.
    unsafe { dealloc(room.as_ptr(), layout) };
}

#[cfg(loom)]
pub(super) fn obtain<C>(cell: C) -> NonNull<C> {
    let room = allocate(Layout::new::<C>()).cast();
    // SAFETY: it is new, and made for a `C`.
    unsafe { room.write(cell) };
    room
}

/// # Safety
///
/// It came from [`obtain`], and nobody uses it any more.
#[cfg(loom)]
pub(super) unsafe fn give_back<C>(cell: NonNull<C>) {
    // SAFETY: the caller's promise. loom's own cells have something to drop.
    unsafe { cell.drop_in_place() };
    // SAFETY: passed on.
    unsafe { deallocate(cell.cast(), Layout::new::<C>()) };
}

#[cfg(not(loom))]
mod lists {
    use super::{allocate, deallocate};
    use std::alloc::Layout;
    use std::cell::Cell;
    use std::ptr::NonNull;
    use std::sync::{Mutex, PoisonError};

    /// Sizes that are kept. What is larger goes to the allocator each time.
    const SIZES: [usize; 2] = [64, 192];
    const ALIGN: usize = 16;
    /// So many cells make a chain.
    const CHAIN: usize = 32;
    /// So many chains of a size does the depot keep.
    const CHAINS_MAX: usize = 64;

    const fn layout_of(size: usize) -> Layout {
        match Layout::from_size_align(SIZES[size], ALIGN) {
            Ok(layout) => layout,
            Err(_) => panic!("the sizes are multiples of the alignment"),
        }
    }

    /// Which of the sizes holds a `C`.
    const fn size_for<C>() -> Option<usize> {
        let mut size = 0;
        while size < SIZES.len() {
            if size_of::<C>() <= SIZES[size] && align_of::<C>() <= ALIGN {
                return Some(size);
            }
            size += 1;
        }
        None
    }

    /// A free cell: all it holds is the next one.
    struct Free {
        next: Option<NonNull<Free>>,
    }

    /// Free cells of one size, of which nobody else knows.
    struct Chain {
        head: Cell<Option<NonNull<Free>>>,
        len: Cell<usize>,
    }

    // SAFETY: a chain owns its cells, which are plain memory.
    unsafe impl Send for Chain {}

    impl Chain {
        const fn new() -> Self {
            Self { head: Cell::new(None), len: Cell::new(0) }
        }

        #[inline(always)]
        fn push(&self, room: NonNull<u8>) {
            let free = room.cast::<Free>();
            // SAFETY: it is large enough, aligned, and the chain's own from now on.
            unsafe { free.write(Free { next: self.head.get() }) };
            self.head.set(Some(free));
            self.len.set(self.len.get() + 1);
        }

        #[inline(always)]
        fn pop(&self) -> Option<NonNull<u8>> {
            let free = self.head.get()?;
            // SAFETY: `push` wrote it, and nobody else has it.
            self.head.set(unsafe { free.as_ref() }.next);
            self.len.set(self.len.get() - 1);
            Some(free.cast())
        }

        fn take(&self) -> Self {
            Self { head: Cell::new(self.head.take()), len: Cell::new(self.len.take()) }
        }

        fn fill(&self, chain: Self) {
            self.head.set(chain.head.get());
            self.len.set(chain.len.get());
        }

        fn free(&self, size: usize) {
            while let Some(room) = self.pop() {
                // SAFETY: cells of this size come from `allocate` with this layout.
                unsafe { deallocate(room, layout_of(size)) };
            }
        }
    }

    /// A thread's cells of one size: one chain to take from and add to, one that is full or empty,
    /// so that a thread that goes to and fro over a chain's edge does not go to the depot each time.
    struct Kept {
        loaded: Chain,
        spare: Chain,
    }

    struct Thread {
        sizes: [Kept; SIZES.len()],
    }

    impl Kept {
        const fn new() -> Self {
            Self { loaded: Chain::new(), spare: Chain::new() }
        }
    }

    thread_local! {
        static THREAD: Thread = const { Thread { sizes: [const { Kept::new() }; SIZES.len()] } };
    }

    impl Drop for Thread {
        fn drop(&mut self) {
            for (size, kept) in self.sizes.iter().enumerate() {
                kept.loaded.free(size);
                kept.spare.free(size);
            }
        }
    }

    /// Full chains on their way between threads.
    struct Depot {
        chains: [Chain; CHAINS_MAX],
        len: usize,
    }

    impl Depot {
        const fn new() -> Self {
            Self { chains: [const { Chain::new() }; CHAINS_MAX], len: 0 }
        }

        fn take(size: usize) -> Option<Chain> {
            let mut depot = DEPOT[size].lock().unwrap_or_else(PoisonError::into_inner);
            depot.len = depot.len.checked_sub(1)?;
            Some(depot.chains[depot.len].take())
        }

        /// Gives the chain back where there is no room.
        fn put(size: usize, chain: Chain) -> Result<(), Chain> {
            let mut depot = DEPOT[size].lock().unwrap_or_else(PoisonError::into_inner);
            if depot.len == CHAINS_MAX {
                return Err(chain);
            }
            depot.chains[depot.len].fill(chain);
            depot.len += 1;
            Ok(())
        }
    }

    static DEPOT: [Mutex<Depot>; SIZES.len()] = [const { Mutex::new(Depot::new()) }; SIZES.len()];

    impl Kept {
        #[cold]
        fn refill(&self, size: usize) -> Option<NonNull<u8>> {
            if self.spare.len.get() == 0 {
                self.loaded.fill(Depot::take(size)?);
            } else {
                self.loaded.fill(self.spare.take());
            }
            self.loaded.pop()
        }

        #[cold]
        fn make_room(&self, size: usize) {
            if self.spare.len.get() != 0
                && let Err(full) = Depot::put(size, self.spare.take())
            {
                full.free(size);
            }
            self.spare.fill(self.loaded.take());
        }
    }

    /// A cell, with `cell` in it.
    #[inline(always)]
    pub(in super::super) fn obtain<C>(cell: C) -> NonNull<C> {
        let room = match const { size_for::<C>() } {
            None => allocate(Layout::new::<C>()),
            Some(size) => kept(size).unwrap_or_else(|| allocate(layout_of(size))),
        };
        let room = room.cast::<C>();
        // SAFETY: it is large enough, aligned, and nobody else's.
        unsafe { room.write(cell) };
        room
    }

    #[inline(always)]
    fn kept(size: usize) -> Option<NonNull<u8>> {
        // Past the thread's end there is no list.
        THREAD
            .try_with(|thread| {
                let kept = &thread.sizes[size];
                kept.loaded.pop().or_else(|| kept.refill(size))
            })
            .ok()
            .flatten()
    }

    /// Gives a cell back, to be used again. Nothing in it is dropped.
    ///
    /// # Safety
    ///
    /// It came from [`obtain`], and nobody uses it any more.
    #[inline(always)]
    pub(in super::super) unsafe fn give_back<C>(cell: NonNull<C>) {
        let room = cell.cast::<u8>();
        let Some(size) = (const { size_for::<C>() }) else {
            // SAFETY: cells without a size come from `allocate` with their own layout.
            unsafe { deallocate(room, Layout::new::<C>()) };
            return;
        };
        if !keep(size, room) {
            // SAFETY: cells of this size come from `allocate` with this layout.
            unsafe { deallocate(room, layout_of(size)) };
        }
    }

    #[inline(always)]
    fn keep(size: usize, room: NonNull<u8>) -> bool {
        THREAD
            .try_with(|thread| {
                let kept = &thread.sizes[size];
                if kept.loaded.len.get() == CHAIN {
                    kept.make_room(size);
                }
                kept.loaded.push(room);
            })
            .is_ok()
    }
}
