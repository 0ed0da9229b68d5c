//! Cancel requests: made once, kept where there is no room for them, and made again where they
//! found nothing to end.
//!
//! ```text
//! ask ─► in the ring ─► answer: found ─► the op's own completion follows
//!   │ no room              └─ not found, or running, and the op is still in flight
//!   └► late ─► in the ring                └► in vain ─ a timer of 1, 2, 4 … 256 ms ─► ask again
//! ```
//!
//! The timer is there because nobody else would come back: an op that waits for ever, and whose one
//! request came while it was between two states of the kernel's, has no other event to come.

#![forbid(unsafe_code)]

use super::UringDriver;
use crate::completion::Tag;
use crate::encode;
use wakering_core::driver::CancelKey;
use wakering_core::slot::Cancel;
use wakering_core::{Error, Token};

impl UringDriver {
    pub(super) fn ask_to_cancel(&mut self, token: Token) {
        if encode::cancel(&mut self.ring, token, Tag::Cancel).is_ok() {
            return;
        }
        if self.make_room(1).is_ok() && encode::cancel(&mut self.ring, token, Tag::Cancel).is_ok() {
            return;
        }
        if self.late_cancels.len() == self.late_cancels.capacity() {
            // A slot has one live request at the most: what is over the bound is of ops that ended.
            let mut late = std::mem::take(&mut self.late_cancels);
            late.retain(|&token| self.is_current(token));
            self.late_cancels = late;
        }
        self.late_cancels.push(token);
    }

    /// Asks for each op that fits. By descriptor and by opcode one by one: the kernel's own keys go by
    /// the open file, which other descriptors may share, and by *its* opcodes, of which it has one
    /// where there are two of ours (Fsync, Fdatasync) and which the bell's poll has too; and before
    /// Linux 6.6 a request by opcode is taken and does nothing.
    pub(super) fn ask_to_cancel_where(&mut self, key: CancelKey) -> usize {
        let mut asked = 0;
        let at_once = key == CancelKey::All && self.tally.in_flight > 0 && self.ask_for_all();
        for index in 0..self.home.slab.len() {
            let Some(op) = self.tally.noted(index) else { continue };
            let fits = match key {
                CancelKey::Fd(fd) => op.fd == fd,
                CancelKey::Opcode(opcode) => op.opcode == opcode,
                CancelKey::All => true,
            };
            let slot = self.home.slab.get(index).filter(|_| fits);
            let Some((slot, token)) = slot.and_then(|slot| Some((slot, slot.current(index)?)))
            else {
                continue;
            };
            if slot.request_cancel(token) == Cancel::Ask {
                asked += 1;
                if !at_once {
                    self.ask_to_cancel(token);
                }
            }
        }
        asked
    }

    fn ask_for_all(&mut self) -> bool {
        self.kernel.cancel_any == 0
            && (self.ring.has_room() || self.make_room(1).is_ok())
            && encode::cancel_all(&mut self.ring, Tag::CancelAll).is_ok()
    }

    /// Requests that found no room before.
    #[inline]
    pub(super) fn push_late_cancels(&mut self) {
        while let Some(&token) = self.late_cancels.last() {
            let current = self.is_current(token);
            if current && encode::cancel(&mut self.ring, token, Tag::Cancel).is_err() {
                return;
            }
            self.late_cancels.pop();
        }
    }

    fn is_current(&self, token: Token) -> bool {
        let slot = self.home.slab.get(token.index());
        slot.is_some_and(|slot| slot.current(token.index()) == Some(token))
    }

    /// After each look at the completions.
    #[inline]
    pub(super) fn ask_again(&mut self) -> Result<(), Error> {
        let due = self.tally.again_due || !self.tally.in_vain.is_empty() && !self.again_armed;
        if due { self.ask_again_now() } else { Ok(()) }
    }

    #[cold]
    fn ask_again_now(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.tally.again_due) {
            self.again_armed = false;
            let asked = self.push_those_in_vain();
            self.again_round = if asked { self.again_round + 1 } else { 0 };
        }
        if !self.tally.in_vain.is_empty() {
            if !self.ring.has_room() {
                // Without room the next look tries again: what fills the queue will complete.
                let _ = self.make_room(1);
            }
            self.again_armed = encode::again(&mut self.ring, self.again_round).is_ok();
        }
        self.ring.publish().map_err(Error::Os)
    }

    /// Whether any of them still waits.
    fn push_those_in_vain(&mut self) -> bool {
        let mut asked = false;
        while let Some(token) = self.tally.in_vain.pop() {
            let slot = self.home.slab.slot(token);
            if !slot.is_cancel_requested(token) || slot.is_ready(token) {
                continue;
            }
            asked = true;
            if encode::cancel(&mut self.ring, token, Tag::CancelAgain).is_err() {
                self.tally.in_vain.push(token);
                break;
            }
        }
        asked
    }

    /// Asks the kernel to end everything. What cannot be ended, ends by itself.
    pub(super) fn cancel_everything(&mut self) {
        if !self.ring.has_room() {
            let _ = self.make_room(1);
        }
        if self.kernel.cancel_any == 0 {
            // Where there is no room the next round asks again.
            let _ = encode::cancel_all(&mut self.ring, Tag::Drain);
            return;
        }
        let home = self.home.clone();
        for token in home.slab.in_use() {
            if encode::cancel(&mut self.ring, token, Tag::Drain).is_err() {
                let _ = self.make_room(1);
                let _ = encode::cancel(&mut self.ring, token, Tag::Drain);
            }
        }
    }
}
