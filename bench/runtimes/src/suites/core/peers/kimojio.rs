//! kimojio, without its TLS. Its event is set for all who wait and keeps no count, so it is no peer
//! of a notification to one.

use crate::contender::{Contender, Run};
use crate::one_thread::OneThread;
use crate::suites::core::rows::{self, Acquire, Channel, Oneshot, StartTimer};
use kimojio::configuration::Configuration;
use kimojio::{
    AsyncLock, AsyncLockRef, AsyncSemaphore, Receiver, ReceiverOneshot, Runtime, Sender,
    SenderOneshot, operations,
};
use std::time::Duration;

pub const CONTENDER: Contender = Contender { name: "kimojio", crates: &["kimojio"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::one_cells::<Kimojio>();
    cells.push(rows::channel_cell::<Kimojio, Kimojio>());
    cells.push(rows::request_cell::<Kimojio, Kimojio, Kimojio>());
    cells.extend(rows::mutex_cells::<Kimojio, AsyncLock<u64>>());
    cells.push(rows::semaphore_cell::<Kimojio, AsyncSemaphore>());
    cells.push(rows::oneshot_cell::<Kimojio, Kimojio>());
    cells.extend(rows::timer_cells::<Kimojio, Kimojio>());
    cells
}

struct Kimojio;

impl OneThread for Kimojio {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let ended = Runtime::new(0, Configuration::new()).block_on(future);
        ended.expect("nobody shuts it down").expect("no panic")
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        let join = operations::spawn_task(future);
        async { join.await.expect("no panic") }
    }
}

impl Channel for Kimojio {
    type Sender<T: 'static> = Sender<T>;
    type Receiver<T: 'static> = Receiver<T>;

    /// It has room for one, or for all.
    fn channel<T: 'static>(_: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        kimojio::async_channel()
    }

    async fn send<T: 'static>(sender: &Self::Sender<T>, value: T) {
        assert!(sender.send(value).await.is_ok(), "somebody receives");
    }

    async fn receive<T: 'static>(receiver: &mut Self::Receiver<T>) -> Option<T> {
        receiver.recv().await.ok()
    }
}

impl Oneshot for Kimojio {
    type Sender = SenderOneshot<u64>;
    type Receiver = ReceiverOneshot<u64>;

    fn oneshot() -> (Self::Sender, Self::Receiver) {
        kimojio::oneshot()
    }

    fn send(sender: Self::Sender, value: u64) {
        sender.send(value).expect("somebody waits");
    }

    async fn receive(receiver: Self::Receiver) -> u64 {
        receiver.recv().await.expect("somebody sends")
    }
}

impl Acquire for AsyncLock<u64> {
    type Held<'a> = AsyncLockRef<'a, u64>;

    fn new() -> Self {
        Self::new(0)
    }

    async fn acquire(&self) -> AsyncLockRef<'_, u64> {
        self.lock().await.expect("nobody cancels it")
    }
}

/// A permit that gives itself back, as the others' do.
pub struct Permit<'a>(&'a AsyncSemaphore);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Acquire for AsyncSemaphore {
    type Held<'a> = Permit<'a>;

    fn new() -> Self {
        Self::new(4)
    }

    async fn acquire(&self) -> Permit<'_> {
        self.acquire().await.expect("nobody cancels it");
        Permit(self)
    }
}

impl StartTimer for Kimojio {
    fn sleep(duration: Duration) -> impl Future + 'static {
        operations::sleep(duration)
    }
}
