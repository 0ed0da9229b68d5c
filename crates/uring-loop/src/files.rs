//! The ring's own table of files: descriptors that are looked up once, and files that are opened
//! into it and never have a descriptor.
//!
//! A place is the caller's from `reserve_file` or `register_file` until `release_file` or
//! `unregister_file`. Giving it back while an op on it is pending would let that op reach
//! the next file: give it back after the last of its ops, the closing one included, has completed.

#![forbid(unsafe_code)]

use crate::driver::UringDriver;
use crate::ring::Ring;
use std::os::fd::RawFd;
use wakering_core::Error;
use wakering_core::abi::ErrorKind;

const PLACES_MIN: u32 = 16;

/// Which places of the ring's table are taken. Those of the kernel's choice lie behind ours, and the
/// kernel alone knows about them.
#[derive(Debug)]
pub(crate) struct Files {
    free: Vec<u32>,
    taken: Vec<bool>,
    places_max: u32,
    chosen_max: u32,
    made: bool,
}

impl Files {
    pub(crate) fn new(places_max: u32, chosen_max: u32) -> Self {
        Self { free: Vec::new(), taken: Vec::new(), places_max, chosen_max, made: false }
    }

    /// Makes the table, smaller where the limit of open files is lower.
    fn make(&mut self, ring: &Ring) -> Result<(), Error> {
        while !self.made {
            match ring.submitter().register_files_sparse(self.places_max + self.chosen_max) {
                Ok(()) => self.made = true,
                Err(error)
                    if error.raw_os_error() == Some(libc::EMFILE)
                        && self.places_max > PLACES_MIN =>
                {
                    self.places_max = (self.places_max / 2).max(PLACES_MIN);
                    self.chosen_max /= 2;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Places of the kernel's choice, so that it takes none of ours.
    pub(crate) fn let_choose(&mut self, ring: &Ring) -> Result<(), Error> {
        if self.chosen_max > 0 {
            self.make(ring)?;
            ring.register_choice(self.places_max, self.chosen_max).map_err(Error::Os)?;
        }
        Ok(())
    }

    /// A free place, for a file to be opened into.
    pub(crate) fn reserve(&mut self, ring: &Ring) -> Result<u32, Error> {
        self.make(ring)?;
        if let Some(place) = self.free.pop() {
            self.taken[place as usize] = true;
            return Ok(place);
        }
        let place = self.taken.len() as u32;
        if place >= self.places_max {
            return Err(ErrorKind::Busy.into());
        }
        self.taken.push(true);
        Ok(place)
    }

    /// Puts an open descriptor into a place. The table holds the file on its own from here on.
    pub(crate) fn register(&mut self, ring: &Ring, fd: i32) -> Result<u32, Error> {
        let place = self.reserve(ring)?;
        match ring.submitter().register_files_update(place, &[fd]) {
            Ok(_) => Ok(place),
            Err(error) => {
                self.give_back(place);
                Err(error.into())
            }
        }
    }

    /// Gives a place back whose file is closed already, or was never opened.
    pub(crate) fn release(&mut self, place: u32) -> Result<(), Error> {
        match self.taken.get(place as usize) {
            Some(true) => {
                self.give_back(place);
                Ok(())
            }
            _ => Err(ErrorKind::StaleHandle.into()),
        }
    }

    /// Lets go of a file and gives its place back.
    pub(crate) fn unregister(&mut self, ring: &Ring, place: u32) -> Result<(), Error> {
        if self.taken.get(place as usize) != Some(&true) {
            return Err(ErrorKind::StaleHandle.into());
        }
        ring.submitter().register_files_update(place, &[-1])?;
        self.give_back(place);
        Ok(())
    }

    fn give_back(&mut self, place: u32) {
        self.taken[place as usize] = false;
        self.free.push(place);
    }
}

impl UringDriver {
    /// Puts an open file into the ring's table and returns its place, for
    /// [`Prepared::fixed_file`](wakering_core::resource::Prepared::fixed_file).
    ///
    /// # Errors
    ///
    /// Busy where all places are taken, EINVAL before Linux 5.19, EBADF for no descriptor.
    pub fn register_file(&mut self, fd: RawFd) -> Result<u32, Error> {
        self.files.register(&self.ring, fd)
    }

    /// Takes a file out of the table, after its last op has completed.
    ///
    /// # Errors
    ///
    /// StaleHandle where there is none at this place.
    pub fn unregister_file(&mut self, index: u32) -> Result<(), Error> {
        self.files.unregister(&self.ring, index)
    }

    /// A free place of the table, for an op that opens a file into it (`op_flag::DIRECT`).
    ///
    /// # Errors
    ///
    /// As [`Self::register_file`].
    pub fn reserve_file(&mut self) -> Result<u32, Error> {
        self.files.reserve(&self.ring)
    }

    /// Gives a reserved place back, after the op that closed its file has completed, or the one
    /// that should have opened it has failed.
    ///
    /// # Errors
    ///
    /// StaleHandle where the place was not reserved.
    pub fn release_file(&mut self, index: u32) -> Result<(), Error> {
        self.files.release(index)
    }
}
