//! Closing a handle: no new ops, the running ones first, then the descriptor.
//!
//! A read that waits for a pipe's writer would wait for ever: ops of streams are cancelled. Reads
//! and writes of regular files are let finish, as `node:fs` does: a write that was started before
//! the close is a write that the program counts on.

use super::Lane;
use super::doubt::Lonely;
use wakering_core::abi::{HandleId, OpDescriptor, Opcode};
use wakering_core::handle::FileKind;
use wakering_core::policy::{self, Situation};
use wakering_core::resource::{NOT_FIXED, Prepared};
use wakering_core::slot::Outcome;
use wakering_core::{Error, Token};
use wakering_poll_loop::cached::Attempt;

impl Lane {
    /// Begins a Close: at once where nothing is in flight on the handle, else when the last op is
    /// done.
    pub(super) fn begin_close(&mut self, token: Token, d: &OpDescriptor) -> Result<(), Error> {
        let slot = self.home.slab.slot(token);
        // SAFETY: just claimed, so Queued, by its owner. Without a descriptor until the last op of
        // the handle is done: what is taken back before that has nothing to close.
        unsafe { slot.with_resource(|r| r.prepared = Prepared::new(Opcode::Close)) };
        let entry = self.handles.get(d.handle)?;
        entry.closing = Some(token);
        if entry.in_flight == 0 {
            self.finish_close(token, d.handle);
        } else if entry.kind == FileKind::Stream {
            self.cancel_handle(d.handle);
        }
        Ok(())
    }

    /// Counts an op out of its handle, and goes on with the close that waited for it.
    pub(super) fn count_out(&mut self, handle: HandleId) {
        let Some(entry) = self.handles.any(handle) else { return };
        entry.in_flight -= 1;
        // When the lane is shut down the close was withdrawn, and the table closes what is left.
        if entry.in_flight == 0
            && !self.closed
            && let Some(token) = entry.closing
        {
            self.finish_close(token, handle);
            self.started_late = true;
        }
    }

    fn finish_close(&mut self, token: Token, handle: HandleId) {
        let fixed = self.handles.any(handle).map_or(NOT_FIXED, |entry| entry.fixed_file);
        if fixed != NOT_FIXED {
            // It was registered under this number; a failure leaves one place in the table unused.
            let _ = self.engine.unregister_file(fixed);
        }
        let Some(fd) = self.handles.remove(handle) else { return };
        let slot = self.home.slab.slot(token);
        // SAFETY: the close is Queued since it was accepted, and this is the owner.
        unsafe {
            slot.with_resource(|r| r.prepared = Prepared { fd, ..Prepared::new(Opcode::Close) });
        }
        let situation = Situation { may_be_cached: true, ..self.situation(Opcode::Close) };
        if policy::choose(situation, false) == policy::Lane::Cached
            && let Attempt::Answered(outcome) = self.attempt(token)
        {
            return self.answer(token, outcome);
        }
        let lane = match self.is_doubted(token, Lonely::Close) {
            true => policy::Lane::Pool,
            false => policy::choose(situation, true),
        };
        self.pooled += usize::from(self.is_for_pool(lane, Opcode::Close));
        if self.hand_over(token, lane).is_err() {
            let result = self.close_now(fd);
            self.answer(token, Outcome { result, flags: 0 });
        }
    }

    /// Closes a descriptor on this thread: where no op can carry it, or nobody waits for it.
    pub(super) fn close_now(&mut self, fd: i32) -> i32 {
        // SAFETY: the descriptor is the lane's own, and no op or handle names it any more.
        match unsafe { libc::close(fd) } {
            0 => 0,
            _ => Error::last_os().to_result(),
        }
    }
}

/// Whether a descriptor has positions. Asks the kernel's file table only, never a device; but it
/// waits for a read at the file's own position, so it is asked before there is one.
pub(crate) fn kind_of(fd: i32) -> FileKind {
    // SAFETY: takes numbers, touches no memory of ours.
    match unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) } {
        -1 if Error::last_os() == Error::Os(libc::ESPIPE) => FileKind::Stream,
        _ => FileKind::Regular,
    }
}
