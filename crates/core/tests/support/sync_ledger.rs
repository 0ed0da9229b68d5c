//! Tasks by hand: a waker that counts, a poll that says what it got, a loop that runs until nothing
//! moves. Include this file by its path.

#![allow(dead_code, reason = "each test that includes it uses its part")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

/// Counts how often it was woken.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// One future, polled by hand.
#[derive(Debug)]
pub(crate) struct Hand<F> {
    pub(crate) future: Pin<Box<F>>,
    wakes: Arc<Count>,
    waker: Waker,
}

impl<F: Future> Hand<F> {
    pub(crate) fn new(future: F) -> Self {
        let wakes = Arc::new(Count::default());
        Self { future: Box::pin(future), waker: wakes.clone().into(), wakes }
    }

    /// A future that has been polled once, and waits.
    pub(crate) fn waiting(future: F) -> Self {
        let mut hand = Self::new(future);
        assert!(hand.poll().is_none(), "it was to wait");
        hand
    }

    pub(crate) fn poll(&mut self) -> Option<F::Output> {
        match self.future.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    /// Another waker from now on. The wakes start again at 0.
    pub(crate) fn change_waker(&mut self) {
        self.wakes = Arc::new(Count::default());
        self.waker = self.wakes.clone().into();
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }
}

struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// Runs one future on this thread, which parks meanwhile.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let unpark = Arc::new(Unpark { thread: std::thread::current(), woken: AtomicBool::new(false) });
    let waker = unpark.clone().into();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while !unpark.woken.swap(false, Ordering::SeqCst) {
            std::thread::park();
        }
    }
}

type Boxed<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

struct Requeue {
    index: usize,
    queued: AtomicBool,
    ready: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for Requeue {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            self.ready.lock().unwrap().push_back(self.index);
        }
    }
}

/// Tasks of one thread, polled in the order of their wakes.
#[derive(Default)]
pub(crate) struct Loop<'a> {
    tasks: RefCell<Vec<(Option<Boxed<'a>>, Arc<Requeue>)>>,
    ready: Arc<Mutex<VecDeque<usize>>>,
}

impl<'a> Loop<'a> {
    /// Also from a task of the loop.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + 'a) {
        let index = self.tasks.borrow().len();
        let (queued, ready) = (AtomicBool::new(false), self.ready.clone());
        let requeue = Arc::new(Requeue { index, queued, ready });
        requeue.wake_by_ref();
        self.tasks.borrow_mut().push((Some(Box::pin(future)), requeue));
    }

    /// Until no task is woken. How many are left, and wait.
    pub(crate) fn run(&self) -> usize {
        loop {
            let Some(index) = self.ready.lock().unwrap().pop_front() else { break };
            let (task, requeue) = {
                let mut tasks = self.tasks.borrow_mut();
                (tasks[index].0.take(), tasks[index].1.clone())
            };
            requeue.queued.store(false, Ordering::SeqCst);
            let Some(mut task) = task else { continue };
            let waker = requeue.into();
            if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                self.tasks.borrow_mut()[index].0 = Some(task);
            }
        }
        self.tasks.borrow().iter().filter(|(task, _)| task.is_some()).count()
    }
}

/// Lets every other task of the loop run.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Counts its drops.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

impl Drops {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Something whose drop is counted.
    pub(crate) fn item(&self) -> Counted {
        Counted(self.clone())
    }
}

#[derive(Debug)]
pub(crate) struct Counted(Drops);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}
