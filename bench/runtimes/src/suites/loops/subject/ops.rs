//! Ops of a ring in the tasks of its thread, and messages between such threads.

use crate::contender::Run;
use crate::one_thread::OneThread;
use crate::suites::loops::rows::{self, MESSAGE_BYTES, Nop, Post, Recv, Turn};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use wakering_core::Home;
use wakering_core::abi::Opcode;
use wakering_core::resource::{Prepared, Resource};
use wakering_core::scheduler::{self, LocalOptions, Loop, Request, describe, ops};
use wakering_core::slot::Outcome;
use wakering_core::sync::channel;
use wakering_core::task::spawn_local;
use wakering_uring_loop::{UringConfig, UringDriver};

pub fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::nop_cells::<Ring>();
    cells.push(rows::in_flight_cell::<Ring>());
    cells.extend(rows::cross_cells::<Ring>());
    cells
}

struct Ring;

const SLOTS: u32 = 512;
impl OneThread for Ring {
    #[expect(unsafe_code, reason = "a home is its loop's alone")]
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let home = Arc::new(Home::new(SLOTS).expect("memory"));
        let driver = UringDriver::new(UringConfig::worker(SLOTS), home.clone());
        let driver = driver.unwrap_or_else(|refused| panic!("{refused}"));
        // SAFETY: new, and only looked at beside the driver.
        let made = unsafe { Loop::new(Box::new(driver), home) };
        let scheduler = LocalOptions::new().with_loop(made, 0).build();
        scheduler.expect("a scheduler").block_on(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        let join = spawn_local(future);
        async { join.await.expect("no panic") }
    }
}

/// What an op of this thread's loop gives.
async fn carry_out(request: impl Request<Output = Outcome>) -> usize {
    let ops = ops().expect("the thread has a loop");
    let outcome = ops.start(request).await.expect("there are slots for all");
    usize::try_from(outcome.result).expect("it succeeds")
}

pub async fn nop() {
    assert_eq!(carry_out(scheduler::Nop).await, 0);
}

impl Nop for Ring {
    async fn nop() {
        nop().await;
    }
}

impl Turn for Ring {
    async fn turn() {
        nop().await;
    }
}

impl Recv for Ring {
    type Stream = TcpStream;

    async fn stream(stream: TcpStream) -> TcpStream {
        stream
    }

    /// The op alone, into its own slot: no stream keeps it.
    #[expect(unsafe_code, reason = "the kernel is told an address")]
    async fn recv(stream: &mut TcpStream) -> usize {
        let (fd, length) = (stream.as_raw_fd(), MESSAGE_BYTES as u32);
        // SAFETY: the memory is the slot's own, and the row's sockets outlive its ops.
        let recv = unsafe {
            describe(move |resource: &mut Resource, _| {
                let address = resource.back();
                resource.prepared = Prepared { fd, address, length, ..Prepared::new(Opcode::Recv) };
                Ok(())
            })
        };
        carry_out(recv).await
    }
}

impl Post for Ring {
    type Sender = channel::Sender<u64>;
    type Receiver = channel::Receiver<u64>;

    fn post(room: usize) -> (Self::Sender, Self::Receiver) {
        channel::channel(room)
    }

    async fn send(sender: &Self::Sender, message: u64) {
        assert!(sender.send(message).await.is_ok(), "somebody receives");
    }

    async fn receive(receiver: &mut Self::Receiver) -> u64 {
        receiver.recv().await.expect("somebody sends")
    }
}
