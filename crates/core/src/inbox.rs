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

#![forbid(unsafe_code)]

use crate::loom::{AtomicU32, Ordering};
use crate::slab::Slab;

const NONE: u32 = u32::MAX;

/// The pushers' side.
#[derive(Debug)]
pub struct Inbox {
    head: AtomicU32,
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
    /// Somebody rang already, and the owner has not taken since.
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
        Self { head: AtomicU32::new(NONE) }
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
                Ok(_) if head == NONE => return Pushed::Ring,
                Ok(_) => return Pushed::Rung,
                Err(now) => head = now,
            }
        }
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

#[cfg(all(test, not(loom)))]
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
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::{Arc, Mutex};

    /// Whoever pushes after the owner's look finds the bell to ring: nothing is left unheard. The
    /// bell is a mutex here, as an eventfd's counter has a lock in the kernel.
    #[test]
    fn loom_no_push_is_lost() {
        loom::model(|| {
            let shared = Arc::new((Slab::new(2), Inbox::new(), Mutex::new(false)));
            let pushers: Vec<_> = (0..2)
                .map(|index| {
                    let shared = shared.clone();
                    loom::thread::spawn(move || {
                        let (slab, inbox, bell) = &*shared;
                        if inbox.push(slab, index) == Pushed::Ring {
                            *bell.lock().unwrap() = true;
                        }
                    })
                })
                .collect();
            let (slab, inbox, bell) = &*shared;
            let mut reader = InboxReader::new();
            let mut seen = 0;
            if std::mem::take(&mut *bell.lock().unwrap()) {
                while reader.next(inbox, slab).is_some() {
                    seen += 1;
                }
            }
            for pusher in pushers {
                pusher.join().unwrap();
            }
            if std::mem::take(&mut *bell.lock().unwrap()) {
                while reader.next(inbox, slab).is_some() {
                    seen += 1;
                }
            }
            assert_eq!(seen, 2);
        });
    }
}
