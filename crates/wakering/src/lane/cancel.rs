//! Asking that ops end early. The op's own completion answers.

#![forbid(unsafe_code)]

use super::Lane;
use wakering_core::Token;
use wakering_core::abi::{HandleId, Opcode};
use wakering_core::policy;
use wakering_core::slot::Cancel;

impl Lane {
    /// Asks that the op in `slot` be cancelled. Where the slot is free the op is over: its record
    /// was on its way when the cancel was written.
    pub(super) fn cancel_slot(&mut self, slot: u32) {
        match self.home.slab.get(slot).map(|found| found.current(slot)) {
            Some(Some(token)) => self.cancel(token),
            Some(None) => {
                self.metrics.cancels += 1;
                self.metrics.cancels_lost += 1;
            }
            None => self.metrics.malformed += 1,
        }
    }

    fn cancel_if_there(&mut self, slot: u32) {
        if let Some(token) = self.home.slab.get(slot).and_then(|found| found.current(slot)) {
            self.cancel(token);
        }
    }

    /// Asks that every op of a handle be cancelled, but for its close. No handle is the one that every
    /// op without a file has: that asks for nothing.
    pub(super) fn cancel_handle(&mut self, handle: HandleId) {
        if handle.is_none() {
            self.metrics.malformed += 1;
            return;
        }
        for index in 0..self.sides.len() as u32 {
            if self.sides[index as usize].handle == handle {
                self.cancel_if_there(index);
            }
        }
    }

    /// Asks that every op be cancelled, but for closes.
    pub(super) fn cancel_all(&mut self) {
        for index in 0..self.sides.len() as u32 {
            self.cancel_if_there(index);
        }
    }

    fn cancel(&mut self, token: Token) {
        let side = &self.sides[token.index() as usize];
        if side.opcode == Opcode::Close {
            // Once begun, a close happens: a descriptor that is half closed helps nobody.
            return;
        }
        let cancel = self.home.slab.slot(token).request_cancel(token);
        // Each op that is asked for is counted once here and once by what becomes of it.
        self.metrics.cancels += u64::from(!matches!(cancel, Cancel::AskedBefore | Cancel::Stale));
        match cancel {
            Cancel::Withdrawn => {
                self.metrics.withdrawn += 1;
                self.answered.push_back(token);
            }
            Cancel::Ask => {
                // A failure to ask leaves the op to its own end, as a cancel that comes too late.
                let _ = match side.lane {
                    policy::Lane::Loop | policy::Lane::Cached => {
                        self.driver_has_news = true;
                        self.engine.driver().cancel(token)
                    }
                    policy::Lane::Worker => match &mut self.worker {
                        Some(worker) => worker.cancel(token),
                        None => Ok(()),
                    },
                    policy::Lane::Pool => {
                        self.pool.interrupt(token);
                        Ok(())
                    }
                };
            }
            Cancel::AskedBefore | Cancel::TooLate | Cancel::Stale => {}
        }
    }
}
