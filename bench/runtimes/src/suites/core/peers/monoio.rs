//! monoio, with local-sync as its users take it.

use crate::contender::{Contender, Run};
use crate::one_thread::OneThread;
use crate::suites::core::rows::{self, Acquire, Channel, Oneshot, StartTimer};
use local_sync::mpsc::bounded;
use local_sync::{oneshot, semaphore};
use std::time::Duration;

pub const CONTENDER: Contender =
    Contender { name: "monoio", crates: &["monoio", "local-sync"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::one_cells::<Monoio>();
    cells.push(rows::channel_cell::<Monoio, Monoio>());
    cells.push(rows::request_cell::<Monoio, Monoio, Monoio>());
    cells.push(rows::semaphore_cell::<Monoio, semaphore::Semaphore>());
    cells.push(rows::oneshot_cell::<Monoio, Monoio>());
    cells.extend(rows::timer_cells::<Monoio, Monoio>());
    cells
}

struct Monoio;

impl OneThread for Monoio {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let mut runtime = monoio::RuntimeBuilder::<monoio::FusionDriver>::new()
            .enable_timer()
            .build()
            .expect("a runtime");
        runtime.block_on(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        monoio::spawn(future)
    }
}

impl Channel for Monoio {
    type Sender<T: 'static> = bounded::Tx<T>;
    type Receiver<T: 'static> = bounded::Rx<T>;

    fn channel<T: 'static>(room: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        bounded::channel(room)
    }

    async fn send<T: 'static>(sender: &Self::Sender<T>, value: T) {
        sender.send(value).await.expect("somebody receives");
    }

    async fn receive<T: 'static>(receiver: &mut Self::Receiver<T>) -> Option<T> {
        receiver.recv().await
    }
}

impl Oneshot for Monoio {
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

impl Acquire for semaphore::Semaphore {
    type Held<'a> = semaphore::SemaphorePermit<'a>;

    fn new() -> Self {
        Self::new(4)
    }

    async fn acquire(&self) -> semaphore::SemaphorePermit<'_> {
        self.acquire().await.expect("it is open")
    }
}

impl StartTimer for Monoio {
    fn sleep(duration: Duration) -> impl Future + 'static {
        monoio::time::sleep(duration)
    }
}
