//! The line: waiters that live in the futures that wait, linked through themselves.
//!
//! ```text
//!                 ┌──────────2 stay (the waker may change)
//!                 ▼          │
//! Idle ─1 join─► Waiting ────┴─3 grant─► Granted ─4 take─► Done
//!   ▲              │                        │
//!   │              └─5 leave─► Idle         └─6 forsake─► Idle
//!   └───────────────────────7 called back, not served (keeps its ticket)
//! ```
//!
//! 1, 2, 3, 5 and 7 happen under the lock of the line. 4 needs no lock: since 3 the node is its
//! future's alone. 6 is a drop of what was granted; the primitive passes it on.
//!
//! - **L1** A node is in the list exactly while it is Waiting; whoever holds the line's lock then
//!   has its links, its waker and its payload to itself.
//! - **L2** In every other stage the future that holds the node has all of it to itself. The store
//!   of Granted is the last that the granter does to the node.
//! - **L3** A node does not move or go away while it is Waiting: its future is pinned, and its drop
//!   does 5 first.
//! - **L4** Tickets grow from head to tail, so "everybody who waits now" is one number: `called`.

use crate::loom::{Ordering, UnsafeCell};
use crate::sync::kind::{Sharing, Word};
use crate::sync::wake_batch::WakeBatch;
use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Waker;

/// See the diagram. The values of [`Node`]'s stage word.
pub(crate) mod stage {
    pub(crate) const IDLE: usize = 0;
    pub(crate) const WAITING: usize = 1;
    pub(crate) const GRANTED: usize = 2;
    pub(crate) const DONE: usize = 3;
}

/// One waiter's place, inside of its future.
pub(crate) struct Node<K: Sharing, P> {
    stage: K::Word,
    /// Written by 1 and 7; meaningless before.
    link: UnsafeCell<MaybeUninit<Link<K, P>>>,
    _pinned: PhantomPinned,
}

struct Link<K: Sharing, P> {
    before: Option<NonNull<Node<K, P>>>,
    after: Option<NonNull<Node<K, P>>>,
    ticket: u64,
    waker: Waker,
    payload: P,
}

/// First come, first served. Lives under a lock of its primitive.
pub struct WaitList<K: Sharing, P> {
    head: Option<NonNull<Node<K, P>>>,
    tail: Option<NonNull<Node<K, P>>>,
    len: usize,
    next_ticket: u64,
    /// Everybody with a smaller ticket is to be granted (see [`WaitList::call_all`]).
    called: u64,
}

// SAFETY: the nodes that it points to are reached under its lock only (L1), and what comes out of
// them, payloads and wakers, may go to other threads.
unsafe impl<K: Sharing, P: Send> Send for WaitList<K, P> {}
// SAFETY: a node is reached by one thread at a time, its future's (L2) or the lock's holder (L1).
unsafe impl<K: Sharing, P: Send> Send for Node<K, P> where K::Word: Send {}
// SAFETY: `&Node` gives access to nothing but through the lock (L1) or the future's pinned `&mut`.
unsafe impl<K: Sharing, P: Send> Sync for Node<K, P> where K::Word: Sync {}

/// A node that left by 5.
pub(crate) struct Removed<P> {
    pub(crate) payload: P,
    /// To be dropped once the lock is let go (K1).
    pub(crate) waker: Waker,
    /// Whether it was called already, and only not granted yet.
    pub(crate) called: bool,
}

