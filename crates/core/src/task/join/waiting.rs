//! How a join handle waits, which is whom the task wakes at its end, and how it goes without having
//! taken the output: once for all types of it.

use crate::task::header::TaskRef;
use crate::task::state::{DropJoin, End};
use crate::task::waits::{self, WaitsFor, WokenFrom};
use crate::task::{here, run, vtable, waker};
use std::ptr::without_provenance_mut;
use std::task::{Context, Waker};

static JOIN: WaitsFor = WaitsFor::numbered("join");

/// Where a join handle is polled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    /// By this task of the same scheduler, on a thread of that, with its own waker, which is not
    /// cloned for it.
    Inside(TaskRef),
    /// At the task's home.
    Home,
    /// Anywhere.
    Anywhere,
}

impl At {
    #[inline]
    fn of(task: TaskRef, cx: &Context<'_>) -> Self {
        here::with(|here| {
            let Some(here) = here.filter(|here| here.is_of(task.dispatch())) else {
                return Self::Anywhere;
            };
            match here.current.get() {
                // A place outside of the pool may be gone when its number is looked at.
                Some(joiner)
                    if waker::is_of(cx.waker(), joiner) && joiner.state().look().is_pooled() =>
                {
                    Self::Inside(joiner)
                }
                _ if here.is_home() => Self::Home,
                _ => Self::Anywhere,
            }
        })
    }
}

/// Sees to it that who polls the task's join handle is woken at its end. How the task ended, where
/// it did so before.
#[inline(never)]
pub(super) fn wait(task: TaskRef, cx: &Context<'_>) -> Result<(), End> {
    let at = At::of(task, cx);
    match at {
        At::Inside(joiner) if !task.state().look().has_join_waker() => {
            offer_inside(task, joiner)?;
        }
        _ => wait_otherwise(task, cx.waker(), at)?,
    }
    let number = task.number() as usize;
    match at {
        At::Inside(joiner) => waits::note(joiner, &JOIN, number, WokenFrom::Inside),
        _ => waits::note_waiting(cx, &JOIN, number, WokenFrom::Inside),
    }
    Ok(())
}

#[inline(never)]
fn wait_otherwise(task: TaskRef, waker: &Waker, at: At) -> Result<(), End> {
    if task.state().look().has_join_waker() {
        if waits_already(task, waker, at) {
            return Ok(());
        }
        if task.state().withdraw_joiner()? {
            // SAFETY: withdrawn: it is the handle's again (I5).
            drop(unsafe { run::take_joiner(task) });
        }
    }
    if let At::Inside(joiner) = at {
        return offer_inside(task, joiner);
    }
    run::set_joiner(task, waker.clone());
    let kept = (at == At::Home).then(|| task.header().inside_exactly());
    task.state().offer_joiner(false, kept).inspect_err(|_| {
        // SAFETY: it was not taken: JOIN_WAKER was never set for it (I5).
        drop(unsafe { run::take_joiner(task) });
    })
}

#[inline]
fn offer_inside(task: TaskRef, joiner: TaskRef) -> Result<(), End> {
    task.header().set_joiner(words(joiner));
    let kept = task.state().look().has_home().then(|| task.header().inside_exactly());
    task.state().offer_joiner(true, kept)
}

/// Whether who is in the full place is whom this would put there.
fn waits_already(task: TaskRef, waker: &Waker, at: At) -> bool {
    if task.state().look().is_join_inside() {
        return matches!(at, At::Inside(joiner) if task.header().joiner() == words(joiner));
    }
    if matches!(at, At::Inside(_)) {
        return false;
    }
    // SAFETY: JOIN_WAKER was set beside no JOIN_INSIDE, so there is a waker; at most it is taken
    // out meanwhile, which leaves its words (I5).
    unsafe { run::peek_joiner(task) }.will_wake(waker)
}

/// A task of the same scheduler as it lies in the joiner's place: two tasks may have the same place,
/// one after the other.
#[inline]
fn words(joiner: TaskRef) -> [*mut (); 2] {
    let generation = joiner.state().look().generation() as usize;
    [joiner.as_ptr().as_ptr().cast(), without_provenance_mut(generation)]
}

/// # Safety
///
/// The caller is the task's join handle, which is not done and goes now.
pub(super) unsafe fn let_go(task: TaskRef) {
    let unshared =
        here::with(|here| here.is_some_and(|here| here.is_home() && here.is_of(task.dispatch())))
            && task.state().drop_join_at_home(task.header().inside_exactly());
    if unshared {
        return;
    }
    match task.state().drop_join() {
        DropJoin::Nothing => return,
        DropJoin::TakeWaker => {
            // SAFETY: 7 made it this handle's (I5).
            let waker = unsafe { run::take_joiner(task) };
            vtable::contain(|| drop(waker));
        }
        // SAFETY: the output is this handle's (I6).
        DropJoin::DropOutput(end) => unsafe { run::drop_output(task, end) },
    }
    // SAFETY: the handle's reference, which goes with it.
    unsafe { run::release(task) };
}
