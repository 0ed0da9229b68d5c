//! One thread of a scheduler: what it runs next, and when it sleeps.
//!
//! ```text
//!  ┌──► next: slot, queue, inject queue ──► run ──┐
//!  │       │ nothing                              │
//!  │       ▼                                      │
//!  │    search (if not too many do): steal,       │
//!  │    inject queue, a little while ──found──────┤
//!  │       │ nothing                              │
//!  │       ▼                                      │
//!  └─── sleep, after one more look everywhere     │
//!  ▲                                              │
//!  └──────────────────────────────────────────────┘
//! ```

use super::super::deque::{Local, Pushed};
use super::super::idle::{Found, Roused, Spin};
use super::shared::{Counts, Shared};
use crate::loom::{AtomicU64, Ordering};
use crate::random::Random;
use crate::task::here::{self, Here, Place, Workers};
use crate::task::{TaskRef, run as task_run};
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Instant;

/// Times in a row that the slot goes before the queue.
const SLOT_MAX: u32 = 3;
/// Runs after which the inject queue goes first, however much lies in the worker's own.
const INJECT_RUNS: u32 = 61;
/// A worker whose queue is shorter looks at the inject queue before each run.
const SHORT: usize = 16;
/// Tasks that a worker takes from the inject queue at a time, beside the one that it runs.
const INJECT_MAX: usize = 64;
/// Runs after which a worker looks whether it is to end, and brings its numbers up to date.
const CHECK_RUNS: u32 = 64;

/// A worker's own.
struct Worker {
    index: usize,
    local: Local<TaskRef>,
    slot: Cell<Option<TaskRef>>,
    slot_runs: Cell<u32>,
    runs: Cell<u32>,
    shared: Arc<Shared>,
    random: RefCell<Random>,
    spin: RefCell<Spin>,
}

/// A worker's life.
pub(super) fn run(shared: Arc<Shared>, index: usize, local: Local<TaskRef>) {
    if let Some(places) = &shared.places {
        // A worker that cannot be bound runs all the same.
        let _ = places.of(index).bind_this_thread();
    }
    let worker = Worker {
        index,
        local,
        slot: Cell::new(None),
        slot_runs: Cell::new(0),
        runs: Cell::new(0),
        random: RefCell::new(Random::new(index as u64)),
        spin: RefCell::new(Spin::new(crate::cpus())),
        shared,
    };
    let workers = Workers::Many { push, worker: NonNull::from(&worker).cast() };
    // SAFETY: the dispatch is in `Shared`, which the worker has; `leave` is called below.
    let here = unsafe { Here::new(worker.shared.dispatch(), workers, false) };
    {
        let _entered = here::enter(&here);
        worker.run(&here);
    }
    here.leave();
}

/// See [`Workers::Many`].
unsafe fn push(worker: NonNull<()>, task: TaskRef, place: Place) {
    // SAFETY: `run` made it from its worker, which lives as long as its `Here`.
    let worker = unsafe { worker.cast::<Worker>().as_ref() };
    if worker.shared.lifo && place != Place::Back {
        // Who is alone in the slot is run next: there is nothing for others to do.
        let Some(before) = worker.slot.replace(Some(task)) else { return };
        worker.push_local(before);
        worker.shared.wake_one_hint();
        return;
    }
    let alone = worker.local.is_empty() && worker.slot.get().is_none();
    worker.push_local(task);
    // Who yields and is alone runs again at once.
    if !alone || place != Place::Back {
        worker.shared.wake_one_hint();
    }
}

impl Worker {
    fn counts(&self) -> &Counts {
        &self.shared.peers[self.index].counts
    }

    fn push_local(&self, task: TaskRef) {
        match self.local.push(task, &self.shared.inject) {
            Pushed::Local => {}
            Pushed::Overflowed(_) => {
                add(&self.counts().overflows);
                self.shared.wake_one();
            }
        }
    }

