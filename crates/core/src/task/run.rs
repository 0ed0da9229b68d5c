//! One poll of a task, and what comes after it: transitions 3 to 8.

use super::TaskId;
use super::dispatch::Dispatch;
use super::header::TaskRef;
use super::here::{self, BUDGET, Here, Place};
use super::pool::chunk::Chunk;
use super::state::{Completed, End, EndPoll, Start};
use super::trace::Step;
use super::vtable::{Payload, Polled, contain};
use super::waker;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::task::{Context, Waker};

/// Polls a task that was taken from a queue.
///
/// # Safety
///
/// The task holds SCHEDULED, which is this thread's now (I1), belongs to the scheduler of `here`,
/// and `here` is entered on this thread.
#[inline]
pub(crate) unsafe fn run(task: TaskRef, here: &Here) {
    here.polls.set(here.polls.get() + 1);
    here.current.set(Some(task));
    match task.state().start_poll() {
        // SAFETY: SCHEDULED is this thread's.
        Start::Cancel => unsafe { cancel(task, here) },
        // SAFETY: as above.
        Start::Poll => unsafe { poll(task, here) },
    }
}

/// # Safety
///
/// As for [`run`], after transition 3.
#[inline]
unsafe fn poll(task: TaskRef, here: &Here) {
    here.trace(|| Step::Poll(TaskId::of(task)));
    here.woken.set(false);
    here.budget.set(BUDGET);
    // It waits for nothing that it does not note in this poll.
    task.header().link.set_next(null_mut());
    let waker = waker::borrowed(task);
    let mut cx = Context::from_waker(&waker);
    // SAFETY: SCHEDULED is this thread's.
    let polled = unsafe { (task.vtable().poll)(task, &mut cx) };
    let end = match polled {
        Polled::Pending => {
            here.trace(|| Step::Pending(TaskId::of(task)));
            match task.state().end_poll(here.woken.get()) {
                EndPoll::Idle => here.current.set(None),
                EndPoll::Again => {
                    here.current.set(None);
                    here.push(task, Place::Back);
                }
                // SAFETY: SCHEDULED is this thread's still.
                EndPoll::Cancel => unsafe { cancel(task, here) },
            }
            return;
        }
        Polled::Ready => End::Ready,
        Polled::Panicked => End::Panicked,
    };
    // SAFETY: SCHEDULED is this thread's, and the stage holds what `end` says.
    unsafe { complete(task, here, end) };
}

/// # Safety
///
/// SCHEDULED is this thread's, and the future is there.
#[cold]
unsafe fn cancel(task: TaskRef, here: &Here) {
    // SAFETY: the caller's promise (I1); Complete follows, so nobody polls it again.
    unsafe { (task.vtable().drop_future)(task) };
    // SAFETY: the stage is empty, as Cancelled says.
    unsafe { complete(task, here, End::Cancelled) };
}

/// # Safety
///
/// SCHEDULED is this thread's, and the stage holds what `end` says.
#[inline]
unsafe fn complete(task: TaskRef, here: &Here, end: End) {
    here.trace(|| Step::Completed(TaskId::of(task)));
    here.current.set(None);
    if !task.state().look().is_system() {
        here.live.set(here.live.get() - 1);
    }
    match task.state().complete(end) {
        Completed::Handed => {}
        // SAFETY: 6 gave the waker to this thread.
        Completed::WakeJoiner => unsafe { wake_joiner(task) },
        Completed::Unobserved => {
            // SAFETY: nobody else will ask for it (I6).
            unsafe { drop_output(task, end) };
            // SAFETY: the task's own reference, which 6 left to this thread.
            unsafe { release(task) };
        }
        Completed::Alone => {
            // SAFETY: nobody else knows the task (I7).
            unsafe { drop_output(task, end) };
            // SAFETY: this is the last reference, and the stage is empty.
            unsafe { free_here(task, here) };
        }
    }
}

/// Ends a task that no queue takes any more.
///
/// # Safety
///
/// SCHEDULED is this thread's, the future is there, and may be dropped here.
pub(crate) unsafe fn discard(task: TaskRef) {
    // SAFETY: the caller's promise (I1); Complete follows, so nobody polls it.
    unsafe { (task.vtable().drop_future)(task) };
    match task.state().complete(End::Cancelled) {
        Completed::Handed => {}
        // SAFETY: 6 gave the waker to this thread.
        Completed::WakeJoiner => unsafe { wake_joiner(task) },
        // SAFETY: the task's own reference, which 6 left to this thread. The stage is empty.
        Completed::Unobserved => unsafe { release(task) },
        // SAFETY: this is the last reference, and the stage is empty.
        Completed::Alone => unsafe { free(task) },
    }
}

