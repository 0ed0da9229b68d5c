//! Asking that the op in flight of a future end, and getting the truth.
//!
//! ```text
//! cancel ─► asked ─► bell ─► the future is polled ─┬─ an op in flight ─► asked to end; its last completion
//!                                                  │                     answers: the value, or ECANCELED
//!                                                  └─ an op that is to begin ─► ECANCELED, not begun
//! ```
//!
//! Nothing of this is in an op: it is carried by polls, as whom to wake is. So an op that somebody else began
//! and that is waited for here (the receive of a stream) is reached as well.

#![forbid(unsafe_code)]

use crate::error::Error;
use crate::loom::{Arc, AtomicUsize, Ordering};
use crate::sync::Notify;
use crate::task::TaskLocal;
use std::pin::pin;
use std::task::Poll;

static TOKENS: TaskLocal<CancelToken> = TaskLocal::new();

/// Ends the ops of the futures that run [under](with_cancel) it. One word, cheap to clone, and good for one
/// future after the other.
#[derive(Clone, Debug)]
pub struct CancelToken(Arc<Asked>);

#[derive(Debug)]
struct Asked {
    /// Not zero: asked for.
    asked: AtomicUsize,
    bell: Notify,
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl CancelToken {
    /// Nobody asks for anything.
    pub fn new() -> Self {
        Self(Arc::new(Asked { asked: AtomicUsize::new(0), bell: Notify::new() }))
    }

    /// Asks that what runs under it end, from any thread: ops in flight, and those that are begun from now
    /// on.
    pub fn cancel(&self) {
        // Relaxed: the bell's lock orders it: who comes to wait after it was rung sees this.
        self.0.asked.store(1, Ordering::Relaxed);
        self.0.bell.notify_all();
    }

    /// Whether [`Self::cancel`] was said, and not [`Self::reset`] since.
    pub fn is_cancelled(&self) -> bool {
        // Relaxed: see `cancel`.
        self.0.asked.load(Ordering::Relaxed) != 0
    }

    /// Asks for nothing any more: ops may begin again.
    pub fn reset(&self) {
        // Relaxed: see `cancel`.
        self.0.asked.store(0, Ordering::Relaxed);
    }
}

/// A future whose ops end when the token says so. It goes on then: each op answers with the truth, which is
/// ECANCELED with the buffer, or the value where that was faster.
///
/// What it reaches are the ops that the future itself polls. It is no abort: a future that goes on after
/// ECANCELED, or waits for something else than ops, is not ended.
///
/// Safe to cancel as far as the future is.
pub async fn with_cancel<F: Future>(token: &CancelToken, future: F) -> F::Output {
    let mut future = pin!(TOKENS.scope(token.clone(), future));
    let mut bell = pin!(token.0.bell.notified());
    std::future::poll_fn(|cx| {
        // In line first: what is asked for after that is heard, what was before is seen by the ops.
        while !token.is_cancelled() && bell.as_mut().poll(cx).is_ready() {
            bell.set(token.0.bell.notified());
        }
        future.as_mut().poll(cx)
    })
    .await
}

/// Whether the future that is polled here runs under a token that was cancelled. For those who do much
/// without ops.
#[inline]
pub fn is_cancelled() -> bool {
    TOKENS.any(CancelToken::is_cancelled)
}

/// What an op answers that is not begun because of that.
pub(super) const REFUSED: Error = Error::Os(libc::ECANCELED);

/// Waits, unless the future that waits is to end.
pub(super) async fn unless_asked(wait: impl Future<Output = ()>) {
    let mut wait = pin!(wait);
    std::future::poll_fn(|cx| match is_cancelled() {
        true => Poll::Ready(()),
        false => wait.as_mut().poll(cx),
    })
    .await;
}
