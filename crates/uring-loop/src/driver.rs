//! The driver: one ring, the home whose slots it carries out, and one way of waiting.
//!
//! A ring is waited for in one of two ways. *By the bell*: it rings the home's doorbell, an eventfd
//! that libuv or `poll` watches, and the ring is never slept in. *In the ring*: the thread sleeps
//! in `io_uring_enter`, and the doorbell is watched by a poll in the ring. A worker starts with the
//! second and goes over to the first when somebody asks for its descriptor.
//!
//! While a turn by the bell looks at the completions, they do not ring it (`Ring::mute`): what
//! completes inside the publishing call would otherwise wake the loop a second time for nothing.

#![forbid(unsafe_code)]

use crate::buffers::Buffers;
use crate::completion::{CancelOutcomes, Tally};
use crate::config::{Personality, UringConfig};
use crate::encode::{self, Chain};
use crate::files::Files;
use crate::groups::Groups;
use crate::kernel::Kernel;
use crate::probe::{Feature, Refused, errno_of, survey};
use crate::ring::{Ring, build};
use crate::setup::{Attempt, Made, negotiate};
use crate::sqpoll::{Membership, OtherCpu, Sqpoll, cpu};
use message::Peers;
use std::cell::Cell;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wakering_core::abi::Opcode;
use wakering_core::buffers::BufferGroup;
use wakering_core::driver::{CancelKey, Drained, Sink};
use wakering_core::inbox::InboxReader;
use wakering_core::spin::Spin;
use wakering_core::{Completion, Driver, Error, Home, Token};

mod cancel;
mod enqueue;
mod message;
mod turn;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waiting {
    ByTheBell,
    InTheRing,
}

/// Homes of drivers that were dropped with ops in flight: the kernel still writes into their slots,
/// after the ring is closed too, so they stay for ever.
static KEPT: Mutex<Vec<Arc<Home>>> = Mutex::new(Vec::new());

/// How many homes are kept for ever, because their drivers were dropped with ops in flight.
pub fn homes_kept() -> usize {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).len()
}

/// What a ring has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Calls of `io_uring_enter`, and of `ppoll` where the driver waits by the bell.
    pub enters: u64,
    /// Calls in which it was ready to sleep.
    pub waits: u64,
    /// Times that it woke the SQ thread.
    pub wakeups: u64,
    /// Times that it looked for what the SQ thread answers and saw it come.
    pub spins_hit: u64,
    /// Times that it looked in vain.
    pub spins_missed: u64,
    /// Nanoseconds that it looked in vain.
    pub spun_in_vain_ns: u64,
    /// Times that the completion queue was found overflown.
    pub overflows: u64,
    /// Completions for ops that were not in flight.
    pub stale: u64,
    /// What cancel requests found.
    pub cancels: CancelOutcomes,
}

/// What the ring came to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingSize {
    /// Places for submissions.
    pub entries: u32,
    /// Places for completions.
    pub completions: u32,
}

/// An io_uring that carries out the ops of one home. It is made on the thread that uses it and
/// stays there: the kernel refuses every other.
#[derive(Debug)]
pub struct UringDriver {
    // Fields are dropped in this order: a ring leaves its shared SQ thread, then it is closed.
    membership: Option<Membership>,
    pub(crate) ring: Ring,
    home: Arc<Home>,
    reader: InboxReader,
    tally: Tally,
    /// Cancel requests that found no room; one per slot at the most.
    late_cancels: Vec<Token>,
    /// A timer for requests that were made in vain is in the ring.
    again_armed: bool,
    /// How often such a timer has ended in a row.
    again_round: usize,
    /// Ops that were answered without the kernel; one per slot at the most.
    answers: Vec<Completion>,
    pub(crate) buffers: Buffers,
    pub(crate) files: Files,
    pub(crate) groups: Groups,
    kernel: Kernel,
    chain: Chain,
    peers: Peers,
    attempt: Attempt,
    given_up: Vec<Feature>,
    personality: Personality,
    waiting: Cell<Waiting>,
    spin: Spin,
    /// The owner has something to do already: the next turn does not look for more.
    look_not: bool,
    /// See [`Self::spare_the_bell`].
    bell_not: bool,
    inbox_first: bool,
    refusing: bool,
    /// The bell had rung when this turn silenced it.
    rang: bool,
    waits: u64,
    ppolls: u64,
}

