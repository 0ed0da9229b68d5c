//! Wakers without an allocation: the pointer is the task's header, the count is in its state.
//!
//! Where a wake goes:
//!
//! ```text
//!                     ┌─ the task that is polled here ──► a flag; the poll's end looks at it
//! wake ─ this thread ─┼─ of this thread's scheduler ────► SCHEDULED ─► this thread's queue
//!                     └─ of another ────────────────────► SCHEDULED ─► that scheduler's entry,
//!                                                         and its bell if nobody is awake
//! ```

use super::dispatch::Dispatch;
use super::header::{Header, TaskRef};
use super::here::{self, Here, Place, Workers};
use super::run;
use super::state::{Wake, WakeOwned};
use super::trace::Step;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The waker of a task for one poll of it: it counts nothing, since the poll keeps the task.
#[inline]
pub(super) fn borrowed(task: TaskRef) -> ManuallyDrop<Waker> {
    let data = task.as_ptr().as_ptr().cast_const().cast();
    // SAFETY: the functions below keep the contract; the count that `drop` would give up is not
    // there, so it is not dropped, and it is gone before SCHEDULED is given up (I1, I3).
    ManuallyDrop::new(unsafe { Waker::new(data, &VTABLE) })
}

/// Whether it is that task's own waker.
#[inline]
pub(super) fn is_of(waker: &Waker, task: TaskRef) -> bool {
    std::ptr::eq(waker.data(), task.as_ptr().as_ptr().cast_const().cast())
        && std::ptr::eq(waker.vtable(), &raw const VTABLE)
}

/// The task that is polled on this thread, if `cx` has its own waker.
pub(crate) fn own_waker(cx: &Context<'_>) -> Option<super::TaskId> {
    here::current().filter(|&task| is_of(cx.waker(), task)).map(super::TaskId::of)
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
    unsafe { task(data) }.state().add_reference();
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: a waker's data, by the contract of the table.
    let task = unsafe { task(data) };
    let home = here::with(|here| {
        let Some(here) = here else { return false };
        if here.current.get() == Some(task) {
            here.woken.set(true);
            // The poll keeps the task, so this is not the last one.
            let last = task.state().drop_reference();
            debug_assert!(!last);
            return true;
        }
        false
    });
    if home {
        return;
    }
    // Read before the reference is given up; SCHEDULED keeps the task where it is to be enqueued.
    match task.state().wake_owned() {
        WakeOwned::Nothing => {}
        WakeOwned::Enqueue => schedule(task),
        // SAFETY: this was the last reference.
        WakeOwned::Free => unsafe { run::free(task) },
    }
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: a waker's data, by the contract of the table.
    let task = unsafe { task(data) };
    wake_task(task);
}

/// Wakes a task that somebody keeps.
#[inline]
pub(super) fn wake_task(task: TaskRef) {
    here::with(|here| {
        let Some(here) = here else { return wake_from_outside(task) };
        if here.current.get() == Some(task) {
            here.woken.set(true);
            return;
        }
        if here.dispatch != task.dispatch() {
            return wake_from_outside(task);
        }
        let wake = match here.workers {
            Workers::One => task.state().wake_at_home(),
            Workers::Many { .. } => task.state().wake(),
        };
        if wake == Wake::Enqueue {
            push(here, task);
        }
    });
}

fn wake_from_outside(task: TaskRef) {
    if task.state().wake() == Wake::Enqueue {
        // SAFETY: the task holds SCHEDULED, so it is not Complete and keeps its scheduler.
        unsafe { Dispatch::schedule_from_outside(task.dispatch(), task) };
    }
}

/// Puts a task that holds SCHEDULED into the queue where it belongs.
pub(super) fn schedule(task: TaskRef) {
    here::with(|here| match here {
        Some(here) if here.dispatch == task.dispatch() => push(here, task),
        // SAFETY: the task holds SCHEDULED, so it is not Complete and keeps its scheduler.
        _ => unsafe { Dispatch::schedule_from_outside(task.dispatch(), task) },
    });
}

#[inline]
fn push(here: &Here, task: TaskRef) {
    here.trace(|| Step::Woken(super::TaskId::of(task)));
    here.push(task, Place::Woken);
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: a waker's data, by the contract of the table.
    let task = unsafe { task(data) };
    // SAFETY: the waker's reference is given up here, and nothing is done with the task afterwards.
    unsafe { run::release(task) };
}
