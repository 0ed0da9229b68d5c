//! Descriptors made of chance: nothing panics, nothing outside the lane's memory is touched (the run
//! under AddressSanitizer sees to that for our own reads and writes; what the kernel writes is
//! invisible to it), and each descriptor that names a free slot has exactly one record.
//!
//! Every name is relative and of few letters, so that nothing beyond a folder of our own is reached,
//! and no file grows beyond a megabyte.

mod support;

use std::time::{Duration, Instant};
use support::{Folder, SLAB_BYTES, Slab, each_config, skip, until};
use wakering::lane::RecordSink;
use wakering::{Config, Lane};
use wakering_core::abi::{
    CompletionRecord, HandleId, OpDescriptor, Opcode, buffer_kind, completion_flag, op_flag, statx,
};
use wakering_core::random::Random;

const SLOTS: u32 = 128;
const ARENA_BYTES: usize = 8192;
/// Where segments lie in the arena, which names leave alone.
const SEGMENTS_AT: usize = ARENA_BYTES - 1000;
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Counts records and remembers the last handles.
struct Watch {
    under_way: Vec<bool>,
    handles: Vec<HandleId>,
    /// Handles that were in their place before: perhaps still open.
    forgotten: Vec<HandleId>,
    records: u64,
    /// Records of ops that did something.
    well: u64,
    opened: u64,
    owned: Vec<u32>,
}

impl RecordSink for Watch {
    fn record(&mut self, record: CompletionRecord, statx: Option<&[u8; statx::BYTES]>) {
        let under_way = &mut self.under_way[record.slot as usize];
        assert!(std::mem::take(under_way), "a second record, or an unasked one: {record:?}");
        assert!(statx.is_none() || record.result == 0);
        self.well += u64::from(record.result >= 0);
        if record.flags & completion_flag::OPENED != 0 {
            let place = record.slot as usize % self.handles.len();
            let before = std::mem::replace(&mut self.handles[place], record.handle);
            self.forgotten.push(before);
            self.opened += 1;
        }
        if record.flags & completion_flag::OWNED != 0 {
            self.owned.push(record.slot);
        }
        self.records += 1;
    }
}

/// Chance, with a leaning towards what makes sense.
struct Chance {
    random: Random,
    lent: Vec<u32>,
}

impl Chance {
    fn one_in(&mut self, chances: u64) -> bool {
        self.random.below(chances) == 0
    }

    fn word(&mut self) -> u32 {
        let bits = self.random.next_u64();
        match bits % 5 {
            0 => (bits >> 32) as u32,
            1 => (bits >> 32) as u32 % 16,
            2 => u32::MAX - (bits >> 32) as u32 % 16,
            3 => 1 << ((bits >> 32) % 32),
            _ => (bits >> 32) as u32 % 5000,
        }
    }

    /// An op that could well be meant: a name of one or two letters, an open file, a good buffer.
    fn sound(&mut self, watch: &Watch) -> OpDescriptor {
        const FLAGS: [i32; 6] = [
            libc::O_RDWR | libc::O_CREAT,
            libc::O_RDWR | libc::O_CREAT | libc::O_APPEND,
            libc::O_RDONLY,
            libc::O_WRONLY | libc::O_NONBLOCK,
            libc::O_RDONLY | libc::O_DIRECTORY,
            libc::O_PATH,
        ];
        let mut opcode = Opcode::ALL[self.random.below(Opcode::ALL.len() as u64) as usize];
        // What a port has not is refused, whatever else it says: once in a while will do.
        while is_of_rust_lanes(opcode) && !self.one_in(8) {
            opcode = Opcode::ALL[self.random.below(Opcode::ALL.len() as u64) as usize];
        }
        let ends = [Opcode::Close, Opcode::CancelAll, Opcode::CancelHandle, Opcode::Unlinkat];
        if ends.contains(&opcode) && !self.one_in(4) {
            opcode = Opcode::OpenAt;
        }
        let by_name = matches!(opcode as u8, 1 | 11..=16 | 32..=39);
        let owned = self.one_in(3);
        let length_max = if self.one_in(50) { 600_000 } else { 6000 };
        let length = self.random.below(length_max) as u32;
        let names = [0; 2].map(|_| self.random.below(SEGMENTS_AT as u64 - 2) as u32);
        let count = self.random.below(40) as u32;
        let [first, second] = match opcode {
            Opcode::Readv | Opcode::Writev => [[SEGMENTS_AT as u32, count], [0, 0]],
            _ => [[names[0], 1 + count % 2], [names[1], 1 + count % 3 % 2]],
        };
        let some_handle = watch.handles[self.random.below(watch.handles.len() as u64) as usize];
        OpDescriptor {
            opcode: opcode as u8,
            flags: [0, 0, 0, op_flag::ASYNC, op_flag::UNREF][self.random.below(5) as usize],
            buffer_kind: if owned { buffer_kind::OWNED } else { buffer_kind::SLAB },
            reserved: 0,
            slot: self.random.below(SLOTS.into()) as u32,
            handle: if by_name && !self.one_in(8) { HandleId::NONE } else { some_handle },
            buffer: self.lent[0],
            buffer_offset: self.random.below(400_000) as u32,
            length,
            op_flags: if opcode == Opcode::OpenAt {
                FLAGS[self.random.below(FLAGS.len() as u64) as usize] as u32
            } else {
                0
            },
            offset: if self.one_in(4) { u64::MAX } else { self.random.below(50_000) },
            args: [first[0], first[1], second[0], second[1], 0o600, 0],
        }
    }

