//! The smallest worker that the parts of the scheduler make: for tests that put them together.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use wakering_core::random::Random;
use wakering_core::scheduler::deque::{Local, Pushed, Stealer, deque};
use wakering_core::scheduler::idle::{Found, Idle, Roused, Spin};
use wakering_core::scheduler::inject::Inject;
use wakering_core::scheduler::link::{Item, Link};
use wakering_core::scheduler::parker::{Parker, Unparked};

/// An item that lives for ever and counts how often it ran.
#[repr(C)]
pub(crate) struct Node {
    link: Link,
    pub(crate) number: usize,
    pub(crate) ran: AtomicUsize,
}

pub(crate) struct NodeRef(pub(crate) &'static Node);

// SAFETY: the tests push each node once at a time, and it lives for ever; the link comes first in a
// `repr(C)` struct. The node is only reached through shared references.
unsafe impl Item for NodeRef {
    fn into_link(self) -> NonNull<Link> {
        NonNull::from(self.0).cast()
    }

    unsafe fn from_link(link: NonNull<Link>) -> Self {
        // SAFETY: from `into_link`, of a node that lives for ever.
        Self(unsafe { link.cast::<Node>().as_ref() })
    }
}

pub(crate) fn nodes(count: usize) -> &'static [Node] {
    /// What lives for ever is to be found by whoever looks for leaks.
    static ALL: Mutex<Vec<&'static [Node]>> = Mutex::new(Vec::new());
    let node = |number| Node { link: Link::new(), number, ran: AtomicUsize::new(0) };
    let nodes = (0..count).map(node).collect::<Vec<_>>().leak();
    ALL.lock().unwrap().push(nodes);
    nodes
}

/// What an item does: it may push others to the queue of the worker that runs it.
pub(crate) type Run = dyn Fn(&Worker, &'static Node) + Send + Sync;

pub(crate) struct Shared {
    pub(crate) inject: Inject<NodeRef>,
    stealers: Vec<Stealer<NodeRef>>,
    pub(crate) idle: Idle,
    parkers: Vec<Parker>,
    ended: AtomicBool,
    /// Workers that were chosen to be woken, and of those the ones that took a system call.
    pub(crate) chosen: AtomicUsize,
    pub(crate) woken: AtomicUsize,
    pub(crate) overflows: AtomicUsize,
    pub(crate) ran: Vec<AtomicUsize>,
    /// The kernel's number of each worker's thread.
    pub(crate) threads: Vec<AtomicUsize>,
    run: Box<Run>,
}

pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) number: usize,
    local: Local<NodeRef>,
}

/// Workers on threads of their own.
pub(crate) struct Crew {
    pub(crate) shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Shared {
    pub(crate) fn push(&self, node: &'static Node) {
        let _ = self.inject.push(NodeRef(node));
        self.wake(self.idle.wake_one());
    }

    fn wake(&self, worker: Option<usize>) {
        let Some(worker) = worker else { return };
        self.chosen.fetch_add(1, Ordering::Relaxed);
        if self.parkers[worker].unpark() == Unparked::Woken {
            self.woken.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn sees_work(&self) -> bool {
        !self.inject.is_empty() || self.stealers.iter().any(|stealer| !stealer.is_empty())
    }
}

impl Worker {
    pub(crate) fn push(&self, node: &'static Node) {
        if let Pushed::Overflowed(_) = self.local.push(NodeRef(node), &self.shared.inject) {
            self.shared.overflows.fetch_add(1, Ordering::Relaxed);
        }
        self.shared.wake(self.shared.idle.wake_one_hint());
    }

    fn find(&self, random: &mut Random) -> Option<NodeRef> {
        let shared = &self.shared;
        if let Some((first, _)) = shared.inject.pop_into(&self.local, 64) {
            return Some(first);
        }
        random
            .circle(shared.stealers.len() as u32)
            .filter(|&victim| victim as usize != self.number)
            .find_map(|victim| shared.stealers[victim as usize].steal_into(&self.local))
            .map(|stolen| stolen.first)
    }

    fn run(&self, item: NodeRef) {
        if !self.local.is_empty() {
            self.shared.wake(self.shared.idle.wake_one_hint());
        }
        item.0.ran.fetch_add(1, Ordering::Relaxed);
        self.shared.ran[self.number].fetch_add(1, Ordering::Relaxed);
        (self.shared.run)(self, item.0);
    }

    fn live(&self) {
        let shared = &*self.shared;
        // SAFETY: takes nothing, gives a number.
        let thread = unsafe { libc::gettid() } as usize;
        shared.threads[self.number].store(thread, Ordering::Relaxed);
        let mut random = Random::new(self.number as u64);
        let mut spin = Spin::new(wakering_core::cpus());
        let mut searching = false;
        while !shared.ended.load(Ordering::Acquire) {
            while let Some(item) = self.local.pop() {
                self.run(item);
            }
            let look = spin.start(Instant::now());
            searching = searching || shared.idle.start_search();
            let mut found = None;
            while searching && found.is_none() {
                found = self.find(&mut random);
                if found.is_none() && !look.pause() {
                    break;
                }
            }
            if let Some(item) = found {
                spin.learn(&look, Instant::now());
                let last = std::mem::take(&mut searching) && shared.idle.found() == Found::Last;
                if last && shared.sees_work() {
                    shared.wake(shared.idle.wake_one());
                }
                self.run(item);
                continue;
            }
            shared.idle.sleep(self.number, std::mem::take(&mut searching));
            let saw_work = shared.sees_work();
            if !saw_work && !shared.ended.load(Ordering::Acquire) {
                let _ = shared.parkers[self.number].park(None);
                spin.learn(&look, Instant::now());
            }
            searching = shared.idle.rouse(self.number, saw_work) == Roused::Searching;
        }
        if searching {
            let _ = shared.idle.found();
        }
    }
}

impl Crew {
    pub(crate) fn new(workers: usize, run: Box<Run>) -> Self {
        let (locals, stealers): (Vec<_>, Vec<_>) = (0..workers).map(|_| deque()).unzip();
        let zeros = || (0..workers).map(|_| AtomicUsize::new(0)).collect();
        let shared = Arc::new(Shared {
            inject: Inject::new(),
            stealers,
            idle: Idle::new(workers),
            parkers: (0..workers).map(|_| Parker::new()).collect(),
            ended: AtomicBool::new(false),
            chosen: AtomicUsize::new(0),
            woken: AtomicUsize::new(0),
            overflows: AtomicUsize::new(0),
            ran: zeros(),
            threads: zeros(),
            run,
        });
        let threads = locals
            .into_iter()
            .enumerate()
            .map(|(number, local)| {
                let worker = Worker { shared: shared.clone(), number, local };
                thread::spawn(move || worker.live())
            })
            .collect();
        Self { shared, threads }
    }

    /// Waits until all workers sleep.
    pub(crate) fn rest(&self) {
        until(|| self.shared.idle.counts() == (0, self.threads.len()));
    }

    /// Ends the workers and waits for them.
    pub(crate) fn end(self) -> Arc<Shared> {
        self.shared.ended.store(true, Ordering::Release);
        for parker in &self.shared.parkers {
            let _ = parker.unpark();
        }
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        self.shared
    }
}

pub(crate) fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed().as_secs() < 30, "it did not come about");
        thread::sleep(std::time::Duration::from_micros(200));
    }
}
