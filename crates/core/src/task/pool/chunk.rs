//! A piece of memory for places of one size, aligned to its own size: whoever has a place finds the
//! chunk by clearing the low bits of its address.

use crate::loom::{AtomicU32, Ordering};
use crate::task::dispatch::Dispatch;
use crate::task::header::{Header, TaskRef};
use std::alloc::Layout;
use std::ptr::NonNull;

/// The size of a chunk, and its alignment.
pub(crate) const CHUNK_BYTES: usize = 32 * 1024;
/// How the places of a chunk are aligned at most: more than that needs storage of its own.
const PLACE_ALIGN: usize = 16;

/// The sizes of places. A task gets the smallest that fits; a larger one storage of its own.
pub(crate) const SIZES: [usize; 20] = [
    72, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536,
    2048,
];

/// Bits of a number that say which place of a chunk it is.
pub(crate) const PLACE_BITS: u32 = 9;
/// Chunks that numbers of 29 bits can name.
pub(crate) const CHUNKS_MAX: usize = 1 << (29 - PLACE_BITS);

/// 2^32 by each size, rounded up: a place's offset times this is its number, without a division. The
/// offsets are multiples of the size and below 2^15, so the rounding is too small to be seen.
const RECIPROCALS: [u64; SIZES.len()] = {
    let mut reciprocals = [0; SIZES.len()];
    let mut class = 0;
    while class < SIZES.len() {
        reciprocals[class] = (1_u64 << 32).div_ceil(SIZES[class] as u64);
        class += 1;
    }
    reciprocals
};

const FIRST: usize = size_of::<Chunk>();
const _: () = assert!(FIRST.is_multiple_of(PLACE_ALIGN));
const _: () = assert!((CHUNK_BYTES - FIRST) / SIZES[0] <= 1 << PLACE_BITS);

/// The index in [`SIZES`] of places for this layout, or `None` where no pool has such places.
pub(crate) const fn class_of(layout: Layout) -> Option<usize> {
    if layout.align() > PLACE_ALIGN {
        return None;
    }
    let mut class = 0;
    while class < SIZES.len() {
        if layout.size() <= SIZES[class] && SIZES[class].is_multiple_of(layout.align()) {
            return Some(class);
        }
        class += 1;
    }
    None
}

/// What stands at the start of a chunk. All but `carved` is fixed.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Chunk {
    /// The scheduler's part that every thread may use.
    pub(crate) dispatch: NonNull<Dispatch>,
    /// Which of [`SIZES`].
    pub(crate) class: u32,
    /// Its own number in its depot.
    pub(crate) index: u32,
    /// So many places have been in use at some time: only these have a header.
    pub(crate) carved: AtomicU32,
}

impl Chunk {
    pub(crate) const LAYOUT: Layout = match Layout::from_size_align(CHUNK_BYTES, CHUNK_BYTES) {
        Ok(layout) => layout,
        Err(_) => panic!("a power of two"),
    };

    /// How many places fit.
    pub(crate) const fn places(class: usize) -> u32 {
        ((CHUNK_BYTES - FIRST) / SIZES[class]) as u32
    }

    /// The chunk that a pooled task lies in.
    #[inline]
    pub(crate) fn of<'a>(task: TaskRef) -> &'a Self {
        let chunk = task.as_ptr().as_ptr().map_addr(|address| address & !(CHUNK_BYTES - 1));
        // SAFETY: a pooled place lies in a chunk with this alignment, its pointer is derived from
        // the whole of it, and chunks stay while any of their tasks does. It is only reached shared.
        unsafe { &*chunk.cast::<Self>() }
    }

    pub(crate) fn number_of(&self, task: TaskRef) -> u32 {
        let from = std::ptr::from_ref(self).addr() + FIRST;
        let offset = (task.as_ptr().addr().get() - from) as u64;
        let place = (offset * RECIPROCALS[self.class as usize]) >> 32;
        (self.index << PLACE_BITS) | place as u32
    }

    /// The place of that index, which was in use at some time.
    ///
    /// # Safety
    ///
    /// `chunk` is a whole chunk that stays while the answer is used.
    pub(crate) unsafe fn place(chunk: NonNull<Self>, place: u32) -> Option<TaskRef> {
        // SAFETY: the caller's promise.
        let header = unsafe { chunk.as_ref() };
        // Acquire: with the Release of `carve`.
        if place >= header.carved.load(Ordering::Acquire) {
            return None;
        }
        let offset = FIRST + place as usize * SIZES[header.class as usize];
        // SAFETY: inside the chunk, since fewer than `places` are carved.
        let place = unsafe { chunk.cast::<u8>().add(offset) };
        // SAFETY: derived from the whole chunk, and there is a header.
        Some(unsafe { TaskRef::new(place.cast()) })
    }

    /// The place that begins at an address inside the chunk, if one does.
    ///
    /// # Safety
    ///
    /// As for [`Self::place`].
    pub(crate) unsafe fn place_at(chunk: NonNull<Self>, address: usize) -> Option<TaskRef> {
        // SAFETY: the caller's promise.
        let size = SIZES[unsafe { chunk.as_ref() }.class as usize];
        let offset = address.checked_sub(chunk.addr().get() + FIRST)?;
        if !offset.is_multiple_of(size) {
            return None;
        }
        // SAFETY: the caller's promise.
        unsafe { Self::place(chunk, (offset / size) as u32) }
    }

    /// Makes the next place of a chunk: by one thread at a time.
    ///
    /// # Safety
    ///
    /// `chunk` is a whole chunk, not all of whose places are carved, and no other thread carves it.
    pub(crate) unsafe fn carve(chunk: NonNull<Self>) -> NonNull<Header> {
        // SAFETY: the caller's promise.
        let header = unsafe { chunk.as_ref() };
        // Relaxed: only this thread writes it.
        let carved = header.carved.load(Ordering::Relaxed);
        let offset = FIRST + carved as usize * SIZES[header.class as usize];
        // SAFETY: inside the chunk, since not all places are carved.
        let place = unsafe { chunk.cast::<u8>().add(offset) }.cast::<Header>();
        // SAFETY: aligned, and nobody's yet.
        unsafe { place.write(Header::free()) };
        // Release: with the Acquire of `place`.
        header.carved.store(carved + 1, Ordering::Release);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_its_number() {
        for (class, &size) in SIZES.iter().enumerate() {
            for place in 0..u64::from(Chunk::places(class)) {
                assert_eq!((place * size as u64 * RECIPROCALS[class]) >> 32, place);
            }
        }
    }

    #[test]
    fn a_layout_gets_the_smallest_size_that_fits() {
        let of = |size, align| class_of(Layout::from_size_align(size, align).unwrap());
        assert_eq!(of(72, 8), Some(0));
        assert_eq!(of(72, 16), Some(1));
        assert_eq!(of(73, 8), Some(1));
        assert_eq!(of(2048, 16), Some(SIZES.len() - 1));
        assert_eq!(of(2049, 8), None);
        assert_eq!(of(64, 32), None);
    }
}
