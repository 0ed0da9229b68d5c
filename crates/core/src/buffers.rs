//! Buffers that are picked when there is something to put into them.
//!
//! ```text
//!  lent to the driver ─ picked: bytes arrive ─► PickedBuffer ─ dropped, on any thread ─► returned
//!        ▲                                                                                  │
//!        └──────────────────── the driver's next turn ◄─────────────────────────────────────┘
//! ```
//!
//! A thousand sockets that wait need no thousand buffers: memory is taken when bytes are there.
//!
//! - **B1** A buffer is the driver's while it is lent, and its [`PickedBuffer`]'s from the completion
//!   that names it until that is dropped. Nobody else reaches its bytes.
//! - **B2** Links of the stack of returned ones are written by whoever returns, before it publishes;
//!   only the driver takes, and it takes all, so no link is reused under a reader.

use crate::loom::{AtomicU32, Ordering};
use crate::pages::Pages;
use std::ops::Deref;
use std::sync::Arc;

const NONE: u32 = u32::MAX;

/// Buffers of one size, for the ops of one loop.
#[derive(Debug)]
pub struct BufferGroup {
    memory: Pages,
    bytes_each: u32,
    count: u16,
    /// Of each buffer, which one was lent to the driver behind it (see [`Self::following`]).
    following: Box<[AtomicU32]>,
    /// Of each returned buffer, the one that was returned before it.
    links: Box<[AtomicU32]>,
    returned: AtomicU32,
    /// Not zero: a loop has it.
    taken: AtomicU32,
}

impl BufferGroup {
    /// `count` buffers of `bytes_each`. Allocated now and never again.
    ///
    /// # Panics
    ///
    /// Where `count` is no power of two up to 32,768, or `bytes_each` is zero; where there is no memory.
    pub fn new(count: u16, bytes_each: u32) -> Arc<Self> {
        assert!(count.is_power_of_two() && bytes_each > 0);
        let memory = Pages::new(usize::from(count) * bytes_each as usize);
        let words = || (0..count).map(|_| AtomicU32::new(NONE)).collect();
        Arc::new(Self {
            memory: memory.expect("there is memory for the group"),
            bytes_each,
            count,
            following: words(),
            links: words(),
            returned: AtomicU32::new(NONE),
            taken: AtomicU32::new(0),
        })
    }

    /// Makes it one loop's, for good: two drivers would lend the same memory. Whether it was nobody's.
    pub(crate) fn take_for_a_loop(&self) -> bool {
        // Relaxed: nothing is handed over by it.
        self.taken.swap(1, Ordering::Relaxed) == 0
    }

    /// How many there are.
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// Bytes of each.
    pub const fn bytes_each(&self) -> u32 {
        self.bytes_each
    }

    /// Where a buffer begins.
    ///
    /// # Panics
    ///
    /// Where there is no such buffer.
    pub fn address(&self, number: u16) -> *mut u8 {
        assert!(number < self.count, "the group has no such buffer");
        self.memory.start().wrapping_add(usize::from(number) * self.bytes_each as usize)
    }

    /// The buffer that was lent behind `number`: bytes of a BUNDLE go on there.
    pub fn following(&self, number: u16) -> Option<u16> {
        // Relaxed: written by the driver before it lent that buffer; the completion orders it.
        let following = self.following[usize::from(number)].load(Ordering::Relaxed);
        u16::try_from(following).ok()
    }

    /// For the driver: it lends `next` behind `number`.
    pub fn set_following(&self, number: u16, next: u16) {
        // Relaxed: as above.
        self.following[usize::from(number)].store(next.into(), Ordering::Relaxed);
    }

