//! The queues, the parker and who sleeps, by themselves.

#[path = "../support/workers.rs"]
#[allow(dead_code, reason = "only the items of it are used here")]
mod workers;

use super::Table;
use wakering_core::scheduler::deque::deque;
use wakering_core::scheduler::idle::{Idle, Spin};
use wakering_core::scheduler::inject::{Batch, Inject};
use wakering_core::scheduler::parker::Parker;
use workers::{NodeRef, nodes};

pub(super) fn rows(table: &mut Table) {
    let all = nodes(1000);
    let inject = Inject::new();
    let (local, stealer) = deque();
    let (other, _) = deque();
    let (idle, parker, mut spin) = (Idle::new(70), Parker::new(), Spin::new(2));
    let mut round = 0;
    table.row("queues: 1000 items through each, a park, a wake", || {
        round += 1;
        // 1000 into a ring of 256: most of it overflows.
        for node in all {
            let _ = local.push(NodeRef(node), &inject);
        }
        let mut seen = 0;
        while let Some((_first, more)) = inject.pop_into(&other, 100) {
            seen += 1 + more;
            while other.pop().is_some() {}
        }
        while let Some(stolen) = stealer.steal_into(&other) {
            seen += 1 + stolen.more;
            while other.pop().is_some() {}
        }
        assert_eq!(seen, all.len());
        let mut batch = Batch::new();
        all.iter().for_each(|node| batch.push(NodeRef(node)));
        assert!(inject.push_batch(batch).is_ok());
        while inject.pop().is_some() {}
        idle.sleep(round % 70, false);
        assert_eq!(idle.wake_one(), Some(round % 70));
        let _ = parker.unpark();
        let _ = parker.park(None);
        let _ = (idle.rouse(round % 70, false), idle.found());
        let now = std::time::Instant::now();
        let look = spin.start(now);
        spin.learn(&look, now);
    });
}
