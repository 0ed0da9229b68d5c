//! Wakers without an allocation: the pointer is the task's header, the count is in its state.
//!
//! Where a wake goes:
//!
//! ```text
//!        ┌─ the task that is polled here ──────► a flag; the poll's end looks at it
//! wake ──┼─ of this thread's scheduler ────────► this thread's queue, if it is Idle
//!        └─ of another ───────► one exchange ──► that scheduler's entry, and its bell if nobody
//!                                                is awake
//! ```

use super::dispatch::Dispatch;
use super::header::{Header, TaskRef};
use super::here::{self, Here, Place};
use super::run;
use super::state::{Wake, WakeOwned};
use super::trace::Step;
use super::waits;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);
/// Of wakers that no other thread can reach. A clone of one is an ordinary one.
static INSIDE: RawWakerVTable = RawWakerVTable::new(clone, wake_inside, wake_by_ref, drop_inside);

/// The waker of a task for one poll of it: it counts nothing, since the poll keeps the task.
#[inline]
pub(super) fn borrowed(task: TaskRef) -> ManuallyDrop<Waker> {
    let data = task.as_ptr().as_ptr().cast_const().cast();
    // SAFETY: the functions below keep the contract; the count that `drop` would give up is not
    // there, so it is not dropped, and it is gone before SCHEDULED is given up (I1, I3).
    ManuallyDrop::new(unsafe { Waker::new(data, &VTABLE) })
}

/// A waker of a task that is polled on this thread alone, for whom N2 of [`waits`] holds.
#[inline]
pub(super) fn inside(task: TaskRef) -> Waker {
    match task.state().look().has_home() {
        true => task.state().add_reference_at_home(task.header().inside_exactly()),
        false => task.state().add_reference(),
    }
    task.header().add_inside();
    let data = task.as_ptr().as_ptr().cast_const().cast();
    // SAFETY: the functions below keep the contract; the reference is the one just added.
    unsafe { Waker::new(data, &INSIDE) }
}

/// Whether a waker that is kept wakes the same task as one that a future was polled with.
#[inline]
pub(crate) fn is_same(kept: &Waker, polled: &Waker) -> bool {
    kept.data() == polled.data()
        && (std::ptr::eq(kept.vtable(), polled.vtable())
            || (std::ptr::eq(kept.vtable(), &raw const INSIDE)
                && std::ptr::eq(polled.vtable(), &raw const VTABLE)))
}

/// Whether it is that task's own waker.
#[inline]
pub(super) fn is_of(waker: &Waker, task: TaskRef) -> bool {
    std::ptr::eq(waker.data(), task.as_ptr().as_ptr().cast_const().cast())
        && std::ptr::eq(waker.vtable(), &raw const VTABLE)
}

/// The task that is polled `here`, if `cx` has its own waker.
#[inline]
pub(crate) fn polled(here: &Here, cx: &Context<'_>) -> Option<TaskRef> {
    here.current.get().filter(|&task| is_of(cx.waker(), task))
}