impl UringDriver {
    /// A ring for the ops of `home`, and a trial that it may be used: a sandbox may allow one of
    /// its system calls and forbid another.
    ///
    /// # Errors
    ///
    /// [`Refused`] says which call was refused and why; with an `option`, which wish was wrong.
    pub fn new(config: UringConfig, home: Arc<Home>) -> Result<Self, Refused> {
        let (made, joined) = make_ring(&config)?;
        let Made { mut ring, attempt, mut given_up } = made;
        // Below the ring, so that it goes first where the rest fails: nobody attaches to a closed one.
        let membership = joined;
        let params = ring.params();
        if !params.is_feature_nodrop() || !params.is_feature_rw_cur_pos() {
            let why = "io_uring of this kernel is too old: Linux 5.6 is the first that will do";
            let errno = libc::ENOSYS;
            return Err(Refused { errno, at: "io_uring_setup", why: why.into(), option: None });
        }
        let can_wait_in_it = params.is_feature_ext_arg();
        let doorbell = home.doorbell.as_raw_fd();
        let mut kernel = Kernel::find_out(&mut ring, attempt.flags, doorbell)?;
        if let Some(mut workers_max) = config.io_wq_workers_max
            && let Err(error) = ring.submitter().register_iowq_max_workers(&mut workers_max)
        {
            given_up.push(Feature::no("io_wq_workers_max", error.to_string()));
        }
        let waiting = match config.personality {
            Personality::Worker if can_wait_in_it => Waiting::InTheRing,
            _ => Waiting::ByTheBell,
        };
        if waiting == Waiting::ByTheBell {
            ring.submitter()
                .register_eventfd(doorbell)
                .map_err(|error| Refused::of(errno_of(&error), "io_uring_register"))?;
        }
        let mut files = Files::new(config.files_max, config.files_chosen_max);
        let chosen = files.let_choose(&ring);
        if let Err(error) = chosen {
            given_up.push(Feature::no("files_chosen_max", error.to_string()));
        }
        kernel.chooses = chosen.is_ok() && config.files_chosen_max > 0;
        if kernel.messages {
            home.set_ring_fd(Some(ring.fd()));
            home.set_from_outside(crate::outside::ring);
        }
        Ok(Self {
            membership,
            ring,
            reader: InboxReader::new(),
            tally: Tally::new(home.slab.len() as usize),
            late_cancels: Vec::with_capacity(home.slab.len() as usize),
            again_armed: false,
            again_round: 0,
            answers: Vec::with_capacity(home.slab.len() as usize),
            buffers: Buffers::new(config.buffers_max),
            files,
            groups: Groups::default(),
            kernel,
            chain: Chain::new(),
            peers: Peers::new(),
            attempt,
            given_up,
            personality: config.personality,
            waiting: Cell::new(waiting),
            spin: Spin::new(config.spin_ns_max),
            look_not: false,
            bell_not: false,
            inbox_first: false,
            refusing: false,
            rang: false,
            waits: 0,
            ppolls: 0,
            home,
        })
    }

    /// Each feature of this kernel with yes or why not, and what this ring had to do without.
    pub fn features(&self) -> Vec<Feature> {
        let mut features = survey().unwrap_or_default();
        for given_up in &self.given_up {
            match features.iter_mut().find(|feature| feature.name == given_up.name) {
                Some(feature) => *feature = given_up.clone(),
                None => features.push(given_up.clone()),
            }
        }
        features
    }

    /// What this ring had to do without, and why.
    pub fn given_up(&self) -> &[Feature] {
        &self.given_up
    }

    /// How large the ring became.
    pub fn size(&self) -> RingSize {
        let params = self.ring.params();
        RingSize { entries: params.sq_entries(), completions: params.cq_entries() }
    }

    /// Whether an SQ thread takes the submissions.
    pub fn has_sq_thread(&self) -> bool {
        self.attempt.sqpoll.is_some()
    }

    /// Whether its SQ thread was made by another ring.
    pub fn shares_sq_thread(&self) -> bool {
        self.membership.is_some()
            && self.attempt.sqpoll.is_some_and(|sqpoll| sqpoll.attach.is_some())
    }

    /// Where the ring lives.
    pub fn personality(&self) -> Personality {
        self.personality
    }

    /// The ring's own descriptor, for `fdinfo` and for messages of other rings.
    pub fn ring_fd(&self) -> RawFd {
        self.ring.fd()
    }

    /// Has the next turn return at once, where over an SQ thread it would look for completions a
    /// while: for an owner that has other answers to give.
    pub fn skip_look(&mut self) {
        self.look_not = true;
    }

    /// Has the next turn leave the bell alone where no completion can have rung it: for an owner that
    /// knows by other means that something was pushed to the inbox. That is a system call less; what
    /// has rung all the same is heard later.
    pub fn spare_the_bell(&mut self) {
        self.bell_not = true;
    }

    /// Whether the last turn silenced a bell that had rung.
    pub(crate) fn rang(&self) -> bool {
        self.rang
    }

    /// Whether a turn would find something.
    pub(crate) fn has_anything(&self) -> bool {
        self.ring.has_anything() || self.has_more()
    }

    /// Whether a chain has begun whose last op has not come.
    pub(crate) fn is_in_chain(&self) -> bool {
        !self.chain.is_empty() || self.chain.is_broken()
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        Counters {
            enters: self.ring.enters + self.ppolls,
            waits: self.waits,
            wakeups: self.ring.wakeups,
            spins_hit: self.spin.hits,
            spins_missed: self.spin.misses,
            spun_in_vain_ns: self.spin.vain_ns,
            overflows: self.ring.overflows,
            stale: self.tally.stale,
            cancels: self.tally.cancels,
        }
    }
}

