//! One timer's place in a wheel. It lies in the future that waits, so that starting a timer
//! allocates nothing.
//!
//! ```text
//!   Idle ─1 start─► Waiting ─2 fire─► Fired
//!    ▲ ▲               │                │
//!    │ └─── 3 cancel ──┘                │
//!    └───────────── 4 rearm ────────────┘
//! ```
//!
//! - **T1** 1, 2 and 3 are made by whoever holds the wheel (`&mut Wheel`, in practice the lock of
//!   [`super::Timers`]). 1, 3 and 4 are the owner's wish: the owner is the future that the entry
//!   lies in, which one thread at a time polls or drops.
//! - **T2** While Waiting, the entry stays where it is in memory, and its node is reached by the
//!   holder of the wheel only.
//! - **T3** In every other state the node is in no list, and the owner alone reaches it.
//! - **T4** Storing Fired is the last thing that 2 does to the entry: an owner who sees it may free
//!   the entry without asking anybody.

use crate::loom::{AtomicU32, Ordering, UnsafeCell};
use std::ptr::NonNull;
use std::task::Waker;

const IDLE: u32 = 0;
const WAITING: u32 = 1;
const FIRED: u32 = 2;

/// Where a timer stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// In no wheel.
    Idle,
    /// In a wheel.
    Waiting,
    /// Its time came; it left the wheel.
    Fired,
}

/// What the wheel keeps of a timer.
pub(super) struct Node {
    /// When it is due. It may lie a little after the owner's wish, never before.
    pub(super) deadline: u64,
    /// The list is a ring, so that its head knows its tail.
    pub(super) next: Option<Linked>,
    pub(super) prev: Option<Linked>,
    pub(super) waker: Option<Waker>,
}

/// See the module's text.
pub(super) struct Entry {
    state: AtomicU32,
    node: UnsafeCell<Node>,
}

// SAFETY: the node is reached by one thread at a time, T2 and T3, and handed on by the wheel's lock
// or by the Release of `fire`; nothing in it is bound to a thread.
unsafe impl Send for Entry {}
// SAFETY: as above; what is not behind that rule is atomic.
unsafe impl Sync for Entry {}

impl Entry {
    pub(super) fn new() -> Self {
        let node = Node { deadline: 0, next: None, prev: None, waker: None };
        Self { state: AtomicU32::new(IDLE), node: UnsafeCell::new(node) }
    }

    /// For the owner, or the holder of the wheel; to others a hint.
    pub(super) fn state(&self) -> State {
        // Acquire: with the Release of `fire`, so that the owner may have the node back (T4).
        match self.state.load(Ordering::Acquire) {
            IDLE => State::Idle,
            WAITING => State::Waiting,
            _ => State::Fired,
        }
    }

    /// Transition 4, by the owner of an entry that is not Waiting.
    pub(super) fn rearm(&self) {
        debug_assert_ne!(self.state(), State::Waiting);
        // Relaxed: the owner's own; 1 publishes it through the wheel's lock.
        self.state.store(IDLE, Ordering::Relaxed);
    }

    /// What the owner writes where there is nothing to wait for: Fired without a wheel.
    pub(super) fn skip(&self) {
        debug_assert_eq!(self.state(), State::Idle);
        // Relaxed: nobody but the owner knows of the entry.
        self.state.store(FIRED, Ordering::Relaxed);
    }
}

/// A Waiting entry, as the holder of its wheel sees it.
///
/// Methods are called by the holder only, and after [`Linked::fire`] or [`Linked::leave`] no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Linked(NonNull<Entry>);

impl Linked {
    /// Transition 1: from here on the holder of the wheel has the node.
    ///
    /// # Safety
    ///
    /// The caller is the owner of the entry, or acts for it, and holds the wheel; the entry stays
    /// where it is until it is not Waiting any more (T2).
    pub(super) unsafe fn start(entry: &Entry, deadline: u64, waker: Waker) -> Self {
        let linked = Self(NonNull::from(entry));
        linked.node(|node| {
            node.deadline = deadline;
            node.waker = Some(waker);
        });
        // Relaxed: who looks at it next is the owner, or takes the wheel's lock first.
        entry.state.store(WAITING, Ordering::Relaxed);
        linked
    }

    /// The entry, if it is in the wheel that the caller holds.
    ///
    /// # Safety
    ///
    /// The caller holds the wheel that this entry is started in, if in any.
    pub(super) unsafe fn of(entry: &Entry) -> Option<Self> {
        // 2 is made under the lock that the caller holds, so this cannot change now.
        (entry.state() == State::Waiting).then(|| Self(NonNull::from(entry)))
    }

    fn entry<'a>(self) -> &'a Entry {
        // SAFETY: Waiting, so it is where it was (T2); nobody keeps the reference longer.
        unsafe { self.0.as_ref() }
    }

    /// The node, for as long as `f` runs.
    pub(super) fn node<R>(self, f: impl FnOnce(&mut Node) -> R) -> R {
        // SAFETY: Waiting (or about to be), and the caller holds the wheel: nobody else is there
        // (T2). `f` is a few lines of this module and the wheel, which reach one node at a time.
        self.entry().node.with_mut(|node| f(unsafe { &mut *node }))
    }

    /// Transition 2. The entry has left its list; its waker is the caller's to wake, later.
    pub(super) fn fire(self) -> Option<Waker> {
        let waker = self.node(|node| node.waker.take());
        // Release: with the Acquire of `state`; the last touch (T4).
        self.entry().state.store(FIRED, Ordering::Release);
        waker
    }

    /// Transition 3. The entry has left its list; its waker is the caller's to drop, later.
    pub(super) fn leave(self) -> Option<Waker> {
        let waker = self.node(|node| node.waker.take());
        // Relaxed: the owner is the one who asked.
        self.entry().state.store(IDLE, Ordering::Relaxed);
        waker
    }
}

#[cfg(all(test, loom))]
#[path = "entry/loom_tests.rs"]
mod loom_tests;
