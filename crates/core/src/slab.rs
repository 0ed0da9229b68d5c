//! All slots of one loop: a fixed number, allocated once, each at the same place for ever.

#![forbid(unsafe_code)]

use crate::slot::{Busy, Slot};
use crate::token::{INTERNAL_INDEX_MIN, Token};
use crate::waker::WakerRef;

/// The slots. Shared with whoever completes ops; who claims them is the owner's affair: the
/// JavaScript side of a port keeps its own list of free indices, a Rust lane has a [`FreeList`].
#[derive(Debug)]
pub struct Slab {
    slots: Box<[Slot]>,
}

impl Slab {
    /// `slots_max` free slots.
    ///
    /// # Panics
    ///
    /// Where `slots_max` is zero or beyond what a token can name.
    pub fn new(slots_max: u32) -> Self {
        assert!(slots_max > 0 && slots_max < INTERNAL_INDEX_MIN.min(1 << 30));
        Self { slots: (0..slots_max).map(|_| Slot::new()).collect() }
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "a slab is never empty")]
    pub fn len(&self) -> u32 {
        self.slots.len() as u32
    }

    /// The slot at `index`, free or not.
    #[inline]
    pub fn get(&self, index: u32) -> Option<&Slot> {
        self.slots.get(index as usize)
    }

    /// The slot that a token names, whatever its generation.
    ///
    /// # Panics
    ///
    /// Where the index is out of range: tokens of this runtime never are.
    #[inline]
    pub fn slot(&self, token: Token) -> &Slot {
        &self.slots[token.index() as usize]
    }

    /// Claims the slot at `index` (transition 1).
    #[inline]
    pub fn claim_at(&self, index: u32, waker_ref: WakerRef) -> Result<Token, Busy> {
        let slot = self.get(index).ok_or(Busy)?;
        Ok(Token::new(index, slot.claim(waker_ref)?))
    }

    /// Tokens of all slots that are in use, for the owner.
    pub fn in_use(&self) -> impl Iterator<Item = Token> + '_ {
        self.slots.iter().enumerate().filter_map(|(index, slot)| slot.current(index as u32))
    }
}

/// The owner's list of free slots, last in, first out, so that a warm slot is used again.
#[derive(Debug)]
pub struct FreeList {
    free: Vec<u32>,
}

impl FreeList {
    /// A list of every slot of `slab`.
    pub fn new(slab: &Slab) -> Self {
        Self { free: (0..slab.len()).rev().collect() }
    }

    /// Claims a slot, or says Busy where all are in use.
    pub fn claim(&mut self, slab: &Slab, waker_ref: WakerRef) -> Result<Token, Busy> {
        let index = self.free.pop().ok_or(Busy)?;
        slab.claim_at(index, waker_ref)
    }

    /// The index of a free slot, which is the caller's to claim.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<u32> {
        self.free.pop()
    }

    /// Takes back an index after the op at it was taken.
    #[inline]
    pub fn give_back(&mut self, index: u32) {
        debug_assert!(self.free.len() < self.free.capacity(), "given back twice");
        self.free.push(index);
    }

    /// How many are free.
    pub fn available(&self) -> usize {
        self.free.len()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::slot::Outcome;

    #[test]
    fn says_busy_when_full_and_never_grows() {
        let slab = Slab::new(2);
        let mut free = FreeList::new(&slab);
        let first = free.claim(&slab, WakerRef::NOBODY).unwrap();
        let _second = free.claim(&slab, WakerRef::NOBODY).unwrap();
        assert_eq!(free.claim(&slab, WakerRef::NOBODY), Err(Busy));
        let slot = slab.slot(first);
        let _ = slot.complete_at_once(first, Outcome::default());
        slot.take(first, |_, _| ()).unwrap();
        free.give_back(first.index());
        let again = free.claim(&slab, WakerRef::NOBODY).unwrap();
        assert_eq!(again.index(), first.index());
        assert_ne!(again.generation(), first.generation());
    }

    #[test]
    fn refuses_a_slot_in_use_and_one_that_is_not_there() {
        let slab = Slab::new(1);
        assert!(slab.claim_at(0, WakerRef::port(0)).is_ok());
        assert_eq!(slab.claim_at(0, WakerRef::port(0)), Err(Busy));
        assert_eq!(slab.claim_at(1, WakerRef::port(1)), Err(Busy));
        assert_eq!(slab.in_use().count(), 1);
    }
}
