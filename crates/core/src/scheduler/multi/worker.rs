//! One thread of a scheduler: what it runs next, and when it sleeps.
//!
//! ```text
//!  ┌──► next: slot, pinned, queue, inject queue, mail ──► run ──► every 61st time: tick ──┐
//!  │       │ nothing                                                                      │
//!  │       ▼                                                                              │
//!  │    search (if not too many do): steal, inject queue, a little while ──found──────────┤
//!  │       │ nothing                                                                      │
//!  │       ▼                                                                              │
//!  └─── sleep, after one more look everywhere: in the parker or the loop, until the first │
//!  ▲    timer is due                                                                      │
//!  └──────────────────────────────────────────────────────────────────────────────────────┘
//!
//!  tick: fire timers, turn the loop, take the mail; is the scheduler closing?
//! ```
//!
//! The timers of a task that sleeps stay with the worker where it went to sleep. While that one is at
//! a long poll another may fire them: each worker that is awake looks at one other's at each tick, and
//! one that goes to sleep waits no longer than until a timer of somebody who is awake is late.

mod sleep;

use super::super::affinity;
use super::super::deque::{Local, Pushed};
use super::super::idle::{Found, Spin};
use super::super::op::{self, Ops};
use super::counts::{Counts, add};
use super::shared::{Peer, Shared};
use crate::error::Error;
use crate::random::Random;
use crate::task::here::{self, Here, Place, Queue, Workers};
use crate::task::{TaskRef, run as task_run};
use crate::time;
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Times in a row that the slot goes before the queue. Then who is in it goes behind the queue.
const SLOT_MAX: u32 = 3;
/// Runs after which all that comes from elsewhere has its turn, however much lies in the queue.
const TICK_RUNS: u32 = 61;
/// A worker whose queue is shorter looks at the inject queue before each run.
const SHORT: usize = 16;
/// Tasks that a worker takes from the inject queue at a time, beside the one that it runs.
const INJECT_MAX: usize = 128;
/// How late a timer is that another worker fires. A worker that is awake seldom is so late itself.
const LATE: Duration = Duration::from_millis(1);

/// A worker's own.
pub(super) struct Worker {
    index: usize,
    local: Local<TaskRef>,
    /// Ready, and nobody else's.
    pinned: Queue,
    /// It is their turn, if the other queue has some too.
    pinned_turn: Cell<bool>,
    slot: Cell<Option<TaskRef>>,
    slot_runs: Cell<u32>,
    slot_polls: Cell<u64>,
    /// Runs until the next tick.
    runs_left: Cell<u32>,
    ticks: Cell<usize>,
    /// That the scheduler is closing, and what follows from that for the tasks.
    noted_closing: Cell<bool>,
    ops: Option<Ops>,
    /// The loop failed and is not turned any more.
    loop_failed: Cell<bool>,
    shared: Arc<Shared>,
    random: RefCell<Random>,
    spin: RefCell<Spin>,
}

/// Says that the worker has ended, however it did.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.worker_ended();
    }
}

/// A worker's life. `make` gives it its loop, if it is to have one; `started` is told when it has it.
pub(super) fn run(
    shared: Arc<Shared>,
    index: usize,
    local: Local<TaskRef>,
    make: impl FnOnce() -> Result<Option<Ops>, Error>,
    started: impl FnOnce(Result<Option<Ops>, Error>),
) {
    let _ending = Ending(&shared);
    if let Some(places) = &shared.places {
        // A worker that cannot be bound runs all the same.
        let _ = places.of(index).bind_this_thread();
    }
    let ops = match make() {
        Ok(ops) => ops,
        Err(error) => return started(Err(error)),
    };
    let worker = Worker {
        index,
        local,
        pinned: Queue::new(false),
        pinned_turn: Cell::new(false),
        slot: Cell::new(None),
        slot_runs: Cell::new(0),
        slot_polls: Cell::new(0),
        runs_left: Cell::new(TICK_RUNS),
        ticks: Cell::new(0),
        noted_closing: Cell::new(false),
        ops,
        loop_failed: Cell::new(false),
        random: RefCell::new(Random::new(index as u64)),
        spin: RefCell::new(Spin::new(affinity::online())),
        shared: shared.clone(),
    };
    let workers = Workers::Many {
        push,
        exit_all,
        worker: NonNull::from(&worker).cast(),
        index: index as u32,
    };
    // SAFETY: the dispatch is in `Shared`, which the worker has; `leave` is called below.
    let here = unsafe { Here::new(worker.shared.dispatch(), workers, false) };
    here.watch(worker.shared.hook, worker.peer().stopwatch.clone());
    if let Some(ops) = &worker.ops {
        worker.peer().seat.set_home(ops.bell());
        let shared = Arc::downgrade(&shared);
        ops.tie(&here, move || {
            if let Some(shared) = shared.upgrade() {
                shared.rouse(index);
            }
        });
    }
    shared.rest.get_up(index);
    worker.counts().get_up(shared.began.elapsed());
    started(Ok(worker.ops.clone()));
    {
        let _entered = here::enter(&here);
        let _timers = time::enter(&worker.peer().timers);
        let _ops = op::enter(worker.ops.as_ref());
        worker.run(&here);
        worker.end(&here);
    }
    here.leave();
    worker.counts().lie_down(shared.began.elapsed());
    shared.rest.lie_down(index, here.live.get());
}

/// See [`Workers::Many`].
unsafe fn push(worker: NonNull<()>, task: TaskRef, place: Place) {
    // SAFETY: `run` made it from its worker, which lives as long as its `Here`.
    let worker = unsafe { worker.cast::<Worker>().as_ref() };
    worker.push(task, place);
}

