//! A lane's open files: index and generation outside, a descriptor inside.
//!
//! ```text
//! Vacant ─1 insert─► Open ─2 begin close─► Closing ─3 remove─► Vacant (next generation)
//! ```
//!
//! An op on a handle counts itself in while it is in flight; a descriptor's number is given back
//! to the kernel only after the last of them is done, so that no late op reaches the wrong file.

#![forbid(unsafe_code)]

use crate::abi::{ErrorKind, HandleId};
use crate::error::Error;
use crate::resource::NOT_FIXED;
use crate::token::Token;

/// What kind of file a handle is, as far as cancelling is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// Not looked at yet.
    Unknown,
    /// Has positions: a read that is given up loses nothing.
    Regular,
    /// A pipe, socket or terminal: bytes that were read are gone from it.
    Stream,
}

/// Who is best given a small write at a position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SmallWrites {
    /// Not looked at yet.
    Unknown,
    /// The loop's own driver.
    ByLoop,
    /// A thread of the pool: a ring would wake one of the kernel's.
    ByPool,
}

/// One open file.
#[derive(Debug)]
pub struct Entry {
    /// The descriptor.
    pub fd: i32,
    /// Its place in the ring's file table, or [`NOT_FIXED`].
    pub fixed_file: u32,
    /// Reads and writes, since it was last thought of a place in the ring's table.
    pub transfers: u32,
    /// Ops in flight.
    pub in_flight: u32,
    /// What it is.
    pub kind: FileKind,
    /// Whether a read that cannot block has been refused, so that asking again is a waste.
    pub no_nowait: bool,
    /// Who is given its small writes.
    pub small_writes: SmallWrites,
    /// The close that waits for the ops in flight.
    pub closing: Option<Token>,
    generation: u32,
    open: bool,
}

/// The table. Grows to `handles_max` as files are opened, never per op.
#[derive(Debug)]
pub struct HandleTable {
    entries: Vec<Entry>,
    free: Vec<u32>,
    handles_max: usize,
}

impl HandleTable {
    /// An empty table.
    pub fn new(handles_max: usize) -> Self {
        let room = handles_max.min(1024);
        Self { entries: Vec::with_capacity(room), free: Vec::with_capacity(room), handles_max }
    }

    /// Transition 1. Fails with Busy where the table is full; the descriptor stays the caller's.
    pub fn insert(&mut self, fd: i32) -> Result<HandleId, Error> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.entries.len() < self.handles_max => {
                self.entries.push(Entry {
                    fd: -1,
                    fixed_file: NOT_FIXED,
                    transfers: 0,
                    in_flight: 0,
                    kind: FileKind::Unknown,
                    no_nowait: false,
                    small_writes: SmallWrites::Unknown,
                    closing: None,
                    generation: 0,
                    open: false,
                });
                (self.entries.len() - 1) as u32
            }
            None => return Err(ErrorKind::Busy.into()),
        };
        let entry = &mut self.entries[index as usize];
        entry.fd = fd;
        entry.fixed_file = NOT_FIXED;
        entry.transfers = 0;
        entry.in_flight = 0;
        entry.kind = FileKind::Unknown;
        entry.no_nowait = false;
        entry.small_writes = SmallWrites::Unknown;
        entry.closing = None;
        entry.generation = entry.generation.wrapping_add(1);
        entry.open = true;
        Ok(HandleId { index, generation: entry.generation })
    }

    /// The open file of a handle; StaleHandle where it was closed, or is being closed.
    pub fn get(&mut self, id: HandleId) -> Result<&mut Entry, Error> {
        match self.any(id) {
            Some(entry) if entry.closing.is_none() => Ok(entry),
            _ => Err(ErrorKind::StaleHandle.into()),
        }
    }

    /// As [`Self::get`], also while it is closing: for ops that come home.
    pub fn any(&mut self, id: HandleId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(id.index as usize)?;
        (entry.open && entry.generation == id.generation).then_some(entry)
    }

    /// Transition 3. The entry's descriptor is the caller's from here on.
    pub fn remove(&mut self, id: HandleId) -> Option<i32> {
        let entry = self.any(id)?;
        let fd = std::mem::replace(&mut entry.fd, -1);
        entry.open = false;
        entry.closing = None;
        self.free.push(id.index);
        Some(fd)
    }

    /// How many are open.
    pub fn open_count(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Empties the table, for teardown: the descriptors that can be closed. One that an op still
    /// uses is not among them: its number must not come to name another file under that op.
    pub fn drain(&mut self) -> impl Iterator<Item = i32> + '_ {
        self.free.clear();
        let idle = self.entries.drain(..).filter(|entry| entry.open && entry.in_flight == 0);
        idle.map(|entry| entry.fd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_handle_never_names_the_next_file() {
        let mut table = HandleTable::new(1);
        let first = table.insert(10).unwrap();
        assert_eq!(table.insert(11), Err(ErrorKind::Busy.into()));
        assert_eq!(table.get(first).unwrap().fd, 10);
        assert_eq!(table.remove(first), Some(10));
        assert_eq!(table.remove(first), None);
        let second = table.insert(12).unwrap();
        assert_eq!(second.index, first.index);
        assert_eq!(table.get(first).unwrap_err(), ErrorKind::StaleHandle.into());
        assert_eq!(table.open_count(), 1);
        assert_eq!(table.drain().collect::<Vec<_>>(), [12]);
    }

    #[test]
    fn a_closing_handle_takes_no_new_ops() {
        let mut table = HandleTable::new(4);
        let id = table.insert(3).unwrap();
        table.get(id).unwrap().closing = Some(Token::new(0, 1));
        assert!(table.get(id).is_err());
        assert!(table.any(id).is_some());
    }
}
