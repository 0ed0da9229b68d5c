//! One thread of the pool.

use super::{Shared, State, is_interruptible, signal};
use crate::syscalls;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
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

/// Sees to it that somebody comes for the queue: nobody if one is on the way already, else a thread
/// that waits, else a new one.
pub(super) fn call_one(shared: &Arc<Shared>, state: &mut State) -> Result<(), Error> {
    if state.queue.is_empty() || state.waking + state.starting > 0 {
        return Ok(());
    }
    if state.idle > 0 {
        state.waking += 1;
        shared.work.notify_one();
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
        match state.queue.pop_front() {
            Some(token) => state = carry_out(shared, place, state, token),
            None if state.refusing => break,
            None => match wait(shared, state) {
                Waited::ForWork(back) => state = back,
                Waited::LongEnough(back) => {
                    state = back;
                    break;
                }
            },
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

enum Waited<'a> {
    ForWork(MutexGuard<'a, State>),
    LongEnough(MutexGuard<'a, State>),
}

fn wait<'a>(shared: &'a Shared, mut state: MutexGuard<'a, State>) -> Waited<'a> {
    state.idle += 1;
    let waited = shared.work.wait_timeout(state, shared.config.idle);
    let (mut state, time) = waited.unwrap_or_else(PoisonError::into_inner);
    state.idle -= 1;
    // Whoever wakes takes the call, even if it was meant for another: that one then finds nothing.
    state.waking = state.waking.saturating_sub(1);
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
    // A thread that cannot be started is no reason not to do this op (P3).
    let _ = call_one(shared, &mut state);
    drop(state);
    // SAFETY: as above.
    let outcome = unsafe {
        slot.with_resource(|resource| {
            let outcome = syscalls::carry_out_until(resource, &shared.stops[place]);
            syscalls::learn(resource, outcome, &shared.mounts);
            syscalls::bring_content(resource, outcome, &shared.stops[place])
        })
    };
    shared.home.deliver(token, outcome);
    // Relaxed: a count.
    shared.carried_out.fetch_add(1, Ordering::Relaxed);
    let mut state = shared.lock();
    let worker = &mut state.workers[place];
    worker.running = None;
    worker.nagging = None;
    state
}
