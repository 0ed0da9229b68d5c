//! What all tasks have in common, in front of the future.
//!
//! ```text
//! │ link 8 │ entry 8 │ state 8 │ vtable 8 │ reason 8 │ joiner 16 │ future, then its output │ free │
//! └────────────────────────── header, 56 ────────────────────────┴────────── stage ────────┘
//! ```
//!
//! Where a task belongs is not written in it. A task of a pool lies in a chunk that is aligned to its
//! size, and the chunk's own header says which scheduler, how large the places are, and which number
//! this one has; a task in storage of its own has a [`Prefix`] before its header.
//!
//! The vtable is read anew for each poll and says how long the future is, while the chunk says how
//! long the place is: a task can become its successor in the same place if that fits. What follows
//! the future in its place is nobody's yet: room for buffers that live as long as the task does.

use super::dispatch::Dispatch;
use super::pool::chunk::Chunk;
use super::state::State;
use super::vtable::VTable;
use super::waits::WaitsFor;
use crate::loom::{AtomicPtr, AtomicU32, Ordering};
use crate::scheduler::link::{Item, Link};
use std::mem::offset_of;
use std::ptr::{NonNull, null_mut, without_provenance_mut};

/// One waker that is kept inside, above the bits that a pointer of a program has.
const INSIDE_ONE: usize = 1 << 48;
const INSIDE_MAX: usize = !(INSIDE_ONE - 1);

/// See the module's text.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Header {
    /// The queue's while SCHEDULED; a free list's while free. While the task is polled or Idle it
    /// holds what the task waits for (see [`super::waits`]).
    pub(super) link: Link,
    /// The entry's, while ENTERED. Of a PINNED task: the number of its worker.
    entry: Link,
    pub(super) state: State,
    vtable: AtomicPtr<VTable>,
    /// See [`super::waits`]: a pointer, and above its 48 bits a count.
    reason: AtomicPtr<WaitsFor>,
    /// The words of whom to wake at the end: see I5 of [`super::state`]. Atomic, because they may be
    /// read while the join handle changes its mind; what was read then is thrown away.
    joiner: [AtomicPtr<()>; 2],
}

/// What stands before the header of a task that is in no pool.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Prefix {
    dispatch: AtomicPtr<Dispatch>,
    number: AtomicU32,
}

impl Header {
    /// The header of a free place.
    #[cfg(not(loom))]
    pub(crate) const fn free() -> Self {
        Self {
            link: Link::new(),
            entry: Link::new(),
            state: State::free(),
            vtable: AtomicPtr::new(null_mut()),
            reason: AtomicPtr::new(null_mut()),
            joiner: [AtomicPtr::new(null_mut()), AtomicPtr::new(null_mut())],
        }
    }

    /// The header of a free place.
    #[cfg(loom)]
    pub(crate) fn free() -> Self {
        Self {
            link: Link::new(),
            entry: Link::new(),
            state: State::free(),
            vtable: AtomicPtr::new(null_mut()),
            reason: AtomicPtr::new(null_mut()),
            joiner: [AtomicPtr::new(null_mut()), AtomicPtr::new(null_mut())],
        }
    }

    /// Writes what a new task needs, all but the state.
    #[inline]
    pub(super) fn prepare(&self, vtable: &'static VTable) {
        // Relaxed, here and in the three that follow: published by the Release of
        // `State::spawn` or of a queue, and atomic only because `dump` may look at any time.
        self.vtable.store(std::ptr::from_ref(vtable).cast_mut(), Ordering::Relaxed);
        self.reason.store(null_mut(), Ordering::Relaxed);
    }

