//! One thread of the pool.

use super::{LOOK, PROGRESS, STAND_BY, Shared, State, is_interruptible, signal};
use crate::syscalls;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
use wakering_core::abi::Opcode;
use wakering_core::slot::Publish;
use wakering_core::{Error, Token};

/// Room for a listing and a few paths. A program under an address-space limit will thank us.
const STACK_BYTES: usize = 256 * 1024;

/// What is known of a thread, under the pool's lock.
#[derive(Debug, Default)]
pub(super) struct Worker {
    pub(super) alive: bool,
    pub(super) running: Option<(Token, Opcode)>,
    pub(super) handle: Option<JoinHandle<()>>,
    thread: Option<libc::pid_t>,
    nagging: Option<signal::Nagging>,
}

impl Worker {
    /// Sends the signal that makes a waiting call give up, where the op bears it, until it is over.
    /// Under the pool's lock, so that the thread cannot end meanwhile and its number be another's.
    pub(super) fn interrupt(&mut self) {
        if let (Some(thread), Some((_, opcode))) = (self.thread, self.running)
            && is_interruptible(opcode)
            && self.nagging.is_none()
        {
            self.nagging = signal::Nagging::begin(thread);
        }
    }
}

/// Sees to it that somebody comes for the queue: nobody if one is on the way already, or stands
/// by; else a thread that waits, else a new one.
pub(super) fn call_one(shared: &Arc<Shared>, state: &mut State) -> Result<(), Error> {
    let coming = state.waking + state.starting + state.expected;
    if state.queue.is_empty() || coming > 0 || state.standing_by {
        return Ok(());
    }
    // The last one to fall asleep: its memory is still in the caches, and the others may go home.
    if let Some(place) = state.asleep.pop() {
        state.waking += 1;
        shared.work[place].notify_one();
        return Ok(());
    }
    start(shared, state)
}

fn start(shared: &Arc<Shared>, state: &mut State) -> Result<(), Error> {
    let Some(place) = state.workers.iter().position(|worker| !worker.alive) else { return Ok(()) };
    let for_thread = shared.clone();
    // No signal of the program is to be handled here: its handlers expect the main thread.
    let handle = signal::with_all_blocked(|| {
        std::thread::Builder::new()
            .name(format!("wakering-pool-{place}"))
            .stack_size(STACK_BYTES)
            .spawn(move || run(&for_thread, place))
    })?;
    let worker = &mut state.workers[place];
    worker.alive = true;
    // The handle of the thread that was here before: it has ended, or is about to.
    drop(worker.handle.replace(handle));
    state.starting += 1;
    Ok(())
}

fn run(shared: &Arc<Shared>, place: usize) {
    signal::accept();
    let mut state = shared.lock();
    state.starting -= 1;
    state.workers[place].thread = Some(signal::this_thread());
    loop {
        if state.queue.is_empty() {
            if state.refusing {
                break;
            }
            state = look(shared, state);
            if state.refusing {
                // Said while this thread looked, and to those that wait.
                continue;
            }
        }
        let enough = state.running >= shared.prompt_max && !state.refusing;
        if state.queue.is_empty() || (enough && state.standing_by) {
            match wait(shared, place, state) {
                Waited::ForWork(back) => state = back,
                Waited::LongEnough(back) => {
                    state = back;
                    break;
                }
            }
            continue;
        }
        if enough {
            state = stand_by(shared, state);
        }
        while let Some(token) = state.queue.pop_front() {
            shared.count_queued(&state);
            let began = Instant::now();
            state = carry_out(shared, place, state, token);
            // Others are enough, and this call did not block: the rest is theirs.
            if state.running >= shared.prompt_max && began.elapsed() < STAND_BY {
                break;
            }
        }
    }
    let worker = &mut state.workers[place];
    worker.thread = None;
    worker.alive = false;
    // Work that came while this thread was on its way out may count on it.
    let _ = call_one(shared, &mut state);
    drop(state);
    shared.gone.notify_all();
}

