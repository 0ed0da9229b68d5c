//! The way home: completions that other threads bring to a loop.
//!
//! A stack whose links lie in the slots themselves, so that it can neither overflow nor allocate.
//! Any thread pushes; only the loop's own thread takes. The pusher who finds the stack empty rings
//! the bell, the others know that it was rung and not yet answered:
//!
//! ```text
//! owner:   hear the bell ─► silence it ─► take everything
//! pusher:  push ─► was it empty? ─► ring
//! ```
//!
//! A push before the owner takes is taken; a push after it finds an empty stack and rings. That
//! needs the owner to silence the bell *before* it takes.
//!
//! An owner that looks at the inbox anyway says so, and saves the pusher the bell:
//!
//! ```text
//! owner:   1 attended = yes ─► look ─► 2 attended = no ─► 3 look once more
//! pusher:  4 push ─► 5 attended? ─ no ─► ring
//! ```
//!
//! A SeqCst fence lies between 2 and 3, and one between 4 and 5: where the pusher's comes first, 3 sees
//! its push; where the owner's does, 5 reads *no*.

#![forbid(unsafe_code)]

use crate::loom::{AtomicU32, Ordering, fence};
use crate::slab::Slab;

const NONE: u32 = u32::MAX;

/// The pushers' side.
#[derive(Debug)]
pub struct Inbox {
    head: AtomicU32,
    /// The owner looks, and will look once more when it ends that.
    attended: AtomicU32,
    /// A pusher was told to ring since the owner last asked.
    rung: AtomicU32,
}

/// The owner's side: what it took and has not looked at.
#[derive(Debug)]
pub struct InboxReader {
    rest: u32,
}

/// Whether the pusher has to ring.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pushed {
    /// The inbox was empty: nobody rang yet.
    Ring,
    /// Somebody rang already, and the owner has not taken since; or the owner looks.
    Rung,
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Inbox {
    /// An empty inbox.
    pub fn new() -> Self {
        Self { head: AtomicU32::new(NONE), attended: AtomicU32::new(0), rung: AtomicU32::new(0) }
    }

    /// Pushes a slot whose op is complete and not taken yet. Each completion is pushed once.
    pub fn push(&self, slab: &Slab, index: u32) -> Pushed {
        let Some(slot) = slab.get(index) else { return Pushed::Rung };
        // Relaxed: read again by the exchange below.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // Relaxed: published by the Release of the exchange.
            slot.next.store(head, Ordering::Relaxed);
            // Release: with the Acquire of `take_all`.
            match self.head.compare_exchange_weak(head, index, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) if head == NONE => return self.must_ring(),
                Ok(_) => return Pushed::Rung,
                Err(now) => head = now,
            }
        }
    }

    fn must_ring(&self) -> Pushed {
        fence(Ordering::SeqCst);
        // Relaxed: after the fence, with the one in `leave`.
        if self.attended.load(Ordering::Relaxed) != 0 {
            return Pushed::Rung;
        }
        // Relaxed: where the owner does not see it yet, it hears the bell once too often.
        self.rung.store(1, Ordering::Relaxed);
        Pushed::Ring
    }

    /// The owner looks from here on until it says [`Self::leave`]: nobody need ring.
    pub fn attend(&self) {
        // Relaxed: a pusher that does not see it yet rings in vain.
        self.attended.store(1, Ordering::Relaxed);
    }

    /// The owner goes away. Whether something is there that nobody may have rung for: it takes that
    /// now.
    pub fn leave(&self) -> bool {
        // Relaxed: before the fence, with the one in `must_ring`.
        self.attended.store(0, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // Relaxed: after the fence; what it finds is taken with Acquire.
        self.head.load(Ordering::Relaxed) != NONE
    }

    /// Whether a pusher was told to ring since the last time. For the owner.
    pub fn take_rung(&self) -> bool {
        // Relaxed: as in `must_ring`. Read first, because it is seldom set.
        self.rung.load(Ordering::Relaxed) != 0 && self.rung.swap(0, Ordering::Relaxed) != 0
    }

    /// Whether nothing was pushed since the owner last took. A hint.
    pub fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed) == NONE
    }
}

impl Default for InboxReader {
    fn default() -> Self {
        Self::new()
    }
}

impl InboxReader {
    /// A reader that has taken nothing.
    pub const fn new() -> Self {
        Self { rest: NONE }
    }

