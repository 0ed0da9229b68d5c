//! The content of a small file in one op: open, look, read, close.
//!
//! ```text
//! opened ─► all of it in memory? ─ yes ─► closed, content
//!              └ no ─► regular, not empty, small? ─ no ───────────► a handle
//!                         └ yes ─► read by a driver, in the same slot
//!                                     └► all of it? ─ yes ─► closed, content
//!                                           └ no ─────────────────► a handle
//! ```
//!
//! A thread of the pool does all of it at once: for most of many, so that a second CPU does the kernel's
//! share, and for one alone where memory did not have those before it.
//!
//! Whatever is out of the ordinary ends with a handle, and whoever asked goes on from there as after
//! any open: nothing is read twice from a FIFO or a device, because neither is read here.

use super::Lane;
use super::finish::{Finished, RecordSink};
use wakering_core::Token;
use wakering_core::abi::{Opcode, completion_flag};
use wakering_core::policy::{self, Situation};
use wakering_core::resource::Prepared;
use wakering_core::slot::Outcome;
use wakering_poll_loop::content;

/// How far an open that brings content has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// At most so many bytes were asked for.
    Wanted { bytes_max: u32 },
    /// All of it lies in the sink's room.
    Whole { fd: i32, bytes: u32 },
    /// A driver reads it, into memory of the op's own.
    Reading { fd: i32, bytes: u32 },
}

impl Content {
    /// What the op answers in the end. A descriptor that is to be closed now.
    pub(super) fn judge(self, finished: &mut Finished) -> Option<i32> {
        match self {
            Self::Wanted { .. } => None,
            Self::Whole { fd, bytes } => {
                finished.opened = None;
                finished.result = bytes as i32;
                finished.flags |= completion_flag::CONTENT;
                Some(fd)
            }
            Self::Reading { fd, bytes } if finished.result == bytes as i32 => {
                finished.flags |= completion_flag::CONTENT;
                Some(fd)
            }
            // Cancelled, perhaps before it began.
            Self::Reading { fd, .. } if finished.result == -libc::ECANCELED => Some(fd),
            Self::Reading { fd, .. } => {
                finished.owned = None;
                finished.flags &= !completion_flag::OWNED;
                finished.opened = Some(fd);
                finished.result = fd;
                None
            }
        }
    }
}

impl Lane {
    /// Whether the op is an open that was asked for content and has to go on for it; then it has
    /// begun to, in its old slot.
    pub(super) fn goes_on_to_read(&mut self, token: Token, sink: &mut dyn RecordSink) -> bool {
        let side = &mut self.sides[token.index() as usize];
        let Some(Content::Wanted { bytes_max }) = side.content else { return false };
        side.content = None;
        let slot = self.home.slab.slot(token);
        let Some(Outcome { result: fd, flags }) = slot.peek(token) else { return false };
        let done = flags & completion_flag::CONTENT != 0;
        if done || fd < 0 || self.closed || slot.is_cancel_requested(token) {
            return false;
        }
        let room = sink.content();
        let room_max = room.len().min(bytes_max.min(policy::CACHED_READ_BYTES_MAX) as usize + 1);
        if let Some(bytes) = content::read_cached(fd, &mut room[..room_max]) {
            side.content = Some(Content::Whole { fd, bytes });
            self.contents.learn(true);
            return false;
        }
        self.contents.learn(false);
        match content::small_file(fd, bytes_max) {
            Some(bytes) => self.read_content(token, fd, bytes),
            None => false,
        }
    }

    /// Brings content that came in memory of its own to the sink's room, where it is little: making
    /// JavaScript the owner of other memory costs more than a copy.
    pub(super) fn settle_content(finished: &mut Finished, sink: &mut dyn RecordSink) {
        let Some(owned) = &finished.owned else { return };
        let few = owned.len() <= policy::CACHED_READ_BYTES_MAX as usize;
        if let Some(room) = sink.content().get_mut(..owned.len()).filter(|_| few) {
            room.copy_from_slice(owned);
            finished.owned = None;
            finished.flags &= !completion_flag::OWNED;
        }
    }

    /// The same op, from now on a read. One byte more than there should be: if that comes too, the
    /// file is no longer what it was when it was looked at.
    fn read_content(&mut self, token: Token, fd: i32, bytes: u32) -> bool {
        let length = bytes + 1;
        let mut owned = Vec::new();
        if owned.try_reserve_exact(length as usize).is_err() {
            return false;
        }
        let Some(again) = self.claim_again(token) else { return false };
        self.sides[token.index() as usize].content = Some(Content::Reading { fd, bytes });
        let slot = self.home.slab.slot(again);
        // SAFETY: just claimed, so Queued, by its owner. The memory stays with the slot.
        unsafe {
            slot.with_resource(|resource| {
                resource.release(&self.blocks);
                let address = owned.as_mut_ptr();
                resource.prepared =
                    Prepared { fd, address, length, offset: 0, ..Prepared::new(Opcode::Read) };
                resource.owned = Some(owned);
            });
        }
        let situation =
            Situation { length, buffer_may_travel: true, ..self.situation(Opcode::Read) };
        if let Err(error) = self.hand_over(again, policy::choose(situation, true)) {
            self.answer(again, Outcome { result: error.to_result(), flags: 0 });
        }
        self.started_late = true;
        true
    }
}
