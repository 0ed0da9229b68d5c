//! Runtimes of one thread, as far as all rows need them alike.

use crate::measure::Measure;
use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

/// A runtime of one thread.
pub trait OneThread: 'static {
    /// Runs a future on this thread with a runtime made for it.
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T;
    /// Spawns on this thread's runtime.
    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static;
    /// Spawns what nobody joins and what never ends.
    fn detach(future: impl Future<Output = ()> + 'static) {
        // Dropped, some would cancel it.
        std::mem::forget(Self::spawn(future));
    }
}

/// Measures inside a task of the runtime: its main future may be polled in other ways than tasks.
pub fn in_a_task<L: OneThread, F>(measure: &mut Measure, body: impl FnOnce(Measure) -> F)
where
    F: Future<Output = Measure> + 'static,
{
    let blank = Measure::new(std::time::Duration::ZERO, 0);
    let body = body(std::mem::replace(measure, blank));
    *measure = L::block_on(async {
        let result = Rc::new(Cell::new(None));
        let place = result.clone();
        L::spawn(async move { place.set(Some(body.await)) }).await;
        result.take().expect("the task has ended")
    });
}

/// Wakes itself and waits to be polled again: what every runtime can do alike.
pub async fn yield_by_wake() {
    let mut polled = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
