//! One thread's lane: descriptors in, completion records out.
//!
//! ```text
//! accept ─► prepare ─► policy ─┬─ Cached: attempted here ──────────────┐
//!                              ├─ Loop:   driver.enqueue ─► kernel ────┤
//!                              ├─ Worker: worker loop ─► home.inbox ───┼─► turn ─► finish ─► record
//!                              └─ Pool:   pool thread ─► home.inbox ───┤
//!                    refused, withdrawn: answered here ────────────────┘
//! ```
//!
//! - **L1** Only the lane's own thread calls it, and lent memory is touched on that thread alone.
//! - **L2** Every descriptor that names a free slot gets exactly one final record.
//! - **L3** A handle's descriptor is closed after its last op is done, and never twice.
//! - **L4** `turn` starts nothing on behalf of the caller and calls nobody back but the sink.

mod cancel;
mod choice;
mod close;
mod content;
mod doubt;
mod fifo;
mod finish;
mod memory;
mod position;
mod prepare;
mod shutdown;
mod side;
mod spares;
mod status;
mod turn;

pub(crate) use close::kind_of;
pub use finish::RecordSink;
pub(crate) use position::Beginning;
pub use shutdown::Shutdown;

use crate::config::Config;
use crate::engine::{Capabilities, Engine};
use crate::metrics::Metrics;
use crate::worker::WorkerLoop;
use doubt::{Doubt, Lonely};
use memory::{Memory, Range};
use prepare::{Preparation, Prospect};
use side::Side;
use spares::Spares;
use std::collections::VecDeque;
use std::sync::Arc;
use wakering_core::abi::{
    ErrorKind, HandleId, OPCODES_MAX, OpDescriptor, Opcode, buffer_kind, op_flag, statx,
};
use wakering_core::block::BlockPool;
use wakering_core::handle::HandleTable;
use wakering_core::policy::{self, Situation};
use wakering_core::slot::{Completed, Outcome};
use wakering_core::spin::Spin;
use wakering_core::waker::WakerRef;
use wakering_core::{Completion, Error, Home, Token, cpus};
use wakering_poll_loop::cached::{self, Attempt};
use wakering_poll_loop::{BlockingPool, Mounts, PoolConfig};

/// Blocks for long paths and many segments.
const BLOCKS_MAX: usize = 64;
/// Completions that are taken from the driver at a time.
const BATCH_MAX: usize = 256;

/// See the module's text.
#[derive(Debug)]
pub struct Lane {
    home: Arc<Home>,
    engine: Engine,
    pool: Arc<BlockingPool>,
    /// Ops for the pool, until the next turn hands them over; room for every slot.
    for_pool: Vec<Token>,
    mounts: Arc<Mounts>,
    worker: Option<WorkerLoop>,
    /// The kernel gave the worker loop no ring or thread: this thread's own carries its ops.
    worker_refused: bool,
    handles: HandleTable,
    memory: Memory,
    spares: Spares,
    blocks: BlockPool,
    sides: Box<[Side]>,
    /// Ops that were answered here and wait for the next turn; room for every slot.
    answered: VecDeque<Token>,
    /// The result of the Statx that is finished at the moment.
    statx: [u8; statx::BYTES],
    /// Where a turn collects completions before it finishes them.
    batch: Vec<Completion>,
    metrics: Metrics,
    keeping_alive: u32,
    /// Ops accepted and not finished.
    pending: u32,
    /// Of each opcode, whether the driver can do it.
    supports: [bool; OPCODES_MAX],
    alone: bool,
    /// Descriptors of the batch, and how many of them went to threads of the pool.
    batch_len: usize,
    pooled: usize,
    /// How long to look for their answers.
    spin: Spin,
    several_cpus: bool,
    /// Whether there are enough ops to share them with another thread.
    many: bool,
    turn_about: u32,
    /// Lonely contents, opens and closes, and the one of this batch that shows what they take.
    contents: Doubt,
    opens: Doubt,
    closes: Doubt,
    tried: Option<(Token, Lonely)>,
    /// The driver was given something since its last turn, or has to be asked for other reasons.
    driver_has_news: bool,
    /// Whether finishing has started something: the close that waited for the last op of its handle.
    started_late: bool,
    /// A pipe that bytes of a FIFO are copied to, to see whether there are any.
    probe: Option<(std::io::PipeReader, std::io::PipeWriter)>,
    closed: bool,
    config: Config,
    capabilities: Capabilities,
}

