//! A socket whose messages come one by one, each with its sender.
//!
//! As with a stream, the receive that is under way belongs to the socket: a message that arrived when
//! nobody asked any more is there for the next one who does.

mod request;

use super::receiver::Room;
use super::sender::Turn;
use super::socket;
use super::zero_copy::{Sent, ZeroCopy, is_refused};
use crate::buf::{Buf, BufResult};
use crate::op;
use request::{RecvFrom, SendTo};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use wakering_core::Error;
use wakering_core::abi::ErrorKind;
use wakering_core::descriptor::Descriptor;
use wakering_core::scheduler::Op;

pub(super) use request::Message;

/// The longest message.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// See the module's text.
pub(super) struct Datagrams {
    file: Arc<Descriptor>,
    busy: AtomicBool,
    receiving: Mutex<Receiving>,
}

enum Receiving {
    Idle(Vec<u8>),
    One(Op<RecvFrom>),
    Room(Room, Vec<u8>),
}

impl fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Datagrams {
    pub(super) const fn new(file: Arc<Descriptor>) -> Self {
        let receiving = Mutex::new(Receiving::Idle(Vec::new()));
        Self { file, busy: AtomicBool::new(false), receiving }
    }

    pub(super) fn file(&self) -> &Descriptor {
        &self.file
    }

    /// Names the socket's usual partner, whom `send` sends to and from whom alone it receives. Never waits.
    pub(super) fn connect(&self, address: &[u8]) -> io::Result<()> {
        socket::connect_now(&self.file, address)
    }

    /// The next message, as much of it as the buffer has room for.
    pub(super) async fn receive<B: Buf, A>(
        &self,
        buffer: B,
        sender: impl Fn(&[u8]) -> A,
    ) -> BufResult<(usize, A), B> {
        let _turn = match Turn::take(&self.busy) {
            Ok(turn) => turn,
            Err(error) => return (Err(error), buffer),
        };
        let mut memory = buffer.into_vec();
        memory.clear();
        let received = std::future::poll_fn(|cx| {
            self.poll(cx, |message| {
                let count = message.bytes.len().min(memory.capacity());
                memory.extend_from_slice(&message.bytes[..count]);
                (count, sender(message.sender))
            })
        });
        let received = received.await;
        (received, B::from_vec(memory))
    }

    fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        take: impl FnOnce(Message<'_>) -> R,
    ) -> Poll<io::Result<R>> {
        let mut receiving = self.receiving.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let answer = match &mut *receiving {
                Receiving::Idle(memory) => {
                    let mut memory = std::mem::take(memory);
                    memory.clear();
                    memory.reserve_exact(MESSAGE_BYTES_MAX);
                    let request = RecvFrom::new(self.file.clone(), memory);
                    *receiving = Receiving::One(op::current()?.start(request));
                    continue;
                }
                Receiving::Room(room, memory) => {
                    ready!(room.poll(cx));
                    *receiving = Receiving::Idle(std::mem::take(memory));
                    continue;
                }
                Receiving::One(op) => match ready!(Pin::new(&mut *op).poll(cx)) {
                    Ok(answer) => answer,
                    Err(Error::Kind(ErrorKind::Busy)) => {
                        let memory = op.request().take_memory();
                        *receiving = Receiving::Room(Room::of(op.ops()), memory);
                        continue;
                    }
                    Err(error) => {
                        *receiving = Receiving::Idle(Vec::new());
                        return Poll::Ready(Err(op::io_error(error)));
                    }
                },
            };
            if [libc::EINTR, libc::ECANCELED].contains(&-answer.result) {
                *receiving = Receiving::Idle(answer.memory);
                continue;
            }
            let taken = op::count(answer.result).map(|_| take(answer.message()));
            *receiving = Receiving::Idle(answer.memory);
            return Poll::Ready(taken);
        }
    }

    /// Sends one message, to the socket's usual partner where `address` is empty.
    pub(super) async fn send<B: Buf>(&self, buffer: B, address: &[u8]) -> BufResult<usize, B> {
        let mut request = SendTo::new(&self.file, buffer.into_vec(), address);
        let (sent, memory) = match op::run(&mut request).await {
            Ok(answer) => answer,
            Err(error) => (Err(error), request.into_memory()),
        };
        (sent, B::from_vec(memory))
    }

    /// The same without copying, where the kernel can.
    pub(super) async fn send_zc<B: Buf>(&self, buffer: B, address: &[u8]) -> BufResult<Sent, B> {
        let mut request = SendTo::new(&self.file, buffer.into_vec(), address);
        let (sent, memory) = match op::run(ZeroCopy(&mut request)).await {
            Ok(answer) => answer,
            Err(error) => (Err(error), request.into_memory()),
        };
        if !is_refused(&sent) {
            return (sent, B::from_vec(memory));
        }
        let (sent, memory) = self.send(memory, address).await;
        (sent.map(Sent::plainly), B::from_vec(memory))
    }
}
