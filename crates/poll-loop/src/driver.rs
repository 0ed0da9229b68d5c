//! The Driver of a loop without io_uring.
//!
//! ```text
//!            ┌ tried: done ────────────────────────────────────────────────┐
//!            ├ waits for readiness ─ reported ─ tried again ───────────────┤
//! enqueued ──┼ waits for its time ─ due ───────────────────────────────────┼─► ready ─► turn's sink
//!    │  ▲    ├ Nop ────────────────────────────────────────────────────────┘     ▲        ▲ ▲
//!    ▼  │    ├ multishot: waits, tried again and again ──────────────────────────┼────────┘ │
//!   linked   └ for the pool ─ publish ─ a thread ─► the home's inbox ────────────┴──────────┘
//! ```
//!
//! - **D1** An op is tried while it is Queued, when its resource is this thread's (I2 of slot). One
//!   that must wait is published here and stays this thread's; one for the pool stays Queued until a
//!   thread takes it, so that until then a cancel withdraws it.
//! - **D2** `flights` says of each slot where its op is. An entry whose generation is old says
//!   nothing.
//! - **D3** Nothing is completed into the sink but by `turn` and `drain`. What is ready before rings
//!   the loop's own bell, so that `poll_fd` is readable.
//! - **D4** Every list here has room for each slot once, and none grows.

mod begin;
mod cancel;
mod chain;
mod flights;
mod shots;
mod turn;

use crate::mounts::Mounts;
use crate::picked::Groups;
use crate::pool::{BlockingPool, PoolConfig};
use crate::readiness::Readiness;
use crate::sockets;
use crate::streams::Streams;
use crate::sys;
use crate::syscalls;
use crate::timers::Timers;
use begin::Enqueued;
use chain::Chains;
use flights::{Flights, Place};
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;
use wakering_core::abi::{ErrorKind, Opcode, op_flag};
use wakering_core::buffers::BufferGroup;
use wakering_core::driver::{CancelKey, Drained, Sink};
use wakering_core::inbox::InboxReader;
use wakering_core::resource::{NOT_PICKED, Prepared, Resource};
use wakering_core::slot::{Completed, Outcome, Publish};
use wakering_core::{Driver, Error, Home, Token};

/// What a [`PollDriver`] is made of.
#[derive(Clone, Debug, Default)]
pub struct PollConfig {
    /// The pool to use, by nobody else while the driver lives. `None`: one of its own, as
    /// `threads` says.
    pub pool: Option<Arc<BlockingPool>>,
    /// Bounds of its own pool.
    pub threads: PoolConfig,
    /// What is known of mounts, to be shared with [`crate::cached`]. `None`: its own.
    pub mounts: Option<Arc<Mounts>>,
}

/// See the module's text.
#[derive(Debug)]
pub struct PollDriver {
    // First, so that it is dropped before what it watches: `timer`, and the bell of `home`.
    readiness: Readiness,
    pool: Arc<BlockingPool>,
    reader: InboxReader,
    streams: Streams,
    groups: Groups,
    timers: Timers,
    timer: OwnedFd,
    armed: Option<u64>,
    enqueued: Vec<Enqueued>,
    chains: Chains,
    /// Ops whose turn it is to begin.
    due: VecDeque<Token>,
    for_pool: Vec<Token>,
    ready: VecDeque<Token>,
    reported: Vec<Token>,
    /// Multishot ops that may have something to tell.
    shooting: VecDeque<Token>,
    shots_first: bool,
    flights: Flights,
    /// Ops handed to the pool, and those of them that came back: what is left is there, or withdrawn.
    handed: u64,
    returned: u64,
    refusing: bool,
    enters: u64,
    home: Arc<Home>,
}

impl PollDriver {
    /// A driver for the ops of `home`. Fails where descriptors have run out.
    pub fn new(config: PollConfig, home: Arc<Home>) -> Result<Self, Error> {
        let slots = home.slab.len() as usize;
        let pool = config.pool.unwrap_or_else(|| {
            let mounts = config.mounts.unwrap_or_default();
            Arc::new(BlockingPool::new(home.clone(), mounts, config.threads))
        });
        let timer = sys::timer().map_err(|failed| Error::Os(-failed))?;
        let readiness = Readiness::new(slots, home.doorbell.as_raw_fd(), timer.as_raw_fd())?;
        Ok(Self {
            pool,
            reader: InboxReader::new(),
            readiness,
            streams: Streams::new(),
            groups: Groups::default(),
            timers: Timers::new(slots),
            timer,
            armed: None,
            enqueued: Vec::with_capacity(slots),
            chains: Chains::new(slots),
            due: VecDeque::with_capacity(2 * slots),
            for_pool: Vec::with_capacity(slots),
            ready: VecDeque::with_capacity(slots),
            reported: Vec::with_capacity(slots),
            shooting: VecDeque::with_capacity(slots),
            shots_first: false,
            flights: Flights::new(slots),
            handed: 0,
            returned: 0,
            refusing: false,
            enters: 0,
            home,
        })
    }

    /// The pool that carries out what may block.
    pub fn pool(&self) -> &Arc<BlockingPool> {
        &self.pool
    }

    /// The resource of an op that is this thread's.
    fn with_resource<R>(&self, token: Token, f: impl FnOnce(&mut Resource) -> R) -> R {
        // SAFETY: only called for ops that are Queued, or that this thread published and has not
        // completed (D1), and never from within `f`.
        unsafe { self.home.slab.slot(token).with_resource(f) }
    }

