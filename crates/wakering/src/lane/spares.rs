//! Buffers of the runtime's that were copied from, kept for the next large reads.
//!
//! Fresh memory of that size comes from the system page by page and goes back to it at once: the
//! page faults cost more than the read. What a caller gets to keep is never one of these.

#![forbid(unsafe_code)]

/// How many are kept: as many pieces of a large file as are read at once, and one more.
const COUNT_MAX: usize = 4;
/// Smaller ones come from the allocator's own lists.
const BYTES_MIN: usize = 128 * 1024;
/// Larger ones would hold too much memory for an idle lane.
const BYTES_MAX: usize = 1 << 20;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    buffers: Vec<Vec<u8>>,
}

impl Spares {
    /// An empty buffer with room for `length` bytes, if one is kept.
    pub(crate) fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        if length < BYTES_MIN {
            return None;
        }
        let place = self.buffers.iter().position(|buffer| buffer.capacity() >= length)?;
        Some(self.buffers.swap_remove(place))
    }

    /// Takes a buffer that nobody needs any more: keeps it, or lets it go.
    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        if self.buffers.len() < COUNT_MAX && (BYTES_MIN..=BYTES_MAX).contains(&buffer.capacity()) {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_is_taken_again_and_no_more_than_a_few_are_kept() {
        let mut spares = Spares::default();
        assert_eq!(spares.take(BYTES_MIN), None);
        for _ in 0..2 * COUNT_MAX {
            spares.give(vec![7; BYTES_MIN]);
        }
        assert_eq!(spares.take(BYTES_MIN + 1), None, "too small");
        for _ in 0..COUNT_MAX {
            let buffer = spares.take(BYTES_MIN).expect("one is kept");
            assert!(buffer.is_empty() && buffer.capacity() >= BYTES_MIN);
        }
        assert_eq!(spares.take(BYTES_MIN), None);
    }

    #[test]
    fn small_and_huge_ones_are_not_kept() {
        let mut spares = Spares::default();
        spares.give(Vec::with_capacity(BYTES_MIN - 1));
        spares.give(Vec::with_capacity(BYTES_MAX + 1));
        assert!(spares.buffers.is_empty());
    }
}