    /// The table of the task that is or was here last; `None` where there never was one.
    #[inline]
    pub(super) fn try_vtable(&self) -> Option<&'static VTable> {
        // SAFETY: only `prepare` writes it, from a `&'static`.
        unsafe { self.vtable.load(Ordering::Relaxed).as_ref() }
    }

    /// The words in the joiner's place.
    #[inline]
    pub(super) fn joiner(&self) -> [*mut (); 2] {
        // Relaxed, here and in `set_joiner`: ordered by the transitions of I5.
        [self.joiner[0].load(Ordering::Relaxed), self.joiner[1].load(Ordering::Relaxed)]
    }

    #[inline]
    pub(super) fn set_joiner(&self, words: [*mut (); 2]) {
        self.joiner[0].store(words[0], Ordering::Relaxed);
        self.joiner[1].store(words[1], Ordering::Relaxed);
    }

    pub(super) fn reason(&self) -> Option<&'static WaitsFor> {
        // Relaxed, here and below: one thread writes, and who lists tasks asks the state whether what
        // was read still holds.
        let reason = self.reason.load(Ordering::Relaxed).map_addr(|bits| bits & (INSIDE_ONE - 1));
        // SAFETY: but for the count, only `prepare` and `set_reason` write it: null, or from a
        // `&'static`.
        unsafe { reason.as_ref() }
    }

    /// By the thread that polls the task.
    #[inline]
    pub(super) fn set_reason(&self, reason: &'static WaitsFor) {
        let count = self.reason.load(Ordering::Relaxed).addr() & INSIDE_MAX;
        let reason = std::ptr::from_ref(reason).cast_mut();
        debug_assert_eq!(reason.addr() & INSIDE_MAX, 0);
        self.reason.store(reason.map_addr(|bits| bits | count), Ordering::Relaxed);
    }

    /// How many wakers are kept inside (N1 of [`super::waits`]).
    #[inline]
    pub(super) fn inside(&self) -> u64 {
        (self.reason.load(Ordering::Relaxed).addr() / INSIDE_ONE) as u64
    }

    /// The same where it has to be exact: what no count of references is, where it is not.
    #[inline]
    pub(super) fn inside_exactly(&self) -> u64 {
        let bits = self.reason.load(Ordering::Relaxed).addr();
        if bits >= INSIDE_MAX { u64::MAX / 2 } else { (bits / INSIDE_ONE) as u64 }
    }

    /// One more waker is kept inside. At home.
    #[inline]
    pub(super) fn add_inside(&self) {
        // A task with 65,535 of them stays there for good: then it counts as one that others may
        // wake, which is the harmless mistake.
        self.change_inside(|bits| if bits & INSIDE_MAX == INSIDE_MAX { 0 } else { INSIDE_ONE });
    }

    /// One waker less is kept inside. At home.
    #[inline]
    pub(super) fn drop_inside(&self) {
        self.change_inside(|bits| {
            if bits & INSIDE_MAX == INSIDE_MAX { 0 } else { INSIDE_ONE.wrapping_neg() }
        });
    }

    #[inline]
    fn change_inside(&self, by: impl FnOnce(usize) -> usize) {
        let reason = self.reason.load(Ordering::Relaxed);
        let changed = reason.map_addr(|bits| bits.wrapping_add(by(bits)));
        self.reason.store(changed, Ordering::Relaxed);
    }
}

impl Prefix {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self { dispatch: AtomicPtr::new(null_mut()), number: AtomicU32::new(0) }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self { dispatch: AtomicPtr::new(null_mut()), number: AtomicU32::new(0) }
    }

    pub(super) fn set(&self, dispatch: NonNull<Dispatch>, number: u32) {
        // Relaxed: published with the task, as the header is.
        self.dispatch.store(dispatch.as_ptr(), Ordering::Relaxed);
        self.number.store(number, Ordering::Relaxed);
    }
}

/// A task, as run queues, wakers and handles know it: where its header is.
///
/// It is `Copy` and counts nothing; who holds one says why the task is still there: it holds
/// SCHEDULED (I1, I3 of the state), or a reference, or the place is of a pool that still is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(crate) struct TaskRef(NonNull<Header>);

// SAFETY: a pointer to a header, which is Sync; what else it reaches is guarded by the state, and
// only tasks whose future and output may move between threads are given to another thread's queue.
unsafe impl Send for TaskRef {}

impl TaskRef {
    /// # Safety
    ///
    /// The pointer is derived from the whole place of a task (with its chunk, or its prefix), and
    /// that stays valid while the `TaskRef` is used.
    pub(crate) const unsafe fn new(header: NonNull<Header>) -> Self {
        Self(header)
    }

