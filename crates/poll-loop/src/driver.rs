//! The Driver of a loop without io_uring.
//!
//! ```text
//!            ┌ tried: done ────────────────────────────────────────────────┐
//!            ├ waits for readiness ─ reported ─ tried again ───────────────┤
//! enqueued ──┼ waits for its time ─ due ───────────────────────────────────┼─► ready ─► turn's sink
//!            ├ Nop ────────────────────────────────────────────────────────┘              ▲
//!            └ for the pool ─ publish ─ a thread ─► the home's inbox ─────────────────────┘
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

use crate::mounts::Mounts;
use crate::pool::{BlockingPool, PoolConfig};
use crate::readiness::Readiness;
use crate::sockets;
use crate::streams::{Step, Streams, writes};
use crate::sys;
use crate::syscalls;
use crate::timers::Timers;
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wakering_core::abi::{ErrorKind, Opcode, op_flag};
use wakering_core::driver::{Drained, Sink};
use wakering_core::inbox::InboxReader;
use wakering_core::resource::{Prepared, Resource};
use wakering_core::slot::{Cancel, Completed, Outcome, Publish};
use wakering_core::{Completion, Driver, Error, Home, Token};

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

/// Ways to ask for an op that this driver has not.
const UNSUPPORTED: u8 = op_flag::DIRECT | op_flag::LINK | op_flag::HARDLINK | op_flag::MULTISHOT;

/// Where an op is (D2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Nowhere,
    Pool,
    Readiness,
    Timers,
}

/// What is known of the op in a slot.
#[derive(Clone, Copy, Debug)]
struct Flight {
    generation: u32,
    place: Place,
    /// How far an op is that takes several attempts.
    done: u32,
}

const NOT_FLYING: Flight = Flight { generation: 0, place: Place::Nowhere, done: 0 };

/// See the module's text.
#[derive(Debug)]
pub struct PollDriver {
    // First, so that it is dropped before what it watches: `timer`, and the bell of `home`.
    readiness: Readiness,
    pool: Arc<BlockingPool>,
    reader: InboxReader,
    streams: Streams,
    timers: Timers,
    timer: OwnedFd,
    armed: Option<u64>,
    enqueued: Vec<Token>,
    for_pool: Vec<Token>,
    ready: VecDeque<Token>,
    reported: Vec<Token>,
    flights: Box<[Flight]>,
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
            timers: Timers::new(slots),
            timer,
            armed: None,
            enqueued: Vec::with_capacity(slots),
            for_pool: Vec::with_capacity(slots),
            ready: VecDeque::with_capacity(slots),
            reported: Vec::with_capacity(slots),
            flights: vec![NOT_FLYING; slots].into_boxed_slice(),
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

    fn place_of(&self, token: Token) -> Place {
        let flight = self.flights[token.index() as usize];
        if flight.generation == token.generation() { flight.place } else { Place::Nowhere }
    }

    fn set_place(&mut self, token: Token, place: Place) {
        let flight = &mut self.flights[token.index() as usize];
        (flight.generation, flight.place) = (token.generation(), place);
    }

    fn publish_here(&self, token: Token) -> bool {
        self.home.slab.slot(token).publish(token) == Publish::Go
    }

    /// Completes an op that is this thread's; `turn` tells.
    fn complete(&mut self, token: Token, result: i32) {
        let outcome = Outcome { result, flags: 0 };
        let slot = self.home.slab.slot(token);
        let at_once = slot.complete_at_once(token, outcome) == Completed::Deliver;
        if at_once || slot.complete(token, outcome) == Completed::Deliver {
            self.set_place(token, Place::Nowhere);
            self.tell(token);
        }
    }

    fn tell(&mut self, token: Token) {
        if self.ready.len() == self.ready.capacity() {
            // Ops that their owner took without waiting to be told.
            let slab = &self.home.slab;
            self.ready.retain(|&token| slab.slot(token).is_ready(token));
        }
        self.ready.push_back(token);
    }