impl Lane {
    /// A lane for the calling thread. Fails where the config is out of range, where the driver that
    /// was asked for is refused, or where descriptors have run out.
    pub fn new(config: Config) -> Result<Self, (Error, String)> {
        config.check().map_err(|error| (error, "a number in the configuration".into()))?;
        let plain = |error: Error| (error, error.to_string());
        let home = Arc::new(Home::new(config.slots).map_err(plain)?);
        let mounts = Arc::new(Mounts::new());
        let threads_max = config.pool_threads as usize;
        let pool = PoolConfig { threads_max, ..PoolConfig::default() };
        let pool = Arc::new(BlockingPool::new(home.clone(), mounts.clone(), pool));
        let (mut engine, capabilities) = Engine::new(&config, &home, &pool)?;
        let mut supports = [false; OPCODES_MAX];
        for &opcode in Opcode::ALL {
            supports[opcode as usize] = engine.driver().supports(opcode);
        }
        Ok(Self {
            engine,
            pool,
            for_pool: Vec::with_capacity(config.slots as usize),
            mounts,
            worker: None,
            worker_refused: false,
            handles: HandleTable::new(config.handles_max as usize),
            memory: Memory::default(),
            spares: Spares::default(),
            blocks: BlockPool::new(BLOCKS_MAX),
            sides: (0..config.slots).map(|_| Side::new()).collect(),
            answered: VecDeque::with_capacity(config.slots as usize),
            statx: [0; statx::BYTES],
            batch: Vec::with_capacity(BATCH_MAX),
            metrics: Metrics::default(),
            keeping_alive: 0,
            pending: 0,
            supports,
            alone: false,
            batch_len: 0,
            pooled: 0,
            spin: Spin::new(policy::SPIN_NS_MAX),
            several_cpus: cpus() > 1,
            many: false,
            turn_about: 0,
            contents: Doubt::default(),
            opens: Doubt::default(),
            closes: Doubt::default(),
            tried: None,
            driver_has_news: false,
            started_late: false,
            probe: None,
            closed: false,
            config,
            capabilities,
            home,
        })
    }

    /// Takes a slab of memory whose owner keeps it; its index for descriptors. It is registered
    /// with the kernel where that is wanted and possible; otherwise the lane copies.
    ///
    /// # Safety
    ///
    /// `base` is valid for reads and writes of `length` bytes on this thread until
    /// [`Self::shut_down`] has returned.
    pub unsafe fn lend(&mut self, base: *mut u8, length: usize) -> Result<u32, Error> {
        let registered = match &mut self.engine {
            // SAFETY: the caller keeps the memory; the kernel holds its pages from here on.
            Engine::Uring(ring) if self.config.register_buffers => unsafe {
                ring.register_buffer(base, length).ok()
            },
            // SAFETY: as above.
            Engine::Steered(rings) if self.config.register_buffers => unsafe {
                rings.register_buffer(base, length).ok()
            },
            _ => None,
        };
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { self.memory.lend(base, length, registered) }
    }

    /// Hands over data for a Write to come at `slot`, to be named by [`buffer_kind::OWNED`].
    pub fn stage(&mut self, slot: u32, data: Vec<u8>) -> Result<(), Error> {
        let free = self.home.slab.get(slot).is_some_and(|found| found.current(slot).is_none());
        match self.sides.get_mut(slot as usize) {
            Some(side) if free => side.owned = Some(data),
            _ => return Err(ErrorKind::BadSlot.into()),
        }
        Ok(())
    }

    /// The result of an op whose record said OWNED, once.
    pub fn take_owned(&mut self, slot: u32) -> Option<Vec<u8>> {
        self.sides.get_mut(slot as usize)?.owned.take()
    }

