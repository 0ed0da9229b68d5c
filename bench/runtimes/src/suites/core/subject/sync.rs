//! What tasks exchange and share: the kinds for one loop, and between threads the shared one.

use super::one::One;
use crate::contender::Run;
use crate::suites::core::rows::{self, Acquire, Channel, Notify, Oneshot, Pair};
use wakering_core::sync::{self, Local, Shared, channel, oneshot};

pub fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = vec![
        rows::channel_cell::<One, Sync>(),
        rows::request_cell::<One, Sync, Sync>(),
        rows::notify_cell::<One, sync::Notify<Local>>(),
        rows::semaphore_cell::<One, sync::Semaphore<Local>>(),
        rows::oneshot_cell::<One, Sync>(),
    ];
    cells.extend(rows::mutex_cells::<One, sync::Mutex<u64, Local>>());
    cells.extend(rows::cross_cells::<One, sync::Notify<Shared>>());
    cells
}

struct Sync;

impl Channel for Sync {
    type Sender<T: 'static> = channel::Sender<T, Local>;
    type Receiver<T: 'static> = channel::Receiver<T, Local>;

    fn channel<T: 'static>(room: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        channel::local(room)
    }

    async fn send<T: 'static>(sender: &Self::Sender<T>, value: T) {
        assert!(sender.send(value).await.is_ok(), "somebody receives");
    }

    async fn receive<T: 'static>(receiver: &mut Self::Receiver<T>) -> Option<T> {
        receiver.recv().await.ok()
    }
}

impl Oneshot for Sync {
    type Sender = oneshot::Sender<u64, Local>;
    type Receiver = oneshot::Receiver<u64, Local>;

    fn oneshot() -> (Self::Sender, Self::Receiver) {
        oneshot::local()
    }

    fn send(sender: Self::Sender, value: u64) {
        sender.send(value).expect("somebody waits");
    }

    async fn receive(receiver: Self::Receiver) -> u64 {
        receiver.await.expect("somebody sends")
    }
}

impl Notify for sync::Notify<Local> {
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

impl Pair for sync::Notify<Shared> {
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

impl Acquire for sync::Mutex<u64, Local> {
    type Held<'a> = sync::MutexGuard<'a, u64, Local>;

    fn new() -> Self {
        Self::new(0)
    }

    async fn acquire(&self) -> sync::MutexGuard<'_, u64, Local> {
        self.lock().await
    }
}

impl Acquire for sync::Semaphore<Local> {
    type Held<'a> = sync::Permit<'a, Local>;

    fn new() -> Self {
        Self::new(4)
    }

    async fn acquire(&self) -> sync::Permit<'_, Local> {
        self.acquire().await
    }
}
