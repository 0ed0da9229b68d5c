//! The entry of a scheduler of one thread: where tasks arrive that other threads woke or spawned.
//!
//! ```text
//!            ┌──────1 push──────┐
//!            ▼                  │            Asleep: the owner waits, or is about to
//! Empty ─1 push─► tasks ─2 take─► Empty ─3 fall asleep─► Asleep ─4 push, and ring─► tasks
//!   ▲                                                      │
//!   └───────5 wake up, or rouse (from any thread)──────────┘       Closed: 6, from Empty, for ever
//! ```
//!
//! One word is the stack of tasks and says whether somebody has to ring: of all pushers only the one
//! who finds Asleep does (4), so a wake costs no system call while the owner is awake, and one at the
//! most while it is not. The owner falls asleep only from Empty (3), so no task is left behind.
//!
//! - **I1** The entry links of the tasks in the stack are the stack's, from the Release of 1 or 4 on,
//!   until 2 takes all of them at once. ENTERED keeps the tasks meanwhile.
//! - **I2** Only the owner does 2, 3 and 6.

use super::link::Link;
use crate::loom::{AtomicPtr, Ordering, fence};
use crate::task::TaskRef;
use std::ptr::{NonNull, null_mut, without_provenance_mut};

const ASLEEP: *mut Link = without_provenance_mut(1);
const CLOSED: *mut Link = without_provenance_mut(2);

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Entry {
    head: AtomicPtr<Link>,
}

/// What remains to be done after 1 or 4.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pushed {
    /// The owner sleeps, and nobody else will ring.
    Ring,
    /// The owner will look.
    Quiet,
    /// There is no owner any more: the task is the caller's still.
    Closed,
}

/// Tasks that were taken, oldest first.
#[derive(Debug)]
pub(crate) struct Arrived {
    next: *mut Link,
}

impl Entry {
    pub(crate) fn new() -> Self {
        Self { head: AtomicPtr::new(null_mut()) }
    }

    /// 1 or 4. From any thread.
    pub(crate) fn push(&self, task: TaskRef) -> Pushed {
        let link = task.entry_link();
        // Relaxed: read again by the exchange.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == CLOSED {
                return Pushed::Closed;
            }
            let below = if head == ASLEEP { null_mut() } else { head };
            // SAFETY: the task holds ENTERED, which is the caller's: it is there, and its entry link is
            // unused.
            unsafe { link.as_ref() }.set_next(below);
            // Release: with the Acquire of `take`.
            match self.head.compare_exchange_weak(
                head,
                link.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(ASLEEP) => return Pushed::Ring,
                Ok(_) => return Pushed::Quiet,
                Err(now) => head = now,
            }
        }
    }

    /// Whether nothing has arrived. A hint.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // Relaxed: whoever needs to know takes.
        self.head.load(Ordering::Relaxed).is_null()
    }

    /// 2. By the owner, awake.
    pub(crate) fn take(&self) -> Arrived {
        // Acquire: with the Release of every `push`.
        let mut from = self.head.swap(null_mut(), Ordering::Acquire);
        debug_assert!(from != ASLEEP && from != CLOSED);
        let mut turned = null_mut();
        while let Some(link) = NonNull::new(from) {
            // SAFETY: taken: its link is ours, and ENTERED keeps the task (I1).
            let link = unsafe { link.as_ref() };
            let next = link.next();
            link.set_next(turned);
            turned = from;
            from = next;
        }
        Arrived { next: turned }
    }

    /// 3. Whether the owner may sleep: else something has arrived.
    pub(crate) fn fall_asleep(&self) -> bool {
        // Relaxed: a pusher hands nothing over by what it finds here.
        self.head.compare_exchange(null_mut(), ASLEEP, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Has the owner look at something else than the stack, which was changed before. Whether it sleeps:
    /// then the caller rings, and nobody else does. From any thread.
    pub(crate) fn rouse(&self) -> bool {
        // With the fence after 3: the owner's look sees the change, or this sees it asleep.
        fence(Ordering::SeqCst);
        // Relaxed: as in `fall_asleep`.
        self.head.compare_exchange(ASLEEP, null_mut(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Whether nobody has pushed since 3. By the owner, in a model: the real one is woken.
    #[cfg(all(test, loom))]
    pub(crate) fn is_asleep(&self) -> bool {
        // Relaxed: what was pushed is taken with Acquire.
        self.head.load(Ordering::Relaxed) == ASLEEP
    }

    /// 5, where nobody did 4.
    pub(crate) fn wake_up(&self) {
        // Relaxed: as in `fall_asleep`.
        let _ =
            self.head.compare_exchange(ASLEEP, null_mut(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// 6. Whether it is closed: else something has arrived.
    pub(crate) fn close(&self) -> bool {
        // Relaxed: as in `fall_asleep`.
        self.head.compare_exchange(null_mut(), CLOSED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Iterator for Arrived {
    type Item = TaskRef;

    fn next(&mut self) -> Option<TaskRef> {
        let link = NonNull::new(self.next)?;
        // SAFETY: taken, so it is there and its link is ours (I1).
        self.next = unsafe { link.as_ref() }.next();
        // SAFETY: it came from `entry_link`, and leaves the list.
        Some(unsafe { TaskRef::from_entry_link(link) })
    }
}

#[cfg(all(test, loom))]
#[path = "entry/loom_tests.rs"]
mod loom_tests;
