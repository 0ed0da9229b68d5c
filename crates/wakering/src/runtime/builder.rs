//! What a runtime is made of.

use super::driver::{Registers, RingAndPool};
use super::{LocalRuntime, Made, Runtime};
use crate::buf::FixedBufPool;
use crate::config::DriverChoice;
use crate::engine::{Capabilities, FeatureReport, poll_capabilities, ring_capabilities};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use wakering_core::scheduler::{LocalOptions, Loop, Options, Scheduler};
use wakering_core::{Driver, Error, Home, cpus};
use wakering_poll_loop::{BlockingPool, PollConfig, PollDriver, PoolConfig};
use wakering_uring_loop::sqpoll::{Idle, SwitchingDriver};
use wakering_uring_loop::{Refused, SharedSqpoll, Sqpoll, UringConfig, UringDriver};

/// Blocks for long paths and many segments, of each loop.
const BLOCKS_MAX: usize = 64;

/// An SQ thread for all loops of a runtime.
#[derive(Clone, Copy, Debug)]
pub struct SqpollOptions {
    /// The CPU that it is bound to, and that workers keep off where there is another.
    pub cpu: Option<u32>,
    /// How long it looks for work before it sleeps.
    pub idle: Idle,
}

/// See [`Runtime::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    workers: usize,
    loops: Option<usize>,
    driver: DriverChoice,
    sqpoll: Option<SqpollOptions>,
    slots: u32,
    pool_threads: usize,
    drain_deadline: Duration,
    registered_buffers: Option<(usize, usize)>,
    name: String,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            workers: cpus(),
            loops: None,
            driver: DriverChoice::Auto,
            sqpoll: None,
            slots: 4096,
            pool_threads: 4,
            drain_deadline: Duration::from_secs(5),
            registered_buffers: None,
            name: "wakering".to_owned(),
        }
    }
}

impl Builder {
    /// How many threads run tasks, one at least; one for each CPU, unless told otherwise.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// How many of them have a loop; all, unless told otherwise. Tasks of the others use these loops.
    pub fn loops(mut self, loops: usize) -> Self {
        self.loops = Some(loops);
        self
    }

    /// What carries ops out: io_uring where the kernel lets us, unless told otherwise.
    pub fn driver(mut self, driver: DriverChoice) -> Self {
        self.driver = driver;
        self
    }

    /// Submission by a kernel thread that all loops share.
    pub fn sqpoll(mut self, sqpoll: SqpollOptions) -> Self {
        self.sqpoll = Some(sqpoll);
        self
    }

    /// How many ops of each loop are in flight at the most, 1 to 32,768; 4,096 unless told otherwise. What
    /// finds no room waits for it.
    pub fn slots(mut self, slots: u32) -> Self {
        self.slots = slots.clamp(1, 32_768);
        self
    }

    /// How many threads each loop has at the most for what no loop can do without waiting; 4 unless told
    /// otherwise.
    pub fn pool_threads(mut self, threads: usize) -> Self {
        self.pool_threads = threads.clamp(1, 256);
        self
    }

    /// How long the end waits for ops in flight; five seconds, unless told otherwise.
    pub fn drain_deadline(mut self, deadline: Duration) -> Self {
        self.drain_deadline = deadline;
        self
    }

    /// A pool of `count` [buffers](crate::buf::FixedBuf) of `bytes` each, rounded up to whole pages:
    /// [`Runtime::buffers`]. None, unless told otherwise.
    ///
    /// Their memory is registered with the ring of each loop, and counts once for each against the memory
    /// that the user may lock (`ulimit -l`, often 8 MiB). Where that is refused, and where there is no ring,
    /// the buffers are memory like all: `fixed_buffers` among the features of
    /// [`Runtime::capabilities`] says of each loop whether, or why not.
    pub fn registered_buffers(mut self, count: usize, bytes: usize) -> Self {
        self.registered_buffers = Some((count, bytes));
        self
    }

    /// What the threads are called, with a number behind it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// Where the driver that was asked for is refused, with the reason; where threads or descriptors
    /// have run out; where there is no room for the buffers.
    pub fn build(self) -> io::Result<Runtime> {
        let (name, drain_deadline) = (self.name.clone(), self.drain_deadline);
        let workers = self.workers;
        let loops = self.loops.unwrap_or(workers).min(workers);
        let maker = Arc::new(Maker::new(self)?);
        let making = maker.clone();
        let mut options = Options::new()
            .workers(workers)
            .loops(loops, move |_| making.make())
            .blocks_max(BLOCKS_MAX)
            .drain_deadline(drain_deadline)
            .name(name);
        if let Some(cpu) = maker.builder.sqpoll.and_then(|sqpoll| sqpoll.cpu) {
            options = options.keep_off([cpu as usize].into_iter().collect());
        }
        let scheduler = Scheduler::start(options).map_err(|error| maker.explain(error))?;
        Ok(Runtime { scheduler, made: maker.made() })
    }