    fn prepared(&self, token: Token) -> Prepared {
        self.with_resource(token, |resource| resource.prepared)
    }

    fn publish_here(&self, token: Token) -> bool {
        self.home.slab.slot(token).publish(token) == Publish::Go
    }

    /// Completes an op that is this thread's; `turn` tells.
    fn complete(&mut self, token: Token, outcome: Outcome) {
        let failed = self.flights.has_failed(token, outcome);
        if self.settle(token, outcome) {
            self.ended(token, failed);
        }
    }

    /// As [`Self::complete`], for its result.
    fn end(&mut self, token: Token, result: i32) {
        self.complete(token, Outcome { result, flags: 0 });
    }

    /// Makes the transition, without a look at what is linked behind the op. Whether it was made.
    fn settle(&mut self, token: Token, outcome: Outcome) -> bool {
        let slot = self.home.slab.slot(token);
        let at_once = slot.complete_at_once(token, outcome) == Completed::Deliver;
        let settled = at_once || slot.complete(token, outcome) == Completed::Deliver;
        if settled {
            self.flights.set_place(token, Place::Nowhere);
            self.tell(token);
        }
        settled
    }

    fn tell(&mut self, token: Token) {
        if self.ready.len() == self.ready.capacity() {
            // Ops that their owner took without waiting to be told.
            let slab = &self.home.slab;
            self.ready.retain(|&token| slab.slot(token).is_ready(token));
        }
        self.ready.push_back(token);
    }

    /// Whether a turn would get on without waiting.
    fn has_work(&self) -> bool {
        let here = self.ready.is_empty() && self.shooting.is_empty() && self.due.is_empty();
        !here || self.reader.has_rest()
    }

    fn ring_if_work(&self) {
        if self.has_work() {
            self.home.doorbell.ring();
        }
    }
}

impl Driver for PollDriver {
    fn name(&self) -> &'static str {
        "poll"
    }

    fn supports(&self, opcode: Opcode) -> bool {
        use Opcode::{LinkTimeout, Nop, PollAdd, Timeout};
        matches!(opcode, Nop | Timeout | LinkTimeout | PollAdd)
            || sockets::waits(opcode)
            || syscalls::supports(opcode)
    }

    fn enqueue(&mut self, token: Token) -> Result<(), Error> {
        if self.refusing {
            return Err(ErrorKind::Closed.into());
        }
        let prepared = self.prepared(token);
        let picks = prepared.group != NOT_PICKED;
        let refused = prepared.flags & op_flag::DIRECT != 0 || picks && !shots::may_pick(&prepared);
        if refused || !self.supports(prepared.opcode) {
            return Err(ErrorKind::Unsupported.into());
        }
        if self.enqueued.len() == self.enqueued.capacity() {
            // Withdrawn ops fill it. A chain is not to be cut.
            if self.enqueued.last().is_some_and(Enqueued::is_linked) {
                return Err(ErrorKind::Busy.into());
            }
            self.begin_all()?;
        }
        self.flights.enter(token, &prepared);
        self.enqueued.push(Enqueued::new(token, &prepared));
        Ok(())
    }

    fn publish(&mut self) -> Result<(), Error> {
        let before = self.ready.len() + self.shooting.len();
        self.begin_all()?;
        self.arm();
        if self.ready.len() + self.shooting.len() > before {
            self.ring_if_work();
        }
        Ok(())
    }

    fn turn(
        &mut self,
        timeout: Option<Duration>,
        completions_max: usize,
        sink: Sink<'_>,
    ) -> Result<usize, Error> {
        self.sweep_chains();
        self.begin_all()?;
        self.arm();
        self.look(if self.has_work() { Some(Duration::ZERO) } else { timeout })?;
        self.begin_due()?;
        self.arm();
        let done = self.deliver(completions_max, sink);
        self.begin_due()?;
        self.arm();
        self.ring_if_work();
        Ok(done)
    }

    fn cancel(&mut self, token: Token) -> Result<(), Error> {
        self.cancel_one(token);
        self.ring_if_work();
        Ok(())
    }

    fn cancel_where(&mut self, key: CancelKey) -> Result<usize, Error> {
        let asked = self.cancel_all_of(key);
        self.ring_if_work();
        Ok(asked)
    }

    fn add_buffers(&mut self, group: Arc<BufferGroup>) -> Result<u16, Error> {
        self.groups.add(group)
    }

    fn remove_buffers(&mut self, group: u16) {
        self.groups.remove(group);
    }

    fn drain(&mut self, deadline: Duration, sink: Sink<'_>) -> Drained {
        self.drain_until(std::time::Instant::now() + deadline, sink)
    }

    fn poll_fd(&self) -> RawFd {
        self.readiness.poll_fd()
    }

    fn in_flight(&self) -> usize {
        let waiting = self.readiness.waiting() + self.timers.len();
        let begun = self.ready.len() + waiting + self.chains.waiting(&self.flights);
        let mut there = self.handed - self.returned;
        if there > 0 {
            // Forgets those that were withdrawn, but for what no thread has come across.
            self.pool.queued();
            there = there.saturating_sub(self.pool.withdrawn());
        }
        self.enqueued.len() + self.due.len() + begun + there as usize
    }

    fn enters(&self) -> u64 {
        self.enters
    }
}
