//! What all workers and all other threads have of a scheduler of several threads.

use super::super::affinity::{CpuSet, Places, place};
use super::super::deque::{Local, Stealer, deque};
use super::super::idle::Idle;
use super::super::inject::Inject;
use super::super::parker::{Parker, Unparked};
use super::{Metrics, Options};
use crate::loom::{AtomicU32, AtomicU64, Ordering};
use crate::task::dispatch::{Dispatch, Status};
use crate::task::pool::Depot;
use crate::task::{TaskRef, run};
use std::ptr::NonNull;
use std::sync::Arc;

const OPEN: u32 = 0;
/// No more tasks are taken.
const CLOSING: u32 = 1;
/// Workers end.
const ENDING: u32 = 2;

/// See the module's text.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Shared {
    pub(super) dispatch: Dispatch,
    pub(super) inject: Inject<TaskRef>,
    pub(super) idle: Idle,
    pub(super) peers: Box<[Peer]>,
    pub(super) lifo: bool,
    pub(super) places: Option<Places>,
    stage: AtomicU32,
}

/// What others have of a worker.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Peer {
    pub(super) stealer: Stealer<TaskRef>,
    pub(super) parker: Parker,
    pub(super) counts: Counts,
}

/// Written by their worker alone, now and then.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counts {
    pub(super) polls: AtomicU64,
    pub(super) steals: AtomicU64,
    pub(super) parks: AtomicU64,
    pub(super) overflows: AtomicU64,
    pub(super) searches: AtomicU64,
}

impl Shared {
    pub(super) fn new(options: &Options) -> (Arc<Self>, Vec<Local<TaskRef>>) {
        let (locals, stealers): (Vec<_>, Vec<_>) = (0..options.workers).map(|_| deque()).unzip();
        let peer = |stealer| Peer { stealer, parker: Parker::new(), counts: Counts::default() };
        let bound = options.pinned || !options.keep_off.is_empty();
        let available = if bound { CpuSet::of_this_thread().ok() } else { None };
        let shared = Arc::new(Self {
            dispatch: Dispatch {
                depot: Depot::new(options.bytes_max),
                schedule: schedule_from_outside,
                release,
                status: Status::new(),
            },
            inject: Inject::new(),
            idle: Idle::new(options.workers),
            peers: stealers.into_iter().map(peer).collect(),
            lifo: options.lifo,
            places: available
                .map(|cpus| place(cpus, options.keep_off, options.workers, options.pinned)),
            stage: AtomicU32::new(OPEN),
        });
        (shared, locals)
    }

    /// With the whole of `Shared` behind it.
    pub(super) fn dispatch(self: &Arc<Self>) -> NonNull<Dispatch> {
        // SAFETY: an `Arc`'s pointer is not null.
        unsafe { NonNull::new_unchecked(Arc::as_ptr(self).cast_mut().cast()) }
    }

    pub(super) fn is_closing(&self) -> bool {
        // Acquire: with the Release of `advance`.
        self.stage.load(Ordering::Acquire) != OPEN
    }

    pub(super) fn is_ending(&self) -> bool {
        // Acquire: with the Release of `advance`.
        self.stage.load(Ordering::Acquire) == ENDING
    }

    pub(super) fn start_closing(&self) {
        self.advance(CLOSING);
    }

    pub(super) fn start_ending(&self) {
        self.advance(ENDING);
    }

    fn advance(&self, stage: u32) {
        // SeqCst: workers look at it after the fence of their way to sleep.
        self.stage.fetch_max(stage, Ordering::SeqCst);
        self.wake_all();
    }

    pub(super) fn wake_all(&self) {
        for peer in &self.peers {
            unpark(&peer.parker);
        }
    }

    /// Wakes a worker, if none is searching and one sleeps.
    #[inline]
    pub(super) fn wake_one(&self) {
        if let Some(worker) = self.idle.wake_one() {
            unpark(&self.peers[worker].parker);
        }
    }

    /// The same for a worker that will ask again.
    #[inline]
    pub(super) fn wake_one_hint(&self) {
        if let Some(worker) = self.idle.wake_one_hint() {
            unpark(&self.peers[worker].parker);
        }
    }

    /// Takes a task that holds SCHEDULED from any thread.
    pub(super) fn inject(&self, task: TaskRef) {
        match self.inject.push(task) {
            Ok(()) => self.wake_one(),
            // SAFETY: SCHEDULED came back. The queue closes when every task is over, so this one was
            // spawned at that very moment, by a thread where its future may be dropped.
            Err(closed) => unsafe { run::discard(closed.0) },
        }
    }

    /// Whether something lies where a worker can find it.
    pub(super) fn has_work(&self) -> bool {
        !self.inject.is_empty() || self.peers.iter().any(|peer| !peer.stealer.is_empty())
    }

    pub(super) fn metrics(&self) -> Vec<Metrics> {
        // Relaxed: numbers.
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let of = |counts: &Counts| Metrics {
            polls: get(&counts.polls),
            steals: get(&counts.steals),
            parks: get(&counts.parks),
            overflows: get(&counts.overflows),
            searches: get(&counts.searches),
        };
        self.peers.iter().map(|peer| of(&peer.counts)).collect()
    }
}

fn unpark(parker: &Parker) {
    match parker.unpark() {
        Unparked::Awake | Unparked::Woken => {}
        Unparked::Ring => unreachable!("these workers have no loop to wait in"),
    }
}

/// See [`Dispatch::schedule`].
unsafe fn schedule_from_outside(dispatch: NonNull<Dispatch>, task: TaskRef) {
    // SAFETY: the dispatch is the first field of the whole that the pointer is derived from, and the
    // caller keeps the task, which keeps it.
    let shared = unsafe { dispatch.cast::<Shared>().as_ref() };
    shared.inject(task);
}

/// See [`Dispatch::release`].
unsafe fn release(dispatch: NonNull<Dispatch>) {
    // SAFETY: the scheduler's drop left one count for this call.
    drop(unsafe { Arc::from_raw(dispatch.cast::<Shared>().as_ptr().cast_const()) });
}
