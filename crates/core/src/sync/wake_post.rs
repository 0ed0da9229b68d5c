//! How wakes leave the thread that releases a shared primitive.
//!
//! ```text
//! release ─► lock, collect, unlock ─► for each waker: is a post installed on this thread?
//!                                         no  ─► Waker::wake, which finds the way home itself
//!                                         yes ─► post.post(waker): kept for its loop, sent later
//! ```
//!
//! A loop that can reach other loops through its ring installs its [`WakePost`] for as long as its
//! thread runs tasks. The wakes that these tasks cause are then collected per target and published
//! with the loop's next submission, one message a target instead of one system call a wake. A plain
//! thread installs nothing: it has no submission to wait for.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::task::Waker;

/// Where a loop's thread leaves the wakes of tasks that live elsewhere.
///
/// [`post`](Self::post) is called by the release side of every `Shared` primitive, on the thread
/// that installed the post, after the primitive's lock was let go. [`flush`](Self::flush) is called
/// by the loop itself, at the latest before it waits. A post that is dropped flushes.
pub trait WakePost {
    /// Takes over a wake. It may be late by as long as one turn of the loop, but must not get lost.
    /// `Err` gives the waker back where it leads to nobody whom this post can reach (its own loop,
    /// a foreign runtime, a thread): it is woken at once.
    fn post(&self, waker: Waker) -> Result<(), Waker>;

    /// Sends what was posted and not sent.
    fn flush(&self);
}

/// The post of a plain thread: nothing to collect for, so every wake goes at once. The same as none;
/// for whoever must hold one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Immediate;

impl WakePost for Immediate {
    fn post(&self, waker: Waker) -> Result<(), Waker> {
        Err(waker)
    }

    fn flush(&self) {}
}

thread_local! {
    static INSTALLED: Cell<Option<Rc<dyn WakePost>>> = const { Cell::new(None) };
}

/// While it lives, the wakes of this thread go through its post. Afterwards they go through the one
/// before.
#[must_use]
pub struct Installed {
    before: Option<Rc<dyn WakePost>>,
    /// Stays on its thread.
    _here: PhantomData<*const ()>,
}

impl std::fmt::Debug for Installed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Installed").finish_non_exhaustive()
    }
}

/// Makes `post` the way by which this thread's wakes leave.
pub fn install(post: Rc<dyn WakePost>) -> Installed {
    Installed { before: INSTALLED.replace(Some(post)), _here: PhantomData }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if let Some(post) = INSTALLED.replace(self.before.take()) {
            post.flush();
        }
    }
}

/// Wakes through this thread's post, or at once where there is none.
#[inline]
pub(crate) fn wake(waker: Waker) {
    // The post is out of its place while it works: a wake made meanwhile goes at once, and it
    // cannot be called inside of itself. Past the thread's end there is no place, hence no post.
    match INSTALLED.try_with(Cell::take) {
        Ok(Some(post)) => through(post, waker),
        Ok(None) | Err(_) => waker.wake(),
    }
}

#[cold]
fn through(post: Rc<dyn WakePost>, waker: Waker) {
    let refused = post.post(waker);
    INSTALLED.set(Some(post));
    if let Err(waker) = refused {
        waker.wake();
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "wake_post/tests.rs"]
mod tests;