    /// The slot that was pushed first among those that are there. The caller takes its op before it
    /// calls again or at any time later: the link was read.
    pub fn next(&mut self, inbox: &Inbox, slab: &Slab) -> Option<u32> {
        if self.rest == NONE {
            self.rest = take_all(inbox, slab);
        }
        let index = self.rest;
        let slot = slab.get(index)?;
        // Relaxed: seen through the Acquire of `take_all`; links after it are this thread's own.
        self.rest = slot.next.load(Ordering::Relaxed);
        Some(index)
    }

    /// Whether something that was taken has not been looked at.
    pub const fn has_rest(&self) -> bool {
        self.rest != NONE
    }
}

/// Takes the whole stack and turns it round, oldest first.
fn take_all(inbox: &Inbox, slab: &Slab) -> u32 {
    // Acquire: with the Release of every `push`.
    let mut from = inbox.head.swap(NONE, Ordering::Acquire);
    let mut turned = NONE;
    while let Some(slot) = slab.get(from) {
        let next = slot.next.load(Ordering::Relaxed);
        slot.next.store(turned, Ordering::Relaxed);
        turned = from;
        from = next;
    }
    turned
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn gives_in_the_order_of_pushes_and_asks_for_one_ring() {
        let slab = Slab::new(4);
        let inbox = Inbox::new();
        let mut reader = InboxReader::new();
        assert_eq!(inbox.push(&slab, 2), Pushed::Ring);
        assert_eq!(inbox.push(&slab, 0), Pushed::Rung);
        assert_eq!(reader.next(&inbox, &slab), Some(2));
        assert_eq!(inbox.push(&slab, 3), Pushed::Ring);
        assert_eq!(reader.next(&inbox, &slab), Some(0));
        assert_eq!(reader.next(&inbox, &slab), Some(3));
        assert_eq!(reader.next(&inbox, &slab), None);
        assert!(inbox.is_empty() && !reader.has_rest());
    }

    #[test]
    fn an_owner_that_looks_is_not_rung_for() {
        let slab = Slab::new(4);
        let inbox = Inbox::new();
        let mut reader = InboxReader::new();
        inbox.attend();
        assert_eq!(inbox.push(&slab, 1), Pushed::Rung);
        assert!(inbox.leave() && !inbox.take_rung());
        assert_eq!(reader.next(&inbox, &slab), Some(1));
        assert_eq!(inbox.push(&slab, 2), Pushed::Ring);
        assert!(inbox.take_rung() && !inbox.take_rung());
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::{Arc, Mutex};

    /// An inbox that two threads push to, and its bell: a mutex here, as an eventfd's counter has a
    /// lock in the kernel.
    struct Rung {
        shared: Arc<(Slab, Inbox, Mutex<bool>)>,
        pushers: Vec<loom::thread::JoinHandle<()>>,
        reader: InboxReader,
        seen: u32,
    }

    impl Rung {
        fn start() -> Self {
            let shared = Arc::new((Slab::new(2), Inbox::new(), Mutex::new(false)));
            let push = |index| {
                let shared = shared.clone();
                loom::thread::spawn(move || {
                    let (slab, inbox, bell) = &*shared;
                    if inbox.push(slab, index) == Pushed::Ring {
                        *bell.lock().unwrap() = true;
                    }
                })
            };
            let pushers = (0..2).map(push).collect();
            Self { shared, pushers, reader: InboxReader::new(), seen: 0 }
        }

        fn inbox(&self) -> &Inbox {
            &self.shared.1
        }

        fn read(&mut self) {
            let (slab, inbox, _) = &*self.shared;
            while self.reader.next(inbox, slab).is_some() {
                self.seen += 1;
            }
        }

        fn read_if_rung(&mut self) {
            if std::mem::take(&mut *self.shared.2.lock().unwrap()) {
                self.read();
            }
        }

        /// When all have pushed, who goes by the bell alone has seen all of it.
        fn end(mut self) {
            for pusher in self.pushers.drain(..) {
                pusher.join().unwrap();
            }
            self.read_if_rung();
            assert_eq!(self.seen, 2);
        }
    }

    /// Whoever pushes after the owner's look finds the bell to ring: nothing is left unheard.
    #[test]
    fn loom_no_push_is_lost() {
        loom::model(|| {
            let mut rung = Rung::start();
            rung.read_if_rung();
            rung.end();
        });
    }

    /// An owner that looked and goes away has seen every push that nobody rings for.
    #[test]
    fn loom_nothing_comes_unrung_after_the_owner_left() {
        loom::model(|| {
            let mut rung = Rung::start();
            rung.inbox().attend();
            if rung.inbox().leave() {
                rung.read();
            }
            rung.end();
        });
    }
}