/// # Safety
///
/// `data` is that of a waker with [`VTABLE`], which is not dropped.
#[inline]
unsafe fn task(data: *const ()) -> TaskRef {
    // SAFETY: `borrowed` made it from a `NonNull`.
    let header = unsafe { NonNull::new_unchecked(data.cast_mut().cast::<Header>()) };
    // SAFETY: it was a `TaskRef`'s pointer, and the waker's count keeps the task (or its poll does).
    unsafe { TaskRef::new(header) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: a waker's data, by the contract of the table.
    let task = unsafe { task(data) };
    // The task that is polled here: most clones are of its own waker.
    if here::with(|here| {
        here.is_some_and(|here| here.is_home() && here.current.get() == Some(task))
    }) {
        task.state().add_reference_at_home(task.header().inside_exactly());
    } else {
        task.state().add_reference();
    }
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: a waker's data, by the contract of the table.
    let task = unsafe { task(data) };
    here::with(|here| match here {
        Some(here) if here.is_of(task.dispatch()) => {
            if here.is_home() {
                wake_here(here, task);
                // SAFETY: the waker's reference is given up here, and nothing is done with the task
                // afterwards.
                unsafe { run::release_at_home(task, here) };
                return;
            }
            match task.state().wake_owned() {
                WakeOwned::Nothing => {}
                WakeOwned::Enqueue => push(here, task),
                // SAFETY: this was the last reference.
                WakeOwned::Free => unsafe { run::free(task) },
            }
        }
        _ => {
            // The reference goes last: it keeps the scheduler's bell while this thread rings it.
            wake_from_outside(task);
            // SAFETY: as above.
            unsafe { run::release(task) };
        }
    });
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: a waker's data, by the contract of the table.
    let task = unsafe { task(data) };
    here::with(|here| match here {
        Some(here) if here.is_home() && here.is_of(task.dispatch()) => wake_here(here, task),
        Some(here) if here.current.get() == Some(task) => here.woken.set(true),
        Some(here) if here.is_of(task.dispatch()) => {
            if task.state().wake() == Wake::Enqueue {
                push(here, task);
            }
        }
        _ => wake_from_outside(task),
    });
}

/// Wakes a task of this thread's scheduler at its home.
#[inline]
fn wake_here(here: &Here, task: TaskRef) {
    if here.current.get() == Some(task) {
        here.woken.set(true);
    } else {
        wake_at_home(here, task);
    }
}

/// A task that is Complete is not Idle, nor is one that is in the queue or being polled: who is
/// being polled is `current`, or is one that polls this one's wake right now.
#[inline]
pub(super) fn wake_at_home(here: &Here, task: TaskRef) {
    if waits::is_idle(task) {
        push(here, task);
    }
}

#[cold]
fn wake_from_outside(task: TaskRef) {
    if task.state().wake() == Wake::Enqueue {
        // SAFETY: it holds SCHEDULED or ENTERED, and the caller has a reference, so it keeps its
        // scheduler.
        unsafe { Dispatch::schedule_from_outside(task.dispatch(), task) };
    }
}

/// Puts a task that holds SCHEDULED into the queue where it belongs.
pub(super) fn schedule(task: TaskRef) {
    here::with(|here| match here {
        Some(here) if here.is_of(task.dispatch()) => push(here, task),
        // SAFETY: it holds SCHEDULED or ENTERED, and so keeps its scheduler.
        _ => unsafe { Dispatch::schedule_from_outside(task.dispatch(), task) },
    });
}

/// Asks a task that the caller keeps to be dropped.
pub(super) fn abort(task: TaskRef) {
    here::with(|here| match here {
        Some(here) if here.is_home() && here.is_of(task.dispatch()) => {
            if task.state().abort_at_home() && here.current.get() != Some(task) {
                wake_at_home(here, task);
            }
        }
        _ => {
            if task.state().abort() == Wake::Enqueue {
                schedule(task);
            }
        }
    });
}

#[inline]
fn push(here: &Here, task: TaskRef) {
    here.trace(move || Step::Woken(super::TaskId::of(task)));
    here.push(task, Place::Woken);
}

unsafe fn wake_inside(data: *const ()) {
    // SAFETY: a waker's data, by the contract of the table.
    unsafe { task(data) }.header().drop_inside();
    // SAFETY: the same waker, as an ordinary one.
    unsafe { wake(data) };
}

unsafe fn drop_inside(data: *const ()) {
    // SAFETY: a waker's data, by the contract of the table.
    unsafe { task(data) }.header().drop_inside();
    // SAFETY: the same waker, as an ordinary one.
    unsafe { drop_waker(data) };
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: a waker's data, by the contract of the table.
    let task = unsafe { task(data) };
    here::with(|here| match here {
        Some(here) if here.is_home() && here.is_of(task.dispatch()) => {
            // SAFETY: the waker's reference is given up here, and nothing is done with the task
            // afterwards.
            unsafe { run::release_at_home(task, here) };
        }
        // SAFETY: as above.
        _ => unsafe { run::release(task) },
    });
}
