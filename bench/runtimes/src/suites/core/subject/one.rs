//! One thread: the scheduler of one loop and its tasks.

use crate::contender::Run;
use crate::one_thread::OneThread;
use crate::suites::core::rows::{self};
use wakering_core::scheduler::LocalScheduler;
use wakering_core::task;

pub fn cells() -> Vec<(&'static str, Run)> {
    rows::one_cells::<One>()
}

pub struct One;

impl OneThread for One {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        LocalScheduler::new().expect("a scheduler").block_on(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        let join = task::spawn_local(future);
        async { join.await.expect("no panic") }
    }
}
