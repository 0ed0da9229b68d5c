//! The measurements behind the thresholds of `wakering_core::policy`, as far as they are the lane's: a
//! Markdown table each. DESIGN.md has the paragraphs. The ring's are in the bench of the same name in
//! `crates/uring-loop`.
//!
//! `cargo bench --bench thresholds`, with `-- --quick` for a look

#![expect(clippy::print_stdout, reason = "a bench prints its tables")]
#![allow(unreachable_pub, reason = "modules of a bench are not anybody's API")]

#[path = "../../uring-loop/benches/thresholds/measure.rs"]
mod measure;

use measure::{medians, micros, print_table, size_of_bytes};
use std::time::{Duration, Instant};
use wakering::lane::RecordSink;
use wakering::{Config, DriverChoice, Lane};
use wakering_core::abi::{
    CompletionRecord, HandleId, OpDescriptor, Opcode, buffer_kind, op_flag, statx,
};

const FILE_BYTES: usize = 16 << 20;
const SLAB_BYTES: usize = 4 << 20;

#[derive(Default)]
struct Sink {
    free: Vec<u32>,
    opened: Option<HandleId>,
    result: i32,
}

impl RecordSink for Sink {
    fn record(&mut self, record: CompletionRecord, _statx: Option<&[u8; statx::BYTES]>) {
        self.free.push(record.slot);
        self.result = record.result;
        if !record.handle.is_none() {
            self.opened = Some(record.handle);
        }
    }
}

/// A lane over a ring, with a slab and an open file. Fields are dropped in this order.
struct Bench {
    lane: Lane,
    _memory: Vec<u8>,
    sink: Sink,
    slab: u32,
    file: HandleId,
}

impl Bench {
    fn new(path: &str) -> Option<Self> {
        let config = Config { driver: DriverChoice::Uring, ..Config::default() };
        let mut lane = match Lane::new(config) {
            Ok(lane) => lane,
            Err((_, why)) => {
                println!("SKIP: {why}");
                return None;
            }
        };
        let mut memory = vec![1; SLAB_BYTES];
        // SAFETY: the bench keeps the memory longer than the lane, and looks at it no more.
        let slab = unsafe { lane.lend(memory.as_mut_ptr(), memory.len()) }.ok()?;
        let sink = Sink { free: (0..config.slots).rev().collect(), ..Sink::default() };
        let mut bench = Self { lane, _memory: memory, sink, slab, file: HandleId::NONE };
        let args = [0, path.len() as u32, 0, 0, 0, 0];
        bench.run(&[OpDescriptor { args, ..OpDescriptor::new(Opcode::OpenAt) }], path.as_bytes());
        bench.file = bench.sink.opened?;
        Some(bench)
    }

    /// Gives a batch to the lane and lets it turn once, as a port's flush does. The slot of the last.
    fn flush(&mut self, ops: &[OpDescriptor], arena: &[u8]) -> u32 {
        let Self { lane, sink, .. } = self;
        lane.begin_batch(ops.len());
        let mut slot = 0;
        for op in ops {
            slot = sink.free.pop().expect("a slot for each op");
            lane.accept(&OpDescriptor { slot, ..*op }, arena);
        }
        lane.turn_after_batch(256, sink).expect("a ring that can be entered");
        slot
    }

    /// Sleeps by the lane's bell and turns, until every slot is free. How long this thread worked.
    fn come_home(&mut self) -> Duration {
        let mut worked = Duration::ZERO;
        while self.lane.in_flight() > 0 {
            let events = libc::POLLIN;
            let mut asked = libc::pollfd { fd: self.lane.poll_fd(), events, revents: 0 };
            // SAFETY: one pollfd, for the time of the call.
            unsafe { libc::poll(&raw mut asked, 1, -1) };
            let start = Instant::now();
            self.lane.turn(256, &mut self.sink).expect("a ring that can be entered");
            worked += start.elapsed();
        }
        worked
    }

    /// Time on this thread, and until the answer was there.
    fn run(&mut self, ops: &[OpDescriptor], arena: &[u8]) -> [Duration; 2] {
        let start = Instant::now();
        let slot = self.flush(ops, arena);
        let flushed = start.elapsed();
        let worked = self.come_home();
        let answered = start.elapsed();
        assert!(self.sink.result >= 0, "an op failed: {}", self.sink.result);
        // Its memory goes outside the clocks: JavaScript's collector would do that later.
        drop(self.lane.take_owned(slot));
        [flushed + worked, answered]
    }

