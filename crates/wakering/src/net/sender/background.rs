//! Sending from memory of the socket's own: a write is done when its bytes were copied.
//!
//! ```text
//! Idle ─ write: copy ─► Sending ─ all sent ─► Idle
//!   ▲                     │ └─ some left ─► Sending
//!   └──── error, said by the next call ◄┘
//! ```

#![forbid(unsafe_code)]

use super::Sender;
use super::request::Send;
use crate::net::receiver::Room;
use crate::op;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use wakering_core::Error;
use wakering_core::abi::ErrorKind;
use wakering_core::scheduler::Op;

/// The most that is copied at a time.
const COPY_MAX: usize = 64 << 10;

/// See the module's text.
pub(super) struct Background(Mutex<Sending>);

struct Sending {
    /// The socket's own memory, while no op has it.
    memory: Vec<u8>,
    /// How much of it was sent.
    done: usize,
    step: Step,
}

enum Step {
    Idle,
    InFlight(Op<Send>),
    Room(Room),
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Background")
    }
}

impl Background {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Sending { memory: Vec::new(), done: 0, step: Step::Idle }))
    }

    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sender {
    /// Takes bytes along, as soon as those of the write before were sent.
    pub(in crate::net) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut sending = self.background.sending();
        ready!(sending.poll(self, cx))?;
        let count = bytes.len().min(COPY_MAX);
        sending.done = 0;
        sending.memory.clear();
        sending.memory.extend_from_slice(&bytes[..count]);
        // It starts now; whether it ends is for the next call to say.
        match sending.poll(self, cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }

    /// Waits until all that was taken along is sent.
    pub(in crate::net) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.background.sending().poll(self, cx)
    }
}

impl Sending {
    fn poll(&mut self, sender: &Sender, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.step {
                Step::Idle if self.done == self.memory.len() => return Poll::Ready(Ok(())),
                Step::Idle => {
                    // First, so that nothing is lost where there is no runtime.
                    let ops = op::current()?;
                    let memory = std::mem::take(&mut self.memory);
                    let flags = libc::MSG_WAITALL;
                    let send = Send::new(sender.file.clone(), memory, self.done, flags);
                    self.step = Step::InFlight(ops.start(send));
                }
                Step::Room(room) => {
                    ready!(room.poll(cx));
                    self.step = Step::Idle;
                }
                Step::InFlight(op) => match ready!(Pin::new(&mut *op).poll(cx)) {
                    Ok((sent, memory)) => {
                        self.step = Step::Idle;
                        self.memory = memory;
                        self.note(sent)?;
                    }
                    Err(error) => {
                        self.memory = op.request().take_memory();
                        let room = Room::of(op.ops());
                        self.step = Step::Idle;
                        if error != Error::Kind(ErrorKind::Busy) {
                            self.done = self.memory.len();
                            return Poll::Ready(Err(op::io_error(error)));
                        }
                        self.step = Step::Room(room);
                    }
                },
            }
        }
    }

    fn note(&mut self, sent: io::Result<usize>) -> io::Result<()> {
        match sent {
            Ok(0) => {
                self.done = self.memory.len();
                Err(io::ErrorKind::WriteZero.into())
            }
            Ok(count) => {
                self.done += count;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => {
                // What was not sent never will be.
                self.done = self.memory.len();
                Err(error)
            }
        }
    }
}
