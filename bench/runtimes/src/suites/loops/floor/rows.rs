//! NOP, reads, dropped recvs and messages, each in batches of as many as the row has in flight.

use super::super::file::{self, BLOCK, Offsets};
use super::super::rows::{DEPTHS, NOP_TASKS};
use super::{Kind, Ring};
use crate::contender::Run;
use crate::machine;
use crate::measure::Measure;
use futures_lite::future;
use io_uring::opcode::{self, AsyncCancel};
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{Fd, Fixed};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};
use std::sync::mpsc;

pub fn cells() -> Vec<(&'static str, Run)> {
    vec![
        ("nop_1", |measure| nops(measure, 1)),
        ("nop_100", |measure| nops(measure, NOP_TASKS)),
        ("read_1", |measure| reads(measure, DEPTHS[0])),
        ("read_32", |measure| reads(measure, DEPTHS[1])),
        ("read_128", |measure| reads(measure, DEPTHS[2])),
        ("recv_in_flight", cancelled_recvs),
        ("cross_busy", messages),
    ]
}

/// About so many operations in an iteration.
const OPERATIONS: usize = 4_096;

/// Batches of entries that are published together, and awaited.
fn batches(
    measure: &mut Measure,
    ring: &mut Ring,
    depth: usize,
    mut entry_of: impl FnMut(usize) -> Entry,
    check: impl Fn(i32),
) {
    let batches = OPERATIONS / depth;
    future::block_on(measure.run_async((batches * depth) as u64, async || {
        for _ in 0..batches {
            for place in 0..depth {
                ring.push(&entry_of(place));
            }
            let mut left = depth;
            while left > 0 {
                ring.wait_for(left);
                left -= ring.reap(|_, result, _| check(result));
            }
        }
    }));
}

fn nops(measure: &mut Measure, depth: usize) {
    let mut ring = Ring::new(Kind::Defer);
    let nop = |_| opcode::Nop::new().build();
    batches(measure, &mut ring, depth, nop, |result| assert_eq!(result, 0));
}

#[expect(unsafe_code, reason = "the kernel keeps memory by its address")]
fn reads(measure: &mut Measure, depth: usize) {
    let mut ring = Ring::new(Kind::Defer);
    let file = file::cached();
    ring.submitter().register_files(&[file.as_raw_fd()]).expect("a place for a file");
    let pages = vec![0u8; (depth + 1) * BLOCK].leak();
    let start = pages.as_ptr().align_offset(BLOCK);
    let memory = pages[start..].as_mut_ptr();
    let whole = libc::iovec { iov_base: memory.cast(), iov_len: depth * BLOCK };
    // SAFETY: leaked, and nobody else's.
    unsafe { ring.submitter().register_buffers(&[whole]) }.expect("locked memory");
    let mut offsets: Vec<Offsets> = (0..depth).map(Offsets::of).collect();
    let read = |place: usize| {
        let address = memory.wrapping_add(place * BLOCK);
        let read = opcode::ReadFixed::new(Fixed(0), address, BLOCK as u32, 0);
        read.offset(offsets[place].next()).build()
    };
    batches(measure, &mut ring, depth, read, |result| assert_eq!(result as usize, BLOCK));
}

/// 32 recvs in flight, then 32 cancels; both are awaited.
fn cancelled_recvs(measure: &mut Measure) {
    const IN_FLIGHT: usize = 32;
    const ROUNDS: usize = 8;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let connect = |_| (TcpStream::connect(address).expect("it listens"), listener.accept());
    let pairs: Vec<_> = (0..IN_FLIGHT).map(connect).collect();
    let mut ring = Ring::new(Kind::Defer);
    let bytes: &'static mut [u8] = vec![0u8; IN_FLIGHT * 64].leak();
    let memory = bytes.as_mut_ptr();
    future::block_on(measure.run_async((IN_FLIGHT * ROUNDS) as u64, async || {
        for _ in 0..ROUNDS {
            for (place, (stream, _)) in pairs.iter().enumerate() {
                let address = memory.wrapping_add(place * 64);
                let recv = opcode::Recv::new(Fd(stream.as_raw_fd()), address, 64);
                ring.push(&recv.build().user_data(place as u64));
            }
            ring.publish();
            for place in 0..IN_FLIGHT {
                let cancel = AsyncCancel::new(place as u64).build().flags(Flags::SKIP_SUCCESS);
                ring.push(&cancel.user_data(u64::MAX));
            }
            let mut left = IN_FLIGHT;
            while left > 0 {
                ring.wait_for(left);
                left -= ring.reap(|_, result, _| assert_eq!(result, -libc::ECANCELED));
            }
        }
    }));
}

/// From ring to ring, one system call for each; the other side only looks.
fn messages(measure: &mut Measure) {
    const MESSAGES: u64 = 1_000;
    let (tell, told) = mpsc::channel();
    let received = Arc::new(AtomicU64::new(0));
    let count = received.clone();
    // It ends with the process.
    std::thread::spawn(move || {
        machine::stay_on(1);
        let mut ring = Ring::new(Kind::Plain);
        tell.send(ring.fd()).expect("somebody waits");
        loop {
            count.fetch_add(ring.reap(|_, _, _| {}) as u64, Release);
            ring.collect();
        }
    });
    machine::stay_on(0);
    let mut ring = Ring::new(Kind::Plain);
    let message = opcode::MsgRingData::new(Fd(told.recv().expect("it tells")), 0, 1, None).build();
    let message = message.flags(Flags::SKIP_SUCCESS);
    let mut sent = 0;
    future::block_on(measure.run_async(MESSAGES, async || {
        for _ in 0..MESSAGES {
            ring.push(&message);
            ring.publish();
        }
        sent += MESSAGES;
        while received.load(Acquire) < sent {
            std::hint::spin_loop();
        }
    }));
}
