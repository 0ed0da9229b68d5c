//! A port as a binding makes one: descriptors and an arena in front of a lane, records behind it.
//!
//! It waits as a binding does, by the lane's descriptor alone: a completion that rings nobody is
//! found by the time bound of [`Port::wait`].

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

mod ops;
pub use ops::*;

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use wakering::lane::RecordSink;
use wakering::{Config, DriverChoice, Lane};
use wakering_core::abi::{
    CompletionRecord, ErrorKind, HandleId, OpDescriptor, SLOT_NONE, completion_flag, port, statx,
};

/// How long a record may take before its test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of the slab that each port lends.
pub const SLAB_BYTES: usize = 1 << 20;
const PAGE: usize = 4096;

/// One answer, with what came beside it.
#[derive(Clone, Debug)]
pub struct Answer {
    pub result: i32,
    pub flags: u32,
    pub handle: HandleId,
    pub statx: Option<Box<[u8; statx::BYTES]>>,
    pub owned: Option<Vec<u8>>,
    /// The content of a small file, wherever it lay.
    pub content: Option<Vec<u8>>,
}

/// Page-aligned memory to lend.
#[derive(Debug)]
pub struct Slab {
    base: *mut u8,
    layout: std::alloc::Layout,
}

impl Slab {
    pub fn new(bytes: usize) -> Self {
        let layout = std::alloc::Layout::from_size_align(bytes, PAGE).unwrap();
        // SAFETY: the size is not zero.
        let base = unsafe { std::alloc::alloc_zeroed(layout) };
        assert!(!base.is_null());
        Self { base, layout }
    }

    pub fn base(&self) -> *mut u8 {
        self.base
    }

    pub fn length(&self) -> usize {
        self.layout.size()
    }

    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the allocation is this long, initialised, and the lane touches it in `turn` alone.
        unsafe { std::slice::from_raw_parts_mut(self.base, self.layout.size()) }
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        // SAFETY: made with this layout; `Port` drops its lane first.
        unsafe { std::alloc::dealloc(self.base, self.layout) }
    }
}

