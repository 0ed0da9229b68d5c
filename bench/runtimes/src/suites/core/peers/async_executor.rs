//! async-executor with the crates around it: threads that run one executor, and a local one.

use super::tokio::Tokio;
use crate::contender::{Contender, Run};
use crate::one_thread::OneThread;
use crate::suites::core::rows::{self, Acquire, Channel, ManyThreads, Pair, StartTimer};
use async_executor::{Executor, LocalExecutor};
use futures_lite::future;
use std::cell::OnceCell;
use std::sync::OnceLock;
use std::time::Duration;

pub const CONTENDER: Contender = Contender {
    name: "async-executor",
    crates: &["async-executor", "async-task", "async-lock", "async-channel", "async-io"],
    cells,
};

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::many_cells::<Smol>();
    cells.push(rows::memory_cell::<Smol>());
    cells.extend(rows::one_cells::<Smol>());
    cells.push(rows::channel_cell::<Smol, Smol>());
    cells.extend(rows::mutex_cells::<Smol, async_lock::Mutex<u64>>());
    cells.push(rows::semaphore_cell::<Smol, async_lock::Semaphore>());
    cells.extend(rows::timer_cells::<Smol, Smol>());
    cells.extend(rows::cross_cells::<Smol, Bell>());
    cells
}

pub struct Smol;

static EXECUTOR: OnceLock<Executor<'static>> = OnceLock::new();

fn executor() -> &'static Executor<'static> {
    EXECUTOR.get_or_init(Executor::new)
}

impl ManyThreads for Smol {
    fn start(workers: usize) {
        for _ in 0..workers {
            std::thread::spawn(|| future::block_on(executor().run(future::pending::<()>())));
        }
    }

    fn spawn(
        future: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        executor().spawn(future)
    }

    fn detach(future: impl Future<Output = ()> + Send + 'static) {
        executor().spawn(future).detach();
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        future::block_on(future)
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        future::yield_now()
    }

    // It has no oneshot of its own; tokio's needs no runtime.
    type Sender = <Tokio as ManyThreads>::Sender;
    type Receiver = <Tokio as ManyThreads>::Receiver;

    fn oneshot() -> (Self::Sender, Self::Receiver) {
        <Tokio as ManyThreads>::oneshot()
    }

    fn send(sender: Self::Sender) {
        <Tokio as ManyThreads>::send(sender);
    }

    fn receive(receiver: Self::Receiver) -> impl Future<Output = ()> + Send + 'static {
        <Tokio as ManyThreads>::receive(receiver)
    }
}

thread_local! {
    static LOCAL: OnceCell<&'static LocalExecutor<'static>> = const { OnceCell::new() };
}

/// One for each thread, and for as long as the process lives.
fn local() -> &'static LocalExecutor<'static> {
    LOCAL.with(|local| *local.get_or_init(|| Box::leak(Box::new(LocalExecutor::new()))))
}

impl Smol {
    /// Runs this thread's tasks until the future is ready.
    pub fn on_this_thread<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
        local().run(future)
    }
}

impl OneThread for Smol {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        // The one that also drives timers.
        async_io::block_on(Self::on_this_thread(future))
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        local().spawn(future)
    }
}

impl Channel for Smol {
    type Sender<T: 'static> = async_channel::Sender<T>;
    type Receiver<T: 'static> = async_channel::Receiver<T>;

    fn channel<T: 'static>(room: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        async_channel::bounded(room)
    }

    async fn send<T: 'static>(sender: &Self::Sender<T>, value: T) {
        sender.send(value).await.expect("somebody receives");
    }

    async fn receive<T: 'static>(receiver: &mut Self::Receiver<T>) -> Option<T> {
        receiver.recv().await.ok()
    }
}

impl Acquire for async_lock::Mutex<u64> {
    type Held<'a> = async_lock::MutexGuard<'a, u64>;

    fn new() -> Self {
        Self::new(0)
    }

    async fn acquire(&self) -> async_lock::MutexGuard<'_, u64> {
        self.lock().await
    }
}

impl Acquire for async_lock::Semaphore {
    type Held<'a> = async_lock::SemaphoreGuard<'a>;

    fn new() -> Self {
        Self::new(4)
    }

    async fn acquire(&self) -> async_lock::SemaphoreGuard<'_> {
        self.acquire().await
    }
}

impl StartTimer for Smol {
    fn sleep(duration: Duration) -> impl Future + 'static {
        async_io::Timer::after(duration)
    }
}

/// A channel of one place.
pub struct Bell(async_channel::Sender<()>, async_channel::Receiver<()>);

impl Pair for Bell {
    fn new() -> Self {
        let (sender, receiver) = async_channel::bounded(1);
        Self(sender, receiver)
    }

    fn notify(&self) {
        // Full is rung.
        let _ = self.0.try_send(());
    }

    async fn notified(&self) {
        self.1.recv().await.expect("the sender is beside it");
    }
}