/// See [`Workers::Many`].
unsafe fn exit_all(worker: NonNull<()>) {
    // SAFETY: as above.
    let worker = unsafe { worker.cast::<Worker>().as_ref() };
    worker.shared.watch.tell_all();
}

impl Worker {
    fn peer(&self) -> &Peer {
        &self.shared.peers[self.index]
    }

    fn counts(&self) -> &Counts {
        &self.peer().counts
    }

    #[inline]
    fn push(&self, task: TaskRef, place: Place) {
        if task.state().look().is_pinned() {
            return self.push_pinned(task);
        }
        let first = match place {
            Place::Woken => self.shared.lifo,
            // Who was put first itself puts nobody new first: else a chain of spawns would be all that runs.
            Place::New => self.shared.lifo && self.slot_runs.get() == 0,
            Place::Back => false,
        };
        if first {
            // Who is alone in the slot is run next: there is nothing for others to do.
            let Some(before) = self.slot.replace(Some(task)) else { return };
            self.push_local(before);
            self.shared.wake_one_hint();
            return;
        }
        let alone = self.local.is_empty() && self.slot.get().is_none();
        self.push_local(task);
        // Who is alone runs at once.
        if !alone || (place != Place::Back && !self.shared.lifo) {
            self.shared.wake_one_hint();
        }
    }

    /// Nobody is woken for it: nobody else may have it.
    fn push_pinned(&self, task: TaskRef) {
        if task.worker() == self.index {
            self.pinned.push(task, Place::Back);
        } else {
            self.shared.send_home(task);
        }
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
            let task = match self.next(here) {
                Some(task) => task,
                None if self.turn() > 0 => continue,
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
            unsafe { task_run::run::<false>(task, here) };
            self.send_posts();
            let left = self.runs_left.get() - 1;
            self.runs_left.set(left);
            if left == 0 {
                self.runs_left.set(TICK_RUNS);
                self.tick(here);
            }
        }
        if searching {
            self.shared.idle.sleep(self.index, true);
        }
    }

    /// Wakes other loops whose tasks were woken here.
    #[inline]
    fn send_posts(&self) {
        if let Some(ops) = &self.ops {
            ops.send_posts();
        }
    }

    /// All that has its turn however much there is to do.
    fn tick(&self, here: &Here) {
        self.check(here);
        self.peer().timers.fire();
        let peers = &self.shared.peers;
        let ticks = self.ticks.get().wrapping_add(1);
        self.ticks.set(ticks);
        peers[ticks % peers.len()].timers.fire_late(LATE);
        self.turn();
        // Whoever a timer or the loop woke.
        self.send_posts();
        self.take_mail(here);
    }

    /// Brings the numbers up to date, and notes whether the scheduler is closing.
    fn check(&self, here: &Here) {
        self.counts().polled(here.polls(), self.slot_polls.get());
        if self.shared.is_closing() && !self.noted_closing.replace(true) {
            here.close();
            // What was spawned here until now may have been spawned after the scheduler's own look.
            let depot = &self.shared.dispatch.depot;
            task_run::abort_all(depot, |task| here.push(task, Place::Back));
        }
    }

    /// What is ready here, or came from elsewhere.
    #[inline]
    fn next(&self, here: &Here) -> Option<TaskRef> {
        let slot_runs = self.slot_runs.replace(0);
        if !self.shared.inject.is_empty() {
            let due = self.runs_left.get() == TICK_RUNS;
            if due && let Some(task) = self.shared.inject.pop() {
                return Some(task);
            }
            if self.local.len() < SHORT
                && let Some(task) = self.take_injected()
            {
                return Some(task);
            }
        }
        if let Some(task) = self.slot.take() {
            if slot_runs < SLOT_MAX {
                self.slot_runs.set(slot_runs + 1);
                self.slot_polls.set(self.slot_polls.get() + 1);
                return Some(task);
            }
            self.push_local(task);
        }
        if self.pinned.has_behind()
            && let Some(task) = self.take_pinned()
        {
            return Some(task);
        }
        if let Some(task) = self.local.pop() {
            if !self.local.is_empty() {
                self.shared.wake_one_hint();
            }
            return Some(task);
        }
        self.take_injected().or_else(|| {
            self.take_mail(here);
            self.pinned.pop(true)
        })
    }

    /// The two queues take turns.
    fn take_pinned(&self) -> Option<TaskRef> {
        let turn = !self.pinned_turn.get();
        self.pinned_turn.set(turn);
        if turn || self.local.is_empty() { self.pinned.pop(true) } else { None }
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

    /// Takes what others woke or spawned here. What was spawned when the scheduler was closing already
    /// is never polled: see `end`.
    fn take_mail(&self, here: &Here) {
        while let Some(task) = self.peer().mail.pop() {
            if here.is_closing() {
                // It is in our hands already.
                let _ = task.state().abort();
            }
            self.pinned.push(task, Place::Back);
        }
    }

    /// Turns the loop, without waiting, if there is anything to expect of it. How many completions it
    /// brought.
    fn turn(&self) -> usize {
        let Some(ops) = self.busy_loop() else { return 0 };
        ops.turn(Some(Duration::ZERO)).unwrap_or_else(|error| {
            self.fail(error);
            0
        })
    }

    /// The loop, if something is in flight there, or asked for by other threads.
    fn busy_loop(&self) -> Option<&Ops> {
        self.ops.as_ref().filter(|ops| ops.is_busy() && !self.loop_failed.get())
    }

    fn fail(&self, error: Error) {
        self.loop_failed.set(true);
        self.shared.loop_failed(error);
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
            if self.shared.is_ending() || !self.peer().mail.is_empty() {
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
}
