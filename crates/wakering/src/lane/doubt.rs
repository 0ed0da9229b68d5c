//! Lonely ops that a ring does at once on one file system and wakes a thread of the kernel's for on the
//! next: which of the two is seen by trying.
//!
//! ```text
//! tried ─ answered at once ─► trusted: the ring has all of them
//!   └─ not ─► doubted: of every 16 the first two are tried, the others are the pool's
//! ```

#![forbid(unsafe_code)]

use super::Lane;
use wakering_core::Token;

const TRIED_OF: u32 = 16;
const TRIED: u32 = 2;

/// What has become of the lonely ops of one kind.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Ops since one was answered at once.
    unanswered: u32,
}

impl Doubt {
    /// Whether the next one is better given to a thread of the pool.
    pub(super) fn prevails(&mut self) -> bool {
        let prevails = self.unanswered % TRIED_OF >= TRIED;
        self.unanswered = self.unanswered.wrapping_add(u32::from(prevails));
        prevails
    }

    /// One was tried.
    pub(super) fn learn(&mut self, at_once: bool) {
        self.unanswered = if at_once { 0 } else { self.unanswered.wrapping_add(1) };
    }
}

/// Which kind a lonely op that is tried is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lonely {
    Open,
    Close,
}

impl Lane {
    /// Whether an op goes to the pool because a ring was slow with those before it. If not, what
    /// becomes of it is seen when the batch is over.
    pub(super) fn is_doubted(&mut self, token: Token, lonely: Lonely) -> bool {
        if !self.alone || !self.engine.is_ring() {
            return false;
        }
        let prevails = self.doubt(lonely).prevails();
        self.tried = (!prevails).then_some((token, lonely));
        prevails
    }

    /// Sees what has become of the op that was tried: the ring does at once what it does while it
    /// takes it.
    pub(super) fn learn_from_tried(&mut self) {
        if let Some((token, lonely)) = self.tried.take() {
            let index = token.index();
            let at_once = self.home.slab.slot(token).current(index) != Some(token);
            self.doubt(lonely).learn(at_once);
        }
    }

    fn doubt(&mut self, lonely: Lonely) -> &mut Doubt {
        match lonely {
            Lonely::Open => &mut self.opens,
            Lonely::Close => &mut self.closes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_slow_twice_is_tried_twice_of_sixteen_times() {
        let mut doubt = Doubt::default();
        let mut tried = 0;
        for _ in 0..64 {
            if !doubt.prevails() {
                doubt.learn(false);
                tried += 1;
            }
        }
        assert_eq!(tried, 8);
        doubt.learn(true);
        assert!(!doubt.prevails(), "trusted again");
    }
}
