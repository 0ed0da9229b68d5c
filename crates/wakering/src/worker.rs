//! One scheduler thread with a ring of its own, for what should not run on the lane's thread: large
//! copies and reads that were asked to be asynchronous.
//!
//! ```text
//! lane:    enqueue ─► publish ─► orders ─┐                               ┌─► home.inbox ─► turn
//! worker:            dispatch ─► a task for each op ─► the worker's ring ┘
//! ```
//!
//! The ops stay in the lane's slots; only tokens travel. A token whose op was withdrawn meanwhile
//! finds its slot under another generation, and its task ends.

mod carrier;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use wakering_core::abi::ErrorKind;
use wakering_core::scheduler::LocalScheduler;
use wakering_core::sync::{Channel, Notify};
use wakering_core::{Error, Home, Token};
use wakering_uring_loop::{UringConfig, UringDriver};

/// Places for submissions in the worker's ring.
const ENTRIES: u32 = 64;

/// What the lane asks of the worker.
#[derive(Clone, Copy, Debug)]
enum Order {
    Carry(Token),
    Cancel(Token),
}

#[derive(Debug)]
struct Shared {
    /// The lane's: its slots, and where answers go.
    lane_home: Arc<Home>,
    orders: Channel<Order>,
    /// The lane has more orders than there was room for, and comes again when it is rung.
    more: AtomicBool,
    /// The lane's time is over: leave what the kernel holds.
    given_up: Notify,
}

impl Shared {
    /// Each op can be carried once and cancelled once.
    fn new(lane_home: Arc<Home>) -> Arc<Self> {
        let orders = Channel::named("orders", 2 * lane_home.slab.len() as usize);
        Arc::new(Self { lane_home, orders, more: AtomicBool::new(false), given_up: Notify::new() })
    }

    /// After an order was taken.
    fn call_if_more(&self) {
        // Relaxed: see `WorkerLoop::publish`.
        if self.more.swap(false, Ordering::Relaxed) {
            self.lane_home.doorbell.ring();
        }
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
        let mut worker = Self::without_thread(lane_home);
        let (ready, is_ready) = sync_channel(1);
        let shared = worker.shared.clone();
        let thread = std::thread::Builder::new()
            .name("wakering-worker".into())
            .spawn(move || run(&shared, &ready))?;
        worker.thread = Some(thread);
        is_ready.recv().unwrap_or(Err(ErrorKind::Closed.into()))?;
        Ok(worker)
    }

    fn without_thread(lane_home: &Arc<Home>) -> Self {
        let waiting = Vec::with_capacity(2 * lane_home.slab.len() as usize);
        Self { shared: Shared::new(lane_home.clone()), thread: None, waiting }
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
            let slab = &self.shared.lane_home.slab;
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

    /// Hands over what was enqueued: one bell for all of it, if the worker sleeps. Orders beyond the
    /// channel's bound wait here for the next publish; the lane is rung when there is room.
    pub(crate) fn publish(&mut self) {
        if self.waiting.is_empty() || self.hand_over() {
            return;
        }
        // Relaxed, here and in `call_if_more`: the channel's lock orders them. Where it is full still,
        // an order will be taken after this, and the flag seen.
        self.shared.more.store(true, Ordering::Relaxed);
        self.hand_over();
    }

    /// Whether there was room for all.
    fn hand_over(&mut self) -> bool {
        let sent =
            self.waiting.iter().take_while(|&&order| self.shared.orders.try_send(order).is_ok());
        let sent = sent.count();
        self.waiting.drain(..sent);
        self.waiting.is_empty()
    }

    /// Asks the thread to give up its ops and end.
    pub(crate) fn stop(&mut self) {
        self.publish();
        self.shared.orders.close();
    }

    /// Waits for the thread, which was told to stop. How many did not come back in time.
    pub(crate) fn join(&mut self, deadline: Duration) -> usize {
        let Some(thread) = self.thread.take() else { return 0 };
        let end = Instant::now() + deadline;
        while !thread.is_finished() {
            if Instant::now() >= end {
                self.shared.given_up.notify_one();
                return 1;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        usize::from(thread.join().is_err())
    }
}

/// The thread.
fn run(shared: &Arc<Shared>, ready: &SyncSender<Result<(), Error>>) {
    // Made here, because a ring and a scheduler belong to the thread that made them.
    let scheduler = open(shared.lane_home.slab.len());
    let answer = scheduler.as_ref().map(|_| ()).map_err(|&error| error);
    let _ = ready.send(answer);
    if let Ok(scheduler) = scheduler {
        carrier::run(shared, &scheduler);
    }
}

fn open(slots: u32) -> Result<LocalScheduler, Error> {
    let home = Arc::new(Home::new(slots)?);
    let config = UringConfig { entries: ENTRIES, ..UringConfig::worker(slots) };
    let driver =
        UringDriver::new(config, home.clone()).map_err(|refused| Error::Os(refused.errno))?;
    carrier::scheduler(Box::new(driver), home)
}

#[cfg(test)]
mod tests;
