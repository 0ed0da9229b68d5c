//! What all workers and all other threads have of a scheduler of several threads.

use super::super::affinity::{CpuSet, Places, place};
use super::super::deque::{Local, Stealer, deque};
use super::super::idle::Idle;
use super::super::inject::Inject;
use super::super::local::{RunError, Stalled};
use super::super::{Blocking, Loops};
use super::Options;
use super::counts::{Activity, Counts, Metrics};
use super::rest::{Rest, Stamp};
use super::seat::Seat;
use super::watch::Watch;
use crate::error::Error;
use crate::loom::{AtomicU32, Ordering};
use crate::task::dispatch::{Closing, Dispatch, Status};
use crate::task::pool::Depot;
use crate::task::slow::Stopwatch;
use crate::task::stuck::{self, Witness};
use crate::task::{Doing, Dump, Hook, Step, TaskId, TaskRef, here, info, run};
use crate::time::Timers;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::{Duration, Instant};

/// See the module's text.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Shared {
    pub(super) dispatch: Dispatch,
    pub(super) inject: Inject<TaskRef>,
    pub(super) idle: Idle,
    pub(super) rest: Rest,
    pub(super) watch: Watch,
    pub(super) peers: Box<[Peer]>,
    pub(super) lifo: bool,
    pub(super) places: Option<Places>,
    pub(super) drain_deadline: Duration,
    pub(super) hook: Option<Hook>,
    /// What times of the workers count from.
    pub(super) began: Instant,
    witness: Witness,
    awaited_witness: Witness,
    /// Not zero: workers end.
    ending: AtomicU32,
    /// Workers that have ended.
    ended: AtomicU32,
    /// What a loop failed with first.
    failed: OnceLock<Error>,
}

/// What others have of a worker.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Peer {
    pub(super) stealer: Stealer<TaskRef>,
    /// Tasks that are pinned to it, from other threads.
    pub(super) mail: Inject<TaskRef>,
    pub(super) seat: Arc<Seat>,
    pub(super) timers: Arc<Timers>,
    pub(super) counts: Counts,
    pub(super) stopwatch: Option<Arc<Stopwatch>>,
}

impl Peer {
    fn new(index: usize, stealer: Stealer<TaskRef>, options: &Options) -> Self {
        let seat = Arc::new(Seat::default());
        let unpark = seat.clone();
        let timers = Timers::new(options.clock.clone(), move || unpark.unpark());
        let clock = || options.clock.clone();
        let stopwatch = options.slow_polls.map(|asked| Stopwatch::new(asked, clock(), index));
        let stopwatch = stopwatch.map(Arc::new);
        Self { stealer, mail: Inject::new(), seat, timers, counts: Counts::default(), stopwatch }
    }
}

impl Shared {
    pub(super) fn new(options: &Options) -> (Arc<Self>, Vec<Local<TaskRef>>) {
        let workers = options.workers_all();
        let (locals, stealers): (Vec<_>, Vec<_>) = (0..workers).map(|_| deque()).unzip();
        let bound = options.pinned || !options.keep_off.is_empty();
        let available = if bound { CpuSet::of_this_thread().ok() } else { None };
        let places = available.map(|cpus| place(cpus, options.keep_off, workers, options.pinned));
        let shared = Arc::new(Self {
            dispatch: Dispatch {
                depot: Depot::new(options.bytes_max),
                schedule: schedule_from_outside,
                release,
                status: Status::new(),
                closing: Closing::new(),
                blocking: Blocking::new(options.pool.clone().on(places.as_ref())),
                loops: Loops::default(),
            },
            inject: Inject::new(),
            idle: Idle::new(workers),
            rest: Rest::new(workers),
            watch: Watch::default(),
            peers: (0..)
                .zip(stealers)
                .map(|(index, stealer)| Peer::new(index, stealer, options))
                .collect(),
            lifo: options.lifo,
            places,
            drain_deadline: options.drain_deadline,
            hook: options.hook,
            began: Instant::now(),
            witness: Witness::new(),
            awaited_witness: Witness::new(),
            ending: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            failed: OnceLock::new(),
        });
        (shared, locals)
    }

    /// With the whole of `Shared` behind it.
    pub(super) fn dispatch(self: &Arc<Self>) -> NonNull<Dispatch> {
        // SAFETY: an `Arc`'s pointer is not null.
        unsafe { NonNull::new_unchecked(Arc::as_ptr(self).cast_mut().cast()) }
    }

