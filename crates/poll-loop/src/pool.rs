//! A bounded pool of threads for calls that may block.
//!
//! ```text
//! lane:    tokens ─ publish ─► queue ──────────────────► shutdown: withdrawn, joined or counted
//!                                │ one at a time
//! thread:                        └─► slot.publish ─► carry out ─► home.deliver ─► inbox, bell
//!                                        └ Gone: it was withdrawn, skip it
//! ```
//!
//! - **P1** The queue holds tokens of ops that are Queued: a cancel that comes first withdraws them
//!   in their slot, without asking the pool.
//! - **P2** A thread takes one op at a time. None waits behind one that hangs while another thread
//!   is free, and nobody's answer is held back to fill a batch: deliveries gather by themselves
//!   while the loop is busy, because only the first into an empty inbox rings.
//! - **P3** A thread that finds more in the queue wakes or starts the next one, so the loop's own
//!   thread pays for one wake per publish at the most. There are as many at once as there are CPUs
//!   beside the loop's; one more stands by, and comes when what is queued has waited for
//!   `STAND_BY`: calls that do not block are done by few threads without contention, and calls
//!   that do block hold nothing up.
//! - **P4** A pool belongs to one home, and only that home's thread calls it.
//! - **P5** After a thread is past [`BlockingPool::shutdown`]'s deadline it is left behind on
//!   purpose: its `Arc<Home>` keeps the slot that it will write to.
//! - **P6** A thread that finds the queue empty looks again for `LOOK` before it sleeps, where
//!   there is a second CPU: waking a sleeper costs more than most calls. It is counted as coming back
//!   from before it delivers its last answer, so that what the answer leads to wakes nobody else.

mod signal;
mod worker;

use crate::mounts::Mounts;
use crate::syscalls::Stop;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wakering_core::abi::{ErrorKind, Opcode};
use wakering_core::inbox::Pushed;
use wakering_core::slot::{Cancel, Completed, Outcome};
use wakering_core::{Error, Home, Token, cpus};
use worker::Worker;

/// How long queued ops wait for a thread beyond the usual ones.
const STAND_BY: Duration = Duration::from_micros(300);
/// Ops that the usual threads carry out in that time, unless they wait for a disk.
const PROGRESS: u64 = 4;
/// How long a thread without work looks for some before it sleeps.
const LOOK: Duration = Duration::from_micros(50);

/// Bounds of a pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolConfig {
    /// Threads at the most. They are started when there is work for them.
    pub threads_max: usize,
    /// Ops waiting for a thread at the most; `None`: as many as the home has slots.
    pub queue_max: Option<usize>,
    /// How long a thread without work stays.
    pub idle: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { threads_max: 4, queue_max: None, idle: Duration::from_secs(10) }
    }
}

/// What a shutdown left behind.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stuck {
    /// Threads that are still in a call of the kernel.
    pub threads: usize,
    /// Ops that they carry out. Memory that those name must stay for ever.
    pub ops: usize,
}

/// See the module's text.
#[derive(Debug)]
pub struct BlockingPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    home: Arc<Home>,
    mounts: Arc<Mounts>,
    config: PoolConfig,
    queue_max: usize,
    state: Mutex<State>,
    /// One for each thread, so that it is known who wakes.
    work: Box<[Condvar]>,
    stand_by: Condvar,
    gone: Condvar,
    /// Ops in the queue, for those that look without the lock.
    queued: AtomicUsize,
    /// Threads that carry out an op or are expected, for whoever asks without the lock.
    awake: AtomicUsize,
    /// Threads that are called at once; the others stand by.
    prompt_max: usize,
    several_cpus: bool,
    /// One for each thread, beside the state so that the thread reads it without the lock.
    stops: Box<[Stop]>,
    carried_out: AtomicU64,
    withdrawn: AtomicU64,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Token>,
    workers: Box<[Worker]>,
    /// Threads that sleep until there is work; the last one to fall asleep is the first to be called.
    asleep: Vec<usize>,
    /// Threads woken and not running yet.
    waking: usize,
    /// Threads started and not running yet.
    starting: usize,
    /// Threads that carry out an op.
    running: usize,
    /// Threads that come to look at the queue by themselves.
    expected: usize,
    /// One of them looks for work without the lock.
    looking: bool,
    /// A thread waits for `STAND_BY` to be over.
    standing_by: bool,
    refusing: bool,
}