    /// A runtime of the calling thread alone, with one loop.
    ///
    /// # Errors
    ///
    /// As [`Self::build`].
    pub fn build_local(self) -> io::Result<LocalRuntime> {
        let drain_deadline = self.drain_deadline;
        let maker = Maker::new(self)?;
        let made = maker.make().map_err(|error| maker.explain(error))?;
        let options = LocalOptions::new().with_loop(made, BLOCKS_MAX);
        let built = options.drain_deadline(drain_deadline).build();
        let scheduler = built.map_err(crate::op::io_error)?;
        Ok(LocalRuntime { scheduler, made: maker.made() })
    }
}

/// A ring, and whether it has registered the buffers, if there are any.
type Ring = (Box<dyn Driver>, Result<(), Error>);

fn why_not_registered(error: Error) -> String {
    match error {
        Error::Os(libc::ENOMEM) => "the user may not lock so much memory (ulimit -l)".to_owned(),
        error => error.to_string(),
    }
}

/// Makes the loops, each on its own thread.
struct Maker {
    builder: Builder,
    share: Option<Arc<SharedSqpoll>>,
    buffers: Option<FixedBufPool>,
    capabilities: Mutex<Vec<Capabilities>>,
    refused: Mutex<Option<String>>,
}

impl Maker {
    fn new(builder: Builder) -> io::Result<Self> {
        let share = builder.sqpoll.map(|_| SharedSqpoll::new());
        let buffers =
            builder.registered_buffers.map(|(count, bytes)| FixedBufPool::new(count, bytes));
        let buffers = buffers.transpose().map_err(crate::op::io_error)?;
        let (capabilities, refused) = Default::default();
        Ok(Self { builder, share, buffers, capabilities, refused })
    }

    fn made(&self) -> Made {
        let capabilities = self.capabilities.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Made { capabilities, sqpoll: self.share.clone(), buffers: self.buffers.clone() }
    }

    /// With the reason that the maker of a loop had.
    fn explain(&self, error: Error) -> io::Error {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        match refused.take() {
            Some(why) => io::Error::other(why),
            None => crate::op::io_error(error),
        }
    }

    fn make(&self) -> Result<Loop, Error> {
        let (driver, home) = self.parts()?;
        // SAFETY: the home is new, and nobody but the drivers of this workspace has it, which complete what
        // they have published and no longer carry out.
        Ok(unsafe { Loop::new(driver, home) })
    }

    fn parts(&self) -> Result<(Box<dyn Driver>, Arc<Home>), Error> {
        let home = Arc::new(Home::new(self.builder.slots)?);
        let mounts = crate::fs::mounts().clone();
        let threads =
            PoolConfig { threads_max: self.builder.pool_threads, ..PoolConfig::default() };
        let pool = Arc::new(BlockingPool::new(home.clone(), mounts, threads));
        let choice = self.builder.driver;
        let refused = match choice {
            DriverChoice::Poll => None,
            DriverChoice::Auto | DriverChoice::Uring => match self.ring(&home, &pool) {
                Ok((driver, registered)) => {
                    let why = registered.err().map(why_not_registered);
                    self.note(ring_capabilities(choice), why);
                    return Ok((driver, home));
                }
                Err(refused) if choice == DriverChoice::Uring || refused.option.is_some() => {
                    let mut why = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                    *why = Some(refused.to_string());
                    return Err(Error::Os(refused.errno));
                }
                Err(refused) => Some(refused),
            },
        };
        let why = "there is no ring to register them with".to_owned();
        self.note(poll_capabilities(refused), Some(why));
        let config = PollConfig { pool: Some(pool), ..PollConfig::default() };
        let poll = PollDriver::new(config, home.clone())?;
        Ok((Box::new(poll), home))
    }

    fn ring(&self, home: &Arc<Home>, pool: &Arc<BlockingPool>) -> Result<Ring, Refused> {
        let config = UringConfig::worker(self.builder.slots);
        let plain = |config| {
            UringDriver::new(config, home.clone()).map(|ring| self.with_pool(ring, home, pool))
        };
        let Some(SqpollOptions { cpu, idle }) = self.builder.sqpoll else {
            return plain(config);
        };
        let (idle_ms, steering) = match idle {
            Idle::Millis(idle_ms) => (idle_ms, None),
            Idle::Auto(steering) => (1, Some(steering)),
        };
        let config = config.with_sqpoll(Sqpoll { cpu, idle_ms, share: self.share.clone() });
        match steering {
            None => plain(config),
            Some(steering) => {
                let ring = SwitchingDriver::new(config, home.clone(), steering)?;
                Ok(self.with_pool(ring, home, pool))
            }
        }
    }

    fn with_pool<R>(&self, ring: R, home: &Arc<Home>, pool: &Arc<BlockingPool>) -> Ring
    where
        R: Registers + 'static,
    {
        let mut driver = RingAndPool::new(ring, pool.clone(), home.clone());
        let registered = self.buffers.as_ref().map_or(Ok(()), |buffers| driver.register(buffers));
        (Box::new(driver), registered)
    }

    /// Of a loop: what it can do, and why it has not registered the buffers.
    fn note(&self, mut capabilities: Capabilities, why_plain: Option<String>) {
        if self.buffers.is_some() {
            let (name, available) = ("fixed_buffers".to_owned(), why_plain.is_none());
            capabilities.features.push(FeatureReport { name, available, reason: why_plain });
        }
        let mut all = self.capabilities.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(capabilities);
    }
}