fn make_ring(config: &UringConfig) -> Result<(Made<Ring>, Option<Membership>), Refused> {
    let made = |attach| {
        let Made { ring, attempt, given_up } = negotiate(config, attach, &mut build)?;
        cpu::check(attempt.sqpoll)?;
        Ok(Made { ring: Ring::new(ring), attempt, given_up })
    };
    let wish = config.sqpoll.as_ref();
    let Some((share, cpu)) = wish.and_then(|wish| Some((wish.share.as_ref()?, wish.cpu))) else {
        return Ok((made(None)?, None));
    };
    let idle_ms = wish.map_or(0, Sqpoll::idle_ms_for_kernel);
    let joined = share.join(cpu, idle_ms, |attach| {
        let made = made(attach)?;
        let fd = made.ring.fd();
        Ok((made, fd))
    });
    match joined {
        Ok(joined) => {
            let (made, membership) = joined?;
            // A ring that came out without an SQ thread is nothing to attach to.
            let membership = made.attempt.sqpoll.is_some().then_some(membership);
            Ok((made, membership))
        }
        Err(OtherCpu(bound)) => {
            let name = |cpu: Option<u32>| cpu.map_or("any CPU".into(), |cpu| format!("CPU {cpu}"));
            let why = format!(
                "the shared SQ thread is bound to {}, not to {}; share one thread per CPU",
                name(bound),
                name(cpu)
            );
            Err(Refused::option("sqpoll.cpu", why))
        }
    }
}

impl Driver for UringDriver {
    fn name(&self) -> &'static str {
        "uring"
    }

    fn supports(&self, opcode: Opcode) -> bool {
        encode::row_of(opcode).is_some_and(|row| self.kernel.has(row.kernel))
    }

    #[inline]
    fn enqueue(&mut self, token: Token) -> Result<(), Error> {
        self.take_up(token)
    }

    fn publish(&mut self) -> Result<(), Error> {
        self.groups.refill();
        self.push_late_cancels();
        let published = self.ring.publish().map_err(Error::Os);
        self.return_rings();
        published
    }

    fn turn(
        &mut self,
        timeout: Option<Duration>,
        completions_max: usize,
        sink: Sink<'_>,
    ) -> Result<usize, Error> {
        self.one_turn(timeout, completions_max, sink)
    }

    fn cancel(&mut self, token: Token) -> Result<(), Error> {
        self.ask_to_cancel(token);
        Ok(())
    }

    fn cancel_where(&mut self, key: CancelKey) -> Result<usize, Error> {
        Ok(self.ask_to_cancel_where(key))
    }

    fn add_buffers(&mut self, group: Arc<BufferGroup>) -> Result<u16, Error> {
        self.lend_group(group)
    }

    fn remove_buffers(&mut self, group: u16) {
        self.take_group_back(group);
    }

    fn ring(&mut self, other: &Arc<Home>) {
        self.ring_other(other);
    }

    fn drain(&mut self, deadline: Duration, sink: Sink<'_>) -> Drained {
        const ASK_AGAIN: Duration = Duration::from_millis(10);
        self.refusing = true;
        self.tally.draining = true;
        self.break_chain(false);
        let start = Instant::now();
        let mut asked: Option<Instant> = None;
        while self.in_flight() > 0 {
            // Again and again: an op that was between two states was not found.
            if asked.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN) {
                self.cancel_everything();
                asked = Some(Instant::now());
            }
            let left = deadline.saturating_sub(start.elapsed());
            if self.one_turn(Some(left.min(ASK_AGAIN)), usize::MAX, sink).is_err() || left.is_zero()
            {
                break;
            }
        }
        let _ = self.one_turn(Some(Duration::ZERO), usize::MAX, sink);
        Drained { still_in_flight: self.in_flight() }
    }

    fn poll_fd(&self) -> RawFd {
        let doorbell = self.home.doorbell.as_raw_fd();
        if self.waiting.get() == Waiting::InTheRing {
            if self.ring.submitter().register_eventfd(doorbell).is_err() {
                return self.ring.fd();
            }
            self.waiting.set(Waiting::ByTheBell);
            // What came before was not announced.
            if self.ring.has_anything() || self.has_more() {
                self.home.doorbell.ring();
            }
        }
        doorbell
    }

    fn in_flight(&self) -> usize {
        self.tally.in_flight + self.answers.len()
    }

    fn enters(&self) -> u64 {
        self.ring.enters + self.ppolls
    }
}

impl Drop for UringDriver {
    fn drop(&mut self) {
        self.end_messages();
        if self.tally.in_flight > 0 {
            self.groups.leave_to_the_kernel();
            KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(self.home.clone());
        }
    }
}
