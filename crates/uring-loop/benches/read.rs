//! What one op costs on this machine, in nanoseconds: NOP and a cached 4-KiB read, at several
//! depths, over each kind of ring, beside `pread`.
//!
//! `cargo bench -p wakering-uring-loop`

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wakering_core::abi::Opcode;
use wakering_core::resource::Prepared;
use wakering_core::slab::FreeList;
use wakering_core::waker::WakerRef;
use wakering_core::{Driver, Home};
use wakering_uring_loop::{Sqpoll, UringConfig, UringDriver};

const BLOCK: usize = 4096;
const FILE_BLOCKS: u64 = 16_384;
const OPS: u64 = 200_000;
const DEPTHS: [u32; 3] = [1, 32, 128];

struct Lane<'a> {
    home: Arc<Home>,
    driver: UringDriver,
    free: FreeList,
    memory: &'a mut [u8],
    registered: u16,
    file: u32,
    fd: RawFd,
    timeout: Option<Duration>,
}

impl<'a> Lane<'a> {
    fn new(
        config: UringConfig,
        memory: &'a mut [u8],
        fd: RawFd,
        timeout: Option<Duration>,
    ) -> Option<Self> {
        let home = Arc::new(Home::new(256).ok()?);
        let mut driver = match UringDriver::new(config, home.clone()) {
            Ok(driver) => driver,
            Err(refused) => {
                println!("SKIP: {refused}");
                return None;
            }
        };
        // SAFETY: the memory outlives the driver, and nobody else reaches it meanwhile.
        let registered =
            unsafe { driver.register_buffer(memory.as_mut_ptr(), memory.len()) }.ok()?;
        let file = driver.register_file(fd).ok()?;
        let free = FreeList::new(&home.slab);
        Some(Self { home, driver, free, memory, registered, file, fd, timeout })
    }

    /// Nanoseconds per op.
    fn run(&mut self, opcode: Opcode, depth: u32) -> f64 {
        let start = Instant::now();
        let mut random = 1u64;
        let (mut started, mut done) = (0, 0);
        while done < OPS {
            while started < OPS && started - done < u64::from(depth) {
                let Ok(token) = self.free.claim(&self.home.slab, WakerRef::NOBODY) else { break };
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let place = token.index() as usize * BLOCK;
                let prepared = Prepared {
                    registered: self.registered,
                    fd: self.fd,
                    fixed_file: self.file,
                    address: self.memory[place..].as_mut_ptr(),
                    length: BLOCK as u32,
                    offset: (random >> 33) % FILE_BLOCKS * BLOCK as u64,
                    ..Prepared::new(opcode)
                };
                let slot = self.home.slab.slot(token);
                // SAFETY: Queued, on the owning thread.
                unsafe { slot.with_resource(|resource| resource.prepared = prepared) };
                self.driver.enqueue(token).expect("room for every slot");
                started += 1;
            }
            let Self { home, driver, free, timeout, .. } = self;
            driver
                .turn(*timeout, usize::MAX, &mut |completion| {
                    let token = completion.token;
                    let result = home.slab.slot(token).take(token, |taken, _| taken.outcome.result);
                    assert!(result.is_some_and(|result| result >= 0), "{result:?}");
                    free.give_back(token.index());
                    done += 1;
                })
                .expect("turn");
        }
        start.elapsed().as_nanos() as f64 / OPS as f64
    }
}

fn row(name: &str, lane: Option<Lane<'_>>) {
    let Some(mut lane) = lane else { return };
    for opcode in [Opcode::Nop, Opcode::Read] {
        let times: Vec<_> = DEPTHS
            .iter()
            .map(|&depth| {
                lane.run(opcode, depth);
                let best = (0..3).map(|_| lane.run(opcode, depth)).fold(f64::MAX, f64::min);
                format!("{best:8.0}")
            })
            .collect();
        println!("{name:<22} {:<6} {}", opcode.name(), times.join(" "));
    }
    println!("{:<22} {:?}", "", lane.driver.counters());
}

fn main() {
    let path = std::env::temp_dir().join(format!("wakering-bench-{}", std::process::id()));
    std::fs::write(&path, vec![7u8; FILE_BLOCKS as usize * BLOCK]).expect("a file to read");
    let file = std::fs::File::open(&path).expect("the file just written");
    std::fs::remove_file(&path).expect("its name is not needed");
    let mut buffer = [0u8; BLOCK];
    let start = Instant::now();
    let mut random = 1u64;
    for _ in 0..OPS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        file.read_at(&mut buffer, (random >> 33) % FILE_BLOCKS * BLOCK as u64).expect("read");
    }
    println!("ns per op, best of three; depth {DEPTHS:?}");
    println!("{:<22} Read   {:8.0}", "pread", start.elapsed().as_nanos() as f64 / OPS as f64);
    let fd = file.as_raw_fd();
    // The same pages for every row, because fresh ones cost a fifth more.
    let mut pages = vec![1u8; 257 * BLOCK];
    let start = pages.as_ptr().align_offset(BLOCK);
    let memory = &mut pages[start..][..256 * BLOCK];
    let zero = Some(Duration::ZERO);
    row("inline", Lane::new(UringConfig::inline(256), memory, fd, zero));
    row("worker", Lane::new(UringConfig::worker(256), memory, fd, None));
    let cpu = std::thread::available_parallelism().map_or(0, |cpus| cpus.get() as u32 - 1);
    let sqpoll = Sqpoll { cpu: Some(cpu), idle_ms: 100, share: None };
    row(
        "inline, SQ thread",
        Lane::new(UringConfig::inline(256).with_sqpoll(sqpoll), memory, fd, zero),
    );
}