impl State {
    fn alive(&self) -> usize {
        self.workers.iter().filter(|worker| worker.alive).count()
    }

    fn find(&mut self, token: Token) -> Option<(usize, &mut Worker)> {
        let running = |worker: &Worker| worker.running.is_some_and(|(other, _)| other == token);
        self.workers.iter_mut().enumerate().find(|(_, worker)| running(worker))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked left the state whole: nothing in here is changed half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_all(&self) {
        self.work.iter().chain([&self.stand_by]).for_each(Condvar::notify_all);
    }

    /// Tells those that look without the lock. Relaxed: they look again under it.
    fn count_queued(&self, state: &State) {
        self.queued.store(state.queue.len(), Ordering::Relaxed);
    }

    /// Tells those that ask without the lock how many threads are awake.
    fn count_awake(&self, state: &State) {
        // Relaxed: a hint.
        self.awake.store(state.running + state.expected, Ordering::Relaxed);
    }

    /// Drops the tokens of ops that were withdrawn.
    fn purge(&self, state: &mut State) {
        let before = state.queue.len();
        let slab = &self.home.slab;
        state.queue.retain(|&token| {
            let slot = slab.slot(token);
            slot.current(token.index()) == Some(token) && !slot.is_ready(token)
        });
        self.count_queued(state);
        let gone = (before - state.queue.len()) as u64;
        // Relaxed: a count, read by the thread that purges.
        self.withdrawn.fetch_add(gone, Ordering::Relaxed);
    }
}

impl BlockingPool {
    /// A pool for the ops of `home`. Starts no thread yet.
    pub fn new(home: Arc<Home>, mounts: Arc<Mounts>, config: PoolConfig) -> Self {
        let threads_max = config.threads_max.max(1);
        let queue_max = config.queue_max.unwrap_or(home.slab.len() as usize).max(1);
        let state = State {
            queue: VecDeque::with_capacity(queue_max),
            workers: (0..threads_max).map(|_| Worker::default()).collect(),
            asleep: Vec::with_capacity(threads_max),
            waking: 0,
            starting: 0,
            running: 0,
            expected: 0,
            looking: false,
            standing_by: false,
            refusing: false,
        };
        Self {
            shared: Arc::new(Shared {
                home,
                mounts,
                config: PoolConfig { threads_max, ..config },
                queue_max,
                state: Mutex::new(state),
                work: (0..threads_max).map(|_| Condvar::new()).collect(),
                stand_by: Condvar::new(),
                gone: Condvar::new(),
                queued: AtomicUsize::new(0),
                awake: AtomicUsize::new(0),
                prompt_max: cpus().saturating_sub(1).max(1),
                several_cpus: cpus() > 1,
                stops: (0..threads_max).map(|_| Stop::new()).collect(),
                carried_out: AtomicU64::new(0),
                withdrawn: AtomicU64::new(0),
            }),
        }
    }

    /// The mounts that it learns.
    pub fn mounts(&self) -> &Arc<Mounts> {
        &self.shared.mounts
    }

    /// Hands over the ops in `tokens`, oldest first, and takes them out of it. What the queue has no
    /// room for stays there: the caller tries again after a completion. Fails with Closed after a
    /// shutdown, and where not even one thread can be started; those ops then fail with that error.
    pub fn publish(&self, tokens: &mut Vec<Token>) -> Result<(), Error> {
        if tokens.is_empty() {
            return Ok(());
        }
        let mut state = self.shared.lock();
        if state.refusing {
            return Err(ErrorKind::Closed.into());
        }
        if state.queue.len() + tokens.len() > self.shared.queue_max {
            self.shared.purge(&mut state);
        }
        let room = (self.shared.queue_max - state.queue.len()).min(tokens.len());
        state.queue.extend(tokens.drain(..room));
        self.shared.count_queued(&state);
        match worker::call_one(&self.shared, &mut state) {
            Err(error) if state.alive() == 0 => {
                let outcome = Outcome { result: error.to_result(), flags: 0 };
                let failed = self.end_queued(&mut state, |slot, token| {
                    slot.complete_at_once(token, outcome) == Completed::Deliver
                });
                drop(state);
                self.ring_if(failed);
                Ok(())
            }
            // Those that are there will do it.
            _ => Ok(()),
        }
    }

