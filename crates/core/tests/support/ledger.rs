//! Futures and wakers that keep count of what is done to them.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// What was done to a future.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) polls: u32,
    pub(crate) drops: u32,
    pub(crate) outputs_dropped: u32,
}

/// Shared by a future, its output and its test.
#[derive(Default, Clone)]
pub(crate) struct Ledger(Rc<Page>);

#[derive(Default)]
struct Page {
    polls: Cell<u32>,
    drops: Cell<u32>,
    outputs_dropped: Cell<u32>,
    waker: Cell<Option<Waker>>,
    open: Cell<bool>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            polls: self.0.polls.get(),
            drops: self.0.drops.get(),
            outputs_dropped: self.0.outputs_dropped.get(),
        }
    }

    /// Lets the future be ready at its next poll.
    pub(crate) fn open(&self) {
        self.0.open.set(true);
    }

    /// The waker of its last poll.
    pub(crate) fn waker(&self) -> Waker {
        let waker = self.0.waker.take().expect("it was polled");
        self.0.waker.set(Some(waker.clone()));
        waker
    }

    pub(crate) fn forget_waker(&self) {
        self.0.waker.set(None);
    }

    /// A future that is pending until it is opened, and keeps its waker.
    pub(crate) fn future(&self) -> Gate {
        Gate { ledger: self.clone() }
    }
}

pub(crate) struct Gate {
    ledger: Ledger,
}

impl Future for Gate {
    type Output = Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output> {
        let page = &self.ledger.0;
        page.polls.set(page.polls.get() + 1);
        page.waker.set(Some(cx.waker().clone()));
        if page.open.get() {
            Poll::Ready(Output { ledger: self.ledger.clone() })
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.ledger.0.drops.set(self.ledger.0.drops.get() + 1);
    }
}

pub(crate) struct Output {
    ledger: Ledger,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Output")
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.ledger.0.outputs_dropped.set(self.ledger.0.outputs_dropped.get() + 1);
    }
}

/// A waker that counts.
#[derive(Debug, Default)]
pub(crate) struct CountingWaker(AtomicU32);

impl CountingWaker {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let this = Arc::new(Self::default());
        (this.clone(), Waker::from(this))
    }

    pub(crate) fn wakes(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