    pub(super) const fn as_ptr(self) -> NonNull<Header> {
        self.0
    }

    /// The header, for as long as whoever holds the `TaskRef` says.
    #[inline]
    pub(super) fn header<'a>(self) -> &'a Header {
        // SAFETY: valid as long as the `TaskRef` is used (`new`); it is only ever reached shared.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn state<'a>(self) -> &'a State {
        &self.header().state
    }

    /// The table of a place that had a task once.
    #[inline]
    pub(super) fn vtable(self) -> &'static VTable {
        let vtable = self.header().vtable.load(Ordering::Relaxed);
        debug_assert!(!vtable.is_null());
        // SAFETY: `prepare` wrote it from a `&'static` before there was a `TaskRef` for anybody.
        unsafe { &*vtable }
    }

    /// Where the future or the output lies.
    #[inline]
    pub(crate) fn stage(self) -> *mut u8 {
        let offset = self.vtable().stage_offset;
        // SAFETY: inside the place, from which the pointer is derived (`new`).
        unsafe { self.0.as_ptr().cast::<u8>().add(offset) }
    }

    /// The link by which the entry of a scheduler has the task.
    pub(crate) fn entry_link(self) -> NonNull<Link> {
        let offset = offset_of!(Header, entry);
        // SAFETY: inside the header; derived from the whole place.
        unsafe { self.0.cast::<u8>().add(offset) }.cast()
    }

    /// Says which worker a task is pinned to, before it is spawned.
    pub(super) fn set_worker(self, worker: u32) {
        self.header().entry.set_next(without_provenance_mut(worker as usize));
    }

    /// The number of the worker of a PINNED task.
    pub(crate) fn worker(self) -> usize {
        self.header().entry.next().addr()
    }

    /// # Safety
    ///
    /// From [`Self::entry_link`], and the task is there.
    pub(crate) unsafe fn from_entry_link(link: NonNull<Link>) -> Self {
        // SAFETY: so far into the header.
        Self(unsafe { link.cast::<u8>().sub(offset_of!(Header, entry)) }.cast())
    }

    fn prefix<'a>(self) -> &'a Prefix {
        let back = self.vtable().prefix_offset;
        // SAFETY: a place that is in no pool begins with its prefix, so many bytes before the header,
        // and the pointer is derived from all of it (`new`).
        let prefix = unsafe { self.0.as_ptr().cast::<u8>().sub(back) };
        // SAFETY: as above; it is only ever reached shared.
        unsafe { &*prefix.cast::<Prefix>() }
    }

    /// The scheduler's part that every thread may use. It is there as long as any of its tasks.
    #[inline]
    pub(crate) fn dispatch(self) -> NonNull<Dispatch> {
        if self.state().look().is_pooled() {
            return Chunk::of(self).dispatch;
        }
        // SAFETY: set by `Prefix::set` from a `NonNull` before the task was spawned.
        unsafe { NonNull::new_unchecked(self.prefix().dispatch.load(Ordering::Relaxed)) }
    }

    /// The number of the task's place in its scheduler.
    pub(crate) fn number(self) -> u32 {
        if self.state().look().is_pooled() {
            return Chunk::of(self).number_of(self);
        }
        self.prefix().number.load(Ordering::Relaxed)
    }
}

// SAFETY: the link is the header's first field, so the two pointers are the same one, derived from
// the whole place. While a queue has it the task holds SCHEDULED, so nobody else touches the link and
// the place stays.
unsafe impl Item for TaskRef {
    #[inline]
    fn into_link(self) -> NonNull<Link> {
        self.0.cast()
    }

    #[inline]
    unsafe fn from_link(link: NonNull<Link>) -> Self {
        Self(link.cast())
    }
}

#[cfg(not(any(loom, shuttle)))]
const _: () = {
    assert!(std::mem::offset_of!(Header, link) == 0);
    assert!(size_of::<Header>() == 56);
    assert!(size_of::<Prefix>() == 16);
};
