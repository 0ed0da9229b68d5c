//! Opening a FIFO waits for its other end, through a ring too.
//!
//! A ring first tries every open with O_NONBLOCK, and takes what comes of it for the answer. For a
//! FIFO that is another answer than open(2) gives: a reader is opened before there is a writer, and
//! finds the end of the file; a writer is refused with ENXIO. So the lane looks at these two before
//! it tells anybody:
//!
//! ```text
//! ENXIO for a writer ─► once more, by a thread of the pool, which waits
//! FIFO for a reader  ─► a writer is there, or was? ─ yes ─► answered
//!                          └─ no ─► look again after a while ─┘
//! ```
//!
//! The reader's descriptor is kept meanwhile, because a writer that comes is content with it: it
//! may write and leave before anybody looks. That a silent writer has come is announced by nothing
//! that could be waited for, so it is looked for.

use super::Lane;
use super::close::kind_of;
use std::io::{PipeReader, PipeWriter, Read};
use std::os::fd::AsRawFd;
use wakering_core::Token;
use wakering_core::abi::Opcode;
use wakering_core::handle::FileKind;
use wakering_core::policy;
use wakering_core::resource::Prepared;
use wakering_core::slot::Outcome;
use wakering_core::waker::WakerRef;

/// The first look comes after a millisecond, and each takes twice as long as the one before.
const LOOK_AGAIN_NS: u64 = 1_000_000;
const LOOK_AGAIN_NS_MAX: u64 = 16_000_000;

/// A reader that was opened and waits for a writer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reader {
    pub(super) fd: i32,
    look_again_ns: u64,
}

impl Lane {
    /// Whether the op is an open that has to go on waiting; then it has begun to, in its old slot.
    pub(super) fn waits_for_other_end(&mut self, token: Token) -> bool {
        let side = &self.sides[token.index() as usize];
        let other = side.opcode != Opcode::OpenAt || !self.engine.is_ring();
        // Content comes from no FIFO, and what is read by now was opened before.
        if other || side.content.is_some() || self.closed {
            return false;
        }
        let slot = self.home.slab.slot(token);
        let Some(Outcome { result, .. }) = slot.peek(token) else { return false };
        if slot.is_cancel_requested(token) {
            return false;
        }
        if let Some(reader) = side.reader {
            if result != -libc::ETIME || self.a_writer_came(reader.fd) {
                return false;
            }
            let look_again_ns = (2 * reader.look_again_ns).min(LOOK_AGAIN_NS_MAX);
            return self.look_again(token, Reader { look_again_ns, ..reader });
        }
        if side.lane != policy::Lane::Loop {
            return false;
        }
        // SAFETY: Ready, and this is the owner (I2 of slot).
        let flags = unsafe { slot.with_resource(|r| r.prepared.op_flags) } as i32;
        if flags & (libc::O_NONBLOCK | libc::O_PATH) != 0 {
            return false;
        }
        match flags & libc::O_ACCMODE {
            libc::O_WRONLY if result == -libc::ENXIO => self.open_by_the_pool(token),
            libc::O_RDONLY if result >= 0 && is_fifo(result) && !self.a_writer_came(result) => {
                self.look_again(token, Reader { fd: result, look_again_ns: LOOK_AGAIN_NS })
            }
            _ => false,
        }
    }

    /// The same op once more: what it borrowed is still in the slot.
    fn open_by_the_pool(&mut self, token: Token) -> bool {
        let Some(again) = self.claim_again(token) else { return false };
        self.sides[token.index() as usize].lane = policy::Lane::Pool;
        self.for_pool.push(again);
        self.started_late = true;
        true
    }

    /// Lets the op sleep in its slot.
    fn look_again(&mut self, token: Token, reader: Reader) -> bool {
        let Some(again) = self.claim_again(token) else { return false };
        self.sides[token.index() as usize].reader = Some(reader);
        let offset = reader.look_again_ns;
        let slot = self.home.slab.slot(again);
        // SAFETY: just claimed, so Queued, by its owner.
        unsafe {
            slot.with_resource(|resource| {
                resource.release(&self.blocks);
                resource.prepared = Prepared { offset, ..Prepared::new(Opcode::Timeout) };
            });
        }
        if let Err(error) = self.hand_over(again, policy::Lane::Loop) {
            self.answer(again, Outcome { result: error.to_result(), flags: 0 });
        }
        self.started_late = true;
        true
    }

    /// Ends one use of the slot and begins the next, of the same op.
    pub(super) fn claim_again(&mut self, token: Token) -> Option<Token> {
        let slab = &self.home.slab;
        slab.slot(token).take(token, |_, _| ())?;
        slab.claim_at(token.index(), WakerRef::port(token.index())).ok()
    }

    /// Whether a FIFO has a writer, or had one since it was opened. Takes nothing out of it.
    fn a_writer_came(&mut self, fd: i32) -> bool {
        if has_data_or_end(fd) {
            return true;
        }
        if self.probe.is_none() {
            self.probe = std::io::pipe().ok();
        }
        // Without descriptors for the probe nobody is to wait for ever.
        let Some((out, into)) = &mut self.probe else { return true };
        peek_into(fd, out, into)
    }
}

/// Whether there are bytes, or whoever wrote has left.
fn has_data_or_end(fd: i32) -> bool {
    let mut asked = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, for the time of the call, which does not wait.
    unsafe { libc::poll(&raw mut asked, 1, 0) > 0 }
}

/// Copies a byte without taking it: only a FIFO with neither bytes nor writers has none to wait for.
fn peek_into(fd: i32, out: &mut PipeReader, into: &PipeWriter) -> bool {
    // SAFETY: takes numbers; both are open.
    let copied = unsafe { libc::tee(fd, into.as_raw_fd(), 1, libc::SPLICE_F_NONBLOCK) };
    if copied > 0 {
        let _ = out.read(&mut [0; 1]);
    }
    copied != 0
}

fn is_fifo(fd: i32) -> bool {
    if kind_of(fd) != FileKind::Stream {
        return false;
    }
    // SAFETY: all zero is a valid `stat`.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is ours, the place is a local.
    let known = unsafe { libc::fstat(fd, &raw mut stat) };
    known == 0 && stat.st_mode & libc::S_IFMT == libc::S_IFIFO
}