    fn run(&self, here: &Here) {
        // Every worker begins as one that works.
        let mut searching = false;
        loop {
            let task = match self.next() {
                Some(task) => task,
                None => match self.search(&mut searching) {
                    Some(task) => task,
                    None if self.shared.is_ending() => break,
                    None => {
                        searching = self.sleep(searching, here);
                        continue;
                    }
                },
            };
            if std::mem::take(&mut searching)
                && self.shared.idle.found() == Found::Last
                && (!self.local.is_empty() || self.shared.has_work())
            {
                self.shared.wake_one();
            }
            // SAFETY: from a queue of this scheduler, whose worker this is, entered on this thread.
            unsafe { task_run::run(task, here) };
            let runs = self.runs.get().wrapping_add(1);
            self.runs.set(runs);
            if runs.is_multiple_of(CHECK_RUNS) && self.check(here) {
                break;
            }
        }
        if searching {
            self.shared.idle.sleep(self.index, true);
        }
    }

    /// Brings the numbers up to date. Whether the worker is to end.
    fn check(&self, here: &Here) -> bool {
        // Relaxed: a number.
        self.counts().polls.store(here.polls(), Ordering::Relaxed);
        if self.shared.is_closing() {
            here.close();
        }
        self.shared.is_ending()
    }

    /// What is ready here, or came from elsewhere.
    #[inline]
    fn next(&self) -> Option<TaskRef> {
        if !self.shared.inject.is_empty() {
            let due = self.runs.get().is_multiple_of(INJECT_RUNS);
            if due && let Some(task) = self.shared.inject.pop() {
                return Some(task);
            }
            if self.local.len() < SHORT
                && let Some(task) = self.take_injected()
            {
                return Some(task);
            }
        }
        if self.slot_runs.get() < SLOT_MAX
            && let Some(task) = self.slot.take()
        {
            self.slot_runs.set(self.slot_runs.get() + 1);
            return Some(task);
        }
        self.slot_runs.set(0);
        if let Some(task) = self.local.pop() {
            if !self.local.is_empty() {
                self.shared.wake_one_hint();
            }
            return Some(task);
        }
        self.slot.take().or_else(|| self.take_injected())
    }

    fn take_injected(&self) -> Option<TaskRef> {
        if self.shared.inject.is_empty() {
            return None;
        }
        let (task, more) = self.shared.inject.pop_into(&self.local, INJECT_MAX)?;
        if more > 0 || !self.shared.inject.is_empty() {
            self.shared.wake_one_hint();
        }
        Some(task)
    }

    /// Looks at the others' queues for a while.
    fn search(&self, searching: &mut bool) -> Option<TaskRef> {
        if !*searching {
            if !self.shared.idle.start_search() {
                return None;
            }
            *searching = true;
            add(&self.counts().searches);
        }
        let mut look = None;
        loop {
            if let Some(task) = self.steal().or_else(|| self.take_injected()) {
                if let Some(look) = &look {
                    self.spin.borrow_mut().learn(look, Instant::now());
                }
                return Some(task);
            }
            if self.shared.is_ending() {
                return None;
            }
            let look = look.get_or_insert_with(|| self.spin.borrow().start(Instant::now()));
            if !look.pause() {
                return None;
            }
        }
    }

    fn steal(&self) -> Option<TaskRef> {
        let peers = &self.shared.peers;
        let circle = self.random.borrow_mut().circle(peers.len() as u32);
        let mut others = circle.map(|peer| peer as usize).filter(|&peer| peer != self.index);
        let stolen = others.find_map(|peer| peers[peer].stealer.steal_into(&self.local))?;
        add(&self.counts().steals);
        Some(stolen.first)
    }

    /// Sleeps until there is work. Whether the worker was woken to search.
    fn sleep(&self, searching: bool, here: &Here) -> bool {
        let _ = self.check(here);
        let began = self.spin.borrow().start(Instant::now());
        self.shared.idle.sleep(self.index, searching);
        if !self.shared.has_work() && !self.shared.is_ending() {
            add(&self.counts().parks);
            let _ = self.shared.peers[self.index].parker.park(None);
        }
        let roused = self.shared.idle.rouse(self.index);
        self.spin.borrow_mut().learn(&began, Instant::now());
        let _ = self.check(here);
        roused == Roused::Searching
    }
}

/// Counts, by the only thread that writes the number.
fn add(count: &AtomicU64) {
    // Relaxed: a number.
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}