    /// Gives a buffer back to the driver, from any thread.
    ///
    /// # Safety
    ///
    /// The buffer was picked for a completion, and nobody looks at it any more: this is called once for
    /// each time, by whoever took it by its number.
    pub unsafe fn give_back(&self, number: u16) {
        let link = &self.links[usize::from(number)];
        // Relaxed: read again by the exchange.
        let mut head = self.returned.load(Ordering::Relaxed);
        loop {
            // Relaxed: published by the Release of the exchange (B2).
            link.store(head, Ordering::Relaxed);
            let next = u32::from(number);
            // Release: with the Acquire of `take_returned`, so that whatever was read from the buffer
            // was read before.
            match self.returned.compare_exchange_weak(
                head,
                next,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Whether some were given back that the driver has not taken. A hint.
    pub fn has_returned(&self) -> bool {
        // Relaxed: a hint.
        self.returned.load(Ordering::Relaxed) != NONE
    }

    /// For the driver: takes what was given back. How many those were.
    pub fn take_returned(&self, mut each: impl FnMut(u16)) -> usize {
        // Acquire: with the Release of `give_back`.
        let mut next = self.returned.swap(NONE, Ordering::Acquire);
        let mut taken = 0;
        while let Ok(number) = u16::try_from(next) {
            // Relaxed: published by that Release (B2). Before `each`, after which it may be given back
            // again.
            next = self.links[usize::from(number)].load(Ordering::Relaxed);
            each(number);
            taken += 1;
        }
        taken
    }

    /// The bytes of a completion that picked `number`.
    ///
    /// # Safety
    ///
    /// The buffer was picked for a completion of `length` bytes in it that nobody else has taken.
    pub unsafe fn take(self: &Arc<Self>, number: u16, length: u32) -> PickedBuffer {
        debug_assert!(length <= self.bytes_each);
        PickedBuffer { group: self.clone(), number, start: 0, length }
    }
}

/// Bytes that arrived, in a buffer of a group's. It goes back when this is dropped.
#[derive(Debug)]
pub struct PickedBuffer {
    group: Arc<BufferGroup>,
    number: u16,
    start: u32,
    length: u32,
}

impl PickedBuffer {
    /// Takes `count` bytes off its front.
    ///
    /// # Panics
    ///
    /// Where there are not so many.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.length as usize, "there are not so many bytes");
        self.start += count as u32;
        self.length -= count as u32;
    }
}

impl Deref for PickedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let start = self.group.address(self.number).wrapping_add(self.start as usize);
        // SAFETY: the buffer is this one's (B1), and so many bytes of it were filled (`take`).
        unsafe { std::slice::from_raw_parts(start, self.length as usize) }
    }
}

impl AsRef<[u8]> for PickedBuffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for PickedBuffer {
    fn drop(&mut self) {
        // SAFETY: it was this one's alone (B1), and is used up.
        unsafe { self.group.give_back(self.number) };
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn returned(group: &BufferGroup) -> Vec<u16> {
        let mut numbers = Vec::new();
        group.take_returned(|number| numbers.push(number));
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn a_buffer_goes_back_when_its_bytes_were_used() {
        let group = BufferGroup::new(4, 100);
        // SAFETY: nobody else has a buffer of this group.
        unsafe { group.address(2).write_bytes(7, 100) };
        // SAFETY: as above.
        let mut picked = unsafe { group.take(2, 50) };
        assert_eq!(*picked, [7; 50]);
        picked.advance(49);
        assert_eq!(*picked, [7; 1]);
        assert!(!group.has_returned());
        drop(picked);
        assert_eq!(returned(&group), [2]);
        assert_eq!(returned(&group), []);
    }

    #[test]
    fn buffers_come_back_from_many_threads() {
        let group = BufferGroup::new(64, 8);
        std::thread::scope(|scope| {
            for thread in 0..4u16 {
                let group = &group;
                // SAFETY: each once, and nobody looks at any.
                let give = move |k| unsafe { group.give_back(thread * 16 + k) };
                scope.spawn(move || (0..16).for_each(give));
            }
        });
        assert_eq!(returned(&group), (0..64).collect::<Vec<_>>());
    }
}