impl<K: Sharing, P> Node<K, P> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self {
            stage: K::Word::new(stage::IDLE),
            link: UnsafeCell::new(MaybeUninit::uninit()),
            _pinned: PhantomPinned,
        }
    }

    /// Its stage. `WAITING` may be over at once, unless the line's lock is held; the others last.
    #[inline(always)]
    pub(crate) fn stage(&self) -> usize {
        // Acquire: with the Release of `grant`.
        self.stage.load(Ordering::Acquire)
    }

    /// The future got what it came for. It is not Waiting.
    #[inline(always)]
    pub(crate) fn finish(&self) {
        // Relaxed: only its own future looks.
        self.stage.store(stage::DONE, Ordering::Relaxed);
    }

    /// 4 or 6, on the way to whatever follows: payload and ticket of a granted node.
    ///
    /// # Safety
    ///
    /// The caller is the node's future, saw `GRANTED`, and does this once per grant.
    #[inline(always)]
    pub(crate) unsafe fn take_granted(&self) -> (P, u64) {
        // Relaxed: only its own future looks at it now.
        self.stage.store(stage::IDLE, Ordering::Relaxed);
        self.link.with(|link| {
            // SAFETY: Granted: the link was written by 1, and is this future's alone (L2).
            let link = unsafe { &*link.cast::<Link<K, P>>() };
            // SAFETY: as above; the caller reads it once.
            let payload = unsafe { std::ptr::read(&raw const link.payload) };
            (payload, link.ticket)
        })
    }

    /// The link of a node in the list.
    ///
    /// # Safety
    ///
    /// The node is Waiting and the caller holds its line's lock.
    #[inline(always)]
    unsafe fn link<R>(this: NonNull<Self>, f: impl FnOnce(&mut Link<K, P>) -> R) -> R {
        // SAFETY: a Waiting node is alive (L3).
        let node = unsafe { this.as_ref() };
        // SAFETY: it was written by 1, and only the lock's holder reaches it (L1).
        node.link.with_mut(|link| f(unsafe { &mut *link.cast::<Link<K, P>>() }))
    }
}

impl<K: Sharing, P> WaitList<K, P> {
    pub(crate) const fn new() -> Self {
        Self { head: None, tail: None, len: 0, next_ticket: 0, called: 0 }
    }

    #[inline(always)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// How many wait that were not called.
    pub(crate) fn uncalled(&self) -> usize {
        let mut called = 0;
        let mut at = self.head;
        while let Some(node) = at {
            // SAFETY: it is in the list, hence Waiting (L1), and the caller has the list.
            let (ticket, after) = unsafe { Node::link(node, |link| (link.ticket, link.after)) };
            if ticket >= self.called {
                break;
            }
            called += 1;
            at = after;
        }
        self.len - called
    }

