//! What an op costs on its way through a lane, in nanoseconds: NOP and a cached 4-KiB read at
//! several depths, on both drivers, beside `pread` of the same blocks.
//!
//! `cargo bench -p wakering`

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::os::unix::fs::FileExt;
use std::time::Instant;
use wakering::lane::RecordSink;
use wakering::{Config, DriverChoice, Lane};
use wakering_core::abi::{
    CompletionRecord, HandleId, OpDescriptor, Opcode, buffer_kind, op_flag, statx,
};

const BLOCK: usize = 4096;
const FILE_BLOCKS: u64 = 4096;
const DEPTHS: [u32; 3] = [1, 32, 128];
/// Rounds of each row; the median of them is shown.
const ROUNDS: usize = 9;
const OPS: u64 = 20_000;

struct Sink {
    free: Vec<u32>,
    opened: HandleId,
    failed: i32,
}

impl RecordSink for Sink {
    fn record(&mut self, record: CompletionRecord, _statx: Option<&[u8; statx::BYTES]>) {
        self.free.push(record.slot);
        self.failed = self.failed.min(record.result);
        if !record.handle.is_none() {
            self.opened = record.handle;
        }
    }
}

/// One driver with an open file and a slab.
struct Bench {
    lane: Lane,
    sink: Sink,
    slab: u32,
    file: HandleId,
}

impl Bench {
    /// `memory` outlives the bench.
    fn new(config: Config, path: &str, memory: &mut [u8]) -> Option<Self> {
        let mut lane = match Lane::new(config) {
            Ok(lane) => lane,
            Err((_, why)) => {
                println!("SKIP: {why}");
                return None;
            }
        };
        // SAFETY: the caller keeps it, and looks at it no more while the lane lives.
        let slab = unsafe { lane.lend(memory.as_mut_ptr(), memory.len()) }.ok()?;
        let free = (0..config.slots).rev().collect();
        let sink = Sink { free, opened: HandleId::NONE, failed: 0 };
        let mut bench = Self { lane, sink, slab, file: HandleId::NONE };
        let open = OpDescriptor {
            args: [0, path.len() as u32, 0, 0, 0, 0],
            ..OpDescriptor::new(Opcode::OpenAt)
        };
        bench.batch(1, |_| open, path.as_bytes());
        bench.file = bench.sink.opened;
        Some(bench)
    }

    /// Starts `count` ops and turns until all have come, as a port that awaits them all.
    fn batch(&mut self, count: u32, make: impl Fn(u32) -> OpDescriptor, arena: &[u8]) {
        let Self { lane, sink, .. } = self;
        let all = sink.free.len();
        lane.begin_batch(count as usize);
        for number in 0..count {
            let Some(slot) = sink.free.pop() else { break };
            lane.accept(&OpDescriptor { slot, ..make(number) }, arena);
        }
        let fd = lane.poll_fd();
        loop {
            // An error would leave ops behind: then there is nothing to measure.
            lane.turn(256, sink).expect("a ring that can be entered");
            if sink.free.len() == all {
                return;
            }
            let mut asked = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            // SAFETY: one pollfd, for the time of the call.
            unsafe { libc::poll(&raw mut asked, 1, -1) };
        }
    }

    /// Nanoseconds per op, the median of the rounds.
    fn measure(&mut self, depth: u32, make: impl Fn(&Self, u64) -> OpDescriptor) -> f64 {
        let mut block = 0;
        let rounds = (0..ROUNDS).map(|_| {
            let batches = OPS / u64::from(depth);
            let start = Instant::now();
            for _ in 0..batches {
                let first = block;
                block += u64::from(depth);
                let ops: Vec<_> =
                    (0..depth).map(|number| make(self, first + u64::from(number))).collect();
                self.batch(depth, |number| ops[number as usize], &[]);
            }
            start.elapsed().as_nanos() as f64 / (batches * u64::from(depth)) as f64
        });
        let found = median(rounds.collect());
        assert_eq!(self.sink.failed, 0, "an op failed");
        found
    }

    fn read(&self, number: u64, flags: u8) -> OpDescriptor {
        // Into a few pages, so that the copy finds them in the core's own cache, as pread's does.
        let place = (number % 16) as u32 * BLOCK as u32;
        OpDescriptor {
            flags,
            handle: self.file,
            buffer_kind: buffer_kind::SLAB,
            buffer: self.slab,
            buffer_offset: place,
            length: BLOCK as u32,
            offset: scattered(number),
            ..OpDescriptor::new(Opcode::Read)
        }
    }
}

/// Blocks in an order that no read-ahead guesses.
const fn scattered(number: u64) -> u64 {
    (number.wrapping_mul(2_654_435_761) % FILE_BLOCKS) * BLOCK as u64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn pread(file: &std::fs::File) -> f64 {
    let mut pages = vec![0; 16 * BLOCK];
    let rounds = (0..ROUNDS as u64).map(|round| {
        let start = Instant::now();
        for number in round * OPS..(round + 1) * OPS {
            let place = (number % 16) as usize * BLOCK;
            let block = &mut pages[place..place + BLOCK];
            file.read_exact_at(block, scattered(number)).expect("a block of the file");
        }
        start.elapsed().as_nanos() as f64 / OPS as f64
    });
    median(rounds.collect())
}

fn main() {
    let path = std::env::temp_dir().join(format!("wakering-bench-{}", std::process::id()));
    std::fs::write(&path, vec![7; FILE_BLOCKS as usize * BLOCK]).expect("room for 16 MiB");
    let name = path.to_str().expect("a temporary folder with a name in UTF-8");
    let file = std::fs::File::open(&path).expect("the file that was just written");
    println!("pread, 4 KiB cached: {:.0} ns", pread(&file));
    println!("{:<24} {:>9} {:>9} {:>9}   ns per op, by depth", "", 1, 32, 128);
    for driver in [DriverChoice::Uring, DriverChoice::Poll] {
        for register_buffers in [true, false] {
            let config = Config { driver, register_buffers, ..Config::default() };
            let mut memory = vec![0; 16 * BLOCK];
            let Some(mut bench) = Bench::new(config, name, &mut memory) else { continue };
            let kind = match (driver, register_buffers) {
                (DriverChoice::Uring, true) => "ring, registered",
                (DriverChoice::Uring, false) => "ring, copied",
                _ => "poll",
            };
            let nop = OpDescriptor::new(Opcode::Nop);
            let row = DEPTHS.map(|depth| bench.measure(depth, |_, _| nop));
            print_row(&format!("{kind}: nop"), row);
            let row = DEPTHS.map(|depth| bench.measure(depth, |bench, n| bench.read(n, 0)));
            print_row(&format!("{kind}: read"), row);
            let asynchronous = |bench: &Bench, n| bench.read(n, op_flag::ASYNC);
            let row = DEPTHS.map(|depth| bench.measure(depth, asynchronous));
            print_row(&format!("{kind}: forced read"), row);
            if driver == DriverChoice::Poll {
                // It registers nothing either way.
                break;
            }
        }
    }
    let _ = std::fs::remove_file(&path);
}

fn print_row(name: &str, row: [f64; 3]) {
    println!("{name:<24} {:>9.0} {:>9.0} {:>9.0}", row[0], row[1], row[2]);
}
