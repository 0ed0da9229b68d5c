//! A future that is made on the thread where it is polled.

use std::pin::Pin;
use std::task::{Context, Poll};

/// See the module's text. Until it is polled it holds no more than what makes the future.
pub(super) enum Made<M, F> {
    Make(M),
    Future(F),
    /// `make` is at work, or has panicked.
    Gone,
}

impl<M: FnOnce() -> F, F> Made<M, F> {
    pub(super) const fn new(make: M) -> Self {
        Self::Make(make)
    }

    /// Of one that was not polled.
    pub(super) fn into_make(self) -> M {
        match self {
            Self::Make(make) => make,
            Self::Future(_) | Self::Gone => unreachable!("it was polled"),
        }
    }
}

impl<M: FnOnce() -> F, F: Future> Future for Made<M, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `make` is moved out, which is not pinned; the future never is.
        let this = unsafe { self.get_unchecked_mut() };
        if matches!(this, Self::Make(_))
            && let Self::Make(make) = std::mem::replace(this, Self::Gone)
        {
            *this = Self::Future(make());
        }
        let Self::Future(future) = this else { unreachable!("a task is not polled after a panic") };
        // SAFETY: it stays where it is until it is dropped there.
        unsafe { Pin::new_unchecked(future) }.poll(cx)
    }
}
