//! What differs from future to future: how long it is, how it is polled, how it is dropped.

use super::header::{Header, Prefix, TaskRef};
use std::any::Any;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit, offset_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a panic brought.
pub(super) type Payload = Box<dyn Any + Send + 'static>;

/// A task's memory: its header, then the future, its output, or the payload of a panic.
#[repr(C)]
pub(super) struct Place<F: Future> {
    pub(super) header: Header,
    pub(super) stage: MaybeUninit<Stage<F>>,
}

/// Which of the three it is stands in the state: the future until Complete, then as `End` says.
pub(super) union Stage<F: Future> {
    _future: ManuallyDrop<F>,
    _output: ManuallyDrop<F::Output>,
    _payload: ManuallyDrop<Payload>,
}

/// A place in no pool, with what says where it belongs.
#[repr(C)]
pub(super) struct Outside<F: Future> {
    pub(super) prefix: Prefix,
    pub(super) place: Place<F>,
}

/// What a poll came to. The stage holds what it says.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Polled {
    Pending,
    Ready,
    Panicked,
}

/// One per type of future and kind of storage.
#[derive(Debug)]
pub(super) struct VTable {
    /// Polls the future; where it is Ready or panics, drops it and puts the output or the payload
    /// into its place. Safety: the caller holds SCHEDULED (I1 of the state).
    pub(super) poll: unsafe fn(TaskRef, &mut Context<'_>) -> Polled,
    /// Drops the future; a panic of its destructor ends here. Safety: as for `poll`.
    pub(super) drop_future: unsafe fn(TaskRef),
    /// Drops the output; a panic of its destructor ends here. `None` where there is nothing to drop.
    /// Safety: the output is there, and is the caller's (I6 of the state).
    pub(super) drop_output: Option<unsafe fn(TaskRef)>,
    /// Transition 8 for a place that is in no pool. Safety: the caller has the last reference and the
    /// stage is empty.
    pub(super) free: unsafe fn(TaskRef),
    /// Where the stage lies, from the header.
    pub(super) stage_offset: usize,
    /// Where the prefix lies, before the header, if there is one.
    pub(super) prefix_offset: usize,
    /// The future's type.
    pub(super) type_name: fn() -> &'static str,
}

/// Where a task lies: how it is freed.
pub(super) trait Storage {
    /// See [`VTable::free`].
    ///
    /// # Safety
    ///
    /// The caller has the last reference, the stage is empty, and the place is of this storage.
    unsafe fn free(task: TaskRef);
}

struct Of<F, S>(PhantomData<(F, S)>);

impl<F: Future, S: Storage> Of<F, S> {
    const TABLE: VTable = VTable {
        poll: poll::<F>,
        drop_future: drop_stage::<F>,
        drop_output: if std::mem::needs_drop::<F::Output>() {
            Some(drop_stage::<F::Output>)
        } else {
            None
        },
        free: S::free,
        stage_offset: offset_of!(Place<F>, stage),
        prefix_offset: offset_of!(Outside<F>, place),
        type_name: std::any::type_name::<F>,
    };
}

impl VTable {
    /// The table of futures `F` in storage `S`.
    pub(super) const fn of<F: Future, S: Storage>() -> &'static Self {
        &Of::<F, S>::TABLE
    }
}

#[cfg(not(any(loom, shuttle)))]
const _: () = {
    // A task of 16 bytes of future fits into the smallest place.
    assert!(size_of::<Place<std::future::Ready<u64>>>() == 72);
    assert!(size_of::<Place<std::future::Pending<()>>>() == 72);
};

/// Runs what must not unwind into a scheduler or a waker: a panic of a destructor or of a foreign waker
/// has nobody to go to.
pub(super) fn contain(f: impl FnOnce()) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else { return };
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // It might go on like this: the second one is leaked.
        std::mem::forget(another);
    }
}

unsafe fn drop_stage<T>(task: TaskRef) {
    if std::mem::needs_drop::<T>() {
        // SAFETY: a `T` lies there, and the caller may drop it (`VTable`).
        contain(|| unsafe { task.stage().cast::<T>().drop_in_place() });
    }
}

unsafe fn poll<F: Future>(task: TaskRef, cx: &mut Context<'_>) -> Polled {
    let place = task.as_ptr().cast::<Place<F>>().as_ptr();
    // SAFETY: in the same place.
    let stage = unsafe { &raw mut (*place).stage };
    let mut future_gone = false;
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let future = stage.cast::<F>();
        // SAFETY: the caller holds SCHEDULED and the task is not Complete, so the future is there and
        // this thread's alone (I1).
        let whole = unsafe { &mut *future };
        // SAFETY: it lies in its place until it is dropped there, before the place is used again.
        let pinned = unsafe { Pin::new_unchecked(whole) };
        let Poll::Ready(output) = pinned.poll(cx) else { return false };
        future_gone = true;
        // SAFETY: it is not used afterwards.
        unsafe { future.drop_in_place() };
        // SAFETY: the stage has room for the output, and is empty.
        unsafe { stage.cast::<F::Output>().write(output) };
        true
    }));
    match polled {
        Ok(false) => Polled::Pending,
        Ok(true) => Polled::Ready,
        Err(payload) => {
            if !future_gone {
                // SAFETY: as above; it is not used afterwards.
                unsafe { drop_stage::<F>(task) };
            }
            // SAFETY: the stage has room for the payload, and is empty.
            unsafe { stage.cast::<Payload>().write(payload) };
            Polled::Panicked
        }
    }
}
