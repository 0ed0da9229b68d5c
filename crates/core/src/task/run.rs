//! One poll of a task, and what comes after it: transitions 3 to 8.

use super::TaskId;
use super::header::{Header, TaskRef};
use super::here::{self, BUDGET, Here, Place};
use super::pool::chunk::Chunk;
use super::slow::Stopwatch;
use super::state::{Arrive, Completed, End, EndPoll, Joiner, Start, Wake};
use super::trace::Step;
use super::vtable::{Payload, Polled, contain};
use super::{waits, waker};
use std::mem::ManuallyDrop;
use std::ptr::{NonNull, null_mut};
use std::task::{Context, RawWakerVTable, Waker};

/// Polls a task that was taken from a queue.
///
/// # Safety
///
/// The task holds SCHEDULED, which is this thread's now (I1), belongs to the scheduler of `here`,
/// and `here` is entered on this thread. HOME says whether that is a scheduler of one thread.
#[inline(always)]
pub(crate) unsafe fn run<const HOME: bool>(task: TaskRef, here: &Here) {
    debug_assert_eq!(HOME, here.is_home());
    here.polls.set(here.polls.get() + 1);
    here.current.set(Some(task));
    match task.state().start_poll() {
        // SAFETY: SCHEDULED is this thread's.
        Start::Cancel => unsafe { cancel::<HOME>(task, here) },
        // SAFETY: as above.
        Start::Poll => unsafe { poll::<HOME>(task, here) },
    }
}

/// # Safety
///
/// As for [`run`], after transition 3.
#[inline(always)]
unsafe fn poll<const HOME: bool>(task: TaskRef, here: &Here) {
    here.trace(move || Step::Poll(TaskId::of(task)));
    here.woken.set(false);
    here.budget.set(BUDGET);
    // It waits for nothing that it does not note in this poll.
    task.header().link.set_next(null_mut());
    let waker = waker::borrowed(task);
    let mut cx = Context::from_waker(&waker);
    let polled = match here.stopwatch() {
        // SAFETY: SCHEDULED is this thread's.
        None => unsafe { (task.vtable().poll)(task, &mut cx) },
        // SAFETY: as above.
        Some(stopwatch) => unsafe { poll_timed(task, &mut cx, here, stopwatch) },
    };
    let end = match polled {
        Polled::Pending => {
            here.trace(move || Step::Pending(TaskId::of(task)));
            let woken = here.woken.get();
            let end = match HOME {
                true => task.state().end_poll_at_home(woken),
                false => task.state().end_poll(woken),
            };
            match end {
                EndPoll::Idle => {
                    here.current.set(None);
                    if HOME {
                        waits::set_idle(task);
                    }
                }
                EndPoll::Again => {
                    here.current.set(None);
                    here.push(task, Place::Back);
                }
                // SAFETY: SCHEDULED is this thread's still.
                EndPoll::Cancel => unsafe { cancel::<HOME>(task, here) },
            }
            return;
        }
        Polled::Ready => End::Ready,
        Polled::Panicked => End::Panicked,
    };
    // SAFETY: SCHEDULED is this thread's, and the stage holds what `end` says.
    unsafe { complete::<HOME>(task, here, end) };
}

/// # Safety
///
/// As for [`poll`].
#[cold]
unsafe fn poll_timed(
    task: TaskRef,
    cx: &mut Context<'_>,
    here: &Here,
    stopwatch: &Stopwatch,
) -> Polled {
    // SAFETY: the caller's promise.
    stopwatch.time(task, here.dispatch(), || unsafe { (task.vtable().poll)(task, cx) })
}

/// # Safety
///
/// SCHEDULED is this thread's, and the future is there.
#[cold]
unsafe fn cancel<const HOME: bool>(task: TaskRef, here: &Here) {
    // Where it is the scheduler's end that does this, what is dropped finds no way to spawn.
    if here.dispatch().closing.is_on() {
        here.close();
    }
    // SAFETY: the caller's promise (I1); Complete follows, so nobody polls it again.
    unsafe { (task.vtable().drop_future)(task) };
    // SAFETY: the stage is empty, as Cancelled says.
    unsafe { complete::<HOME>(task, here, End::Cancelled) };
}