    /// Takes every queued op out and has `end` complete it. Whether the bell must be rung.
    fn end_queued(
        &self,
        state: &mut State,
        end: impl Fn(&wakering_core::slot::Slot, Token) -> bool,
    ) -> bool {
        let home = &self.shared.home;
        let mut ring = false;
        while let Some(token) = state.queue.pop_front() {
            if end(home.slab.slot(token), token) {
                ring |= home.inbox.push(&home.slab, token.index()) == Pushed::Ring;
            } else {
                // Relaxed: as in `purge`.
                self.shared.withdrawn.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.shared.count_queued(state);
        ring
    }

    fn ring_if(&self, needed: bool) {
        if needed {
            self.shared.home.doorbell.ring();
        }
    }

    /// Asks the thread that carries out `token` to give up, where that loses nothing: an open that
    /// waits, a read that has read nothing, a copy between two pieces. A write completes. Whether
    /// somebody was asked; the op's completion is the answer.
    pub fn interrupt(&self, token: Token) -> bool {
        let mut state = self.shared.lock();
        let Some((place, worker)) = state.find(token) else { return false };
        self.shared.stops[place].ask();
        worker.interrupt();
        true
    }

    /// Refuses new ops, withdraws what is queued (each completes with ECANCELED), asks what runs to
    /// give up where it can, and joins the threads. What is not done by the deadline stays behind; it may
    /// be called again, to wait longer.
    pub fn shutdown(&self, deadline: Duration) -> Stuck {
        let until = Instant::now() + deadline;
        let mut state = self.shared.lock();
        state.refusing = true;
        let withdrawn = self
            .end_queued(&mut state, |slot, token| slot.request_cancel(token) == Cancel::Withdrawn);
        self.ring_if(withdrawn);
        self.shared.wake_all();
        for (place, worker) in state.workers.iter_mut().enumerate() {
            if worker.running.is_some() {
                self.shared.stops[place].ask();
                worker.interrupt();
            }
        }
        while state.alive() > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let wait = self.shared.gone.wait_timeout(state, left);
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut stuck = Stuck::default();
        let mut ended = Vec::new();
        for worker in &mut state.workers {
            stuck.threads += usize::from(worker.alive);
            stuck.ops += usize::from(worker.running.is_some());
            if !worker.alive {
                ended.extend(worker.handle.take());
            }
        }
        drop(state);
        for handle in ended {
            let _ = handle.join();
        }
        stuck
    }

    /// Whether a thread is awake to take up what is published now. A hint.
    pub fn is_awake(&self) -> bool {
        // Relaxed: a hint.
        self.shared.awake.load(Ordering::Relaxed) > 0
    }

    /// Threads that are there now.
    pub fn threads(&self) -> usize {
        self.shared.lock().alive()
    }

    /// Ops that wait for a thread. Those that were withdrawn are forgotten here.
    pub fn queued(&self) -> usize {
        let mut state = self.shared.lock();
        self.shared.purge(&mut state);
        state.queue.len()
    }

    /// Ops carried out since the start.
    pub fn carried_out(&self) -> u64 {
        // Relaxed: a count.
        self.shared.carried_out.load(Ordering::Relaxed)
    }

    /// Ops that were handed over and withdrawn before a thread took them, as far as is known now.
    pub fn withdrawn(&self) -> u64 {
        // Relaxed: a count.
        self.shared.withdrawn.load(Ordering::Relaxed)
    }
}

impl Drop for BlockingPool {
    /// Lets the threads go without waiting for them; [`Self::shutdown`] is the orderly way.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.refusing = true;
        state.queue.clear();
        self.shared.count_queued(&state);
        self.shared.wake_all();
    }
}

/// Whether a signal may end the op's system calls: only where an interrupted call had no effect, or
/// its effect is undone (what a copy has made of its destination).
const fn is_interruptible(opcode: Opcode) -> bool {
    use Opcode::{Connect, CopyFile, OpenAt, Read, Readv, Splice, Waitid};
    matches!(opcode, OpenAt | Read | Readv | CopyFile | Connect | Splice | Waitid)
}
