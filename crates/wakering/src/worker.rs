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
//!
//! The lock is held to move orders and for nothing else: the thread copies while it publishes, and
//! the lane's own thread must not wait for that.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use wakering_core::abi::ErrorKind;
use wakering_core::inbox::Pushed;
use wakering_core::slot::{Outcome, Publish};
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
    queue: Mutex<Queue>,
    stop: AtomicBool,
    /// The lane's time is over: leave what the kernel holds.
    abandon: AtomicBool,
}

#[derive(Debug)]
struct Queue {
    orders: VecDeque<Order>,
    /// The lane has more than there was room for, and comes again when it is rung.
    more: bool,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic while the lock is held leaves a queue that is whole: pushes and pops only.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves orders to `mine`, as many as it has room for. Whether the lane has more.
    fn take(&self, mine: &mut VecDeque<Order>) -> bool {
        let mut queue = self.queue();
        let room = mine.capacity() - mine.len();
        let count = room.min(queue.orders.len());
        mine.extend(queue.orders.drain(..count));
        count > 0 && std::mem::take(&mut queue.more)
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
            queue: Mutex::new(Queue { orders: VecDeque::with_capacity(2 * slots), more: false }),
            stop: AtomicBool::new(false),
            abandon: AtomicBool::new(false),
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

    /// The slot of an op, which is the lane's too.
    pub(crate) fn slot(&self, token: Token) -> &wakering_core::slot::Slot {
        self.shared.home.slab.slot(token)
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
    /// bound wait here for the next publish; the lane is rung when there is room.
    pub(crate) fn publish(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let mut queue = self.shared.queue();
        let room = queue.orders.capacity() - queue.orders.len();
        queue.orders.extend(self.waiting.drain(..room.min(self.waiting.len())));
        queue.more = !self.waiting.is_empty();
        drop(queue);
        self.shared.home.doorbell.ring();
    }

    /// Asks the thread to give up its ops and end.
    pub(crate) fn stop(&mut self) {
        // Release: with the Acquire in `run`.
        self.shared.stop.store(true, Ordering::Release);
        self.shared.home.doorbell.ring();
    }

    /// Waits for the thread, which was told to stop. How many did not come back in time.
    pub(crate) fn join(&mut self, deadline: Duration) -> usize {
        let Some(thread) = self.thread.take() else { return 0 };
        let end = Instant::now() + deadline;
        while !thread.is_finished() {
            if Instant::now() >= end {
                // Release: with the Acquire in `drain`.
                self.shared.abandon.store(true, Ordering::Release);
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
    let mut mine = VecDeque::with_capacity(2 * lane_home.slab.len() as usize);
    let mut done: Vec<Completion> = Vec::with_capacity(ENTRIES as usize);
    loop {
        if shared.stop.load(Ordering::Acquire) {
            return drain(shared, &mut driver, lane_home, &mut done);
        }
        if shared.take(&mut mine) {
            lane_home.doorbell.ring();
        }
        follow_next(&mut mine, &mut driver, lane_home);
        // A turn for each: the copy is made in it, and its answer does not wait for the others'.
        let timeout = (!mine.is_empty()).then_some(Duration::ZERO);
        let turned = driver.turn(timeout, ENTRIES as usize, &mut |c| done.push(c));
        bring_home(lane_home, &mut done);
        if let Err(error) = turned {
            // What the ring has is lost with it: the lane sees those ops stay in flight.
            return refuse_all(shared, lane_home, &mut mine, error);
        }
    }
}

/// What was not begun was taken back by the lane. What the kernel holds beyond the lane's time is the
/// lane's to count: its slots stay in use.
fn drain(shared: &Shared, driver: &mut UringDriver, lane_home: &Home, done: &mut Vec<Completion>) {
    loop {
        let left = driver.drain(Duration::from_millis(100), &mut |c| done.push(c));
        bring_home(lane_home, done);
        if left.still_in_flight == 0 || shared.abandon.load(Ordering::Acquire) {
            return;
        }
    }
}

/// Gives the driver the next op, and the cancels before it. An order that finds no room stays.
fn follow_next(mine: &mut VecDeque<Order>, driver: &mut UringDriver, lane_home: &Home) {
    while let Some(&order) = mine.front() {
        let taken = match order {
            Order::Carry(token) => driver.enqueue(token),
            Order::Cancel(token) => driver.cancel(token),
        };
        match taken {
            Ok(()) => {}
            Err(Error::Kind(ErrorKind::Busy)) => return,
            Err(error) => refuse(order, lane_home, error),
        }
        mine.pop_front();
        if let Order::Carry(_) = order {
            return;
        }
    }
}

/// Answers an op that cannot be carried out; a cancel that cannot be asked for comes too late.
fn refuse(order: Order, lane_home: &Home, error: Error) {
    let Order::Carry(token) = order else { return };
    if lane_home.slab.slot(token).publish(token) == Publish::Go {
        lane_home.deliver(token, Outcome { result: error.to_result(), flags: 0 });
    }
}

/// The ring cannot be entered any more: nobody is to wait for it in vain.
fn refuse_all(shared: &Shared, lane_home: &Home, mine: &mut VecDeque<Order>, error: Error) {
    loop {
        let stopping = shared.stop.load(Ordering::Acquire);
        if shared.take(mine) {
            lane_home.doorbell.ring();
        }
        for order in mine.drain(..) {
            refuse(order, lane_home, error);
        }
        if stopping {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use wakering_core::inbox::InboxReader;
    use wakering_core::waker::WakerRef;

    /// A lane's side without a thread behind it.
    fn alone(slots: u32) -> (Arc<Home>, WorkerLoop) {
        let lane_home = Arc::new(Home::new(slots).unwrap());
        let queue = Queue { orders: VecDeque::with_capacity(2 * slots as usize), more: false };
        let shared = Shared {
            home: Arc::new(Home::sharing(lane_home.slab.clone()).unwrap()),
            queue: Mutex::new(queue),
            stop: AtomicBool::new(false),
            abandon: AtomicBool::new(false),
        };
        let waiting = Vec::with_capacity(2 * slots as usize);
        (lane_home, WorkerLoop { shared: Arc::new(shared), thread: None, waiting })
    }

    #[test]
    fn a_lane_with_more_orders_than_there_is_room_for_is_called_again() {
        let (home, mut worker) = alone(2);
        let token = home.slab.claim_at(0, WakerRef::NOBODY).unwrap();
        let mut mine = VecDeque::with_capacity(4);
        for _ in 0..4 {
            worker.enqueue(token).unwrap();
        }
        worker.publish();
        worker.enqueue(token).unwrap();
        worker.publish();
        assert_eq!(worker.waiting.len(), 1);
        assert!(worker.shared.take(&mut mine), "the lane has to come again");
        worker.publish();
        assert!(worker.waiting.is_empty());
        assert!(!worker.shared.take(&mut mine), "no room, and nothing taken");
        mine.clear();
        assert!(!worker.shared.take(&mut mine));
        assert_eq!(mine.len(), 1);
    }

    #[test]
    fn a_ring_that_is_lost_leaves_no_op_without_an_answer() {
        let (home, mut worker) = alone(4);
        let tokens = [0, 1, 2].map(|index| home.slab.claim_at(index, WakerRef::NOBODY).unwrap());
        for token in tokens {
            worker.enqueue(token).unwrap();
        }
        worker.cancel(tokens[0]).unwrap();
        // Taken back before the worker came to it.
        let _ = home.slab.slot(tokens[1]).request_cancel(tokens[1]);
        worker.publish();
        worker.shared.stop.store(true, Ordering::Release);
        refuse_all(&worker.shared, &home, &mut VecDeque::with_capacity(8), Error::Os(libc::EIO));
        assert!(home.doorbell.clear());
        let mut reader = InboxReader::new();
        for token in [tokens[0], tokens[2]] {
            let answer = home.next_delivery(&mut reader).unwrap();
            assert_eq!((answer.token, answer.outcome.result), (token, -libc::EIO));
        }
        assert!(home.next_delivery(&mut reader).is_none());
    }
}
