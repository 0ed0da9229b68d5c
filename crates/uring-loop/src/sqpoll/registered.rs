//! What is registered with two rings has the same place in both (S5).
//!
//! Both tables are filled and emptied by the same calls in the same order, so that they agree; where
//! one of them refuses, the other gives back what it gave.

use super::policy::{Reason, Route};
use super::switching::SwitchingDriver;
use std::os::fd::RawFd;
use wakering_core::Error;

/// What the plain ring has and the other has not (S5).
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Places that files are opened into.
    places: Vec<u32>,
    pub(super) groups: usize,
}

impl Own {
    pub(super) fn is_none(&self) -> bool {
        self.places.is_empty() && self.groups == 0
    }
}

impl SwitchingDriver {
    /// As [`UringDriver::register_buffer`](crate::UringDriver::register_buffer). The pages are locked,
    /// and counted, twice.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn register_buffer(
        &mut self,
        address: *mut u8,
        length: usize,
    ) -> Result<u16, Error> {
        // SAFETY: passed on.
        let first = unsafe { self.sq.register_buffer(address, length) }?;
        // SAFETY: passed on.
        let second = unsafe { self.plain.register_buffer(address, length) };
        if second.is_err() {
            self.sq.unregister_buffer(first)?;
        }
        Self::same((first, second?))
    }

    /// As [`UringDriver::unregister_buffer`](crate::UringDriver::unregister_buffer).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn unregister_buffer(&mut self, index: u16) -> Result<(), Error> {
        self.sq.unregister_buffer(index)?;
        self.plain.unregister_buffer(index)
    }

    /// As [`UringDriver::register_file`](crate::UringDriver::register_file).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn register_file(&mut self, fd: RawFd) -> Result<u32, Error> {
        let first = self.sq.register_file(fd)?;
        let second = self.plain.register_file(fd);
        if second.is_err() {
            self.sq.unregister_file(first)?;
        }
        Self::same((first, second?))
    }

    /// As [`UringDriver::unregister_file`](crate::UringDriver::unregister_file).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn unregister_file(&mut self, index: u32) -> Result<(), Error> {
        self.sq.unregister_file(index)?;
        self.change_own(|own| own.places.retain(|&place| place != index));
        self.plain.unregister_file(index)
    }

    /// As [`UringDriver::reserve_file`](crate::UringDriver::reserve_file); the file will be the plain
    /// ring's, so a chain that has begun cannot name it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn reserve_file(&mut self) -> Result<u32, Error> {
        let first = self.sq.reserve_file()?;
        let second = self.plain.reserve_file();
        if second.is_err() {
            self.sq.release_file(first)?;
        }
        let place = Self::same((first, second?))?;
        self.change_own(|own| own.places.push(place));
        Ok(place)
    }

    /// As [`UringDriver::release_file`](crate::UringDriver::release_file).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn release_file(&mut self, index: u32) -> Result<(), Error> {
        self.sq.release_file(index)?;
        self.change_own(|own| own.places.retain(|&place| place != index));
        self.plain.release_file(index)
    }

    /// With something of its plain ring alone a loop goes there, and stays until nothing is left.
    pub(super) fn change_own(&mut self, change: impl FnOnce(&mut Own)) {
        let had_none = self.own.is_none();
        change(&mut self.own);
        match (had_none, self.own.is_none()) {
            (true, false) => {
                self.go(Route::Plain);
                let (files, groups) = (self.own.places.len(), self.own.groups);
                self.share.tell(Reason::Held { files, groups });
            }
            (false, true) => self.share.tell(Reason::HeldNoMore),
            _ => {}
        }
    }
}
