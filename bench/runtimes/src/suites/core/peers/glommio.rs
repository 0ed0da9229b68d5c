//! glommio, as it is published today (glommio-ng).

use crate::contender::{Contender, Run};
use crate::one_thread::OneThread;
use crate::suites::core::rows::{self, Acquire, Channel, Oneshot, StartTimer};
use glommio_ng::channels::{local_channel, oneshot};
use glommio_ng::sync::{Mutex, MutexGuard, Permit, Semaphore};
use std::time::Duration;

pub const CONTENDER: Contender = Contender { name: "glommio-ng", crates: &["glommio-ng"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::one_cells::<Glommio>();
    cells.push(rows::channel_cell::<Glommio, Glommio>());
    cells.push(rows::request_cell::<Glommio, Glommio, Glommio>());
    cells.extend(rows::mutex_cells::<Glommio, Mutex<u64>>());
    cells.push(rows::semaphore_cell::<Glommio, Semaphore>());
    cells.push(rows::oneshot_cell::<Glommio, Glommio>());
    cells.extend(rows::timer_cells::<Glommio, Glommio>());
    cells
}

struct Glommio;

impl OneThread for Glommio {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        glommio_ng::LocalExecutor::default().run(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        glommio_ng::spawn_local(future)
    }
}

impl Channel for Glommio {
    type Sender<T: 'static> = local_channel::LocalSender<T>;
    type Receiver<T: 'static> = local_channel::LocalReceiver<T>;

    fn channel<T: 'static>(room: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        local_channel::new_bounded(room)
    }

    async fn send<T: 'static>(sender: &Self::Sender<T>, value: T) {
        sender.send(value).await.expect("somebody receives");
    }

    async fn receive<T: 'static>(receiver: &mut Self::Receiver<T>) -> Option<T> {
        receiver.recv().await
    }
}

impl Oneshot for Glommio {
    type Sender = oneshot::Sender<u64>;
    type Receiver = oneshot::Receiver<u64>;

    fn oneshot() -> (Self::Sender, Self::Receiver) {
        oneshot::oneshot()
    }

    fn send(sender: Self::Sender, value: u64) {
        sender.send(value).expect("somebody waits");
    }

    async fn receive(receiver: Self::Receiver) -> u64 {
        receiver.await.expect("somebody sends")
    }
}

impl Acquire for Mutex<u64> {
    type Held<'a> = MutexGuard<'a, u64>;

    fn new() -> Self {
        Self::new(0)
    }

    async fn acquire(&self) -> MutexGuard<'_, u64> {
        self.lock().await.expect("it is open")
    }
}

impl Acquire for Semaphore {
    type Held<'a> = Permit<'a>;

    fn new() -> Self {
        Self::new(4)
    }

    async fn acquire(&self) -> Permit<'_> {
        self.acquire_permit(1).await.expect("it is open")
    }
}

impl StartTimer for Glommio {
    fn sleep(duration: Duration) -> impl Future + 'static {
        glommio_ng::timer::sleep(duration)
    }
}
