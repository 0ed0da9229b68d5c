//! Who is to be told when an op completes, as one tagged word.
//!
//! ```text
//! 63                        32 31                         2 1 0
//! | generation (task)         | task id / port slot        |tag|   tag 0 nobody, 1 port, 2 task
//! ```

#![forbid(unsafe_code)]

/// One word: nobody, a port's slot, or a task's id and generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct WakerRef(u64);

/// What a [`WakerRef`] says, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wakee {
    /// Nobody waits.
    Nobody,
    /// The JavaScript side of a port finds its own under this slot's index.
    Port {
        /// The slot's index, the same on both sides.
        slot: u32,
    },
    /// A task of the scheduler.
    Task {
        /// Its place in the scheduler's table.
        id: u32,
        /// Which use of that place.
        generation: u32,
    },
}

const TAG_BITS: u64 = 2;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;
const TAG_PORT: u64 = 1;
const TAG_TASK: u64 = 2;
const INDEX_MAX: u32 = (1 << 30) - 1;

impl WakerRef {
    /// Nobody.
    pub const NOBODY: Self = Self(0);

    /// A port's slot. `slot` is below 2^30, as every slab is.
    pub const fn port(slot: u32) -> Self {
        debug_assert!(slot <= INDEX_MAX);
        Self(((slot as u64) << TAG_BITS) | TAG_PORT)
    }

    /// A task. `id` is below 2^30.
    #[inline]
    pub const fn task(id: u32, generation: u32) -> Self {
        debug_assert!(id <= INDEX_MAX);
        Self(((generation as u64) << 32) | ((id as u64) << TAG_BITS) | TAG_TASK)
    }

    /// Taken apart.
    #[inline]
    pub const fn wakee(self) -> Wakee {
        let index = (self.0 as u32) >> TAG_BITS;
        match self.0 & TAG_MASK {
            TAG_PORT => Wakee::Port { slot: index },
            TAG_TASK => Wakee::Task { id: index, generation: (self.0 >> 32) as u32 },
            _ => Wakee::Nobody,
        }
    }

    /// As the word that is stored.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// From the stored word.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_whom_to_tell() {
        assert_eq!(WakerRef::NOBODY.wakee(), Wakee::Nobody);
        assert_eq!(WakerRef::port(INDEX_MAX).wakee(), Wakee::Port { slot: INDEX_MAX });
        let task = WakerRef::task(5, u32::MAX);
        assert_eq!(task.wakee(), Wakee::Task { id: 5, generation: u32::MAX });
        assert_eq!(WakerRef::from_bits(task.to_bits()), task);
    }
}
