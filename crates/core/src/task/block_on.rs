//! Waiting for one future on a thread that has no scheduler.

#![forbid(unsafe_code)]

use crate::loom::thread::{self, Thread};
use crate::loom::{AtomicU32, Ordering, thread_local};
use crate::scheduler::affinity;
use crate::scheduler::idle::Spin;
use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

/// Of one thread, which alone parks on it.
struct Sleeper {
    thread: Thread,
    woken: AtomicU32,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release: with the Acquire of `sleep`. A second wake before that costs no system call.
        if self.woken.swap(1, Ordering::AcqRel) == 0 {
            self.thread.unpark();
        }
    }
}

impl Sleeper {
    /// Looks a while before it sleeps, where that was enough lately.
    fn sleep(&self, spin: &mut Spin) {
        let look = spin.start(Instant::now());
        // Relaxed: asked again below.
        look.until(|| self.woken.load(Ordering::Relaxed) != 0);
        // Acquire: with the Release of `wake_by_ref`. Parking ends for many reasons, a signal among
        // them: only the flag counts.
        while self.woken.swap(0, Ordering::AcqRel) == 0 {
            thread::park();
        }
        spin.learn(&look, Instant::now());
    }
}

thread_local! {
    /// The sleeper of the last call, so that the next one allocates nothing. A call within a call
    /// finds none and makes its own: else it would take wakes that are meant for the outer one.
    static SPARE: Cell<Option<(Arc<Sleeper>, Spin)>> = const { Cell::new(None) };
}

/// Polls the future on this thread until it is ready; the thread sleeps meanwhile.
///
/// Signals do not disturb it. It runs no other tasks: where a scheduler is at hand, use its own
/// `block_on`, and inside a task use neither.
///
/// ```
/// assert_eq!(wakering_core::task::block_on(async { 2 + 2 }), 4);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    match block_on_unless(future, |_, _| false) {
        Some(output) => output,
        None => unreachable!("it goes on until the future is ready"),
    }
}

/// The same, but before it sleeps it asks whether to go on. `is_over` gets the waker, and how many others
/// of it there are. `None` where it is over.
pub(crate) fn block_on_unless<F: Future>(
    future: F,
    mut is_over: impl FnMut(&Waker, usize) -> bool,
) -> Option<F::Output> {
    let spare = SPARE.try_with(Cell::take).ok().flatten();
    let (sleeper, mut spin) = spare.unwrap_or_else(|| {
        let sleeper = Sleeper { thread: thread::current(), woken: AtomicU32::new(0) };
        (Arc::new(sleeper), Spin::new(affinity::online()))
    });
    let waker = Waker::from(sleeper.clone());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            let _ = SPARE.try_with(|spare| spare.set(Some((sleeper, spin))));
            return Some(output);
        }
        // Its own count, and that of the waker here.
        let is_over = is_over(&waker, Arc::strong_count(&sleeper) - 2);
        // Acquire: with the Release of `wake_by_ref`. Who woke it, it among them, has no waker any more.
        if is_over && sleeper.woken.load(Ordering::Acquire) == 0 {
            return None;
        }
        sleeper.sleep(&mut spin);
    }
}
