//! Groups of buffers that are picked when there is something to put into them: a list of those that
//! are free, in memory of this thread's, fed by what was given back.

use std::sync::Arc;
use wakering_core::Error;
use wakering_core::abi::{ErrorKind, completion_flag};
use wakering_core::buffers::BufferGroup;
use wakering_core::resource::{NOT_PICKED, Prepared};

#[derive(Debug)]
struct Group {
    buffers: Arc<BufferGroup>,
    free: Vec<u16>,
}

/// A buffer that was picked for one attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pick {
    group: u16,
    number: u16,
}

impl Pick {
    /// What a completion says of it.
    pub(crate) const fn flags(self) -> u32 {
        completion_flag::PICKED | (self.number as u32) << completion_flag::PICKED_SHIFT
    }
}

/// The groups of one loop.
#[derive(Debug, Default)]
pub(crate) struct Groups(Vec<Option<Group>>);

impl Groups {
    /// Takes a group in; its number.
    pub(crate) fn add(&mut self, buffers: Arc<BufferGroup>) -> Result<u16, Error> {
        let vacant = self.0.iter().position(Option::is_none);
        let place = vacant.unwrap_or(self.0.len());
        let number = u16::try_from(place).ok().filter(|&number| number != NOT_PICKED);
        let number = number.ok_or(ErrorKind::Busy)?;
        let free = (0..buffers.count()).rev().collect();
        if vacant.is_none() {
            self.0.push(None);
        }
        self.0[place] = Some(Group { buffers, free });
        Ok(number)
    }

    /// Forgets a group.
    pub(crate) fn remove(&mut self, number: u16) {
        if let Some(group) = self.0.get_mut(usize::from(number)) {
            *group = None;
        }
    }

    /// Picks a buffer for an op that asks for one and points it there. ENOBUFS where all are in use.
    pub(crate) fn pick(&mut self, prepared: &mut Prepared) -> Result<Pick, i32> {
        let group = self.0.get_mut(usize::from(prepared.group)).and_then(Option::as_mut);
        let group = group.ok_or(-libc::ENOBUFS)?;
        if group.free.is_empty() {
            group.buffers.take_returned(|number| group.free.push(number));
        }
        let number = group.free.pop().ok_or(-libc::ENOBUFS)?;
        let each = group.buffers.bytes_each();
        prepared.address = group.buffers.address(number);
        prepared.length = if prepared.length == 0 { each } else { prepared.length.min(each) };
        Ok(Pick { group: prepared.group, number })
    }

    /// Nothing was put into it.
    pub(crate) fn put_back(&mut self, pick: Pick) {
        if let Some(Some(group)) = self.0.get_mut(usize::from(pick.group)) {
            group.free.push(pick.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wakering_core::abi::Opcode;

    #[test]
    fn a_buffer_is_picked_once_until_it_is_given_back() {
        let mut groups = Groups::default();
        let buffers = BufferGroup::new(2, 100);
        let mut op = Prepared::new(Opcode::Recv);
        assert_eq!(groups.pick(&mut op), Err(-libc::ENOBUFS), "there is no group");
        op.group = groups.add(buffers.clone()).unwrap();
        let one = groups.pick(&mut op).unwrap();
        assert_eq!((op.address, op.length), (buffers.address(0), 100));
        op.length = 7;
        let other = groups.pick(&mut op).unwrap();
        assert_eq!((op.address, op.length), (buffers.address(1), 7));
        assert_ne!(one.flags(), other.flags());
        assert_eq!(groups.pick(&mut op), Err(-libc::ENOBUFS));
        groups.put_back(other);
        assert_eq!(groups.pick(&mut op), Ok(other));
        // SAFETY: nobody looks at it.
        unsafe { buffers.give_back(0) };
        assert_eq!(groups.pick(&mut op), Ok(one));
        groups.remove(op.group);
        assert_eq!(groups.pick(&mut op), Err(-libc::ENOBUFS));
        assert_eq!(groups.add(BufferGroup::new(1, 1)), Ok(op.group), "its number is free");
    }
}
