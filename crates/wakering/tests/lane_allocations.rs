//! How often an op allocates, on any thread, once its lane is warm: never, but for memory that it
//! hands over.
//!
//! | op | allocations of Rust code |
//! |---|---|
//! | Nop, Timeout, Cancel, Read and Write of slabs, Statx, OpenAt, Close, refusals | 0 |
//! | Read with an owned result | 1: the result |
//! | Write of staged data | 0 here; 1 by whoever stages it |
//! | Readlink | 1: the result |
//! | Realpath | 4: names on the way to the result |
//! | Readdir | as often as the result grows: twice for two short names |
//!
//! libc's own allocations are not seen: there are some for the signal that cancels a pool thread.

#[path = "../../core/tests/support/counting.rs"]
mod counting;
mod support;

use counting::allocations;
use std::time::Duration;
use support::{Folder, SLAB_BYTES, Slab, cancel, each_config, forced, sleep};
use wakering::lane::RecordSink;
use wakering::{Config, Lane};
use wakering_core::abi::{
    CompletionRecord, HandleId, OpDescriptor, Opcode, buffer_kind, op_flag, statx,
};

const SLOTS: u32 = 64;
const OPS: u64 = 100_000;
const WARM: u64 = 5_000;

/// A sink that counts, and knows the last handle that was opened.
struct Sink {
    free: Vec<u32>,
    done: u64,
    well: u64,
    opened: Vec<HandleId>,
    owned: Vec<u32>,
}

impl Sink {
    fn new() -> Self {
        Self {
            free: (0..SLOTS).rev().collect(),
            done: 0,
            well: 0,
            opened: Vec::with_capacity(SLOTS as usize),
            owned: Vec::with_capacity(SLOTS as usize),
        }
    }
}

impl RecordSink for Sink {
    fn record(&mut self, record: CompletionRecord, _statx: Option<&[u8; statx::BYTES]>) {
        self.free.push(record.slot);
        self.done += 1;
        self.well += u64::from(record.result >= 0 || record.result == -libc::ETIME);
        if !record.handle.is_none() {
            self.opened.push(record.handle);
        }
        if record.flags & wakering_core::abi::completion_flag::OWNED != 0 {
            self.owned.push(record.slot);
        }
    }
}

/// Runs `ops` in batches of `depth`; how many allocations there were after the first ones.
fn count(
    lane: &mut Lane,
    arena: &[u8],
    ops: u64,
    depth: usize,
    mut next: impl FnMut(&mut Sink, u64) -> OpDescriptor,
    mut taken: impl FnMut(Option<Vec<u8>>),
) -> (u64, Sink) {
    let mut sink = Sink::new();
    let poll_fd = lane.poll_fd();
    let (mut started, mut before) = (0, 0);
    while sink.done < WARM + ops {
        if sink.done < WARM {
            before = allocations();
        }
        let begin = depth.min(sink.free.len());
        lane.begin_batch(begin);
        for _ in 0..begin {
            let d = next(&mut sink, started);
            let slot = match d.opcode == Opcode::Cancel as u8 {
                true => d.slot,
                false => sink.free.pop().unwrap(),
            };
            lane.accept(&OpDescriptor { slot, ..d }, arena);
            started += 1;
        }
        if lane.turn(256, &mut sink).unwrap() == 0 {
            let mut asked = libc::pollfd { fd: poll_fd, events: libc::POLLIN, revents: 0 };
            // SAFETY: one pollfd, for the time of the call.
            unsafe { libc::poll(&raw mut asked, 1, 1000) };
        }
        for slot in sink.owned.drain(..) {
            taken(lane.take_owned(slot));
        }
    }
    let after = allocations();
    while lane.in_flight() > 0 {
        lane.accept(&OpDescriptor::new(Opcode::CancelAll), &[]);
        lane.turn(256, &mut sink).unwrap();
    }
    (after - before, sink)
}

/// The lane is dropped before its memory.
struct Place {
    lane: Lane,
    arena: Vec<u8>,
    file: HandleId,
    slab: u32,
    _memory: Slab,
    folder: Folder,
}

fn place(config: Config) -> Place {
    let mut lane = Lane::new(config).unwrap();
    let memory = Slab::new(SLAB_BYTES);
    // SAFETY: the slab is dropped after the lane.
    let slab = unsafe { lane.lend(memory.base(), memory.length()) }.unwrap();
    let folder = Folder::new();
    let path = folder.file("file", &[9; 4096]);
    std::os::unix::fs::symlink("file", folder.0.join("link")).unwrap();
    let arena = path.as_os_str().as_encoded_bytes().to_vec();
    let open = OpDescriptor {
        args: [0, arena.len() as u32, 0, 0, 0, 0],
        ..OpDescriptor::new(Opcode::OpenAt)
    };
    let opened = first_handle(&mut lane, &arena, open);
    Place { lane, arena, file: opened, slab, _memory: memory, folder }
}