/// # Safety
///
/// 6 said WakeJoiner to the caller.
unsafe fn wake_joiner(task: TaskRef) {
    // SAFETY: 6 made the waker in the place the caller's (I5).
    let waker = unsafe { take_joiner(task) };
    // SAFETY: the task's own reference, which 6 left to the caller. It goes first, so that the
    // joiner may find itself alone.
    unsafe { release(task) };
    contain(|| waker.wake());
}

/// # Safety
///
/// There is a waker in the joiner's place, and it is the caller's (I5).
pub(super) unsafe fn take_joiner(task: TaskRef) -> Waker {
    task.header().joiner.with(|place: *const MaybeUninit<Waker>| {
        // SAFETY: the caller's promise.
        unsafe { place.cast::<Waker>().read() }
    })
}

/// # Safety
///
/// The stage holds what `end` says, and it is the caller's (I6).
pub(super) unsafe fn drop_output(task: TaskRef, end: End) {
    match end {
        // SAFETY: the caller's promise.
        End::Ready => unsafe { (task.vtable().drop_output)(task) },
        // SAFETY: the caller's promise.
        End::Panicked => contain(|| unsafe { task.stage().cast::<Payload>().drop_in_place() }),
        End::Cancelled => {}
    }
}

/// Gives up one reference.
///
/// # Safety
///
/// It is the caller's, who does nothing with the task afterwards.
#[inline]
pub(super) unsafe fn release(task: TaskRef) {
    if task.state().drop_reference() {
        // SAFETY: it was the last one. Nobody has one while the task is not Complete but the task
        // itself (I3), and whoever took or dropped the output did so before (I6).
        unsafe { free(task) };
    }
}

/// Transition 8.
///
/// # Safety
///
/// The caller had the last reference, and the stage is empty.
pub(super) unsafe fn free(task: TaskRef) {
    here::with(|here| match here {
        // SAFETY: the caller's promise.
        Some(here) if here.dispatch == task.dispatch() => unsafe { free_here(task, here) },
        // SAFETY: the caller's promise.
        _ => unsafe { free_elsewhere(task) },
    });
}

/// # Safety
///
/// As for [`free`], on a thread of the task's scheduler.
#[inline]
unsafe fn free_here(task: TaskRef, here: &Here) {
    let look = task.state().look();
    if look.is_pooled() && !look.is_named() {
        let class = Chunk::of(task).class as usize;
        task.state().free_place();
        let depot = &here.dispatch().depot;
        here.with_cache(|cache| cache.put(depot, class, task.as_ptr()));
        return;
    }
    // SAFETY: the caller's promise.
    unsafe { free_elsewhere(task) };
}

/// # Safety
///
/// As for [`free`].
#[cold]
unsafe fn free_elsewhere(task: TaskRef) {
    let look = task.state().look();
    let dispatch = task.dispatch();
    let number = task.number();
    // SAFETY: it is there as long as any of its tasks, and this one still counts.
    let depot = &unsafe { dispatch.as_ref() }.depot;
    if look.is_named() {
        depot.forget_name(number);
    }
    let last = if look.is_pooled() {
        let class = Chunk::of(task).class as usize;
        task.state().free_place();
        depot.put(class, task.as_ptr())
    } else {
        let last = depot.unregister(number);
        // SAFETY: the caller's promise; nobody finds it by its number any more.
        unsafe { (task.vtable().free)(task) };
        last
    };
    if last {
        // SAFETY: it is there until this very call, and the depot says so once.
        let release = unsafe { dispatch.as_ref() }.release;
        // SAFETY: as above.
        unsafe { release(dispatch) };
    }
}

/// Asks a task that somebody keeps to be dropped.
pub(super) fn abort(task: TaskRef) {
    if task.state().abort() == super::state::Wake::Enqueue {
        waker::schedule(task);
    }
}

/// As [`abort`], by number.
///
/// # Safety
///
/// `dispatch` is there.
pub(crate) unsafe fn wake_by_number(
    dispatch: std::ptr::NonNull<Dispatch>,
    number: u32,
    generation: u32,
) -> bool {
    // SAFETY: the caller's promise.
    let depot = &unsafe { dispatch.as_ref() }.depot;
    let woken = depot.with_number(number, |task| {
        (task, task.state().wake_by_number(generation, false))
    });
    match woken {
        Some((task, Some(super::state::Wake::Enqueue))) => {
            // It holds SCHEDULED, which keeps it.
            waker::schedule(task);
            true
        }
        Some((_, Some(super::state::Wake::Nothing))) => true,
        _ => false,
    }
}
