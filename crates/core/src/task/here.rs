//! What a thread knows while it runs the tasks of a scheduler: its queue, the task that it polls, its
//! free places for new ones.

use super::dispatch::Dispatch;
use super::header::TaskRef;
use super::pool::Cache;
use super::slow::Stopwatch;
use super::trace::{Hook, Step};
use crate::loom::thread_local;
use crate::scheduler::Ops;
use crate::scheduler::link::{Item, Link};
use std::cell::{Cell, OnceCell, UnsafeCell};
use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;

/// Polls of primitives that a task may make before it has to let others run.
pub(super) const BUDGET: u32 = 128;

/// Which thread polls the tasks of a scheduler.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Workers {
    /// This one only: it polls each task itself, and its wakes need no exchange where a task is in
    /// its queue already.
    One,
    /// Several: a queue that others may steal from takes the task.
    Many {
        /// Safety: `worker` is that beside it, on its own thread, and the task holds SCHEDULED.
        push: unsafe fn(worker: NonNull<()>, TaskRef, Place),
        /// Somebody said `exit_all`. Safety: `worker` is that beside it, on its own thread.
        exit_all: unsafe fn(worker: NonNull<()>),
        /// What these two know.
        worker: NonNull<()>,
        /// Its number.
        index: u32,
    },
}

/// Where in a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// New: behind the others, or where the scheduler has it for tasks that were woken.
    New,
    /// As the scheduler has it for tasks that were woken.
    Woken,
    /// Behind all others: it let them go first.
    Back,
}

/// See the module's text. Only the thread that it is entered on touches it.
#[derive(Debug)]
pub(crate) struct Here {
    pub(super) dispatch: NonNull<Dispatch>,
    workers: Workers,
    pub(super) current: Cell<Option<TaskRef>>,
    /// The task that is polled woke itself.
    pub(super) woken: Cell<bool>,
    pub(super) budget: Cell<u32>,
    /// Polls so far.
    pub(super) polls: Cell<u64>,
    /// Tasks that keep the scheduler running: those that were spawned less those that ended here.
    pub(crate) live: Cell<i64>,
    pub(crate) queue: Queue,
    /// The run that goes on here is to end after this poll.
    pub(crate) stop: Cell<bool>,
    /// No more tasks are taken.
    closing: Cell<bool>,
    cache: UnsafeCell<Cache>,
    hook: Cell<Option<Hook>>,
    /// Where somebody wants to know which polls are slow.
    stopwatch: OnceCell<Arc<Stopwatch>>,
}

impl Here {
    /// # Safety
    ///
    /// `dispatch` lives longer than what this gives, and [`Self::leave`] is called at the end.
    pub(crate) unsafe fn new(dispatch: NonNull<Dispatch>, workers: Workers, lifo: bool) -> Self {
        Self {
            dispatch,
            workers,
            current: Cell::new(None),
            woken: Cell::new(false),
            budget: Cell::new(BUDGET),
            polls: Cell::new(0),
            live: Cell::new(0),
            queue: Queue::new(lifo),
            stop: Cell::new(false),
            closing: Cell::new(false),
            cache: UnsafeCell::new(Cache::new()),
            hook: Cell::new(None),
            stopwatch: OnceCell::new(),
        }
    }

    /// Whether this thread is the home of its tasks.
    #[inline]
    pub(super) const fn is_home(&self) -> bool {
        matches!(self.workers, Workers::One)
    }

    /// Whether this thread runs the tasks of that scheduler.
    #[inline]
    pub(crate) fn is_of(&self, dispatch: NonNull<Dispatch>) -> bool {
        self.dispatch == dispatch
    }

    /// A number that no other scheduler has at the same time.
    #[inline]
    pub(crate) fn dispatch_address(&self) -> usize {
        self.dispatch.addr().get()
    }

    /// The loop for ops of a worker that has none of its own.
    pub(crate) fn loop_for_this_worker(&self) -> Option<Ops> {
        self.dispatch().loops.for_worker(self.worker().unwrap_or(0))
    }

    pub(super) fn dispatch(&self) -> &Dispatch {
        // SAFETY: it lives longer than this (`new`).
        unsafe { self.dispatch.as_ref() }
    }

    /// The free places. `f` calls nothing that comes here again.
    #[inline]
    pub(super) fn with_cache<R>(&self, f: impl FnOnce(&mut Cache) -> R) -> R {
        // SAFETY: one thread only, and the callers of this module do not nest.
        f(unsafe { &mut *self.cache.get() })
    }

    /// Puts a task that holds SCHEDULED into this thread's queue.
    #[inline]
    pub(crate) fn push(&self, task: TaskRef, place: Place) {
        match self.workers {
            Workers::One => self.queue.push(task, place),
            // SAFETY: this thread's, and the caller gives up SCHEDULED.
            Workers::Many { push, worker, .. } => unsafe { push(worker, task, place) },
        }
    }

