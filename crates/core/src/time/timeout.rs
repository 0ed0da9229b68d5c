//! Giving up on a future after a while.

use super::sleep::{Sleep, sleep};
use crate::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The time was over before the future was ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed;

impl std::fmt::Display for Elapsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the time is over")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for Error {
    fn from(_: Elapsed) -> Self {
        Self::Os(libc::ETIMEDOUT)
    }
}

/// A future with a limit of time: made by [`timeout`].
#[derive(Debug)]
pub struct Timeout<F> {
    future: F,
    sleep: Sleep,
}

/// Waits for `future`, but no longer than `limit` from the first poll.
///
/// The future is asked before the clock: one that is ready at once starts no timer and reads no
/// time, and one that becomes ready together with the limit has won. Where the time is over, the
/// future is dropped with the `Timeout` and not before: poll no more, or lose it.
///
/// As cancel-safe as `future` is.
///
/// # Errors
///
/// [`Elapsed`] where the time is over first.
///
/// # Panics
///
/// When it has to wait on a thread without timers: see [`super::enter`].
pub fn timeout<F: IntoFuture>(limit: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), sleep: sleep(limit) }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the field is pinned with the whole and never moved out.
        let future = unsafe { self.as_mut().map_unchecked_mut(|this| &mut this.future) };
        if let Poll::Ready(output) = future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // SAFETY: as above.
        let sleep = unsafe { self.map_unchecked_mut(|this| &mut this.sleep) };
        // What the task waits for is what `future` noted, if it did.
        sleep.as_ref().poll_slept(cx).map(|_| Err(Elapsed))
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "timeout/tests.rs"]
mod tests;
