//! Groups of buffers that ops pick from: for each, a ring that the kernel takes buffers off.
//!
//! ```text
//!  tail ─► │ address, length, number │ … │ ◄─ the kernel's head: the next that is picked
//!   ▲ lend (given back since the last turn)           │ a completion names it
//!   └──────────────── BufferGroup ◄───────────────────┘
//! ```
//!
//! - **G1** A buffer is in the ring from `lend` until the completion that names it, and no other time
//!   (B1 of `buffers`). So there is always room: the ring has a place for each.
//! - **G2** The ring's memory and the group's stay until the group is removed, which is after the last op
//!   that picks from it is over, or the ring is gone with nothing in flight. Else both stay for ever.

use crate::driver::UringDriver;
use crate::ring::Ring;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use wakering_core::Error;
use wakering_core::abi::ErrorKind;
use wakering_core::buffers::BufferGroup;

/// The most groups of one ring.
const GROUPS_MAX: usize = 64;
const PAGE: usize = 4096;
const PER_PAGE: usize = PAGE / size_of::<Place>();

/// `struct io_uring_buf` of the kernel: the buffer's address, its length in the third word, its number
/// in the seventh half word. The last half word of the first one is the ring's tail.
type Place = [u64; 2];
const LENGTH_WORD: usize = 2;
const NUMBER_HALF: usize = 6;
const TAIL_HALF: usize = 7;

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Page([Place; PER_PAGE]);

/// One group and its ring.
#[derive(Debug)]
struct Lent {
    group: Arc<BufferGroup>,
    places: NonNull<[Page]>,
    tail: u16,
    /// The one that was lent last.
    last: Option<u16>,
}

impl Lent {
    fn new(group: Arc<BufferGroup>) -> Self {
        let pages = usize::from(group.count()).div_ceil(PER_PAGE);
        let places = vec![Page([[0; 2]; PER_PAGE]); pages].into_boxed_slice();
        Self { group, places: NonNull::from(Box::leak(places)), tail: 0, last: None }
    }

    fn first(&self) -> *mut Place {
        self.places.as_ptr().cast()
    }

    /// Puts a buffer behind those that are lent. The kernel sees it after [`Self::publish`].
    fn lend(&mut self, number: u16) {
        if let Some(last) = self.last.replace(number) {
            self.group.set_following(last, number);
        }
        let index = usize::from(self.tail & (self.group.count() - 1));
        let place = self.first().wrapping_add(index);
        let (length, number_at) = (place.cast::<u32>(), place.cast::<u16>());
        // Field by field: the first place's tail is read by the kernel meanwhile.
        // SAFETY: of one of the ring's places, which the kernel has not been told of (G1).
        unsafe { place.cast::<u64>().write(self.group.address(number) as u64) };
        // SAFETY: as above.
        unsafe { length.wrapping_add(LENGTH_WORD).write(self.group.bytes_each()) };
        // SAFETY: as above.
        unsafe { number_at.wrapping_add(NUMBER_HALF).write(number) };
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&self) {
        let tail = self.first().cast::<u16>().wrapping_add(TAIL_HALF);
        // SAFETY: it lies in the first place, aligned, and the kernel only reads it.
        let tail = unsafe { AtomicU16::from_ptr(tail) };
        // Release: with the kernel's Acquire, so that it finds the places filled.
        tail.store(self.tail, Ordering::Release);
    }

    /// Lends again what was given back.
    fn refill(&mut self) {
        if self.group.has_returned() {
            let group = self.group.clone();
            group.take_returned(|number| self.lend(number));
            self.publish();
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: it came from `Box::leak` in `new`, and the kernel has let go of it (G2).
        drop(unsafe { Box::from_raw(self.places.as_ptr()) });
    }
}

/// The groups of one ring; a group's number is its place here.
#[derive(Debug, Default)]
pub(crate) struct Groups(Vec<Option<Lent>>);

impl Groups {
    fn add(&mut self, ring: &Ring, group: Arc<BufferGroup>) -> Result<u16, Error> {
        let place = self.0.iter().position(Option::is_none).unwrap_or(self.0.len());
        if place >= GROUPS_MAX {
            return Err(ErrorKind::Busy.into());
        }
        let mut lent = Lent::new(group);
        let address = lent.first() as u64;
        let count = lent.group.count();
        let submitter = ring.submitter();
        // SAFETY: so many places lie there, and stay until the group is removed (G2).
        let added =
            unsafe { submitter.register_buf_ring_with_flags(address, count, place as u16, 0) };
        if let Err(error) = added {
            return Err(match error.raw_os_error() {
                Some(libc::EINVAL) => ErrorKind::Unsupported.into(),
                _ => error.into(),
            });
        }
        (0..count).for_each(|number| lent.lend(number));
        lent.publish();
        if place == self.0.len() {
            self.0.push(None);
        }
        self.0[place] = Some(lent);
        Ok(place as u16)
    }

    fn remove(&mut self, ring: &Ring, group: u16) {
        let Some(lent) = self.0.get_mut(usize::from(group)).and_then(Option::take) else { return };
        if ring.submitter().unregister_buf_ring(group).is_err() {
            // The kernel may still take from it.
            std::mem::forget(lent);
        }
    }

    /// Lends again what was given back, to all ops that are published after this.
    #[inline]
    pub(crate) fn refill(&mut self) {
        self.0.iter_mut().flatten().for_each(Lent::refill);
    }

    /// Keeps everything for ever: ops are in flight that may pick, and the ring is closed (G2).
    pub(crate) fn leave_to_the_kernel(&mut self) {
        self.0.drain(..).for_each(std::mem::forget);
    }
}

/// Whether a ring takes a group: zero, or the errno.
pub(crate) fn trial(ring: &Ring) -> i32 {
    let mut groups = Groups::default();
    match groups.add(ring, BufferGroup::new(1, 1)) {
        Ok(group) => {
            groups.remove(ring, group);
            0
        }
        Err(Error::Os(errno)) => errno,
        Err(_) => libc::EINVAL,
    }
}

impl UringDriver {
    /// Fails with Unsupported before Linux 5.19, with Busy for too many groups, with ENOMEM where the
    /// kernel counts the ring against the locked memory of the user and that is short.
    pub(crate) fn lend_group(&mut self, group: Arc<BufferGroup>) -> Result<u16, Error> {
        self.groups.add(&self.ring, group)
    }

    pub(crate) fn take_group_back(&mut self, group: u16) {
        self.groups.remove(&self.ring, group);
    }
}
