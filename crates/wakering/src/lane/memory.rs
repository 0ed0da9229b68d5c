//! Memory that a lane's owner lends: slabs of JavaScript memory, and what stands in for them.
//!
//! The rule (DESIGN.md, Memory): the kernel may write to JavaScript's memory only through a
//! registered buffer, because then it holds the pages and not the address. So a slab is either
//! registered with the ring, or it has a *bounce* region of the runtime's own: writes are copied in
//! before the op is enqueued, reads are copied out on the lane's thread when it is done.

use std::alloc::Layout;
use wakering_core::Error;
use wakering_core::abi::ErrorKind;
use wakering_core::resource::NOT_REGISTERED;

/// Slabs that one lane can be lent.
const SLABS_MAX: usize = 1024;
const PAGE_BYTES: usize = 4096;

#[derive(Debug)]
struct Slab {
    base: *mut u8,
    length: usize,
    registered: u16,
    /// `length` bytes of the runtime's own, or null until they are needed. A raw pointer, because
    /// the kernel may hold addresses within while others are handed out.
    bounce: *mut u8,
}

/// All slabs of a lane.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    slabs: Vec<Slab>,
}

/// A range of a slab that was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    slab: usize,
    offset: usize,
    length: usize,
}

impl Memory {
    /// Takes a slab. `registered` is its index in the ring's table, where it has one.
    ///
    /// # Safety
    ///
    /// `base` is valid for reads and writes of `length` bytes on the lane's thread until the lane
    /// is shut down.
    pub(crate) unsafe fn lend(
        &mut self,
        base: *mut u8,
        length: usize,
        registered: Option<u16>,
    ) -> Result<u32, Error> {
        if self.slabs.len() == SLABS_MAX {
            return Err(ErrorKind::Busy.into());
        }
        let registered = registered.unwrap_or(NOT_REGISTERED);
        self.slabs.push(Slab { base, length, registered, bounce: std::ptr::null_mut() });
        Ok((self.slabs.len() - 1) as u32)
    }

    /// Checks that a range lies in a slab.
    pub(crate) fn range(&self, slab: u32, offset: u32, length: u32) -> Result<Range, Error> {
        let (slab, offset, length) = (slab as usize, offset as usize, length as usize);
        match self.slabs.get(slab) {
            Some(found) if offset + length <= found.length => Ok(Range { slab, offset, length }),
            _ => Err(ErrorKind::BadBuffer.into()),
        }
    }

    /// Where JavaScript sees the range: for the lane's own thread, now.
    pub(crate) fn here(&self, range: Range) -> *mut u8 {
        // SAFETY: `range` lies within the slab (checked by `range`).
        unsafe { self.slabs[range.slab].base.add(range.offset) }
    }

    /// The ring's index for the range, or [`NOT_REGISTERED`].
    pub(crate) fn registered(&self, range: Range) -> u16 {
        self.slabs[range.slab].registered
    }

    /// Where others may reach the range: its place in the bounce region, made when first needed.
    /// With `copy_in`, it holds what JavaScript's memory holds.
    pub(crate) fn away(&mut self, range: Range, copy_in: bool) -> *mut u8 {
        let here = self.here(range);
        let slab = &mut self.slabs[range.slab];
        if slab.bounce.is_null() {
            slab.bounce = region(slab.length);
        }
        // SAFETY: the region is as long as the slab, in which the range lies.
        let away = unsafe { slab.bounce.add(range.offset) };
        if copy_in {
            // SAFETY: both ranges were checked, lie in different allocations, and are reached by
            // this thread alone: the op is not published yet.
            unsafe { std::ptr::copy_nonoverlapping(here, away, range.length) };
        }
        away
    }

    /// Copies `length` bytes that an op left at `away` to where JavaScript sees them. Does nothing
    /// for an address that is no bounce region: a registered slab, or a buffer of the runtime's.
    pub(crate) fn bring_home(&self, away: *const u8, length: usize) {
        for slab in &self.slabs {
            if slab.bounce.is_null() {
                continue;
            }
            let Some(offset) = (away as usize).checked_sub(slab.bounce as usize) else { continue };
            if offset + length <= slab.length {
                // SAFETY: `offset` lies within the slab.
                let here = unsafe { slab.base.add(offset) };
                // SAFETY: both ranges lie within their regions; the op is complete, so that only
                // this thread reaches them.
                unsafe { std::ptr::copy_nonoverlapping(away, here, length) };
                return;
            }
        }
    }

    /// Forgets the lent memory. Bounce regions that late ops may still write to are left for ever
    /// where `leak` says so.
    pub(crate) fn shut_down(&mut self, leak: bool) {
        for slab in self.slabs.drain(..) {
            if !leak && !slab.bounce.is_null() {
                // SAFETY: made by `region` with this length; no op names it any more.
                unsafe { std::alloc::dealloc(slab.bounce, layout(slab.length)) };
            }
        }
    }
}

/// As aligned as the slab that it stands in for: to pages, so that O_DIRECT takes it.
fn layout(length: usize) -> Layout {
    Layout::from_size_align(length.max(1), PAGE_BYTES).expect("a slab is no larger than memory")
}

/// Zeroed memory of the runtime's own.
fn region(length: usize) -> *mut u8 {
    // SAFETY: the size is not zero.
    let region = unsafe { std::alloc::alloc_zeroed(layout(length)) };
    if region.is_null() {
        std::alloc::handle_alloc_error(layout(length));
    }
    region
}

impl Drop for Memory {
    fn drop(&mut self) {
        // A lane that is dropped was shut down before, or never enqueued anything.
        self.shut_down(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_leave_their_slab_are_refused() {
        let mut bytes = [0u8; 64];
        let mut memory = Memory::default();
        // SAFETY: `bytes` outlives `memory`.
        let slab = unsafe { memory.lend(bytes.as_mut_ptr(), 64, None) }.unwrap();
        assert!(memory.range(slab, 0, 64).is_ok());
        assert!(memory.range(slab, 1, 64).is_err());
        assert!(memory.range(slab, u32::MAX, u32::MAX).is_err());
        assert!(memory.range(slab + 1, 0, 0).is_err());
    }

    #[test]
    fn what_others_wrote_is_brought_home() {
        let mut bytes = [7u8; 64];
        let mut memory = Memory::default();
        // SAFETY: `bytes` outlives `memory`.
        let slab = unsafe { memory.lend(bytes.as_mut_ptr(), 64, None) }.unwrap();
        let range = memory.range(slab, 16, 8).unwrap();
        let away = memory.away(range, true);
        // SAFETY: eight bytes at `away`, which nobody else reaches.
        let there = unsafe { std::slice::from_raw_parts_mut(away, 8) };
        assert_eq!(there, [7; 8]);
        there.fill(9);
        memory.bring_home(away, 4);
        assert_eq!(&bytes[14..24], [7, 7, 9, 9, 9, 9, 7, 7, 7, 7]);
    }

    #[test]
    fn the_other_region_is_as_aligned_as_the_slab() {
        let mut bytes = [7u8; 64];
        let mut memory = Memory::default();
        // SAFETY: `bytes` outlives `memory`.
        let slab = unsafe { memory.lend(bytes.as_mut_ptr(), 64, None) }.unwrap();
        let range = memory.range(slab, 0, 8).unwrap();
        assert_eq!(memory.away(range, false).addr() % PAGE_BYTES, 0, "O_DIRECT wants pages");
    }
}
