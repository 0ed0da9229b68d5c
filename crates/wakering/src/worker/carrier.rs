//! The worker's own side: a scheduler of one thread over a ring of its own, and a task for each op.
//!
//! ```text
//! orders ─► dispatch ─┬─ Carry:  a task: publish the lane's slot ─► op of this ring ─► deliver
//!                     ├─ Cancel: the op of this ring is asked to end; its task answers
//!                     └─ closed: all are asked to end; over when they are, or when the lane gives up
//! ```
//!
//! The op runs in a slot of this thread's. The lane's slot stays InFlight until the answer, so what it
//! lends outlives the copy.

use super::{Order, Shared};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use wakering_core::abi::ErrorKind;
use wakering_core::block::BlockPool;
use wakering_core::resource::{NOT_FIXED, Prepared, Resource};
use wakering_core::scheduler::{LocalOptions, LocalScheduler, Loop, Ops, describe};
use wakering_core::slot::{Outcome, Publish};
use wakering_core::sync::{First2, Local, Notify, select};
use wakering_core::task::{spawn_local, yield_now};
use wakering_core::{Driver, Error, Home, Token};

/// Between two looks at a ring that is lost.
const LOST_LOOK: Duration = Duration::from_millis(5);

/// An op of the lane, and the one here that carries it.
type Carried = (Token, Token);

/// What the tasks of the thread share.
#[derive(Debug)]
pub(super) struct Carrier {
    shared: Arc<Shared>,
    ops: Ops,
    /// By the number of the lane's slot.
    carried: Box<[Cell<Option<Carried>>]>,
    /// Tasks that carry, and whoever waits for the last of them.
    carrying: Cell<usize>,
    idle: Notify<Local>,
    /// Why the ring can do nothing any more.
    lost: Cell<Option<Error>>,
}

/// A scheduler of this thread over `driver`, for whom an answer comes before the next copy: who was
/// woken runs first, and the ring has its turn after every second poll.
pub(super) fn scheduler(driver: Box<dyn Driver>, home: Arc<Home>) -> Result<LocalScheduler, Error> {
    // SAFETY: the home is this worker's, and only its driver has it beside the worker.
    let made = unsafe { Loop::new(driver, home) };
    LocalOptions::new()
        .lifo(true)
        .turn_polls(2)
        .with_loop(made, 0)
        // Who ends the run has waited for the kernel already.
        .drain_deadline(Duration::ZERO)
        .build()
}

/// Carries ops until the lane closes the orders, and what it had begun is over or given up.
pub(super) fn run(shared: &Arc<Shared>, scheduler: &LocalScheduler) {
    let Some(ops) = scheduler.ops() else { unreachable!("it was made with a driver") };
    let slots = shared.lane_home.slab.len();
    let carrier = Rc::new(Carrier {
        shared: shared.clone(),
        ops: ops.clone(),
        carried: (0..slots).map(|_| Cell::new(None)).collect(),
        carrying: Cell::new(0),
        idle: Notify::new(),
        lost: Cell::new(None),
    });
    while let Err(error) = scheduler.run_until(carrier.dispatch()) {
        // What the ring has is lost with it: the lane sees those ops stay in flight. Nobody is to
        // wait for the others in vain, so the orders are followed still, and each is refused.
        let error = match error {
            wakering_core::scheduler::RunError::Loop(error) => error,
            _ => ErrorKind::Closed.into(),
        };
        carrier.lost.set(Some(error));
        std::thread::sleep(LOST_LOOK);
    }
}

impl Carrier {
    async fn dispatch(self: &Rc<Self>) {
        while let Ok(order) = self.shared.orders.recv().await {
            self.shared.call_if_more();
            match order {
                Order::Carry(token) => {
                    self.carrying.set(self.carrying.get() + 1);
                    spawn_local(self.clone().carry(token)).detach();
                }
                Order::Cancel(token) => self.cancel(token),
            }
        }
        for carried in &self.carried {
            if let Some((token, _)) = carried.get() {
                self.cancel(token);
            }
        }
        while self.carrying.get() > 0 && self.lost.get().is_none() {
            let (idle, given_up) = (self.idle.notified(), self.shared.given_up.notified());
            if let First2::B(_) = select((idle, given_up)).await {
                return;
            }
        }
    }

    /// Carries one op, unless it was withdrawn.
    async fn carry(self: Rc<Self>, token: Token) {
        let slot = self.shared.lane_home.slab.slot(token);
        if slot.publish(token) == Publish::Go {
            // SAFETY: published here, and completed below.
            let prepared = unsafe { slot.with_resource(|resource| resource.prepared) };
            // The place is one in the table of another ring.
            let prepared = Prepared { fixed_file: NOT_FIXED, ..prepared };
            let outcome = match self.lost.get() {
                Some(error) => Outcome { result: error.to_result(), flags: 0 },
                None => self.carry_out(token, prepared).await,
            };
            self.shared.lane_home.deliver(token, outcome);
        }
        self.carrying.set(self.carrying.get() - 1);
        if self.carrying.get() == 0 {
            self.idle.notify_one();
        }
    }

    async fn carry_out(&self, token: Token, prepared: Prepared) -> Outcome {
        let carried = &self.carried[token.index() as usize];
        loop {
            let prepare = |resource: &mut Resource, _: &BlockPool| {
                resource.prepared = prepared;
                Ok(())
            };
            // SAFETY: what it names is lent by the lane's slot, which stays InFlight until the answer.
            let request = unsafe { describe(prepare) };
            let mut op = pin!(self.ops.start(request));
            let outcome = poll_fn(|cx| {
                let polled = op.as_mut().poll(cx);
                carried.set(op.token().map(|own| (token, own)));
                polled
            });
            match outcome.await {
                Ok(outcome) => return outcome,
                // The next turn makes room.
                Err(Error::Kind(ErrorKind::Busy)) => {
                    let _others = yield_now().await;
                }
                Err(error) => return Outcome { result: error.to_result(), flags: 0 },
            }
        }
    }

    /// Asks that an op end. One that has not begun was withdrawn by the lane.
    fn cancel(&self, token: Token) {
        if let Some((carried, own)) = self.carried[token.index() as usize].get()
            && carried == token
        {
            self.ops.cancel(own);
        }
    }
}