    /// Waits for a report, up to `timeout`, and gets on with what it is about.
    fn look(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut left = timeout;
        let found = loop {
            self.enters += 1;
            let found = sys::wait_readable(self.readiness.poll_fd(), left);
            if found != -libc::EINTR {
                break found;
            }
            left = until.map(|until| until.saturating_duration_since(Instant::now()));
        };
        if found < 0 {
            return Err(Error::Os(-found));
        }
        if found > 0 {
            self.hear()?;
        }
        self.fire();
        Ok(())
    }

    fn hear(&mut self) -> Result<(), Error> {
        let mut reported = std::mem::take(&mut self.reported);
        let heard = self.readiness.collect(&mut reported);
        let heard = heard.inspect_err(|_| reported.clear())?;
        if heard.bell {
            // Before the inbox is looked at: see `inbox`.
            self.home.doorbell.clear();
        }
        if heard.timer {
            self.armed = None;
            let _ = sys::set_timer(self.timer.as_raw_fd(), None);
        }
        let mut empty_for = None;
        for token in reported.drain(..) {
            let prepared = self.prepared(token);
            let way = (prepared.fd, writes(prepared.opcode));
            if prepared.opcode == Opcode::PollAdd {
                match sys::ready_events(prepared.fd, prepared.op_flags as u16 as i16) {
                    0 => {}
                    result => self.finish_waiting(token, result),
                }
            } else if empty_for != Some(way) {
                match self.attempt(token) {
                    Step::Done(result) => self.finish_waiting(token, result),
                    // The others in this line need not even try.
                    Step::Wait | Step::Pool => empty_for = Some(way),
                }
            }
        }
        self.reported = reported;
        self.readiness.arm_again()
    }

    fn finish_waiting(&mut self, token: Token, result: i32) {
        self.readiness.remove(token);
        self.complete(token, result);
    }

    fn fire(&mut self) {
        if self.timers.is_empty() {
            return;
        }
        let now = sys::now_ns();
        while let Some(token) = self.timers.take_due(now) {
            self.complete(token, -libc::ETIME);
        }
    }

    /// Sets the timer to what comes next. One that is set too early only costs a look.
    fn arm(&mut self) {
        if let Some(next) = self.timers.next_due()
            && self.armed.is_none_or(|armed| next < armed)
        {
            let _ = sys::set_timer(self.timer.as_raw_fd(), Some(next));
            self.armed = Some(next);
        }
    }

    /// Hands over at most `completions_max`. Whether something is left is told by the bell (D3).
    fn deliver(&mut self, completions_max: usize, sink: Sink<'_>) -> usize {
        let mut done = 0;
        while done < completions_max {
            let Some(token) = self.ready.pop_front() else { break };
            if let Some(outcome) = self.home.slab.slot(token).peek(token) {
                sink(Completion { token, outcome });
                done += 1;
            }
        }
        while done < completions_max {
            let Some(completion) = self.home.next_delivery(&mut self.reader) else { break };
            if self.place_of(completion.token) == Place::Pool {
                self.returned += 1;
                self.set_place(completion.token, Place::Nowhere);
            }
            sink(completion);
            done += 1;
        }
        if done == completions_max && !self.home.inbox.is_empty() {
            self.home.doorbell.ring();
        }
        self.ring_if_ready();
        done
    }

    fn ring_if_ready(&self) {
        if !self.ready.is_empty() || self.reader.has_rest() {
            self.home.doorbell.ring();
        }
    }

