//! How long a task may go on without letting others run.
//!
//! Futures cannot be interrupted. So each primitive that may be ready again and again asks here before
//! it makes progress; after so many times in one poll the answer is Pending, and the task goes behind
//! the others.

#![forbid(unsafe_code)]

use super::here::{self, BUDGET, Here};
use super::waker;
use std::task::{Context, Poll, ready};

/// Asks to go on. Pending where the task has used its budget up: it has been woken already, and the
/// caller answers Pending too.
///
/// ```
/// use std::future::poll_fn;
/// use std::task::{Poll, ready};
/// use wakering_core::task::poll_proceed;
///
/// async fn take(ready: &mut bool) {
///     poll_fn(|cx| {
///         let proceed = ready!(poll_proceed(cx));
///         if !std::mem::take(ready) {
///             return Poll::Pending; // What was asked for is given back.
///         }
///         proceed.made_progress();
///         Poll::Ready(())
///     })
///     .await
/// }
/// wakering_core::task::block_on(take(&mut true));
/// ```
///
/// Outside of a scheduler the answer is always Ready, and so it is under a waker that is not the task's
/// own: a foreign runtime inside of a task would ask for ever.
#[inline]
pub fn poll_proceed(cx: &Context<'_>) -> Poll<Proceed> {
    here::with(|here| {
        if let Some(here) = here {
            let left = here.budget.get();
            if left == 0 && is_held_up(here, cx) {
                return Poll::Pending;
            }
            here.budget.set(left.saturating_sub(1));
        }
        Poll::Ready(Proceed { give_back: true })
    })
}

/// Tries what may succeed again and again, where the task may go on; a success is one step of its
/// budget. Pending as for [`poll_proceed`], and then nothing was tried.
#[inline(always)]
pub(crate) fn spend<R>(cx: &Context<'_>, attempt: impl FnOnce() -> Option<R>) -> Poll<Option<R>> {
    here::with(|here| {
        let Some(here) = here else { return Poll::Ready(attempt()) };
        let left = here.budget.get();
        if left == 0 && is_held_up(here, cx) {
            return Poll::Pending;
        }
        let got = attempt();
        if got.is_some() {
            // What others used of it meanwhile, woken by this, is not worth a second look.
            here.budget.set(left.saturating_sub(1));
        }
        Poll::Ready(got)
    })
}

/// The budget is used up: whether that is the task's that asks, which is woken then.
#[cold]
fn is_held_up(here: &Here, cx: &Context<'_>) -> bool {
    let own = here.current.get().is_some_and(|task| waker::is_of(cx.waker(), task));
    if own {
        cx.waker().wake_by_ref();
    }
    own
}

/// Yields if the task has used its budget up: for loops that do work without any primitive.
pub async fn consume_budget() {
    std::future::poll_fn(|cx| {
        ready!(poll_proceed(cx)).made_progress();
        Poll::Ready(())
    })
    .await;
}

/// Leave to go on. Dropped without [`Self::made_progress`], it is given back.
#[derive(Debug)]
#[must_use = "say `made_progress`, or drop it on purpose"]
pub struct Proceed {
    give_back: bool,
}

impl Proceed {
    /// Says that it was used.
    #[inline]
    pub fn made_progress(mut self) {
        self.give_back = false;
    }
}

impl Drop for Proceed {
    #[inline]
    fn drop(&mut self) {
        if self.give_back {
            here::with(|here| {
                if let Some(here) = here {
                    here.budget.set((here.budget.get() + 1).min(BUDGET));
                }
            });
        }
    }
}