    /// Takes back what [`Self::take_owned`] gave and nobody keeps, for the next large read.
    pub fn give_back(&mut self, owned: Vec<u8>) {
        self.spares.give(owned);
    }

    /// The result of an op whose record said OWNED, left where it is.
    pub fn owned(&self, slot: u32) -> Option<&[u8]> {
        self.sides.get(slot as usize)?.owned.as_deref()
    }

    /// Says how many descriptors the coming batch has: one op alone takes other ways than many.
    pub fn begin_batch(&mut self, descriptors: usize) {
        self.driver_has_news = descriptors == 0;
        let shared_min = match self.pool.is_awake() {
            true => policy::SHARED_MIN,
            false => policy::SHARED_MIN_ASLEEP,
        };
        self.many = self.several_cpus && self.pending as usize + descriptors >= shared_min;
        self.batch_len = descriptors;
        self.pooled = 0;
        self.alone = descriptors == 1 && self.pending == 0;
    }

    /// Takes one descriptor. What it names in its arguments lies in `arena`, and is copied.
    pub fn accept(&mut self, d: &OpDescriptor, arena: &[u8]) {
        let opcode = Opcode::from_number(d.opcode);
        match opcode {
            Some(Opcode::Cancel) => return self.cancel_slot(d.args[4]),
            Some(Opcode::CancelHandle) => return self.cancel_handle(d.handle),
            Some(Opcode::CancelAll) => return self.cancel_all(),
            _ => {}
        }
        // A number that is no slot's is none of a waker's either.
        let there = d.slot < self.home.slab.len();
        let claimed = there.then(|| self.home.slab.claim_at(d.slot, WakerRef::port(d.slot)));
        let Some(Ok(token)) = claimed else {
            self.metrics.malformed += 1;
            return;
        };
        let side = &mut self.sides[d.slot as usize];
        side.opcode = opcode.unwrap_or(Opcode::Nop);
        side.lane = policy::Lane::Cached;
        side.handle = HandleId::NONE;
        side.reader = None;
        side.beginning = None;
        side.content = None;
        side.keeps_alive = d.flags & wakering_core::abi::op_flag::UNREF == 0;
        self.keeping_alive += u32::from(side.keeps_alive);
        self.pending += 1;
        let started = match opcode {
            None => Err(ErrorKind::BadDescriptor.into()),
            Some(_) if self.closed => Err(ErrorKind::Closed.into()),
            Some(Opcode::Close) => self.begin_close(token, d),
            Some(opcode) => self.start(token, opcode, d, arena),
        };
        if let Err(error) = started {
            self.answer(token, Outcome { result: error.to_result(), flags: 0 });
        }
    }

    fn start(
        &mut self,
        token: Token,
        opcode: Opcode,
        d: &OpDescriptor,
        arena: &[u8],
    ) -> Result<(), Error> {
        let mut preparation = Preparation {
            handles: &mut self.handles,
            memory: &mut self.memory,
            spares: &mut self.spares,
            blocks: &mut self.blocks,
            side: &mut self.sides[token.index() as usize],
            arena,
            ring: self.engine.is_ring(),
        };
        let slot = self.home.slab.slot(token);
        // SAFETY: just claimed, so Queued, by its owner.
        let prospect =
            unsafe { slot.with_resource(|resource| preparation.prepare(opcode, d, resource)) }?;
        let situation = Situation {
            flags: d.flags,
            length: d.length,
            may_be_cached: prospect.may_be_cached,
            alone: self.alone,
            buffer_may_travel: d.buffer_kind == buffer_kind::OWNED,
            wakes_thread: self.wakes_thread(token, opcode, d),
            ..self.situation(opcode)
        };
        let mut lane = policy::choose(situation, false);
        let content = opcode == Opcode::OpenAt && d.flags & op_flag::CONTENT != 0;
        if self.is_for_another_cpu(token, opcode, content) {
            lane = policy::Lane::Pool;
        }
        if lane == policy::Lane::Cached {
            let attempt = self.attempt(token);
            if let Attempt::Answered(outcome) = attempt {
                self.metrics.cached_hits[opcode as usize] += 1;
                self.answer(token, outcome);
                return Ok(());
            }
            self.metrics.cached_misses[opcode as usize] += 1;
            lane = match attempt {
                // Only pool threads look at mounts, so that the next attempt may succeed.
                Attempt::UnknownMount if situation.ring => policy::Lane::Pool,
                _ => policy::choose(situation, true),
            };
        }
        if prospect.hot && lane != policy::Lane::Pool {
            self.promote(d.handle);
        }
        let owned = situation.buffer_may_travel;
        self.metrics.transfers.count(opcode, prospect.registered, owned);
        if lane == policy::Lane::Pool || !prospect.registered {
            self.go_away(token, opcode, prospect);
        }
        self.pooled += usize::from(!prospect.stream && self.is_for_pool(lane, opcode));
        self.hand_over(token, lane)
    }

