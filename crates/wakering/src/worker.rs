//! One plain thread with a ring of its own, for what should not run on the lane's thread: large
//! copies and reads that were asked to be asynchronous.
//!
//! ```text
//! lane:    enqueue ─► publish (one lock, one bell) ─┐            ┌─► home.inbox ─► turn
//! worker:            hear the bell ─► driver.enqueue ─► driver.turn
//! ```
//!
//! The ops stay in the lane's slots; only tokens travel. A token whose op was withdrawn meanwhile
//! finds its slot under another generation, and the driver drops it.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use wakering_core::abi::ErrorKind;
use wakering_core::inbox::Pushed;
use wakering_core::{Completion, Driver, Error, Home, Token};
use wakering_uring_loop::{UringConfig, UringDriver};

/// Ops that the worker's ring takes at a time; more wait in the queue.
const ENTRIES: u32 = 64;

/// What the lane asks of the worker.
#[derive(Clone, Copy, Debug)]
enum Order {
    Carry(Token),
    Cancel(Token),
}

#[derive(Debug)]
struct Shared {
    /// The worker's own bell; its slab is the lane's.
    home: Arc<Home>,
    orders: Mutex<VecDeque<Order>>,
    stop: AtomicBool,
}

impl Shared {
    fn orders(&self) -> MutexGuard<'_, VecDeque<Order>> {
        // A panic while the lock is held leaves a queue that is whole: pushes and pops only.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lane's side.
#[derive(Debug)]
pub(crate) struct WorkerLoop {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Orders since the last publish.
    waiting: Vec<Order>,
}

impl WorkerLoop {
    /// Starts the thread. Fails where the kernel refuses another ring or another thread.
    pub(crate) fn start(lane_home: &Arc<Home>) -> Result<Self, Error> {
        let slots = lane_home.slab.len() as usize;
        let shared = Arc::new(Shared {
            home: Arc::new(Home::sharing(lane_home.slab.clone())?),
            // Each op can be carried once and cancelled once.
            orders: Mutex::new(VecDeque::with_capacity(2 * slots)),
            stop: AtomicBool::new(false),
        });
        let (ready, is_ready) = sync_channel(1);
        let (theirs, home) = (shared.clone(), lane_home.clone());
        let thread = std::thread::Builder::new()
            .name("wakering-worker".into())
            .spawn(move || run(&theirs, &home, &ready))?;
        match is_ready.recv() {
            Ok(Ok(())) => {
                Ok(Self { shared, thread: Some(thread), waiting: Vec::with_capacity(2 * slots) })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ErrorKind::Closed.into()),
        }
    }

    /// Takes an op; it travels with the next publish.
    pub(crate) fn enqueue(&mut self, token: Token) -> Result<(), Error> {
        self.order(Order::Carry(token))
    }

    /// Asks that an op be cancelled.
    pub(crate) fn cancel(&mut self, token: Token) -> Result<(), Error> {
        self.order(Order::Cancel(token))
    }

    fn order(&mut self, order: Order) -> Result<(), Error> {
        if self.waiting.len() == self.waiting.capacity() {
            // Orders of ops that are over, in slots that others have now.
            let slab = &self.shared.home.slab;
            self.waiting.retain(|&(Order::Carry(token) | Order::Cancel(token))| {
                slab.slot(token).current(token.index()) == Some(token)
            });
        }
        if self.waiting.len() == self.waiting.capacity() {
            return Err(ErrorKind::Busy.into());
        }
        self.waiting.push(order);
        Ok(())
    }

    /// Hands over what was enqueued: one lock and one bell for all of it. Orders beyond the queue's
    /// bound wait here for the next publish.
    pub(crate) fn publish(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let mut orders = self.shared.orders();
        let room = orders.capacity() - orders.len();
        orders.extend(self.waiting.drain(..room.min(self.waiting.len())));
        drop(orders);
        self.shared.home.doorbell.ring();
    }

    /// Stops the thread when it has given up its ops. How many threads did not come back in time.
    pub(crate) fn shut_down(&mut self, deadline: Duration) -> usize {
        self.publish();
        // Release: with the Acquire in `run`.
        self.shared.stop.store(true, Ordering::Release);
        self.shared.home.doorbell.ring();
        let Some(thread) = self.thread.take() else { return 0 };
        let end = Instant::now() + deadline;
        while !thread.is_finished() {
            if Instant::now() >= end {
                return 1;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        usize::from(thread.join().is_err())
    }
}

fn open_ring(shared: &Shared) -> Result<UringDriver, Error> {
    let config = UringConfig { entries: ENTRIES, ..UringConfig::worker(shared.home.slab.len()) };
    UringDriver::new(config, shared.home.clone()).map_err(|refused| Error::Os(refused.errno))
}

/// The thread: takes orders, turns its ring, brings completions home.
fn run(shared: &Shared, lane_home: &Home, ready: &SyncSender<Result<(), Error>>) {
    // Made here, because a ring belongs to the thread that made it.
    let mut driver = match open_ring(shared) {
        Ok(driver) => driver,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    let mut done: Vec<Completion> = Vec::with_capacity(ENTRIES as usize);
    loop {
        let stopping = shared.stop.load(Ordering::Acquire);
        let waiting = take_orders(shared, &mut driver);
        if stopping {
            // What the kernel holds beyond this is the lane's to count: its slots stay in use.
            let _ = driver.drain(Duration::from_millis(100), &mut |c| done.push(c));
            bring_home(lane_home, &mut done);
            return;
        }
        let timeout = waiting.then_some(Duration::ZERO);
        let turned = driver.turn(timeout, ENTRIES as usize, &mut |c| done.push(c));
        bring_home(lane_home, &mut done);
        if turned.is_err() {
            // A ring that cannot be entered any more: the lane sees its ops stay in flight.
            return;
        }
    }
}

/// Gives the driver as much as it takes. Whether orders are left.
fn take_orders(shared: &Shared, driver: &mut UringDriver) -> bool {
    let mut orders = shared.orders();
    while let Some(&order) = orders.front() {
        let taken = match order {
            Order::Carry(token) => driver.enqueue(token),
            Order::Cancel(token) => driver.cancel(token),
        };
        if taken == Err(ErrorKind::Busy.into()) {
            return true;
        }
        orders.pop_front();
    }
    false
}

/// The driver completed these slots; the lane is to take them.
fn bring_home(lane_home: &Home, done: &mut Vec<Completion>) {
    let mut ring = false;
    for completion in done.drain(..) {
        ring |= lane_home.inbox.push(&lane_home.slab, completion.token.index()) == Pushed::Ring;
    }
    if ring {
        lane_home.doorbell.ring();
    }
}
