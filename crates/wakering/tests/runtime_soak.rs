//! Many ops of every kind, cancelled at random: descriptors, ops in flight and memory stay as they were.
//!
//! `WAKERING_SOAK=10000000 cargo test --release -p wakering --test runtime_soak` for as many ops on each
//! driver; a few without it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use wakering::LocalRuntime;
use wakering::net::{TcpListener, TcpStream, UdpSocket};
use wakering::task::{spawn_local, yield_now};
use wakering_core::abi::Opcode;
use wakering_core::random::Random;
use wakering_core::resource::{Prepared, Resource};
use wakering_core::scheduler::{Nop, Ops, describe, ops};

#[path = "support/drivers.rs"]
mod drivers;

const TASKS: u64 = 8;

fn ops_wanted() -> u64 {
    match std::env::var("WAKERING_SOAK") {
        Ok(number) => number.parse().expect("WAKERING_SOAK is a number"),
        Err(_) => 100_000,
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Resident memory, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Polls a future a few times and drops it, unless it is ready before.
async fn glance<F: Future>(polls: u64, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Some(output);
        }
        let _others = yield_now().await;
    }
    None
}

/// A timer that ends soon, or late and is given up.
async fn timer(ops: &Ops, nanoseconds: u64, polls: u64) {
    let prepare = move |resource: &mut Resource, _: &_| {
        resource.prepared = Prepared { offset: nanoseconds, ..Prepared::new(Opcode::Timeout) };
        Ok(())
    };
    // SAFETY: it names no memory.
    let request = unsafe { describe(prepare) };
    let _ended = glance(polls, ops.start(request)).await;
}

struct Sockets {
    one: TcpStream,
    other: TcpStream,
    datagrams: UdpSocket,
}

async fn sockets() -> Sockets {
    let anywhere = "127.0.0.1:0".parse().unwrap();
    let listener = TcpListener::bind(anywhere).unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (other, _) = listener.accept().await.unwrap();
    Sockets { one, other, datagrams: UdpSocket::bind(anywhere).unwrap() }
}

/// `count` ops, most of them over, the others dropped on their way.
async fn busy(sockets: Arc<Sockets>, seed: u64, count: u64) {
    let mut random = Random::new(seed);
    let mut memory = Vec::with_capacity(64);
    for _ in 0..count {
        let ops = ops().unwrap();
        let polls = random.below(4);
        match random.below(8) {
            0 => _ = ops.run(Nop).await.unwrap(),
            1 => _ = glance(polls, ops.start(Nop)).await,
            2 => timer(&ops, random.below(1 << 20), polls).await,
            3 => timer(&ops, 1 << 40, polls).await,
            4 => _ = glance(polls, sockets.datagrams.recv(Vec::with_capacity(8))).await,
            5 => _ = glance(polls, sockets.other.read(Vec::with_capacity(64))).await,
            _ => {
                memory.resize(1 + random.below(64) as usize, 7);
                let sent;
                (sent, memory) = sockets.one.write(std::mem::take(&mut memory)).await;
                // Somebody else may be at it.
                let _sent_or_busy = sent;
            }
        }
    }
}

fn round(runtime: &LocalRuntime, sockets: &Arc<Sockets>, seed: u64, count: u64) {
    runtime.block_on(async {
        let task = |number| busy(sockets.clone(), seed * TASKS + number, count / TASKS);
        let reading = spawn_local({
            let sockets = sockets.clone();
            async move {
                // So that those who send have room.
                let mut memory = Vec::with_capacity(4096);
                loop {
                    let read;
                    (read, memory) = sockets.other.read(memory).await;
                    if read.is_err() {
                        let _others = yield_now().await;
                    }
                }
            }
        });
        let joins: Vec<_> = (0..TASKS).map(|number| spawn_local(task(number))).collect();
        for join in joins {
            join.await.unwrap();
        }
        reading.abort();
        let _cancelled = reading.await;
    });
}

#[test]
fn what_is_in_flight_open_and_resident_stays_as_it_was() {
    for builder in drivers::drivers() {
        let runtime = builder.build_local().unwrap();
        let sockets = Arc::new(runtime.block_on(sockets()));
        let ops = runtime.scheduler().ops().unwrap().clone();
        let rounds = 20;
        let count = ops_wanted() / rounds;
        let mut before = None;
        for seed in 0..rounds {
            round(&runtime, &sockets, seed, count);
            // What sockets have under way for themselves stays: a receive for each.
            let settled = runtime.block_on(async {
                for _ in 0..10_000 {
                    if ops.in_flight() <= 2 {
                        break;
                    }
                    let _others = yield_now().await;
                }
                ops.in_flight()
            });
            assert!(settled <= 2, "{settled} ops are in flight after all was given up");
            let now = (descriptors(), resident());
            // Warm after the first quarter.
            let (fds, kib) = *before.get_or_insert(now);
            if seed < rounds / 4 {
                before = Some(now);
            }
            assert_eq!(now.0, fds, "descriptors after {} ops", (seed + 1) * count);
            assert!(now.1 < kib + 4096, "{} KiB after {kib} at the start", now.1);
        }
    }
}