    /// Cancels everything that this driver has, for `drain`.
    fn cancel_everything(&mut self) {
        for index in 0..self.flights.len() {
            let Some(token) =
                self.home.slab.slot(Token::new(index as u32, 0)).current(index as u32)
            else {
                continue;
            };
            let enqueued = self.enqueued.contains(&token);
            if !enqueued && self.place_of(token) == Place::Nowhere {
                continue;
            }
            match self.home.slab.slot(token).request_cancel(token) {
                Cancel::Withdrawn => self.tell(token),
                Cancel::Ask | Cancel::AskedBefore => {
                    let _ = self.cancel(token);
                }
                Cancel::TooLate | Cancel::Stale => {}
            }
        }
        self.enqueued.clear();
    }
}

impl Driver for PollDriver {
    fn name(&self) -> &'static str {
        "poll"
    }

    fn supports(&self, opcode: Opcode) -> bool {
        matches!(opcode, Opcode::Nop | Opcode::Timeout | Opcode::PollAdd)
            || sockets::waits(opcode)
            || syscalls::supports(opcode)
    }

    fn enqueue(&mut self, token: Token) -> Result<(), Error> {
        if self.refusing {
            return Err(ErrorKind::Closed.into());
        }
        let prepared = self.prepared(token);
        if !self.supports(prepared.opcode) || prepared.flags & UNSUPPORTED != 0 {
            return Err(ErrorKind::Unsupported.into());
        }
        if self.enqueued.len() == self.enqueued.capacity() {
            // Only withdrawn ops can fill a list with room for each slot.
            let slab = &self.home.slab;
            self.enqueued.retain(|&token| begin::waits_to_begin(slab, token));
        }
        if self.enqueued.len() == self.enqueued.capacity() {
            return Err(ErrorKind::Busy.into());
        }
        self.enqueued.push(token);
        Ok(())
    }

    fn publish(&mut self) -> Result<(), Error> {
        let before = self.ready.len();
        self.begin_all()?;
        self.arm();
        if self.ready.len() > before {
            self.ring_if_ready();
        }
        Ok(())
    }

    fn turn(
        &mut self,
        timeout: Option<Duration>,
        completions_max: usize,
        sink: Sink<'_>,
    ) -> Result<usize, Error> {
        self.begin_all()?;
        self.arm();
        let pending = !self.ready.is_empty() || self.reader.has_rest();
        self.look(if pending { Some(Duration::ZERO) } else { timeout })?;
        self.arm();
        Ok(self.deliver(completions_max, sink))
    }

    fn cancel(&mut self, token: Token) -> Result<(), Error> {
        match self.place_of(token) {
            Place::Readiness => self.finish_waiting(token, -libc::ECANCELED),
            Place::Timers => {
                self.timers.remove(token);
                self.complete(token, -libc::ECANCELED);
            }
            Place::Pool => {
                self.pool.interrupt(token);
            }
            Place::Nowhere => {}
        }
        self.ring_if_ready();
        Ok(())
    }

    fn drain(&mut self, deadline: Duration, sink: Sink<'_>) -> Drained {
        let until = Instant::now() + deadline;
        let left = || until.saturating_duration_since(Instant::now());
        self.refusing = true;
        self.cancel_everything();
        loop {
            let pause = left().min(Duration::from_millis(10));
            let turned = self.turn(Some(pause), usize::MAX, sink);
            if turned.is_err() || self.in_flight() == 0 || left().is_zero() {
                break;
            }
        }
        let _ = self.pool.shutdown(left());
        // What the last threads brought.
        self.home.doorbell.clear();
        self.deliver(usize::MAX, sink);
        Drained { still_in_flight: self.in_flight() }
    }

    fn poll_fd(&self) -> RawFd {
        self.readiness.poll_fd()
    }

    fn in_flight(&self) -> usize {
        let here = self.ready.len() + self.readiness.waiting() + self.timers.len();
        let mut there = self.handed - self.returned;
        if there > 0 {
            // Forgets those that were withdrawn, but for what no thread has come across.
            self.pool.queued();
            there = there.saturating_sub(self.pool.withdrawn());
        }
        self.enqueued.len() + here + there as usize
    }

    fn enters(&self) -> u64 {
        self.enters
    }
}
