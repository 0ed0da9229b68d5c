//! What the loom models of this folder share: a waker that rings for a loom thread, and one that only
//! counts.

use crate::loom::{AtomicUsize, Ordering};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

#[derive(Default)]
struct Bell {
    rung: loom::sync::Mutex<bool>,
    heard: loom::sync::Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap() = true;
        self.heard.notify_one();
    }
}

/// Runs a future on this loom thread, which sleeps meanwhile: a wake that is lost is a deadlock, and
/// loom finds it.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let bell = Arc::new(Bell::default());
    let waker = bell.clone().into();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let mut rung = bell.rung.lock().unwrap();
        while !std::mem::take(&mut *rung) {
            rung = bell.heard.wait(rung).unwrap();
        }
    }
}

/// A waker that counts.
pub(crate) struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self(AtomicUsize::new(0)));
        (count.clone(), count.into())
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

pub(crate) fn poll_once<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// A value that one thread writes before a wake, and another reads after it: loom objects where the
/// wake does not publish the write.
pub(crate) struct News(loom::cell::UnsafeCell<u32>);

// SAFETY: that accesses do not overlap is what the models prove: loom panics where they do.
unsafe impl Send for News {}
// SAFETY: as above.
unsafe impl Sync for News {}

impl News {
    pub(crate) fn new() -> Self {
        Self(loom::cell::UnsafeCell::new(0))
    }

    pub(crate) fn write(&self, news: u32) {
        // SAFETY: loom's models run one thread at a time, and loom panics where an access overlaps.
        self.0.with_mut(|place| unsafe { *place = news });
    }

    pub(crate) fn read(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|place| unsafe { *place })
    }
}
