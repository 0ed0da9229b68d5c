//! Timers under a loop of a few lines. The tasks are async-executor's, so that the row compares
//! timers and nothing else.

use crate::contender::Run;
use crate::peers::async_executor::Smol;
use crate::rows::{self, OneThread, StartTimer};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::Duration;
use wakering_core::time::{self, Clock, Timers};

pub fn cells() -> Vec<(&'static str, Run)> {
    rows::timer_cells::<Loop, Loop>()
}

struct Loop;

struct Bell {
    thread: Thread,
    rung: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if !self.rung.swap(true, Ordering::SeqCst) && thread::current().id() != self.thread.id() {
            self.thread.unpark();
        }
    }
}

impl OneThread for Loop {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let bell = Arc::new(Bell { thread: thread::current(), rung: AtomicBool::new(true) });
        let waker = bell.clone().into();
        let mut cx = Context::from_waker(&waker);
        let thread = thread::current();
        let timers = Timers::new(Clock::real(), move || thread.unpark());
        let _here = time::enter(&timers);
        let mut future = pin!(Smol::on_this_thread(future));
        loop {
            let rung = bell.rung.swap(false, Ordering::SeqCst);
            if rung && let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            if timers.fire() > 0 || bell.rung.load(Ordering::SeqCst) {
                continue;
            }
            match timers.prepare_park() {
                Some(Duration::ZERO) => {}
                Some(timeout) => thread::park_timeout(timeout),
                None => thread::park(),
            }
            timers.unparked();
        }
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        <Smol as OneThread>::spawn(future)
    }
}

impl StartTimer for Loop {
    fn sleep(duration: Duration) -> impl Future + 'static {
        time::sleep(duration)
    }
}
