//! A task that waits for ever, in two words.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

pub const PARKED_TASKS: usize = 200_000;

/// How many of them have been polled.
pub static PARKED: AtomicUsize = AtomicUsize::new(0);

/// The waker that it waits with, and that nobody will ever wake.
pub struct Parked(Option<Waker>);

impl Parked {
    pub fn new() -> Self {
        Self(None)
    }
}

impl Future for Parked {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0 = Some(cx.waker().clone());
        PARKED.fetch_add(1, Relaxed);
        Poll::Pending
    }
}