    /// 1: to the end of the line.
    ///
    /// # Safety
    ///
    /// The caller holds the line's lock, and is the future of a node that is Idle. Before the node
    /// moves or goes away it will be granted, or leave by [`Self::remove`].
    #[inline]
    pub(crate) unsafe fn push(&mut self, node: Pin<&Node<K, P>>, waker: Waker, payload: P) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        // SAFETY: passed on; nobody in the list has this ticket or a later one.
        unsafe { self.insert(node, self.tail, None, Link::new(ticket, waker, payload)) };
    }

    /// Whether a ticket is from after the last [`Self::call_all`].
    pub(crate) const fn is_uncalled(&self, ticket: u64) -> bool {
        ticket >= self.called
    }

    /// 7: before everybody who came after `ticket` was given out. It was not called: who was called
    /// and comes back is a newcomer (L4).
    ///
    /// # Safety
    ///
    /// As [`Self::push`].
    #[cold]
    pub(crate) unsafe fn push_back_in(
        &mut self,
        node: Pin<&Node<K, P>>,
        waker: Waker,
        payload: P,
        ticket: u64,
    ) {
        let (mut before, mut after) = (None, self.head);
        while let Some(candidate) = after {
            // SAFETY: it is in the list, hence Waiting (L1), and the caller has the list.
            let (its, next) = unsafe { Node::link(candidate, |link| (link.ticket, link.after)) };
            if its > ticket {
                break;
            }
            (before, after) = (after, next);
        }
        debug_assert!(self.is_uncalled(ticket));
        // SAFETY: passed on; the tickets before it are smaller, those after it larger.
        unsafe { self.insert(node, before, after, Link::new(ticket, waker, payload)) };
    }

    /// # Safety
    ///
    /// As [`Self::push`]; `before` and `after` are neighbours, between which the ticket fits (L4).
    #[inline]
    unsafe fn insert(
        &mut self,
        node: Pin<&Node<K, P>>,
        before: Option<NonNull<Node<K, P>>>,
        after: Option<NonNull<Node<K, P>>>,
        link: Link<K, P>,
    ) {
        let node = node.get_ref();
        node.link.with_mut(|place| {
            // SAFETY: Idle: the node is the caller's alone (L2).
            unsafe { place.cast::<Link<K, P>>().write(Link { before, after, ..link }) };
        });
        // Relaxed: read under the lock, or by the future itself.
        node.stage.store(stage::WAITING, Ordering::Relaxed);
        let node = NonNull::from(node);
        self.set_after(before, Some(node));
        self.set_before(after, Some(node));
        self.len += 1;
    }

    fn set_after(&mut self, node: Option<NonNull<Node<K, P>>>, after: Option<NonNull<Node<K, P>>>) {
        match node {
            None => self.head = after,
            // SAFETY: it is in the list, hence Waiting (L1), and the caller has the list.
            Some(node) => unsafe { Node::link(node, |link| link.after = after) },
        }
    }

    fn set_before(
        &mut self,
        node: Option<NonNull<Node<K, P>>>,
        before: Option<NonNull<Node<K, P>>>,
    ) {
        match node {
            None => self.tail = before,
            // SAFETY: it is in the list, hence Waiting (L1), and the caller has the list.
            Some(node) => unsafe { Node::link(node, |link| link.before = before) },
        }
    }

    /// Takes a node out of the chain. It stays Waiting: the caller goes on with 3 or 5.
    fn unlink(&mut self, node: NonNull<Node<K, P>>) -> u64 {
        // SAFETY: the callers hand in nodes of the list, hence Waiting (L1).
        let (before, after, ticket) =
            unsafe { Node::link(node, |link| (link.before, link.after, link.ticket)) };
        self.set_after(before, after);
        self.set_before(after, before);
        self.len -= 1;
        ticket
    }

    /// 5: out of the line.
    ///
    /// # Safety
    ///
    /// The caller holds the line's lock and found the node Waiting since; it is in this line.
    #[cold]
    pub(crate) unsafe fn remove(&mut self, node: Pin<&Node<K, P>>) -> Removed<P> {
        let node = node.get_ref();
        let ticket = self.unlink(NonNull::from(node));
        // SAFETY: it was in the list until now (L1), and nobody reads the link afterwards.
        let link = node.link.with(|link| unsafe { link.cast::<Link<K, P>>().read() });
        // Relaxed: only its own future looks at it now.
        node.stage.store(stage::IDLE, Ordering::Relaxed);
        Removed { payload: link.payload, waker: link.waker, called: ticket < self.called }
    }

    /// 2: whether the waker that waits would wake `waker`'s task too.
    ///
    /// # Safety
    ///
    /// As [`Self::remove`].
    pub(crate) unsafe fn will_wake(&self, node: Pin<&Node<K, P>>, waker: &Waker) -> bool {
        // SAFETY: passed on.
        unsafe { Node::link(NonNull::from(node.get_ref()), |link| K::is_same(&link.waker, waker)) }
    }

    /// 2: changes the waker. Gives the old one, to be dropped after the lock was let go (K1).
    ///
    /// # Safety
    ///
    /// As [`Self::remove`].
    pub(crate) unsafe fn replace_waker(&self, node: Pin<&Node<K, P>>, waker: Waker) -> Waker {
        // SAFETY: passed on.
        unsafe {
            Node::link(NonNull::from(node.get_ref()), |link| {
                std::mem::replace(&mut link.waker, waker)
            })
        }
    }

    /// 3: takes the node out of the line, lets `f` change its payload, tells its future.
    #[inline]
    fn grant<R>(
        &mut self,
        node: NonNull<Node<K, P>>,
        wakes: &mut WakeBatch<K>,
        f: impl FnOnce(&mut P) -> R,
    ) -> R {
        self.unlink(node);
        let change = |link: &mut Link<K, P>| {
            let result = f(&mut link.payload);
            // SAFETY: it is read once: nobody reads the one in the node after Granted (L2).
            (result, unsafe { std::ptr::read(&raw const link.waker) })
        };
        // SAFETY: it was in the list until now, so it is still Waiting and ours (L1).
        let (result, waker) = unsafe { Node::link(node, change) };
        // SAFETY: still Waiting, hence alive (L3); this store is the last that we do to it (L2).
        let node = unsafe { node.as_ref() };
        // Release: with the Acquire of `stage`, so that the future sees the payload, and whatever
        // the releaser did before.
        node.stage.store(stage::GRANTED, Ordering::Release);
        wakes.push(waker);
        result
    }

    /// Looks at the first in line.
    #[inline]
    pub(crate) fn peek_first<R>(&self, f: impl FnOnce(&P) -> R) -> Option<R> {
        // SAFETY: it is in the list, hence Waiting (L1), and the caller has the list.
        self.head.map(|node| unsafe { Node::link(node, |link| f(&link.payload)) })
    }

    /// 3 for the first in line. The batch has room.
    #[inline]
    pub(crate) fn grant_first<R>(
        &mut self,
        wakes: &mut WakeBatch<K>,
        f: impl FnOnce(&mut P) -> R,
    ) -> Option<R> {
        let node = self.head?;
        Some(self.grant(node, wakes, f))
    }

    /// 3 for the first in line whose payload is `fit`. The batch has room.
    pub(crate) fn grant_first_that<R>(
        &mut self,
        wakes: &mut WakeBatch<K>,
        fit: impl Fn(&P) -> bool,
        f: impl FnOnce(&mut P) -> R,
    ) -> Option<R> {
        let mut at = self.head;
        while let Some(node) = at {
            // SAFETY: it is in the list, hence Waiting (L1), and the caller has the list.
            let (fits, after) =
                unsafe { Node::link(node, |link| (fit(&link.payload), link.after)) };
            if fits {
                return Some(self.grant(node, wakes, f));
            }
            at = after;
        }
        None
    }

    /// 3 for the first in line who was not called. The batch has room.
    #[inline]
    pub(crate) fn grant_first_uncalled<R>(
        &mut self,
        wakes: &mut WakeBatch<K>,
        f: impl FnOnce(&mut P) -> R,
    ) -> Option<R> {
        let mut at = self.head;
        while let Some(node) = at {
            // SAFETY: it is in the list, hence Waiting (L1), and the caller has the list.
            let (ticket, after) = unsafe { Node::link(node, |link| (link.ticket, link.after)) };
            if ticket >= self.called {
                return Some(self.grant(node, wakes, f));
            }
            at = after;
        }
        None
    }

    /// Calls everybody who waits now; who comes later is not meant. [`Self::grant_called`] grants
    /// them, a batch at a time.
    pub(crate) fn call_all(&mut self) {
        self.called = self.next_ticket;
    }

    /// 3 for those who were called, the first first, until the batch is full.
    #[inline]
    pub(crate) fn grant_called(&mut self, wakes: &mut WakeBatch<K>, mut f: impl FnMut(&mut P)) {
        while let Some(node) = self.head {
            // SAFETY: it is in the list, hence Waiting (L1), and the caller has the list.
            let ticket = unsafe { Node::link(node, |link| link.ticket) };
            if ticket >= self.called || wakes.is_full() {
                return;
            }
            self.grant(node, wakes, &mut f);
        }
    }
}

impl<K: Sharing, P> std::fmt::Debug for WaitList<K, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaitList").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<K: Sharing, P> Link<K, P> {
    #[inline(always)]
    const fn new(ticket: u64, waker: Waker, payload: P) -> Self {
        Self { before: None, after: None, ticket, waker, payload }
    }
}