    /// Whether this thread is one of the workers.
    pub(super) fn is_here(self: &Arc<Self>) -> bool {
        here::with(|here| here.is_some_and(|here| here.is_of(self.dispatch())))
    }

    pub(super) fn is_closing(&self) -> bool {
        self.dispatch.closing.is_on()
    }

    pub(super) fn is_ending(&self) -> bool {
        // Acquire: with the Release of `start_ending`.
        self.ending.load(Ordering::Acquire) != 0
    }

    pub(super) fn start_closing(&self) {
        self.dispatch.closing.begin();
        self.unpark_all();
    }

    pub(super) fn start_ending(&self) {
        // SeqCst: workers look at it after the fence of their way to sleep.
        self.ending.store(1, Ordering::SeqCst);
        self.unpark_all();
    }

    fn unpark_all(&self) {
        self.peers.iter().for_each(|peer| peer.seat.unpark());
    }

    /// Says that a worker will not touch anything any more.
    pub(super) fn worker_ended(&self) {
        // Release: with the Acquire of `workers_ended`.
        self.ended.fetch_add(1, Ordering::Release);
        self.watch.tell();
    }

    pub(super) fn workers_ended(&self) -> usize {
        // Acquire: with the Release of `worker_ended`.
        self.ended.load(Ordering::Acquire) as usize
    }

    /// Wakes a worker, if none is searching and one sleeps.
    #[inline]
    pub(super) fn wake_one(&self) {
        if let Some(worker) = self.idle.wake_one() {
            self.peers[worker].seat.unpark();
        }
    }

    /// The same for a worker that will ask again.
    #[inline]
    pub(super) fn wake_one_hint(&self) {
        if let Some(worker) = self.idle.wake_one_hint() {
            self.peers[worker].seat.unpark();
        }
    }

    /// Takes a task that holds SCHEDULED from any thread. A full fence comes after that.
    pub(super) fn inject(&self, task: TaskRef) {
        match self.inject.push(task) {
            Ok(()) => self.wake_one(),
            // The queue closes when no worker is left: every task that there was is over, or has no
            // thread to be polled on any more.
            Err(closed) => self.discard(closed.0),
        }
    }

    /// The same for a task that is pinned to a worker.
    pub(super) fn send_home(&self, task: TaskRef) {
        let worker = task.worker();
        match self.peers[worker].mail.push(task) {
            Ok(()) => self.rouse(worker),
            // The worker has ended, and before that every task that was pinned to it: this one has
            // never been polled, so it holds no more than what may go to another thread.
            Err(closed) => self.discard(closed.0),
        }
    }

    /// Has a worker look at what this thread has changed, if it sleeps.
    pub(super) fn rouse(&self, worker: usize) {
        if self.idle.is_asleep(worker) {
            self.peers[worker].seat.unpark();
        }
    }

    /// Takes a task that holds SCHEDULED to where it belongs.
    pub(super) fn send(&self, task: TaskRef) {
        if task.state().look().is_pinned() {
            self.send_home(task);
        } else {
            self.inject(task);
        }
    }

    /// Ends a task that holds SCHEDULED and whose future may be dropped on this thread.
    pub(super) fn discard(&self, task: TaskRef) {
        if !task.state().look().is_system() {
            self.rest.refused_outside();
        }
        // SAFETY: the caller's promise, and SCHEDULED is this thread's.
        unsafe { run::discard(task) };
    }

    /// After the last worker: what was left in the queue, and what comes now, is ended where it is.
    pub(super) fn close_queue(&self) {
        self.inject.close();
        while let Some(task) = self.inject.pop() {
            self.discard(task);
        }
    }

    /// Whether something lies where every worker can find it.
    pub(super) fn has_work(&self) -> bool {
        !self.inject.is_empty() || self.peers.iter().any(|peer| !peer.stealer.is_empty())
    }

    /// See [`Rest::stamp`].
    fn stamp(&self) -> Option<Stamp> {
        self.rest.stamp(|| self.dispatch.depot.guests())
    }

    /// How many tasks keep the scheduler going, if no worker is awake.
    pub(super) fn live_at_rest(&self) -> Option<u32> {
        self.stamp().map(Stamp::live)
    }