fn first_handle(lane: &mut Lane, arena: &[u8], open: OpDescriptor) -> HandleId {
    let mut sink = Sink::new();
    lane.accept(&OpDescriptor { slot: 0, ..open }, arena);
    while sink.done == 0 {
        lane.turn(1, &mut sink).unwrap();
        std::thread::sleep(Duration::from_micros(100));
    }
    sink.opened[0]
}

#[test]
fn a_hundred_thousand_ops_of_each_kind_allocate_nothing() {
    // One pool thread: it is started once, and stays.
    let config = Config { slots: SLOTS, pool_threads: 1, ..Config::default() };
    each_config(config, |config| {
        for (register_buffers, ops) in [(true, OPS), (false, OPS / 5)] {
            let mut place = place(Config { register_buffers, ..config });
            let Place { lane, arena, file, slab, .. } = &mut place;
            let named = |opcode| OpDescriptor {
                args: [0, arena.len() as u32, 0, 0, 0, 0],
                ..OpDescriptor::new(opcode)
            };
            let read = OpDescriptor {
                handle: *file,
                buffer_kind: buffer_kind::SLAB,
                buffer: *slab,
                length: 512,
                ..OpDescriptor::new(Opcode::Read)
            };
            let stat = OpDescriptor {
                args: [0, arena.len() as u32, 0, 0, libc::STATX_BASIC_STATS, 0],
                ..OpDescriptor::new(Opcode::Statx)
            };
            let kinds: [(&str, usize, OpDescriptor); 9] = [
                ("nop", 32, OpDescriptor::new(Opcode::Nop)),
                ("read alone", 1, read),
                ("read", 32, read),
                ("forced read", 32, forced(read)),
                ("stat", 32, stat),
                ("forced stat", 16, forced(stat)),
                ("timer", 32, sleep(1000)),
                ("refusal", 32, OpDescriptor { opcode: 99, ..read }),
                ("bad buffer", 32, OpDescriptor { buffer: 77, ..read }),
            ];
            for (what, depth, d) in kinds {
                let (counted, sink) = count(lane, arena, ops, depth, |_, _| d, drop);
                assert_eq!(counted, 0, "{:?}: {what}", config.driver);
                let refused = d.opcode == 99 || d.buffer == 77;
                assert!(refused == (sink.well == 0), "{what}: {} went well", sink.well);
            }
            let open = named(Opcode::OpenAt);
            let open_and_close = |sink: &mut Sink, _| match sink.opened.pop() {
                Some(handle) => OpDescriptor { handle, ..OpDescriptor::new(Opcode::Close) },
                None => open,
            };
            let (counted, sink) = count(lane, arena, ops, 8, open_and_close, drop);
            assert_eq!(counted, 0, "{:?}: open and close", config.driver);
            assert!(sink.well >= ops);
            let cancelled = |sink: &mut Sink, number| match number % 2 {
                0 => sleep(u64::MAX),
                // What was started just before.
                _ => cancel(sink.free.len() as u32 % SLOTS),
            };
            let (counted, _) = count(lane, arena, ops / 4, 32, cancelled, drop);
            assert_eq!(counted, 0, "{:?}: cancels", config.driver);
            assert!(lane.metrics().cancels > 0);
        }
    });
    owned_results_are_counted();
}

/// In the same test: another at the same time would be counted, too.
fn owned_results_are_counted() {
    let config = Config { slots: SLOTS, pool_threads: 1, ..Config::default() };
    each_config(config, |config| {
        let mut place = place(config);
        let Place { lane, arena, file, folder, .. } = &mut place;
        let read = OpDescriptor {
            handle: *file,
            flags: op_flag::OWNED_RESULT,
            buffer_kind: buffer_kind::OWNED,
            length: 4096,
            ..OpDescriptor::new(Opcode::Read)
        };
        let ops = OPS / 10;
        let some = |owned: Option<Vec<u8>>| assert!(owned.is_some_and(|owned| !owned.is_empty()));
        let (counted, _) = count(lane, arena, ops, 32, |_, _| read, some);
        assert_eq!(per_op(counted, ops), 1, "{:?}: owned reads", config.driver);
        let names = [(Opcode::Readlink, "link", 1), (Opcode::Realpath, "link", 4)];
        for (opcode, name, expected) in names.into_iter().chain([(Opcode::Readdir, ".", 2)]) {
            let path = folder.0.join(name);
            let path = path.as_os_str().as_encoded_bytes();
            let args = [0, path.len() as u32, 0, 0, 0, 0];
            let d = OpDescriptor { args, ..OpDescriptor::new(opcode) };
            let (counted, _) = count(lane, path, ops, 8, |_, _| d, some);
            assert_eq!(per_op(counted, ops), expected, "{:?}: {opcode:?}", config.driver);
        }
    });
}

/// Rounded: ops that were under way when counting began were counted in part.
fn per_op(counted: u64, ops: u64) -> u64 {
    (counted + ops / 2) / ops
}