/// # Safety
///
/// SCHEDULED is this thread's, and the stage holds what `end` says.
#[inline(never)]
unsafe fn complete<const HOME: bool>(task: TaskRef, here: &Here, end: End) {
    here.trace(move || Step::Completed(TaskId::of(task)));
    here.current.set(None);
    if !task.state().look().is_system() {
        here.live.set(here.live.get() - 1);
    }
    let completed = match HOME {
        true => {
            let kept = task.header().inside_exactly();
            task.state().complete_at_home(end, kept, || inside(task))
        }
        false => task.state().complete(end, || inside(task)),
    };
    match completed {
        Completed::Handed => {}
        Completed::WakeInside(joiner) => wake_inside(joiner, here),
        // SAFETY: 6 left the task's own reference to this thread.
        Completed::WakeFellow => unsafe { wake_fellow(task, here) },
        // SAFETY: 6 gave the waker to this thread.
        Completed::WakeJoiner => unsafe { wake_joiner(task) },
        // SAFETY: as 6 said.
        Completed::Unobserved => unsafe { drop_unobserved(task, end) },
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
    match task.state().complete(End::Cancelled, || inside(task)) {
        // Nobody of the scheduler awaits what it has not seen.
        Completed::Handed | Completed::WakeInside(_) => {}
        // SAFETY: 6 gave the waker to this thread.
        Completed::WakeJoiner => unsafe { wake_joiner(task) },
        // SAFETY: the task's own reference, which 6 left to this thread. The stage is empty, or the join
        // handle's. (A scheduler that discards has aborted whoever awaits the task.)
        Completed::Unobserved | Completed::WakeFellow => unsafe { release(task) },
        // SAFETY: this is the last reference, and the stage is empty.
        Completed::Alone => unsafe { free(task) },
    }
}

/// # Safety
///
/// 6 said Unobserved to the caller.
#[cold]
unsafe fn drop_unobserved(task: TaskRef, end: End) {
    // SAFETY: nobody else will ask for it (I6).
    unsafe { drop_output(task, end) };
    // SAFETY: the task's own reference, which 6 left to the caller.
    unsafe { release(task) };
}

/// # Safety
///
/// 6 said WakeJoiner to the caller.
#[inline(never)]
unsafe fn wake_joiner(task: TaskRef) {
    // SAFETY: 6 made the waker in the place the caller's (I5).
    let waker = unsafe { take_joiner(task) };
    // SAFETY: the task's own reference, which 6 left to the caller. It goes first, so that the
    // joiner may find itself alone.
    unsafe { release(task) };
    contain(|| waker.wake());
}

/// Whom to wake, where that is a task of the same scheduler.
fn inside(task: TaskRef) -> Joiner {
    let [place, generation] = task.header().joiner();
    Joiner { place, generation: generation.addr() as u32 }
}

/// # Safety
///
/// 6 said WakeFellow to the caller, on a thread of the task's scheduler.
unsafe fn wake_fellow(task: TaskRef, here: &Here) {
    // 6 made what is in the place the caller's (I5).
    let joiner = inside(task);
    // SAFETY: the task's own reference, which 6 left to the caller. It goes first, so that the
    // joiner may find itself alone.
    unsafe { release(task) };
    let Some(header) = NonNull::new(joiner.place.cast::<Header>()) else { return };
    // SAFETY: `join` wrote there a pooled task of this scheduler, and places stay as long as that.
    let joiner_task = unsafe { TaskRef::new(header) };
    if joiner_task.state().wake_by_number(joiner.generation) == Some(Wake::Enqueue) {
        here.trace(|| Step::Woken(TaskId::of(joiner_task)));
        here.push(joiner_task, Place::Woken);
    }
}

/// Wakes a task of this thread's scheduler by place and generation, which count nothing: it may be
/// over by now, and its place another's.
#[inline]
fn wake_inside(joiner: Joiner, here: &Here) {
    let Some(header) = NonNull::new(joiner.place.cast::<Header>()) else { return };
    // SAFETY: `join` wrote there a pooled task of this scheduler, and places stay as long as that.
    let task = unsafe { TaskRef::new(header) };
    if task.state().look().generation() == joiner.generation {
        waker::wake_at_home(here, task);
    }
}

/// Puts a waker into the joiner's place.
pub(super) fn set_joiner(task: TaskRef, waker: Waker) {
    let waker = ManuallyDrop::new(waker);
    let vtable = std::ptr::from_ref(waker.vtable()).cast_mut().cast();
    task.header().set_joiner([waker.data().cast_mut(), vtable]);
}

/// The waker in the joiner's place, for comparison: not to be dropped or woken.
///
/// # Safety
///
/// There is or was a waker in the joiner's place, and both words are of the same one (I5).
pub(super) unsafe fn peek_joiner(task: TaskRef) -> ManuallyDrop<Waker> {
    let [data, vtable] = task.header().joiner();
    // SAFETY: `set_joiner` wrote it from a `&'static`.
    let vtable = unsafe { &*vtable.cast::<RawWakerVTable>() };
    // SAFETY: the parts of a waker; the caller does not use it up.
    ManuallyDrop::new(unsafe { Waker::new(data, vtable) })
}

/// # Safety
///
/// There is a waker in the joiner's place, and it is the caller's (I5).
pub(super) unsafe fn take_joiner(task: TaskRef) -> Waker {
    // SAFETY: the caller's promise; it is taken once.
    ManuallyDrop::into_inner(unsafe { peek_joiner(task) })
}

/// # Safety
///
/// The stage holds what `end` says, and it is the caller's (I6).
#[inline]
pub(super) unsafe fn drop_output(task: TaskRef, end: End) {
    match end {
        End::Ready => {
            if let Some(drop_output) = task.vtable().drop_output {
                // SAFETY: the caller's promise.
                unsafe { drop_output(task) };
            }
        }
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
pub(crate) unsafe fn release(task: TaskRef) {
    if task.state().drop_reference() {
        // SAFETY: it was the last one. Nobody has one while the task is not Complete but the task
        // itself (I3), and whoever took or dropped the output did so before (I6).
        unsafe { free(task) };
    }
}

/// Gives up the reference of a join handle that has taken the output: mostly the last one, where the
/// task was.
///
/// # Safety
///
/// As for [`release`].
pub(super) unsafe fn release_joined(task: TaskRef) {
    if task.state().drop_reference() {
        here::with(|here| match here {
            // SAFETY: as in `release`.
            Some(here) if here.is_of(task.dispatch()) => unsafe { free_here(task, here) },
            // SAFETY: as above.
            _ => unsafe { free_elsewhere(task) },
        });
    }
}

/// Gives up one reference, at the home of the task.
///
/// # Safety
///
/// As for [`release`]; `here` is the task's home, on this thread.
#[inline]
pub(super) unsafe fn release_at_home(task: TaskRef, here: &Here) {
    if task.state().drop_reference_at_home(task.header().inside_exactly()) {
        // SAFETY: as in `release`.
        unsafe { free_here(task, here) };
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
        Some(here) if here.is_of(task.dispatch()) => unsafe { free_here(task, here) },
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

/// Does what is to be done with a task that came out of the entry of this thread's scheduler.
///
/// # Safety
///
/// It was taken from the entry of the scheduler of `here`.
pub(crate) unsafe fn arrive(task: TaskRef, here: &Here) {
    match task.state().arrive() {
        Arrive::Nothing => {}
        Arrive::Schedule => {
            if waits::is_idle(task) {
                here.trace(|| Step::Arrived(TaskId::of(task)));
                here.push(task, Place::Back);
            }
        }
        // SAFETY: the entry's reference was the last one, and who took or dropped the output did so
        // before (I6).
        Arrive::Free => unsafe { free(task) },
    }
}

/// Asks a task of the scheduler of one thread, which is this one, to be dropped, and puts it into the
/// queue if it is not there.
pub(crate) fn abort_at_home(task: TaskRef, here: &Here) {
    if task.state().abort_at_home() && waits::is_idle(task) {
        here.push(task, Place::Back);
    }
}

/// Asks every task of a scheduler of several threads to be dropped; `enqueue` gets those that hold
/// SCHEDULED now. How many are not over.
pub(crate) fn abort_all(depot: &super::pool::Depot, mut enqueue: impl FnMut(TaskRef)) -> usize {
    let mut live = 0;
    depot.each(|task| {
        if task.state().look_acquire().is_complete() {
            return;
        }
        live += 1;
        if task.state().abort() == Wake::Enqueue {
            enqueue(task);
        }
    });
    live
}

/// How many tasks that are pinned to a worker are not over.
pub(crate) fn pinned_left(depot: &super::pool::Depot, worker: usize) -> usize {
    let mut left = 0;
    depot.each(|task| {
        let look = task.state().look_acquire();
        left += usize::from(look.is_pinned() && !look.is_complete() && task.worker() == worker);
    });
    left
}

/// Wakes a task of the scheduler of `here` by number. Whether it is there.
#[inline(always)]
pub(crate) fn wake_by_number(here: &Here, number: u32, generation: u32) -> bool {
    let many = !here.is_home();
    let found = here.dispatch().depot.with_number(number, |task| {
        let wake = match many {
            true => task.state().wake_by_number(generation)?,
            false => {
                let look = task.state().look();
                let there = look.generation() == generation && !look.is_complete();
                there.then_some(())?;
                if here.current.get() == Some(task) {
                    // It cancels an op that it waits for itself.
                    here.woken.set(true);
                }
                if waits::is_idle(task) { Wake::Enqueue } else { Wake::Nothing }
            }
        };
        Some((task, wake))
    });
    let Some((task, wake)) = found.flatten() else { return false };
    if wake == Wake::Enqueue {
        here.trace(|| Step::Woken(TaskId::of(task)));
        here.push(task, Place::Woken);
    }
    true
}
