//! What a task knows of its scheduler, and what every thread may do with it.

use super::header::TaskRef;
use super::pool::Depot;
use crate::loom::{AtomicU32, Ordering};
use crate::scheduler::{Blocking, Loops};
use std::ptr::NonNull;

/// The part of a scheduler that lives as long as any of its tasks is referred to.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Dispatch {
    /// Where the tasks lie.
    pub(crate) depot: Depot,
    /// Takes a task that holds SCHEDULED from a thread that is none of its workers, and wakes a
    /// worker if none is awake. Safety: the pointer is this dispatch's.
    pub(crate) schedule: unsafe fn(NonNull<Dispatch>, TaskRef),
    /// Gives up what kept the dispatch for the last task. Safety: called once, after the depot said
    /// that nothing is outstanding.
    pub(crate) release: unsafe fn(NonNull<Dispatch>),
    /// What the program that the tasks are ends with.
    pub(crate) status: Status,
    /// No more tasks are taken, by any thread; it may be some time until each worker has noted it.
    pub(crate) closing: Closing,
    /// Threads for what must not run on a worker.
    pub(crate) blocking: Blocking,
    /// The loops of its workers.
    pub(crate) loops: Loops,
}

/// The status that the last `exit` gave, and whether one of them was for all.
#[derive(Debug)]
pub(crate) struct Status {
    code: AtomicU32,
    all: AtomicU32,
}

impl Status {
    pub(crate) fn new() -> Self {
        Self { code: AtomicU32::new(0), all: AtomicU32::new(0) }
    }

    pub(super) fn set(&self, code: i32, all: bool) {
        // Relaxed: read by the scheduler after the task that said it ended, or after `all`.
        self.code.store(code.cast_unsigned(), Ordering::Relaxed);
        if all {
            // Release: with the Acquire of `all`.
            self.all.store(1, Ordering::Release);
        }
    }

    pub(crate) fn code(&self) -> i32 {
        // Relaxed: see `set`.
        self.code.load(Ordering::Relaxed).cast_signed()
    }

    /// Whether everybody is to end.
    pub(crate) fn is_all(&self) -> bool {
        // Acquire: with the Release of `set`.
        self.all.load(Ordering::Acquire) != 0
    }

    /// Whether everybody is to end; a run that ends with it takes it away.
    pub(crate) fn take_all(&self) -> bool {
        // Acquire: with the Release of `set`.
        self.all.swap(0, Ordering::AcqRel) != 0
    }
}

/// Whether a scheduler has begun to end.
/// On a line of its own: everybody reads it at each spawn, and what lies beside it in the dispatch
/// changes all the time.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Closing(AtomicU32);

impl Closing {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    pub(crate) fn begin(&self) {
        // SeqCst: workers look at it after the fence of their way to sleep, spawners after that of
        // their push.
        self.0.store(1, Ordering::SeqCst);
    }

    pub(crate) fn is_on(&self) -> bool {
        // Acquire: with the Release of `begin`.
        self.0.load(Ordering::Acquire) != 0
    }
}

impl Dispatch {
    /// See [`Self::schedule`], the field.
    ///
    /// # Safety
    ///
    /// The dispatch is there, and the caller gives up that the task holds SCHEDULED.
    pub(super) unsafe fn schedule_from_outside(this: NonNull<Self>, task: TaskRef) {
        // SAFETY: the caller's promise.
        let schedule = unsafe { this.as_ref() }.schedule;
        // SAFETY: it is its own.
        unsafe { schedule(this, task) };
    }
}