    /// The number of this worker, where there are several.
    pub(super) const fn worker(&self) -> Option<u32> {
        match self.workers {
            Workers::One => None,
            Workers::Many { index, .. } => Some(index),
        }
    }

    /// Whoever waits for the scheduler's tasks is to go on after this poll.
    pub(super) fn exit_all(&self) {
        match self.workers {
            Workers::One => self.stop.set(true),
            // SAFETY: this thread's.
            Workers::Many { exit_all, worker, .. } => unsafe { exit_all(worker) },
        }
    }

    /// Gives the free places to the depot.
    pub(crate) fn leave(&self) {
        self.with_cache(|cache| self.dispatch().depot.absorb(cache));
    }

    /// Polls so far.
    pub(crate) fn polls(&self) -> u64 {
        self.polls.get()
    }

    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    pub(crate) fn close(&self) {
        self.closing.set(true);
    }

    /// Who is told of its steps, and what times its polls. Once.
    pub(crate) fn watch(&self, hook: Option<Hook>, stopwatch: Option<Arc<Stopwatch>>) {
        self.hook.set(hook);
        if let Some(stopwatch) = stopwatch {
            let set = self.stopwatch.set(stopwatch);
            debug_assert!(set.is_ok());
        }
    }

    #[inline]
    pub(crate) fn stopwatch(&self) -> Option<&Stopwatch> {
        self.stopwatch.get().map(|stopwatch| &**stopwatch)
    }

    #[inline]
    pub(crate) fn trace(&self, step: impl FnOnce() -> Step) {
        if let Some(hook) = self.hook.get() {
            report(hook, step);
        }
    }
}

#[cold]
fn report(hook: Hook, step: impl FnOnce() -> Step) {
    hook(step());
}

thread_local! {
    static HERE: Cell<*const Here> = const { Cell::new(null()) };
}

/// Makes `here` the current one of this thread until it is dropped.
#[derive(Debug)]
pub(crate) struct Entered<'a> {
    before: *const Here,
    _here: &'a Here,
}

pub(crate) fn enter(here: &Here) -> Entered<'_> {
    let before = HERE.with(|current| current.replace(here));
    Entered { before, _here: here }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        HERE.with(|current| current.set(self.before));
    }
}

/// Calls `f` with what this thread entered last.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Here>) -> R) -> R {
    // A thread that ends has no queue any more.
    let here = HERE.try_with(Cell::get).unwrap_or(null());
    // SAFETY: `Entered` keeps it, and takes it away before it ends; only this thread reads it.
    f(unsafe { here.as_ref() })
}

/// The task that this thread polls.
#[inline]
pub(super) fn current() -> Option<TaskRef> {
    with(|here| here.and_then(|here| here.current.get()))
}

/// The queue of a single thread: in the order of wakes, but for a slot that lets the last one go
/// first where that is asked for.
#[derive(Debug)]
pub(crate) struct Queue {
    head: Cell<*mut Link>,
    tail: Cell<*mut Link>,
    slot: Cell<Option<TaskRef>>,
    lifo: bool,
}

impl Queue {
    pub(crate) const fn new(lifo: bool) -> Self {
        Self {
            head: Cell::new(null_mut()),
            tail: Cell::new(null_mut()),
            slot: Cell::new(None),
            lifo,
        }
    }

    #[inline]
    pub(crate) fn push(&self, task: TaskRef, place: Place) {
        // It is not Idle any more, wherever it lies in the queue.
        task.header().link.set_next(null_mut());
        if self.lifo && place == Place::Woken {
            // Who was there before goes to the back, so that the slot starves nobody.
            if let Some(before) = self.slot.replace(Some(task)) {
                self.push_back(before);
            }
            return;
        }
        self.push_back(task);
    }

    #[inline]
    fn push_back(&self, task: TaskRef) {
        let link = task.into_link().as_ptr();
        let tail = self.tail.replace(link);
        if tail.is_null() {
            self.head.set(link);
        } else {
            // SAFETY: the tail is queued, so it is there and its link is this queue's.
            unsafe { &*tail }.set_next(link);
        }
    }

    /// Who goes next. Who is in the slot goes first, unless `fair`.
    #[inline]
    pub(crate) fn pop(&self, fair: bool) -> Option<TaskRef> {
        if self.lifo
            && !fair
            && let Some(task) = self.slot.take()
        {
            return Some(task);
        }
        let Some(link) = NonNull::new(self.head.get()) else { return self.slot.take() };
        // SAFETY: queued, so it is there and its link is this queue's.
        let next = unsafe { link.as_ref() }.next();
        self.head.set(next);
        if next.is_null() {
            self.tail.set(null_mut());
        }
        // SAFETY: it came from `into_link` and leaves the queue.
        Some(unsafe { TaskRef::from_link(link) })
    }

    /// Whether somebody is there beside the one in the slot.
    #[inline]
    pub(crate) const fn has_behind(&self) -> bool {
        !self.head.get().is_null()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.get().is_null() && self.slot.get().is_none()
    }
}
