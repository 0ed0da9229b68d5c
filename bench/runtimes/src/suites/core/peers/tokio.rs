//! tokio: its multi-thread runtime, and for one thread its `LocalRuntime`.

use crate::contender::{Contender, Run};
use crate::one_thread::OneThread;
use crate::suites::core::rows::{
    self, Acquire, Channel, ManyThreads, Notify, Oneshot, Pair, StartTimer,
};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::runtime::{Builder, LocalRuntime, Runtime};
use tokio::sync::{MutexGuard, SemaphorePermit, mpsc, oneshot};

pub const CONTENDER: Contender = Contender { name: "tokio", crates: &["tokio"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::many_cells::<Tokio>();
    cells.push(rows::memory_cell::<Tokio>());
    cells.extend(rows::one_cells::<Tokio>());
    cells.push(rows::channel_cell::<Tokio, Tokio>());
    cells.push(rows::request_cell::<Tokio, Tokio, Tokio>());
    cells.push(rows::notify_cell::<Tokio, tokio::sync::Notify>());
    cells.extend(rows::mutex_cells::<Tokio, tokio::sync::Mutex<u64>>());
    cells.push(rows::semaphore_cell::<Tokio, tokio::sync::Semaphore>());
    cells.push(rows::oneshot_cell::<Tokio, Tokio>());
    cells.extend(rows::timer_cells::<Tokio, Tokio>());
    cells.extend(rows::cross_cells::<Tokio, tokio::sync::Notify>());
    cells
}

pub struct Tokio;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

fn runtime() -> &'static Runtime {
    RUNTIME.get().expect("started")
}

impl ManyThreads for Tokio {
    fn start(workers: usize) {
        let runtime = Builder::new_multi_thread().worker_threads(workers).enable_all().build();
        RUNTIME.set(runtime.expect("threads")).expect("started once");
    }

    fn spawn(
        future: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let join = runtime().spawn(future);
        async { join.await.expect("no panic") }
    }

    fn detach(future: impl Future<Output = ()> + Send + 'static) {
        drop(runtime().spawn(future));
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        runtime().block_on(future)
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        tokio::task::yield_now()
    }

    type Sender = oneshot::Sender<()>;
    type Receiver = oneshot::Receiver<()>;

    fn oneshot() -> (Self::Sender, Self::Receiver) {
        oneshot::channel()
    }

    fn send(sender: Self::Sender) {
        sender.send(()).expect("somebody waits");
    }

    async fn receive(receiver: Self::Receiver) {
        receiver.await.expect("somebody sends");
    }
}

impl OneThread for Tokio {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        LocalRuntime::new().expect("a runtime").block_on(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        let join = tokio::task::spawn_local(future);
        async { join.await.expect("no panic") }
    }
}

impl Channel for Tokio {
    type Sender<T: 'static> = mpsc::Sender<T>;
    type Receiver<T: 'static> = mpsc::Receiver<T>;

    fn channel<T: 'static>(room: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        mpsc::channel(room)
    }

    async fn send<T: 'static>(sender: &Self::Sender<T>, value: T) {
        sender.send(value).await.expect("somebody receives");
    }

    async fn receive<T: 'static>(receiver: &mut Self::Receiver<T>) -> Option<T> {
        receiver.recv().await
    }
}

impl Oneshot for Tokio {
    type Sender = oneshot::Sender<u64>;
    type Receiver = oneshot::Receiver<u64>;

    fn oneshot() -> (Self::Sender, Self::Receiver) {
        oneshot::channel()
    }

    fn send(sender: Self::Sender, value: u64) {
        sender.send(value).expect("somebody waits");
    }

    async fn receive(receiver: Self::Receiver) -> u64 {
        receiver.await.expect("somebody sends")
    }
}

impl Notify for tokio::sync::Notify {
    fn new() -> Self {
        Self::new()
    }

    fn notify(&self) {
        self.notify_one();
    }

    async fn notified(&self) {
        self.notified().await;
    }
}

impl Pair for tokio::sync::Notify {
    fn new() -> Self {
        Self::new()
    }

    fn notify(&self) {
        self.notify_one();
    }

    async fn notified(&self) {
        self.notified().await;
    }
}

impl Acquire for tokio::sync::Mutex<u64> {
    type Held<'a> = MutexGuard<'a, u64>;

    fn new() -> Self {
        Self::new(0)
    }

    async fn acquire(&self) -> MutexGuard<'_, u64> {
        self.lock().await
    }
}

impl Acquire for tokio::sync::Semaphore {
    type Held<'a> = SemaphorePermit<'a>;

    fn new() -> Self {
        Self::new(4)
    }

    async fn acquire(&self) -> SemaphorePermit<'_> {
        self.acquire().await.expect("it is open")
    }
}

impl StartTimer for Tokio {
    fn sleep(duration: Duration) -> impl Future + 'static {
        tokio::time::sleep(duration)
    }
}