    fn read(&self, kind: u8, flags: u8, length: usize, number: u64) -> OpDescriptor {
        let pages = ((FILE_BYTES - length) / 4096) as u64 + 1;
        OpDescriptor {
            flags,
            handle: self.file,
            buffer_kind: kind,
            buffer: self.slab,
            length: length as u32,
            offset: number.wrapping_mul(2_654_435_761) % pages * 4096,
            ..OpDescriptor::new(Opcode::Read)
        }
    }
}

/// (c) A cached read by size: on this thread, handed to the worker loop, handed to the kernel's
/// threads. The policy chooses the lane of memory that is the runtime's own.
fn large_reads(bench: &mut Bench) {
    const SIZES: [usize; 7] =
        [16 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20, 4 << 20];
    const WAYS: [(u8, u8); 3] =
        [(buffer_kind::SLAB, 0), (buffer_kind::OWNED, 0), (buffer_kind::SLAB, op_flag::ASYNC)];
    let mut number = 0;
    let rows = SIZES.map(|size| {
        let before = bench.lane.metrics().by_lane;
        bench.run(&[bench.read(WAYS[1].0, WAYS[1].1, size, 0)], &[]);
        let after = bench.lane.metrics().by_lane;
        let lane = (0..after.len()).find(|&lane| after[lane] > before[lane]);
        let lane = ["inline", "ring", "worker", "pool"][lane.expect("a lane that took it")];
        let found = medians(WAYS.len(), 1, |way, times| {
            let (kind, flags) = WAYS[way];
            let mut sums = [Duration::ZERO; 2];
            for _ in 0..times {
                number += 1;
                let taken = bench.run(&[bench.read(kind, flags, size, number)], &[]);
                sums.iter_mut().zip(taken).for_each(|(sum, taken)| *sum += taken);
            }
            sums
        });
        let mut row = vec![size_of_bytes(size), micros(found[0][0]), lane.to_string()];
        row.extend(found[1..].iter().flatten().map(|&ns| micros(ns)));
        row
    });
    print_table(
        "When does a read leave the thread: a cached read, us on this thread and to its answer",
        &[
            "bytes",
            "slab: thread",
            "own memory goes by",
            "thread",
            "answer",
            "kernel's threads: thread",
            "answer",
        ],
        &rows,
    );
}

/// (f) Ops for the pool's threads: handed over one by one, or so many in a batch.
fn hand_overs(bench: &mut Bench) {
    const OPS: usize = 64;
    const WAYS: [(usize, &str); 5] = [
        (1, "each awaited, the pool asleep"),
        (1, "each awaited"),
        (1, "one by one"),
        (8, "8 at a time"),
        (64, "64 at a time"),
    ];
    // Longer than a thread of the pool looks for work before it sleeps.
    const ASLEEP: Duration = Duration::from_micros(200);
    // A ring carries out no read of nothing: a pool thread does, and that costs next to nothing.
    let read = OpDescriptor::new(Opcode::Read);
    let nothing = OpDescriptor { handle: bench.file, flags: op_flag::ASYNC, ..read };
    let before = bench.lane.metrics().by_lane;
    let ops = [nothing; OPS];
    let found = medians(WAYS.len(), OPS as u64, |way, times| {
        let [mut flushed, mut worked, mut whole] = [Duration::ZERO; 3];
        for _ in 0..times {
            let mut left = ops.chunks(WAYS[way].0).peekable();
            while let Some(batch) = left.next() {
                if way == 0 {
                    std::thread::sleep(ASLEEP);
                }
                let start = Instant::now();
                bench.flush(batch, &[]);
                flushed += start.elapsed();
                if way < 2 || left.peek().is_none() {
                    worked += bench.come_home();
                }
                whole += start.elapsed();
            }
        }
        [flushed, flushed + worked, whole]
    });
    let after = bench.lane.metrics().by_lane;
    assert_eq!(before[..3], after[..3], "everything went to the pool");
    let rows: Vec<_> = WAYS
        .iter()
        .zip(found)
        .map(|(way, found)| {
            let mut row = vec![way.1.to_string()];
            row.extend(found.map(micros));
            row
        })
        .collect();
    print_table(
        "Batches for what goes to threads: 64 ops for the pool, us an op",
        &["hand-over", "to hand over", "and to take the answer", "until all are answered"],
        &rows,
    );
}

fn main() {
    let path = std::env::temp_dir().join(format!("wakering-lanes-{}", std::process::id()));
    std::fs::write(&path, vec![7; FILE_BYTES]).expect("room for the file");
    let name = path.to_str().expect("a temporary folder with a name in UTF-8");
    if let Some(mut bench) = Bench::new(name) {
        large_reads(&mut bench);
        hand_overs(&mut bench);
    }
    let _ = std::fs::remove_file(&path);
}
