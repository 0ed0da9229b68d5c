//! How a worker goes to sleep, and how it ends.
//!
//! ```text
//!  numbers up to date ─► 1 lie down ─► 2 asleep in `Idle` (fence) ─► 3 look everywhere ─► 4 tell of rest
//!                                                                       │ work                │
//!  fire timers ◄─ 7 rouse ◄─ 6 get up ◄─────────────────────────────────┴── 5 park, or turn ◄─┘
//! ```
//!
//! Nothing of the program's runs between 1 and 6: no task, and no waker of somebody else's. So what was
//! published in 1 is true until 6.

use super::super::super::idle::Roused;
use super::super::super::op::Ops;
use super::super::counts::add;
use super::super::shared::Peer;
use super::{LATE, Worker};
use crate::loom::{MODEL, yield_now};
use crate::task::here::Here;
use crate::task::run as task_run;
use std::time::{Duration, Instant};

/// Between two looks for tasks that are on their way to a worker that ends.
const STRAGGLER: Duration = Duration::from_millis(1);

impl Worker {
    /// Those who are awake, but for this one.
    fn busy_peers(&self) -> impl Iterator<Item = &Peer> {
        let awake = |&(index, _): &(usize, &Peer)| {
            index != self.index && !self.shared.idle.seems_asleep(index)
        };
        self.shared.peers.iter().enumerate().filter(awake).map(|(_, peer)| peer)
    }

    /// Sleeps until there is work. Whether the worker was woken to search.
    pub(super) fn sleep(&self, searching: bool, here: &Here) -> bool {
        self.check(here);
        self.send_posts();
        if self.busy_peers().map(|peer| peer.timers.fire_late(LATE)).sum::<usize>() > 0 {
            return searching;
        }
        let now = Instant::now();
        self.counts().lie_down(now.saturating_duration_since(self.shared.began));
        let began = self.spin.borrow().start(now);
        self.shared.rest.lie_down(self.index, here.live.get());
        self.shared.idle.sleep(self.index, searching);
        // The look that follows the fence of `Idle::sleep`.
        let saw_work = self.shared.has_work();
        if !saw_work && self.may_sleep() {
            if self.shared.rest.is_watched() {
                self.shared.tell_of_rest();
            }
            self.wait();
        } else if MODEL {
            // What was seen may be in another thief's hands: a schedule must let that one go on.
            yield_now();
        }
        self.shared.rest.get_up(self.index);
        let roused = self.shared.idle.rouse(self.index, saw_work);
        let now = Instant::now();
        self.spin.borrow_mut().learn(&began, now);
        self.counts().get_up(now.saturating_duration_since(self.shared.began));
        if let Some(ops) = &self.ops {
            ops.wake_others();
        }
        self.peer().timers.fire();
        self.send_posts();
        self.check(here);
        roused == Roused::Searching
    }

    /// The rest of that look: at what is for this worker alone.
    fn may_sleep(&self) -> bool {
        let shared = &self.shared;
        self.peer().mail.is_empty()
            && !self.ops.as_ref().is_some_and(Ops::has_orders)
            && !shared.is_ending()
            && shared.is_closing() == self.noted_closing.get()
    }

    fn wait(&self) {
        let timers = &self.peer().timers;
        let late = self.busy_peers().filter_map(|peer| peer.timers.late_in(LATE)).min();
        let left = timers.prepare_park().into_iter().chain(late).min();
        if left != Some(Duration::ZERO) {
            add(&self.counts().parks);
            self.wait_up_to(left);
        }
        timers.unparked();
    }

    fn wait_up_to(&self, left: Option<Duration>) {
        let parker = &self.peer().seat.parker;
        let Some(ops) = self.busy_loop() else {
            let deadline = left.and_then(|left| Instant::now().checked_add(left));
            let _ = parker.park(deadline);
            return;
        };
        let mut turned = Ok(0);
        let _ = parker.park_in(|| turned = ops.turn_quietly(left));
        if let Err(error) = turned {
            self.fail(error);
        }
    }

    /// The end: every task that is pinned here is over, and what lies in the queues, before it is left.
    ///
    /// All tasks have been aborted when the worker noticed that the scheduler is closing, so each poll
    /// here drops one. A pinned task that is in no queue is on its way, with a thread that has woken
    /// it: without it there is no end, since nobody else may drop its future. One that is spawned
    /// later does not come in any more, and has never been polled.
    pub(super) fn end(&self, here: &Here) {
        let depot = &self.shared.dispatch.depot;
        self.check(here);
        loop {
            while let Some(task) = self.next(here) {
                // SAFETY: as in `run`.
                unsafe { task_run::run::<false>(task, here) };
                self.send_posts();
            }
            if task_run::pinned_left(depot, self.index) == 0 {
                self.peer().mail.close();
                if self.peer().mail.is_empty() {
                    break;
                }
            }
            let _ = self.peer().seat.parker.park(Instant::now().checked_add(STRAGGLER));
        }
        if let Some(ops) = &self.ops {
            ops.end(self.shared.drain_deadline);
        }
    }
}
