//! Several workers: the scheduler whose threads share their work.

use crate::contender::Run;
use crate::suites::core::rows::{self, ManyThreads};
use std::sync::OnceLock;
use wakering_core::scheduler::{Options, Scheduler};
use wakering_core::sync::oneshot;
use wakering_core::task;

pub fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::many_cells::<Many>();
    cells.push(rows::memory_cell::<Many>());
    cells
}

struct Many;

static SCHEDULER: OnceLock<Scheduler> = OnceLock::new();

fn scheduler() -> &'static Scheduler {
    SCHEDULER.get().expect("started")
}

impl ManyThreads for Many {
    fn start(workers: usize) {
        let scheduler = Scheduler::start(Options::new().workers(workers)).expect("threads");
        SCHEDULER.set(scheduler).expect("started once");
    }

    fn spawn(
        future: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let join = scheduler().spawn(future);
        async { join.await.expect("no panic") }
    }

    fn detach(future: impl Future<Output = ()> + Send + 'static) {
        scheduler().spawn(future).detach();
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        scheduler().block_on(future)
    }

    async fn yield_now() {
        task::yield_now().await;
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
