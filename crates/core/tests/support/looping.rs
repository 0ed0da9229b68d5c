//! The smallest loop that drives timers: one future, one thread, and a count of its wakeups.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::Duration;
use wakering_core::time::{self, Clock, Timers};

/// What a run took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// How often the thread was parked and came back.
    pub(crate) wakeups: u64,
    /// How often the future was polled.
    pub(crate) polls: u64,
    /// CPU time of the thread.
    pub(crate) cpu: Duration,
}

struct Bell {
    thread: Thread,
    rung: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::SeqCst);
        // A wake that the loop's thread makes itself must not end its next sleep.
        if thread::current().id() != self.thread.id() {
            self.thread.unpark();
        }
    }
}

/// Runs a future on this thread to its end, with timers of its own.
pub(crate) fn run<F: Future>(clock: Clock, future: F) -> (F::Output, Cost) {
    let bell = Arc::new(Bell { thread: thread::current(), rung: AtomicBool::new(true) });
    let thread = thread::current();
    let timers = Timers::new(clock, move || thread.unpark());
    let _here = time::enter(&timers);
    let waker = bell.clone().into();
    let mut future = pin!(future);
    let mut cost = Cost::default();
    let before = cpu_of_this_thread();
    loop {
        if bell.rung.swap(false, Ordering::SeqCst) {
            cost.polls += 1;
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                cost.cpu = cpu_of_this_thread() - before;
                return (output, cost);
            }
        }
        if timers.fire() > 0 || bell.rung.load(Ordering::SeqCst) {
            continue;
        }
        match timers.prepare_park() {
            Some(Duration::ZERO) => {}
            Some(timeout) => {
                thread::park_timeout(timeout);
                cost.wakeups += 1;
            }
            None if timers.clock().by_hand().is_some_and(|clock| clock.skip()) => {}
            None => {
                thread::park();
                cost.wakeups += 1;
            }
        }
        timers.unparked();
    }
}

/// Waits for all of them, polling each at every wake.
pub(crate) async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<_> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(move |cx| {
        let mut pending = false;
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(value) => *output = Some(value),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            return Poll::Pending;
        }
        Poll::Ready(outputs.drain(..).flatten().collect())
    })
    .await
}

fn cpu_of_this_thread() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours, which the call fills.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(answer, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