/// Where enough threads are at work, one more sees to it that they get on: it comes when they may all
/// be waiting for a disk, and goes when there is nothing left to see to (P3).
fn stand_by<'a>(shared: &'a Shared, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    state.standing_by = true;
    loop {
        // Relaxed: a count.
        let before = shared.carried_out.load(Ordering::Relaxed);
        let waited = shared.stand_by.wait_timeout(state, STAND_BY);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let done = shared.carried_out.load(Ordering::Relaxed) - before;
        let idle = state.queue.is_empty() && state.running + state.expected == 0;
        let needed = !state.queue.is_empty() && done < PROGRESS;
        if idle || needed || state.refusing {
            break;
        }
    }
    state.standing_by = false;
    state
}

/// Looks for work without the lock before it goes to sleep (P6).
fn look<'a>(shared: &'a Shared, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    if shared.several_cpus && state.queue.is_empty() && !state.looking && !state.refusing {
        state.looking = true;
        state.expected += 1;
        shared.count_awake(&state);
        drop(state);
        let began = Instant::now();
        // Relaxed: what is there is taken under the lock.
        while shared.queued.load(Ordering::Relaxed) == 0 && began.elapsed() < LOOK {
            std::hint::spin_loop();
        }
        state = shared.lock();
        state.looking = false;
        state.expected -= 1;
        shared.count_awake(&state);
    }
    state
}

enum Waited<'a> {
    ForWork(MutexGuard<'a, State>),
    LongEnough(MutexGuard<'a, State>),
}

fn wait<'a>(shared: &'a Shared, place: usize, mut state: MutexGuard<'a, State>) -> Waited<'a> {
    state.asleep.push(place);
    let waited = shared.work[place].wait_timeout(state, shared.config.idle);
    let (mut state, time) = waited.unwrap_or_else(PoisonError::into_inner);
    let before = state.asleep.len();
    state.asleep.retain(|&other| other != place);
    // Whoever is not among the sleepers any more was called.
    state.waking -= usize::from(state.asleep.len() == before);
    if time.timed_out() && state.queue.is_empty() && !state.refusing {
        return Waited::LongEnough(state);
    }
    Waited::ForWork(state)
}

fn carry_out<'a>(
    shared: &'a Arc<Shared>,
    place: usize,
    mut state: MutexGuard<'a, State>,
    token: Token,
) -> MutexGuard<'a, State> {
    let slot = shared.home.slab.slot(token);
    if slot.publish(token) == Publish::Gone {
        // Relaxed: a count.
        shared.withdrawn.fetch_add(1, Ordering::Relaxed);
        return state;
    }
    // SAFETY: this thread just published the op and owns its resource until it completes it (I1).
    let opcode = unsafe { slot.with_resource(|resource| resource.prepared.opcode) };
    shared.stops[place].reset();
    state.workers[place].running = Some((token, opcode));
    state.running += 1;
    shared.count_awake(&state);
    // A thread that cannot be started is no reason not to do this op (P3).
    let _ = call_one(shared, &mut state);
    drop(state);
    // SAFETY: as above.
    let outcome = unsafe {
        slot.with_resource(|resource| {
            let outcome = syscalls::carry_out_until(resource, &shared.stops[place]);
            syscalls::learn(resource, outcome, &shared.mounts);
            syscalls::bring_content(resource, outcome, &shared.stops[place], &shared.mounts)
        })
    };
    // What the answer leads to finds this thread on its way back to the queue (P6).
    let mut state = shared.lock();
    state.running -= 1;
    let worker = &mut state.workers[place];
    worker.running = None;
    worker.nagging = None;
    state.expected += 1;
    shared.count_awake(&state);
    drop(state);
    shared.home.deliver(token, outcome);
    // Relaxed: a count.
    shared.carried_out.fetch_add(1, Ordering::Relaxed);
    let mut state = shared.lock();
    state.expected -= 1;
    shared.count_awake(&state);
    state
}
