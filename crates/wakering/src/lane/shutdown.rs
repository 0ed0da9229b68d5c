//! The end of a lane: refuse, orphan, cancel, drain, join; what the kernel still holds is left to it.

use super::{Lane, finish::RecordSink};
use std::time::{Duration, Instant};
use wakering_core::abi::{CompletionRecord, statx};
use wakering_core::policy;
use wakering_core::slot::{Cancel, Orphan};

/// What was left when the time was over.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shutdown {
    /// Ops that the kernel or a thread still holds. Their memory stays for ever, on purpose.
    pub stuck: usize,
    /// Threads that did not come back.
    pub threads: usize,
}

/// Orphans have nobody to be recorded for.
struct Nobody;

impl RecordSink for Nobody {
    fn record(&mut self, _record: CompletionRecord, _statx: Option<&[u8; statx::BYTES]>) {}
}

impl Lane {
    /// Refuses new ops, gives up those under way, and waits at most `deadline` for the kernel and
    /// the lane's threads to be done with them. Closes what is still open. After this, lent memory
    /// is the lender's again. Calling it again does nothing.
    pub fn shut_down(&mut self, deadline: Duration) -> Shutdown {
        if std::mem::replace(&mut self.closed, true) {
            return Shutdown::default();
        }
        let end = Instant::now() + deadline;
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        self.orphan_all();
        // All of them at once, and none may use up the time of the others: half of what is left.
        let mut worker = self.worker.take();
        if let Some(worker) = &mut worker {
            worker.stop();
        }
        // Pool and worker bring their last completions home through the driver's turns.
        let mut threads = self.pool.shutdown(left(end) / 2).threads;
        let mut batch = std::mem::take(&mut self.batch);
        let _ = self.engine.driver().drain(left(end) / 2, &mut |c| batch.push(c));
        if let Some(mut worker) = worker {
            threads += worker.join(left(end));
        }
        // What came home through the inbox after the driver had nothing left of its own.
        let rest = self.engine.driver().turn(Some(Duration::ZERO), usize::MAX, &mut |c| {
            batch.push(c);
        });
        debug_assert!(rest.is_ok());
        for completion in batch.drain(..) {
            self.finish(completion.token, &mut Nobody);
        }
        self.finish_answered(usize::MAX, &mut Nobody);
        let stuck = self.home.slab.in_use().count();
        let fds: Vec<_> = self.handles.drain().collect();
        for fd in fds {
            self.close_now(fd);
        }
        // Whoever holds an op holds its slot: a thread by its own count of the home, a ring by one
        // that its driver leaves behind. Only what an op points to has no other owner.
        self.memory.shut_down(stuck > 0);
        Shutdown { stuck, threads }
    }

    /// Nobody waits for anything any more.
    fn orphan_all(&mut self) {
        let tokens: Vec<_> = self.home.slab.in_use().collect();
        for token in tokens {
            let slot = self.home.slab.slot(token);
            match slot.orphan(token) {
                Orphan::Withdrawn => self.answered.push_back(token),
                Orphan::WaitForCqe if slot.request_cancel(token) == Cancel::Ask => {
                    // The driver's own and the pool's are cancelled when those are shut down.
                    if self.sides[token.index() as usize].lane == policy::Lane::Worker
                        && let Some(worker) = &mut self.worker
                    {
                        let _ = worker.cancel(token);
                    }
                }
                Orphan::WaitForCqe | Orphan::Ready | Orphan::Stale => {}
            }
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let _ = self.shut_down(Duration::from_millis(200));
    }
}
