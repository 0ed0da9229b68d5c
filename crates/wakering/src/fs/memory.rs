//! What an op on a file keeps in its slot.

use wakering_core::fixed::FixedBuf;
use wakering_core::resource::Resource;

/// Memory that stays where it is when its owner moves: bytes up to its length, room up to its capacity. The
/// default has neither.
///
/// # Safety
///
/// There is room for as much as it says from its start on, and whoever has a resource to which it was lent
/// keeps it valid.
pub unsafe trait Memory: Default + Send + Unpin + 'static {
    /// How much is in it.
    fn length(&self) -> usize;

    /// For how much there is room.
    fn room(&self) -> usize;

    /// Where it begins.
    fn start(&mut self) -> *mut u8;

    /// Takes out what is in it.
    fn empty(&mut self);

    /// Says how much is in it.
    ///
    /// # Safety
    ///
    /// There is room for so much, and all of it was written.
    unsafe fn set_length(&mut self, length: usize);

    /// Leaves it to the op.
    fn lend(self, resource: &mut Resource);

    /// Has it back; the default where the op has none.
    fn take_back(resource: &mut Resource) -> Self;
}

// SAFETY: its memory stays where it is when it is moved.
unsafe impl Memory for Vec<u8> {
    fn length(&self) -> usize {
        self.len()
    }

    fn room(&self) -> usize {
        self.capacity()
    }

    fn start(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn empty(&mut self) {
        self.clear();
    }

    unsafe fn set_length(&mut self, length: usize) {
        // SAFETY: passed on.
        unsafe { self.set_len(length) };
    }

    fn lend(self, resource: &mut Resource) {
        resource.owned = Some(self);
    }

    fn take_back(resource: &mut Resource) -> Self {
        resource.owned.take().unwrap_or_default()
    }
}

// SAFETY: its memory is its pool's, which it keeps.
unsafe impl Memory for FixedBuf {
    fn length(&self) -> usize {
        self.len()
    }

    fn room(&self) -> usize {
        self.capacity()
    }

    fn start(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn empty(&mut self) {
        self.clear();
    }

    unsafe fn set_length(&mut self, length: usize) {
        self.set_len(length);
    }

    fn lend(self, resource: &mut Resource) {
        resource.fixed = Some(self);
    }

    fn take_back(resource: &mut Resource) -> Self {
        resource.fixed.take().unwrap_or_default()
    }
}
