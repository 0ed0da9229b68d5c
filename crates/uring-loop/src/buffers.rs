//! Buffers that the kernel holds by their pages, so that an op need not look them up.
//!
//! The table is made at its first use and filled place by place. It counts against the locked
//! memory of the user: where that is short, registering fails and the lane copies instead.

use crate::driver::UringDriver;
use crate::ring::Ring;
use wakering_core::Error;
use wakering_core::abi::ErrorKind;

/// Which places of the ring's table are taken.
#[derive(Debug)]
pub(crate) struct Buffers {
    taken: Vec<bool>,
    places_max: u16,
    made: bool,
}

impl Buffers {
    pub(crate) fn new(places_max: u16) -> Self {
        Self { taken: Vec::new(), places_max, made: false }
    }

    fn make(&mut self, ring: &Ring) -> Result<(), Error> {
        if !self.made {
            ring.submitter().register_buffers_sparse(self.places_max.into())?;
            self.made = true;
        }
        Ok(())
    }

    /// Registers `length` bytes at `address`.
    ///
    /// # Safety
    ///
    /// The memory stays the caller's until the place is given back and the last op on it is done.
    pub(crate) unsafe fn register(
        &mut self,
        ring: &Ring,
        address: *mut u8,
        length: usize,
    ) -> Result<u16, Error> {
        let place = self.taken.iter().position(|taken| !taken).unwrap_or(self.taken.len());
        if place >= usize::from(self.places_max) {
            return Err(ErrorKind::Busy.into());
        }
        self.make(ring)?;
        let iovec = libc::iovec { iov_base: address.cast(), iov_len: length };
        // SAFETY: the caller keeps the memory; the iovec outlives the call.
        unsafe { ring.submitter().register_buffers_update(place as u32, &[iovec], None) }?;
        match self.taken.get_mut(place) {
            Some(taken) => *taken = true,
            None => self.taken.push(true),
        }
        Ok(place as u16)
    }

    /// Gives a place back. Ops that are in flight on it still end as they would.
    pub(crate) fn unregister(&mut self, ring: &Ring, place: u16) -> Result<(), Error> {
        let taken = self.taken.get_mut(usize::from(place)).filter(|taken| **taken);
        let taken = taken.ok_or(ErrorKind::BadBuffer)?;
        let nothing = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        // SAFETY: an empty place names no memory; the iovec outlives the call.
        unsafe { ring.submitter().register_buffers_update(place.into(), &[nothing], None) }?;
        *taken = false;
        Ok(())
    }
}

impl UringDriver {
    /// Registers a buffer and returns its place, for
    /// [`Prepared::registered`](wakering_core::resource::Prepared::registered).
    ///
    /// # Errors
    ///
    /// Busy where all places are taken, ENOMEM where locked memory is short, EINVAL before Linux
    /// 5.19. The lane then copies.
    ///
    /// # Safety
    ///
    /// The memory stays the caller's until the buffer is unregistered and its last op has completed.
    pub unsafe fn register_buffer(
        &mut self,
        address: *mut u8,
        length: usize,
    ) -> Result<u16, Error> {
        // SAFETY: passed on.
        unsafe { self.buffers.register(&self.ring, address, length) }
    }

    /// Gives a registered buffer's place back. The kernel lets go of the pages after the last op on
    /// them.
    ///
    /// # Errors
    ///
    /// BadBuffer where there is none at this place.
    pub fn unregister_buffer(&mut self, index: u16) -> Result<(), Error> {
        self.buffers.unregister(&self.ring, index)
    }
}