    /// A worker has lain down, its fence is made, and there is no work: tells those who wait for that.
    #[cold]
    pub(super) fn tell_of_rest(&self) {
        let Some(live) = self.live_at_rest() else { return };
        let depot = &self.dispatch.depot;
        if live == 0 || self.is_closing() {
            self.watch.tell();
        } else if self.awaited_witness.all_stuck(depot, stuck::is_stuck_without_handle) {
            self.watch.tell();
            self.watch.wake();
        }
    }

    /// A worker's loop failed: it turns no more.
    pub(super) fn loop_failed(&self, error: Error) {
        let _ = self.failed.set(error);
        self.watch.tell_all();
    }

    /// Why those who wait for something of the scheduler's are to wait no more.
    pub(super) fn over(&self) -> Option<RunError> {
        if self.dispatch.status.is_all() {
            return Some(RunError::Exited(self.dispatch.status.code()));
        }
        self.failed.get().copied().map(RunError::Loop)
    }

    pub(super) fn metrics(&self) -> Vec<Metrics> {
        let of = |peer: &Peer| Metrics {
            slow_polls: peer.stopwatch.as_deref().map_or(0, Stopwatch::slow),
            queued: peer.stealer.len(),
            ..peer.counts.read(self.began)
        };
        self.peers.iter().map(of).collect()
    }

    pub(super) fn activity(&self) -> Activity {
        let (searching, asleep) = self.idle.counts();
        let mut tasks = 0;
        self.dispatch.depot.each(|task| tasks += usize::from(!task.state().look().is_complete()));
        Activity { searching, asleep, tasks }
    }

    pub(super) fn dump(&self) -> Dump {
        let stopwatches = self.peers.iter().filter_map(|peer| peer.stopwatch.as_deref());
        info::list(&self.dispatch, stopwatches)
    }

    /// Who waits for whom, where no task will ever run again. From any thread; see
    /// [`crate::task::stuck`] for why it is never said in error.
    pub(super) fn stalled(&self) -> Option<Stalled> {
        let before = self.stamp()?;
        if before.live() == 0 || !self.witness.all_stuck(&self.dispatch.depot, stuck::is_stuck) {
            return None;
        }
        self.listed(before)
    }

    /// The list of tasks that were found stuck since `before`.
    ///
    /// No worker got up in between, so no task has run. One that another thread is making at this moment
    /// was counted before it was there: it is missing in the list, or came too late to be looked at and is
    /// ready.
    fn listed(&self, before: Stamp) -> Option<Stalled> {
        let tasks = self.dump();
        let all_wait = tasks.iter().all(|task| matches!(task.doing, Doing::Waiting { .. }));
        let live = tasks.iter().filter(|task| !task.system).count();
        let stalled = all_wait && live == before.live() as usize && self.stamp()? == before;
        stalled.then_some(Stalled { tasks })
    }

    /// The same for a thread that waits with that waker, of which it knows one.
    pub(super) fn stalled_for(&self, waker: &Waker, wakers: usize) -> Option<Stalled> {
        let before = self.stamp()?;
        if !stuck::all_stuck_but_for(&self.dispatch.depot, waker, wakers.checked_sub(1)?) {
            return None;
        }
        self.listed(before)
    }

    pub(super) fn trace(&self, step: impl FnOnce() -> Step) {
        if let Some(hook) = self.hook {
            hook(step());
        }
    }
}

/// Of a future that is to end when everything does.
pub(super) struct Registered<'a> {
    pub(super) shared: &'a Shared,
    pub(super) ticket: Option<u64>,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared.watch.forget(ticket);
            self.shared.rest.unwatch();
        }
    }
}

/// See [`Dispatch::schedule`].
unsafe fn schedule_from_outside(dispatch: NonNull<Dispatch>, task: TaskRef) {
    // SAFETY: the dispatch is the first field of the whole that the pointer is derived from, and the
    // caller keeps the task, which keeps it.
    let shared = unsafe { dispatch.cast::<Shared>().as_ref() };
    shared.trace(|| Step::Arrived(TaskId::of(task)));
    shared.send(task);
}

/// See [`Dispatch::release`].
unsafe fn release(dispatch: NonNull<Dispatch>) {
    // SAFETY: the scheduler's drop left one count for this call.
    drop(unsafe { Arc::from_raw(dispatch.cast::<Shared>().as_ptr().cast_const()) });
}
