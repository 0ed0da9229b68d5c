//! The side of a socket that receives. The read that is under way belongs to the socket.
//!
//! ```text
//!          ┌──────────────── the last answer ◄───────────────┐
//!          ▼                                                 │
//!        Idle ─ read ─┬─ buffers to pick ─► Many ─ bytes ─► rest ─► reader
//!                     ├─ none, or ENOBUFS ─► One ── bytes ─► rest
//!                     └─ no slot ──────────► Room ─► Idle
//! ```
//!
//! *Many* is one op that answers for each arrival, into buffers that the loop picks; *One* is an op for each,
//! into memory of the socket's own. Neither is cancelled when a reader goes: what it brings is kept for
//! the next one.

mod request;

use super::received::{Memory, Received};
use super::sender::Turn;
use crate::buf::{Buf, BufResult};
use crate::op;
use request::{RecvMany, RecvOne};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use wakering_core::Error;
use wakering_core::abi::{ErrorKind, completion_flag};
use wakering_core::buffers::{BufferGroup, PickedBuffer};
use wakering_core::descriptor::Descriptor;
use wakering_core::scheduler::{Op, Ops, Shot, Shots};
use wakering_core::slot::Outcome;

/// Buffers of each loop, for sockets that receive, and bytes of each.
const BUFFERS: u16 = 1024;
const BUFFER_BYTES: u32 = 4096;
/// Bytes of a socket's own memory.
const OWN_BYTES: usize = 16 << 10;

/// See the module's text.
pub(super) struct Receiver {
    file: Arc<Descriptor>,
    busy: AtomicBool,
    reading: Mutex<Reading>,
}

struct Reading {
    source: Source,
    rest: Rest,
    /// The socket's own memory, while no op has it.
    own: Vec<u8>,
    /// The kernel takes no op of many answers for this socket.
    one_only: bool,
    /// There was no buffer to be picked: the next op brings its own.
    one_next: bool,
    ended: bool,
}

enum Source {
    Idle,
    Many(Shots<RecvMany>, Arc<BufferGroup>),
    One(Op<RecvOne>),
    Room(Room),
}