    /// Gives a file a place in the ring's table, for its next ops. Where there is none, its
    /// descriptor does as well.
    fn promote(&mut self, handle: HandleId) {
        let Some(entry) = self.handles.any(handle) else { return };
        // Where the table is full it is tried again after as many.
        entry.transfers = 0;
        if let Ok(place) = self.engine.register_file(entry.fd) {
            entry.fixed_file = place;
            self.metrics.fixed_files += 1;
        }
    }

    /// Tries an op in a way that cannot block.
    fn attempt(&mut self, token: Token) -> Attempt {
        let slot = self.home.slab.slot(token);
        let mounts = &self.mounts;
        // SAFETY: Queued, and this is the owner; the buffer is memory of this thread.
        let attempt = unsafe { slot.with_resource(|r| cached::attempt(r, mounts)) };
        if attempt == Attempt::Unsupported {
            let handle = self.sides[token.index() as usize].handle;
            if let Some(entry) = self.handles.any(handle) {
                entry.no_nowait = true;
            }
        }
        attempt
    }

    /// Points the op at memory that other threads and the kernel may reach.
    fn go_away(&mut self, token: Token, opcode: Opcode, prospect: Prospect) {
        let Some(range): Option<Range> = prospect.lent else { return };
        let address = self.memory.away(range, opcode == Opcode::Write);
        let slot = self.home.slab.slot(token);
        // SAFETY: Queued, and this is the owner.
        unsafe { slot.with_resource(|resource| resource.prepared.address = address) };
    }

    /// Gives a prepared op to whoever carries it out.
    fn hand_over(&mut self, token: Token, lane: policy::Lane) -> Result<(), Error> {
        self.sides[token.index() as usize].lane = lane;
        let given = match lane {
            policy::Lane::Worker => match self.worker() {
                Some(worker) => worker.enqueue(token),
                None => return self.hand_over(token, policy::Lane::Loop),
            },
            policy::Lane::Pool => {
                self.for_pool.push(token);
                Ok(())
            }
            policy::Lane::Loop | policy::Lane::Cached => {
                self.driver_has_news = true;
                let driver = self.engine.driver();
                match driver.enqueue(token) {
                    Err(Error::Kind(ErrorKind::Busy)) => {
                        driver.publish().and_then(|()| driver.enqueue(token))
                    }
                    given => given,
                }
            }
        };
        self.metrics.busy += u64::from(given == Err(ErrorKind::Busy.into()));
        given
    }

    /// The worker loop, started when it is first needed. A ring of its own may be refused, where
    /// locked memory is scarce: that is no reason for an op to fail.
    fn worker(&mut self) -> Option<&mut WorkerLoop> {
        if self.worker.is_none() && !self.worker_refused {
            self.worker = WorkerLoop::start(&self.home).ok();
            self.worker_refused = self.worker.is_none();
        }
        self.worker.as_mut()
    }

    /// Answers a Queued op on this thread; its record comes with the next turn.
    fn answer(&mut self, token: Token, outcome: Outcome) {
        if self.home.slab.slot(token).complete_at_once(token, outcome) == Completed::Deliver {
            self.answered.push_back(token);
        }
    }
}