    /// A sound op, or one with some of its words replaced, or nothing but chance.
    fn descriptor(&mut self, watch: &Watch) -> OpDescriptor {
        let mut d = self.sound(watch);
        let replaced = match self.random.below(8) {
            0..=4 => 0,
            5 | 6 => 1,
            _ => 16,
        };
        for _ in 0..replaced {
            match self.random.below(12) {
                0 => d.opcode = self.random.next_u64() as u8,
                1 => d.flags = self.random.next_u64() as u8,
                2 => d.buffer_kind = self.random.below(5) as u8,
                3 => d.slot = self.word(),
                4 => d.handle.index = self.word(),
                5 => d.handle.generation = self.word(),
                6 => d.buffer = self.word(),
                7 => d.buffer_offset = self.word(),
                8 => d.length = self.word(),
                9 => d.op_flags = self.word(),
                10 => d.offset = self.random.next_u64(),
                _ => d.args[self.random.below(6) as usize] = self.word(),
            }
        }
        d
    }
}

/// Whether a port refuses it: the ops between those of files and those of the pool, and sockets.
const fn is_of_rust_lanes(opcode: Opcode) -> bool {
    matches!(opcode as u8, 22..=31 | 40..)
}

const fn is_a_cancel(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Cancel | Opcode::CancelHandle | Opcode::CancelAll)
}

struct Play {
    lane: Lane,
    watch: Watch,
    chance: Chance,
    arena: Vec<u8>,
}

impl Play {
    /// Whether the op may be handed over: no name leads out of our folder.
    fn is_harmless(d: &OpDescriptor, arena: &[u8]) -> bool {
        let name = |at: usize| {
            let (start, length) = (d.args[at] as usize, d.args[at + 1] as usize);
            let name = arena.get(start..start.saturating_add(length)).unwrap_or(b"");
            !name.contains(&b'/') && !name.windows(2).any(|two| two == b"..")
        };
        name(0) && name(2)
    }

    fn batch(&mut self) {
        let count = 1 + self.chance.random.below(64) as usize;
        self.lane.begin_batch(count);
        for _ in 0..count {
            let d = self.chance.descriptor(&self.watch);
            if !Self::is_harmless(&d, &self.arena) {
                continue;
            }
            if self.chance.one_in(8) {
                let slot = self.chance.word();
                let _ = self.lane.stage(slot, vec![7; 1000]);
            }
            let opcode = Opcode::from_number(d.opcode);
            let asks = opcode.is_some_and(is_a_cancel);
            let malformed = self.lane.metrics().malformed;
            self.lane.accept(&d, &self.arena);
            if !asks && self.lane.metrics().malformed == malformed {
                let under_way = &mut self.watch.under_way[d.slot as usize];
                assert!(!std::mem::replace(under_way, true), "a slot was claimed twice");
            }
        }
        self.turn();
    }

    fn turn(&mut self) -> usize {
        let done = self.lane.turn(256, &mut self.watch).unwrap();
        for slot in self.watch.owned.drain(..) {
            assert!(self.lane.take_owned(slot).is_some());
        }
        // Closed, or the table would be full soon, and no open succeed.
        while let Some(free) = self.watch.under_way.iter().position(|under_way| !under_way)
            && let Some(handle) = self.watch.forgotten.pop()
        {
            self.watch.under_way[free] = true;
            let close = OpDescriptor::new(Opcode::Close);
            self.lane.accept(&OpDescriptor { slot: free as u32, handle, ..close }, &[]);
        }
        done
    }