/// Waits until the loop may have room for an op. Made where it had none, and nowhere else.
pub(super) struct Room(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Room {
    pub(super) fn of(ops: &Ops) -> Self {
        let ops = ops.clone();
        Self(Box::pin(async move { ops.room().await }))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

/// What arrived and was not read.
enum Rest {
    Nothing,
    Picked(PickedBuffer),
    /// In the socket's own memory, from so many bytes on.
    Own(usize),
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Receiver {
    pub(super) const fn new(file: Arc<Descriptor>) -> Self {
        let reading = Reading {
            source: Source::Idle,
            rest: Rest::Nothing,
            own: Vec::new(),
            one_only: false,
            one_next: false,
            ended: false,
        };
        Self { file, busy: AtomicBool::new(false), reading: Mutex::new(reading) }
    }

    /// For one read, until it is dropped. EBUSY where somebody else reads.
    pub(super) fn turn(&self) -> io::Result<Turn<'_>> {
        Turn::take(&self.busy)
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands what is there to `take`, which says how much of it it took. Zero bytes are the end.
    pub(super) fn poll(
        &self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> usize,
    ) -> Poll<io::Result<usize>> {
        let mut reading = self.reading();
        while reading.is_empty() {
            if reading.ended {
                return Poll::Ready(Ok(take(&[])));
            }
            ready!(reading.poll_source(&self.file, cx))?;
        }
        Poll::Ready(Ok(reading.hand_out(take)))
    }

    /// What is there, without a copy. Nothing is the end.
    pub(super) async fn receive(&self) -> io::Result<Received> {
        let _turn = self.turn()?;
        std::future::poll_fn(|cx| {
            let mut reading = self.reading();
            while reading.is_empty() && !reading.ended {
                ready!(reading.poll_source(&self.file, cx))?;
            }
            Poll::Ready(Ok(Received(reading.take_rest())))
        })
        .await
    }

    pub(super) async fn read<B: Buf>(&self, buffer: B) -> BufResult<usize, B> {
        let _turn = match self.turn() {
            Ok(turn) => turn,
            Err(error) => return (Err(error), buffer),
        };
        let mut memory = buffer.into_vec();
        memory.clear();
        let read = self.fill(&mut memory).await;
        (read, B::from_vec(memory))
    }

    pub(super) async fn read_exact<B: Buf>(&self, buffer: B) -> BufResult<(), B> {
        let _turn = match self.turn() {
            Ok(turn) => turn,
            Err(error) => return (Err(error), buffer),
        };
        let mut memory = buffer.into_vec();
        memory.clear();
        while memory.len() < memory.capacity() {
            match self.fill(&mut memory).await {
                Ok(0) => return (Err(ended_early(&memory)), B::from_vec(memory)),
                Ok(_) => {}
                Err(error) => return (Err(error), B::from_vec(memory)),
            }
        }
        (Ok(()), B::from_vec(memory))
    }

    /// Appends to the memory what is there, as far as it has room.
    async fn fill(&self, memory: &mut Vec<u8>) -> io::Result<usize> {
        if memory.capacity() == memory.len() {
            return Ok(0);
        }
        std::future::poll_fn(|cx| {
            self.poll(cx, |bytes| {
                let count = bytes.len().min(memory.capacity() - memory.len());
                memory.extend_from_slice(&bytes[..count]);
                count
            })
        })
        .await
    }
}

fn ended_early(memory: &Vec<u8>) -> io::Error {
    let why = format!("the stream ended after {} of {} bytes", memory.len(), memory.capacity());
    io::Error::new(io::ErrorKind::UnexpectedEof, why)
}

impl Reading {
    fn is_empty(&self) -> bool {
        match &self.rest {
            Rest::Nothing => true,
            Rest::Picked(bytes) => bytes.is_empty(),
            Rest::Own(start) => *start == self.own.len(),
        }
    }

    fn take_rest(&mut self) -> Memory {
        match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Nothing => Memory::Nothing,
            Rest::Picked(bytes) => Memory::Picked(bytes),
            Rest::Own(start) => Memory::Own(std::mem::take(&mut self.own), start),
        }
    }

    fn hand_out(&mut self, take: impl FnOnce(&[u8]) -> usize) -> usize {
        let (taken, emptied) = match &mut self.rest {
            Rest::Nothing => return take(&[]),
            Rest::Picked(bytes) => {
                let taken = take(bytes);
                bytes.advance(taken);
                (taken, bytes.is_empty())
            }
            Rest::Own(start) => {
                let taken = take(&self.own[*start..]);
                *start += taken;
                (taken, *start == self.own.len())
            }
        };
        if emptied {
            self.rest = Rest::Nothing;
        }
        taken
    }

    /// Starts what is to bring bytes, or sees what it has brought.
    fn poll_source(
        &mut self,
        file: &Arc<Descriptor>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.source {
            Source::Idle => {
                self.start(file)?;
                Poll::Ready(Ok(()))
            }
            Source::Room(room) => {
                ready!(room.poll(cx));
                self.source = Source::Idle;
                Poll::Ready(Ok(()))
            }
            Source::Many(shots, group) => {
                let shot = ready!(shots.poll_next(cx));
                let (ops, group) = (shots.ops().clone(), group.clone());
                Poll::Ready(self.shot(&ops, shot, &group))
            }
            Source::One(op) => {
                let answer = ready!(Pin::new(&mut *op).poll(cx));
                let ops = op.ops().clone();
                Poll::Ready(self.answer(&ops, answer))
            }
        }
    }

    fn start(&mut self, file: &Arc<Descriptor>) -> io::Result<()> {
        let ops = op::current()?;
        let group = || BufferGroup::new(BUFFERS, BUFFER_BYTES);
        let one = self.one_only || std::mem::take(&mut self.one_next);
        let buffers = if one { None } else { ops.shared_buffers(group) };
        self.source = match buffers {
            Some((number, group)) => {
                Source::Many(ops.start_many(RecvMany::new(file.clone(), number)), group)
            }
            None => self.one(&ops, file),
        };
        Ok(())
    }

    fn one(&mut self, ops: &Ops, file: &Arc<Descriptor>) -> Source {
        let mut own = std::mem::take(&mut self.own);
        own.clear();
        own.reserve_exact(OWN_BYTES);
        Source::One(ops.start(RecvOne::new(file.clone(), own)))
    }

    fn shot(
        &mut self,
        ops: &Ops,
        shot: Result<Shot<Outcome>, Error>,
        group: &Arc<BufferGroup>,
    ) -> io::Result<()> {
        let outcome = match shot {
            Ok(Shot::More(outcome)) => outcome,
            Ok(Shot::Last(outcome)) => {
                self.source = Source::Idle;
                outcome
            }
            Err(error) => return self.not_started(ops, error),
        };
        if outcome.flags & completion_flag::PICKED != 0 {
            let number = (outcome.flags >> completion_flag::PICKED_SHIFT) as u16;
            self.rest = Rest::Picked(request::take_picked(group, number, outcome));
            self.ended |= outcome.result == 0;
            return Ok(());
        }
        match -outcome.result {
            0 => self.ended = true,
            // All buffers are taken, by whoever does not read what came. This socket goes on with its own.
            libc::ENOBUFS => self.one_next = true,
            libc::EINVAL => self.one_only = true,
            // Of itself, because it had brought more than was read; or of the loop's end.
            libc::ECANCELED | libc::EINTR => {}
            _ => return op::done(outcome.result),
        }
        Ok(())
    }

    fn answer(&mut self, ops: &Ops, answer: Result<(i32, Vec<u8>), Error>) -> io::Result<()> {
        let (result, own) = match answer {
            Ok(answer) => answer,
            Err(error) => return self.not_started(ops, error),
        };
        self.source = Source::Idle;
        self.own = own;
        match result {
            0 => self.ended = true,
            1.. => self.rest = Rest::Own(0),
            _ if [libc::EINTR, libc::ECANCELED].contains(&-result) => {}
            _ => return op::done(result),
        }
        Ok(())
    }

    fn not_started(&mut self, ops: &Ops, error: Error) -> io::Result<()> {
        self.source = Source::Idle;
        if error != Error::Kind(ErrorKind::Busy) {
            return Err(op::io_error(error));
        }
        self.source = Source::Room(Room::of(ops));
        Ok(())
    }
}
