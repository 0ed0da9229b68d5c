//! Whether all tasks of a scheduler wait for one another, so that none will ever run again.
//!
//! A task is *stuck* where all that can make it run lies in other tasks of its scheduler. What that is
//! stands in its word:
//!
//! - **U1** It is Idle, not in an entry, and not over: nobody polls it, no queue has it.
//! - **U2** Every waker and every abort handle of it counts as a reference, and there is none but those
//!   that primitives of its own thread keep (N1 of [`super::waits`]), which only a task that runs on
//!   that thread can reach.
//! - **U3** Nobody knows it by number: who waits for an op says that something without a waker may wake
//!   it.
//! - **U4** Its join handle, if there is one, never leaves the task's home; or it lies with a task of the
//!   same scheduler: that awaited it last, and is not over. (That task is known by place and generation, and has no reference for it, so that
//!   U2 of the one who waits is not disturbed.)
//!
//! **If no task runs and each is stuck, it stays so.** To run, a task must be woken or aborted. A thread
//! that is none of the scheduler's has no waker or abort handle of any task (U2), and can make none: they
//! come from other wakers, from handles, or from a poll. It has no join handle (U4). So what could wake a
//! task is the poll or the drop of another one, which needs the same. New tasks come from outside only
//! with what their spawner has: nothing of these.
//!
//! **The look need not be a snapshot** as long as no worker runs from before it until after it (a
//! scheduler of one thread looks itself; one of several compares the versions of its workers' sleep
//! before and after). Another thread that has something of a task before the look at it is seen there,
//! unless it gives that up; what it can make of it afterwards, it could only make then if it still had
//! it.
//!
//! **What is not known counts against it.** A waker in a primitive that threads share may be woken by any
//! of them, so a task that waits there is never stuck; neither is one that waits in a loop, for a timer, for
//! a job of the CPU pool or under a foreign runtime, since all of them have a waker; nor one that lies in
//! storage of its own and awaits another, because that has its waker. What the words do not tell is
//! whether a task shares the *join handle that it awaits* with another thread, behind a lock: such a
//! handle counts as that task's. To abort from elsewhere there is
//! [`AbortHandle`](super::AbortHandle), which is seen.

#![forbid(unsafe_code)]

use super::TaskId;
use super::TaskRef;
use super::pool::Depot;
use super::state::Look;
use super::waits::{self, Note};
use crate::loom::{AtomicU64, Ordering};
use std::task::Waker;

/// Whether U1 to U4 hold of a task, or it is over.
pub(crate) fn is_stuck(depot: &Depot, task: TaskRef) -> bool {
    let look = task.state().look_acquire();
    look.is_complete() || (is_alone(task, look) && has_handle_inside(depot, task, look))
}

/// The same where nothing is known of the handle: whoever has it may be the one that waits.
pub(crate) fn is_stuck_without_handle(_: &Depot, task: TaskRef) -> bool {
    let look = task.state().look_acquire();
    look.is_complete() || is_alone(task, look)
}

/// Whether every task is stuck, or awaited by somebody with that waker, of which there are so many. Then
/// they, and whoever waits with it, will never go on: nobody else can wake him.
pub(crate) fn all_stuck_but_for(depot: &Depot, waker: &Waker, wakers: usize) -> bool {
    let words = [waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr()];
    let mut found = 0;
    let moves = depot.find(|task| {
        if is_stuck(depot, task) {
            return false;
        }
        let look = task.state().look_acquire();
        let joiner = task.header().joiner().map(|word| word.addr());
        let awaits = look.has_join_waker() && !look.is_join_inside() && joiner == words;
        found += usize::from(awaits);
        !(awaits && is_alone(task, look))
    });
    moves.is_none() && found == wakers
}

/// U1 to U3.
fn is_alone(task: TaskRef, look: Look) -> bool {
    let idle = if look.has_home() { waits::is_idle(task) } else { !look.is_scheduled() };
    idle && !look.is_entered()
        && !look.is_aborted()
        && !Note::of(task).is_anywhere()
        && look.wakers() == task.header().inside()
}

/// U4.
fn has_handle_inside(depot: &Depot, task: TaskRef, look: Look) -> bool {
    if !look.has_join_away() {
        return true;
    }
    if !look.is_join_inside() {
        return false;
    }
    // Where another thread has the handle after all, the words may be anybody's by now: they are
    // compared, and not followed.
    let [place, generation] = task.header().joiner();
    depot.at_address(place.addr()).is_some_and(|joiner| {
        let look = joiner.state().look_acquire();
        look.generation() as usize == generation.addr() && !look.is_complete()
    })
}

/// Who found last that something may still happen: asked first the next time.
#[derive(Debug)]
pub(crate) struct Witness(AtomicU64);

const NOBODY: u64 = u64::MAX;

impl Witness {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(NOBODY))
    }

    /// Whether every task is stuck or over. No task runs meanwhile. With a program that goes on, the
    /// look ends at the task that showed it the last time.
    pub(crate) fn all_stuck(
        &self,
        depot: &Depot,
        is_stuck: impl Fn(&Depot, TaskRef) -> bool,
    ) -> bool {
        // Relaxed: a hint.
        let witness = self.0.load(Ordering::Relaxed);
        if witness != NOBODY {
            let id = TaskId::from_word(witness);
            let moves = depot
                .with_number(id.number, |task| TaskId::of(task) == id && !is_stuck(depot, task));
            if moves == Some(true) {
                return false;
            }
        }
        let found = depot.find(|task| !is_stuck(depot, task));
        // Relaxed: a hint.
        self.0.store(found.map_or(NOBODY, |task| TaskId::of(task).word()), Ordering::Relaxed);
        found.is_none()
    }
}
