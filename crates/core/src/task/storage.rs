//! Storage that the caller provides: a `static` for one task, or for several of a kind.
//!
//! Spawning into it allocates nothing, ever: who finds it in use gets Busy. It has to be `static`,
//! since a waker may outlive every other place; what may not be static is leased from a scheduler's
//! pool (an ordinary spawn), which keeps the place for as long as a waker knows of it.

use super::header::{Header, Prefix, TaskRef};
use super::vtable::{Outside, Storage};
use crate::abi::ErrorKind;
use crate::error::Error;
use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::offset_of;
use std::ptr::NonNull;

/// Storage for one task of type `F` at a time.
///
/// ```
/// use std::future::{Ready, ready};
/// use wakering_core::scheduler::LocalScheduler;
/// use wakering_core::task::{Spawn, TaskStorage};
///
/// static STORAGE: TaskStorage<Ready<u32>> = TaskStorage::new();
///
/// let scheduler = LocalScheduler::new().unwrap();
/// let first = scheduler.spawn_in(&STORAGE, Spawn::new(), || ready(1)).unwrap();
/// assert!(scheduler.spawn_in(&STORAGE, Spawn::new(), || ready(2)).is_err()); // Busy
/// assert_eq!(scheduler.block_on(first).unwrap(), 1);
/// assert!(scheduler.spawn_in(&STORAGE, Spawn::new(), || ready(3)).is_ok());
/// ```
#[repr(transparent)]
pub struct TaskStorage<F: Future + 'static> {
    place: UnsafeCell<Outside<F>>,
}

// SAFETY: nobody reaches the future but by the transitions of its state, and who claims the storage
// answers for where the future may go.
unsafe impl<F: Future + 'static> Sync for TaskStorage<F> {}

impl<F: Future + 'static> std::fmt::Debug for TaskStorage<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskStorage").finish_non_exhaustive()
    }
}

#[cfg(not(loom))]
impl<F: Future + 'static> Default for TaskStorage<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Future + 'static> TaskStorage<F> {
    /// Free storage.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        let stage = std::mem::MaybeUninit::uninit();
        let place = super::vtable::Place { header: Header::free(), stage };
        Self { place: UnsafeCell::new(Outside { prefix: Prefix::new(), place }) }
    }

    fn whole(&'static self) -> NonNull<Outside<F>> {
        NonNull::from(&self.place).cast()
    }

    /// Makes it the caller's, or says Busy.
    pub(super) fn claim(&'static self) -> Result<Claimed<F>, Error> {
        let claimed = Claimed(self.whole());
        if claimed.header().state.claim() {
            return Ok(claimed);
        }
        std::mem::forget(claimed);
        Err(ErrorKind::Busy.into())
    }
}

/// Storage for `N` tasks of type `F`.
pub struct TaskPool<F: Future + 'static, const N: usize> {
    places: [TaskStorage<F>; N],
}

impl<F: Future + 'static, const N: usize> std::fmt::Debug for TaskPool<F, N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskPool").field("places", &N).finish()
    }
}

#[cfg(not(loom))]
impl<F: Future + 'static, const N: usize> Default for TaskPool<F, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Future + 'static, const N: usize> TaskPool<F, N> {
    /// Free storage.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self { places: [const { TaskStorage::new() }; N] }
    }
}

/// Where a task may be put: a [`TaskStorage`] or a [`TaskPool`].
pub trait Claim<F: Future + 'static>: sealed::Sealed {
    #[doc(hidden)]
    fn claim_place(&'static self) -> Result<sealed::Place<F>, Error>;
}

mod sealed {
    pub trait Sealed {}
    #[expect(missing_debug_implementations, reason = "nobody outside this crate can name it")]
    pub struct Place<F: std::future::Future + 'static>(pub(super) super::Claimed<F>);
}

impl<F: Future + 'static> sealed::Sealed for TaskStorage<F> {}
impl<F: Future + 'static, const N: usize> sealed::Sealed for TaskPool<F, N> {}

impl<F: Future + 'static> Claim<F> for TaskStorage<F> {
    fn claim_place(&'static self) -> Result<sealed::Place<F>, Error> {
        self.claim().map(sealed::Place)
    }
}

impl<F: Future + 'static, const N: usize> Claim<F> for TaskPool<F, N> {
    fn claim_place(&'static self) -> Result<sealed::Place<F>, Error> {
        let free = self.places.iter().find_map(|place| place.claim().ok());
        free.map(sealed::Place).ok_or(ErrorKind::Busy.into())
    }
}

impl<F: Future + 'static> sealed::Place<F> {
    pub(crate) fn into_claimed(self) -> Claimed<F> {
        self.0
    }
}

/// Storage that was claimed and has no task yet. Dropped, it is free again.
pub(crate) struct Claimed<F: Future + 'static>(NonNull<Outside<F>>);

impl<F: Future + 'static> Claimed<F> {
    fn header(&self) -> &Header {
        // SAFETY: the storage is static, and its header is only ever reached shared.
        unsafe { &(*self.0.as_ptr()).place.header }
    }

    pub(super) fn place(&self) -> NonNull<Outside<F>> {
        self.0
    }

    /// A task was made of it.
    pub(super) fn used(self) {
        std::mem::forget(self);
    }
}

impl<F: Future + 'static> Drop for Claimed<F> {
    fn drop(&mut self) {
        self.header().state.unclaim();
    }
}

/// The storage of tasks in [`TaskStorage`].
pub(super) struct Static<F>(PhantomData<F>);

impl<F: Future> Storage for Static<F> {
    unsafe fn free(task: TaskRef) {
        // From here on another thread may claim it.
        task.state().free_place();
    }
}

/// The storage of tasks that no pool has room for: an allocation each.
pub(super) struct Boxed<F>(PhantomData<F>);

impl<F: Future> Boxed<F> {
    const LAYOUT: Layout = Layout::new::<Outside<F>>();

    /// A place of its own, free; `None` where there is no memory.
    pub(super) fn allocate() -> Option<NonNull<Outside<F>>> {
        // SAFETY: the layout is not empty.
        let memory = unsafe { std::alloc::alloc(Self::LAYOUT) };
        let place = NonNull::new(memory.cast::<Outside<F>>())?;
        let whole = place.as_ptr();
        // SAFETY: inside the allocation.
        let prefix = unsafe { &raw mut (*whole).prefix };
        // SAFETY: aligned and ours.
        unsafe { prefix.write(Prefix::new()) };
        // SAFETY: inside the allocation.
        let header = unsafe { &raw mut (*whole).place.header };
        // SAFETY: aligned and ours.
        unsafe { header.write(Header::free()) };
        Some(place)
    }

    /// # Safety
    ///
    /// From `allocate`, and nobody uses it any more.
    pub(super) unsafe fn give_back(place: NonNull<Outside<F>>) {
        // SAFETY: allocated with this layout; the caller's promise.
        unsafe { std::alloc::dealloc(place.cast().as_ptr(), Self::LAYOUT) };
    }
}

impl<F: Future> Storage for Boxed<F> {
    unsafe fn free(task: TaskRef) {
        // SAFETY: the header lies so far into the allocation, from which the pointer is derived.
        let whole = unsafe { task.as_ptr().cast::<u8>().sub(offset_of!(Outside<F>, place)) };
        // SAFETY: of this storage, and the caller has the last reference.
        unsafe { Self::give_back(whole.cast()) };
    }
}
