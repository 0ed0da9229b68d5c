//! The scheduler on real threads.

use super::*;
use crate::loom::{AtomicUsize, Ordering};
use crate::task;

#[test]
fn t1_300_spawns_on_one_worker_overflow_once_and_none_is_lost() {
    let scheduler = Scheduler::start(Options::new().workers(1)).unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = ran.clone();
    let joins = scheduler.spawn(async move {
        let spawn = |_| {
            let ran = counted.clone();
            task::spawn(async move { ran.fetch_add(1, Ordering::Relaxed) })
        };
        (0..300).map(spawn).collect::<Vec<_>>()
    });
    scheduler.block_on(async {
        for join in joins.await.unwrap() {
            join.await.unwrap();
        }
    });
    assert_eq!(ran.load(Ordering::Relaxed), 300);
    assert_eq!(scheduler.metrics()[0].overflows, 1);
}
