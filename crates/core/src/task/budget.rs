//! How long a task may go on without letting others run.
//!
//! Futures cannot be interrupted. So each primitive that may be ready again and again asks here before
//! it makes progress; after so many times in one poll the answer is Pending, and the task goes behind
//! the others.

#![forbid(unsafe_code)]

use super::here::{self, BUDGET};
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
/// Outside of a scheduler the answer is always Ready.
#[inline]
pub fn poll_proceed(cx: &Context<'_>) -> Poll<Proceed> {
    let left = here::with(|here| {
        let Some(here) = here else { return true };
        let left = here.budget.get();
        here.budget.set(left.saturating_sub(1));
        left > 0
    });
    if left {
        return Poll::Ready(Proceed { give_back: true });
    }
    cx.waker().wake_by_ref();
    Poll::Pending
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