/// A folder that goes when the test ends.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir()).expect("a folder for temporary files")
    }

    pub fn within(parent: &Path) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("wakering-lane-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).ok()?;
        Some(Self(path))
    }

    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn fifo(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        let bytes = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: a path with its NUL.
        assert_eq!(unsafe { libc::mkfifo(bytes.as_ptr(), 0o600) }, 0);
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Records of one turn.
#[derive(Debug, Default)]
pub struct Records {
    list: Vec<(CompletionRecord, Option<[u8; statx::BYTES]>)>,
    content: Vec<u8>,
    used: usize,
}

impl RecordSink for Records {
    fn record(&mut self, mut record: CompletionRecord, statx: Option<&[u8; statx::BYTES]>) {
        if record.brings_content() {
            record.aux = self.used as u32;
            self.used += record.result as usize;
        }
        self.list.push((record, statx.copied()));
    }

    fn content(&mut self) -> &mut [u8] {
        &mut self.content[self.used..]
    }
}

/// See the module's text. Fields are dropped in this order: the lane before its memory.
#[derive(Debug)]
pub struct Port {
    pub lane: Lane,
    pub slab: Slab,
    /// The slab's index.
    pub lent: u32,
    pub folder: Folder,
    /// `uring` or `poll`.
    pub driver: &'static str,
    /// Records that one turn may bring.
    pub records_max: usize,
    batch: Vec<OpDescriptor>,
    arena: Vec<u8>,
    /// Where contents of small files come; as long as the port's area by default.
    pub content: Vec<u8>,
    free: Vec<u32>,
    under_way: Vec<bool>,
    answers: HashMap<u32, Answer>,
}

/// Prints why a test cannot say anything here.
#[expect(clippy::print_stderr, reason = "a skip says why")]
pub fn skip(reason: impl std::fmt::Display) {
    eprintln!("SKIP: {reason}");
}

/// One test at a time: descriptors and threads are counted by process.
static SERIAL: Mutex<()> = Mutex::new(());

/// Runs `test` on a lane of each driver.
pub fn each(config: Config, mut test: impl FnMut(&mut Port)) {
    let _one = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for driver in [DriverChoice::Uring, DriverChoice::Poll] {
        if let Some(mut port) = Port::open(Config { driver, ..config }) {
            test(&mut port);
        }
    }
}

/// Runs `test` with each driver's config, for tests that make their lanes themselves.
pub fn each_config(config: Config, mut test: impl FnMut(Config)) {
    let _one = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    for driver in [DriverChoice::Uring, DriverChoice::Poll] {
        let config = Config { driver, ..config };
        if Port::open(config).is_some() {
            test(config);
        }
    }
}

/// Runs `test` on a lane with a ring.
pub fn on_a_ring(config: Config, test: impl FnOnce(&mut Port)) {
    let _one = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(mut port) = Port::open(Config { driver: DriverChoice::Uring, ..config }) {
        test(&mut port);
    }
}

/// A lane of few slots.
pub fn small() -> Config {
    Config { slots: 64, ..Config::default() }
}

impl Port {
    /// `None`, with a printed reason, where the kernel refuses this driver.
    pub fn open(config: Config) -> Option<Self> {
        let mut lane = match Lane::new(config) {
            Ok(lane) => lane,
            Err((error, why)) => {
                assert_eq!(config.driver, DriverChoice::Uring, "{error}: {why}");
                skip(format!("no ring: {why}"));
                return None;
            }
        };
        let slab = Slab::new(SLAB_BYTES);
        // SAFETY: the slab is dropped after the lane.
        let lent = unsafe { lane.lend(slab.base, SLAB_BYTES) }.unwrap();
        let driver = if config.driver == DriverChoice::Uring { "uring" } else { "poll" };
        assert_eq!(lane.capabilities().driver, driver);
        Some(Self {
            lane,
            slab,
            lent,
            folder: Folder::new(),
            driver,
            records_max: 256,
            batch: Vec::new(),
            arena: Vec::new(),
            content: vec![0; port::CONTENT_BYTES],
            free: (0..config.slots).rev().collect(),
            under_way: vec![false; config.slots as usize],
            answers: HashMap::new(),
        })
    }

    /// Puts bytes into the arena; where they begin.
    pub fn put(&mut self, bytes: &[u8]) -> u32 {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        start as u32
    }

    /// Puts a path into the arena; the two words that name it.
    pub fn put_path(&mut self, path: impl AsRef<Path>) -> [u32; 2] {
        let bytes = path.as_ref().as_os_str().as_bytes();
        [self.put(bytes), bytes.len() as u32]
    }

    /// Adds a descriptor to the batch, in a free slot unless it names one. The slot.
    pub fn push(&mut self, mut d: OpDescriptor) -> u32 {
        if d.slot == SLOT_NONE {
            d.slot = self.free.pop().expect("a free slot");
        } else {
            self.free.retain(|&slot| slot != d.slot);
        }
        assert!(!std::mem::replace(&mut self.under_way[d.slot as usize], true));
        self.batch.push(d);
        d.slot
    }

    /// Adds a descriptor that uses no slot: a cancel.
    pub fn push_cancel(&mut self, d: OpDescriptor) {
        self.batch.push(d);
    }

    /// Hands over the batch, turns once, and keeps what came. How many records.
    pub fn flush(&mut self) -> usize {
        self.lane.begin_batch(self.batch.len());
        for d in std::mem::take(&mut self.batch) {
            self.lane.accept(&d, &self.arena);
        }
        self.arena.clear();
        let content = std::mem::take(&mut self.content);
        let mut records = Records { content, ..Records::default() };
        let done = self.lane.turn_after_batch(self.records_max, &mut records).unwrap();
        assert_eq!(done, records.list.len(), "turn says how many records there were");
        assert!(done <= self.records_max);
        self.content = records.content;
        for (record, statx) in records.list {
            self.keep(record, statx);
        }
        done
    }

    fn keep(&mut self, record: CompletionRecord, statx: Option<[u8; statx::BYTES]>) {
        let slot = record.slot;
        assert!(
            std::mem::take(&mut self.under_way[slot as usize]),
            "a record that nobody asked for: {record:?}"
        );
        let owned = match record.flags & completion_flag::OWNED {
            0 => None,
            _ => Some(self.lane.take_owned(slot).expect("the memory that the record names")),
        };
        let CompletionRecord { result, flags, handle, .. } = record;
        let content = match (flags & completion_flag::CONTENT, &owned) {
            (0, _) => None,
            (_, Some(owned)) => Some(owned.clone()),
            (_, None) => Some(self.content[record.aux as usize..][..result as usize].to_vec()),
        };
        let answer = Answer { result, flags, handle, statx: statx.map(Box::new), owned, content };
        let before = self.answers.insert(slot, answer);
        assert!(before.is_none(), "a slot is used again before its answer was taken: {before:?}");
    }

    /// Whether the lane's descriptor is readable within `time`.
    pub fn is_rung(&mut self, time: Duration) -> bool {
        let mut asked = libc::pollfd { fd: self.lane.poll_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, for the time of the call.
        unsafe { libc::poll(&raw mut asked, 1, time.as_millis() as i32) > 0 }
    }

    /// The answer of an op that is under way: flushes once, then turns when the bell rings.
    pub fn wait(&mut self, slot: u32) -> Answer {
        let end = Instant::now() + PATIENCE;
        if !self.batch.is_empty() {
            self.flush();
        }
        loop {
            if let Some(answer) = self.answer(slot) {
                return answer;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{}: no record for slot {slot} in time", self.driver);
            if self.is_rung(left) {
                self.flush();
            }
        }
    }

    /// The answer, if it is there by now without waiting; its slot is free from then on.
    pub fn answer(&mut self, slot: u32) -> Option<Answer> {
        let answer = self.answers.remove(&slot)?;
        self.free.push(slot);
        Some(answer)
    }

    /// Whether the slot's op has not answered.
    pub fn is_under_way(&self, slot: u32) -> bool {
        self.under_way[slot as usize]
    }

    /// Turns when the bell rings, for `time`; whether the op has still not answered then.
    pub fn stays_silent(&mut self, slot: u32, time: Duration) -> bool {
        let end = Instant::now() + time;
        if !self.batch.is_empty() {
            self.flush();
        }
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if self.answers.contains_key(&slot) || left.is_zero() {
                return !self.answers.contains_key(&slot);
            }
            if self.is_rung(left) {
                self.flush();
            }
        }
    }

    /// Starts and waits.
    pub fn run(&mut self, d: OpDescriptor) -> Answer {
        let slot = self.push(d);
        self.wait(slot)
    }

    /// Starts, publishes, and lets it be. The slot.
    pub fn start(&mut self, d: OpDescriptor) -> u32 {
        let slot = self.push(d);
        self.flush();
        slot
    }

    /// Opens; the handle.
    pub fn open_file(&mut self, path: impl AsRef<Path>, flags: i32) -> HandleId {
        let d = open(self, path, flags);
        let answer = self.run(d);
        assert!(answer.result >= 0, "open: {}", answer.result);
        assert_ne!(answer.flags & completion_flag::OPENED, 0);
        answer.handle
    }

    /// Closes; asserts that it went well.
    pub fn close_file(&mut self, handle: HandleId) {
        assert_eq!(self.run(close(handle)).result, 0);
    }

    /// Asserts that the lane is as it was when it was new.
    pub fn is_idle(&mut self) {
        assert_eq!(self.lane.in_flight(), 0);
        assert_eq!(self.lane.keeping_alive(), 0);
        assert!(!self.lane.has_answers());
        assert!(self.under_way.iter().all(|under_way| !under_way));
    }

    /// What is not answered, in the lane's view and in ours, is the same.
    pub fn counts_agree(&mut self) {
        let ours = self.under_way.iter().filter(|under_way| **under_way).count();
        assert_eq!(self.lane.in_flight(), ours);
    }
}

/// Open descriptors of this process.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Threads of this runtime in this process, by name.
pub fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.map(|name| name.trim().to_string()).filter(|name| name.starts_with("wakering")).collect()
}

/// As a record's result.
pub const fn kind(kind: ErrorKind) -> i32 {
    kind.to_result()
}

/// Waits until `f` says yes; fails where it does not in time.
pub fn until(what: &str, mut f: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !f() {
        assert!(Instant::now() < end, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(1));
    }
}