    /// Everything is given up; what is left comes home.
    fn end_all(&mut self) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.lane.in_flight() > 0 {
            let all = OpDescriptor::new(Opcode::CancelAll);
            self.lane.accept(&all, &[]);
            self.turn();
            assert!(Instant::now() < end, "{} are left", self.lane.in_flight());
            std::thread::sleep(Duration::from_micros(100));
        }
        assert!(self.watch.under_way.iter().all(|under_way| !under_way));
        assert_eq!(self.lane.keeping_alive(), 0);
    }
}

/// Names of a few letters, some with a NUL or a dot, none with a slash; and forty segments.
fn arena(random: &mut Random) -> Vec<u8> {
    let letter = |random: &mut Random| match random.below(40) {
        0 => 0,
        1 => b'.',
        2 => 0xFF,
        _ => b'a' + random.below(4) as u8,
    };
    let mut arena: Vec<u8> = (0..ARENA_BYTES).map(|_| letter(random)).collect();
    for segment in arena[SEGMENTS_AT..].chunks_exact_mut(12).take(40) {
        // Letters make a large number: it is the place that is wrong, of one in eight.
        let place = if random.below(8) == 0 { b'a' } else { 0 };
        segment[..4].fill(0);
        segment[4..8].copy_from_slice(&[1, 2, 3, place]);
        segment[8..].copy_from_slice(&[100, 1, 0, 0]);
    }
    arena
}

fn play(config: Config, seed: u64, descriptors_max: u64) {
    let mut lane = Lane::new(config).unwrap();
    let slabs = [Slab::new(SLAB_BYTES), Slab::new(4096)];
    let mut random = Random::new(seed);
    let lent = slabs.iter().map(|slab| {
        // SAFETY: the slabs are dropped after the lane.
        unsafe { lane.lend(slab.base(), slab.length()) }.unwrap()
    });
    let lent: Vec<_> = lent.collect();
    let arena = arena(&mut random);
    let watch = Watch {
        under_way: vec![false; SLOTS as usize],
        handles: vec![HandleId::NONE; 16],
        forgotten: Vec::new(),
        records: 0,
        well: 0,
        opened: 0,
        owned: Vec::new(),
    };
    let mut play = Play { lane, watch, chance: Chance { random, lent }, arena };
    let mut rounds = 0;
    while play.watch.records < descriptors_max {
        play.batch();
        rounds += 1;
        if rounds % 256 == 0 {
            play.end_all();
        }
    }
    play.end_all();
    // It was not all refused: every op was tried, and many did what they are for.
    let metrics = play.lane.metrics();
    for &opcode in Opcode::ALL.iter().filter(|&&opcode| !is_a_cancel(opcode)) {
        assert!(metrics.completed[opcode as usize] > descriptors_max / 1000, "{opcode:?}");
    }
    assert!(metrics.malformed > 0 && metrics.bytes_read > 0 && metrics.bytes_written > 0);
    assert!(play.watch.well > descriptors_max / 20 && play.watch.opened > descriptors_max / 100);
    let left = play.lane.shut_down(Duration::from_secs(10));
    assert_eq!((left.stuck, left.threads), (0, 0));
    drop(play);
    until("threads end", || support::threads().is_empty());
}

#[test]
fn a_million_descriptors_of_chance_each_have_one_record() {
    // Emulated machines are slow.
    let slow = std::env::var_os("WAKERING_SLOW").is_some();
    let count = if slow { 50_000 } else { 1_000_000 };
    let Some(folder) = enter_a_folder() else { return skip("no folder in memory") };
    bound_files();
    let config = Config { slots: SLOTS, handles_max: 64, ..Config::default() };
    each_config(config, |config| {
        let first = std::env::var("WAKERING_SEED").ok().and_then(|seed| seed.parse().ok());
        let first = first.unwrap_or(1);
        for (seed, register_buffers) in [(first, true), (first + 1, false)] {
            play(Config { register_buffers, ..config }, seed, count / 2);
        }
    });
    drop(folder);
}

/// A folder of our own as working directory, in memory where that is possible.
fn enter_a_folder() -> Option<Folder> {
    let memory = std::path::Path::new("/dev/shm");
    let folder = match Folder::within(memory) {
        Some(folder) => folder,
        None => Folder::new(),
    };
    std::env::set_current_dir(&folder.0).ok()?;
    folder.fifo("ab");
    Some(folder)
}

/// Whatever writes beyond that is refused with EFBIG, and no signal is sent for it.
fn bound_files() {
    let limit = libc::rlimit { rlim_cur: FILE_BYTES_MAX, rlim_max: FILE_BYTES_MAX };
    // SAFETY: reads a local.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
    // SAFETY: ignoring a signal is safe in any context.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}
