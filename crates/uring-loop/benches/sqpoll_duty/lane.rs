//! A loop of one thread that reads a cached file, over whichever ring.

use crate::Contender;
use std::fs::File;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use wakering_core::abi::Opcode;
use wakering_core::resource::Prepared;
use wakering_core::slab::FreeList;
use wakering_core::waker::WakerRef;
use wakering_core::{Driver, Home};
use wakering_uring_loop::{
    SharedSqpoll, Sqpoll, Steering, SwitchingDriver, UringConfig, UringDriver,
};

const BLOCK: usize = 4096;
const FILE_BLOCKS: u64 = 4096;
const DEPTH: u64 = 8;

/// Where the SQ thread runs.
pub(crate) static SQ_CPU: AtomicU32 = AtomicU32::new(0);

/// See the module's text.
pub(crate) struct Lane {
    home: Arc<Home>,
    driver: Box<dyn Driver>,
    share: Arc<SharedSqpoll>,
    free: FreeList,
    memory: Vec<u8>,
    fd: RawFd,
    random: u64,
}

impl Lane {
    /// A lane, or a printed reason.
    pub(crate) fn new(contender: Contender, fd: RawFd) -> Option<Self> {
        let home = Arc::new(Home::new(64).ok()?);
        let share = SharedSqpoll::new();
        let over = |idle_ms| {
            let cpu = Some(SQ_CPU.load(Ordering::Relaxed));
            let sqpoll = Sqpoll { cpu, idle_ms, share: Some(share.clone()) };
            UringConfig::inline(64).with_sqpoll(sqpoll)
        };
        let ring = |config| UringDriver::new(config, home.clone()).map(|ring| Box::new(ring) as _);
        let driver: Result<Box<dyn Driver>, _> = match contender {
            Contender::Plain => ring(UringConfig::inline(64)),
            Contender::Fixed { idle_ms } => ring(over(idle_ms)),
            Contender::Auto { weight, may_leave } => {
                let steering = Steering { weight, may_leave };
                SwitchingDriver::new(over(1), home.clone(), steering)
                    .map(|driver| Box::new(driver) as _)
            }
        };
        match driver {
            Ok(driver) => {
                let free = FreeList::new(&home.slab);
                let memory = vec![1; 64 * BLOCK];
                Some(Self { home, driver, share, free, memory, fd, random: 1 })
            }
            Err(refused) => {
                println!("SKIP: {refused}");
                None
            }
        }
    }

    fn start(&mut self) {
        let token = self.free.claim(&self.home.slab, WakerRef::NOBODY).expect("a free slot");
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let prepared = Prepared {
            fd: self.fd,
            address: self.memory[token.index() as usize * BLOCK..].as_mut_ptr(),
            length: BLOCK as u32,
            offset: (self.random >> 33) % FILE_BLOCKS * BLOCK as u64,
            ..Prepared::new(Opcode::Read)
        };
        let slot = self.home.slab.slot(token);
        // SAFETY: Queued, on the owning thread.
        unsafe { slot.with_resource(|resource| resource.prepared = prepared) };
        self.driver.enqueue(token).expect("room for every slot");
    }

    fn turn(&mut self, timeout: Duration) -> u64 {
        let Self { home, driver, free, .. } = self;
        let mut done = 0;
        driver
            .turn(Some(timeout), usize::MAX, &mut |completion| {
                let token = completion.token;
                let result = home.slab.slot(token).take(token, |taken, _| taken.outcome.result);
                assert_eq!(result, Some(BLOCK as i32));
                free.give_back(token.index());
                done += 1;
            })
            .expect("turn");
        done
    }

    /// So many reads. How long the first one took, which went alone.
    pub(crate) fn burst(&mut self, ops: u64) -> Duration {
        let begin = Instant::now();
        self.start();
        while self.turn(Duration::ZERO) == 0 {}
        let first = begin.elapsed();
        let (mut started, mut done) = (1, 1);
        while done < ops {
            while started < ops && started - done < DEPTH {
                self.start();
                started += 1;
            }
            done += self.turn(Duration::ZERO);
        }
        first
    }

    /// Sleeps as an idle loop does.
    pub(crate) fn wait_until(&mut self, end: Instant) {
        while let Some(left) = end.checked_duration_since(Instant::now())
            && left > Duration::ZERO
        {
            self.turn(left);
        }
    }

    /// What an idle time or a route came to be.
    pub(crate) fn state(&self) -> String {
        let report = self.share.report();
        match report.decisions.last() {
            Some(decision) => decision.to_string(),
            None => String::new(),
        }
    }
}

/// Nanoseconds of a read in a long burst over a plain ring.
pub(crate) fn plain_op_ns(fd: RawFd) -> Option<f64> {
    const OPS: u64 = 100_000;
    let mut lane = Lane::new(Contender::Plain, fd)?;
    lane.burst(OPS);
    let begin = Instant::now();
    lane.burst(OPS);
    Some(begin.elapsed().as_nanos() as f64 / OPS as f64)
}

/// A file whose pages are in memory.
pub(crate) fn file_to_read() -> File {
    let path = std::env::temp_dir().join(format!("wakering-duty-{}", std::process::id()));
    std::fs::write(&path, vec![7u8; FILE_BLOCKS as usize * BLOCK]).expect("a file to read");
    let file = File::open(&path).expect("the file just written");
    std::fs::remove_file(&path).expect("its name is not needed");
    file
}

/// Returns when the SQ threads of closed rings are gone: they end a little later, and are awake until
/// then.
pub(crate) fn wait_for_sq_threads() {
    let any = || {
        std::fs::read_dir("/proc/self/task").expect("this process").flatten().any(|task| {
            let name = std::fs::read_to_string(task.path().join("comm"));
            name.is_ok_and(|name| name.starts_with("iou-sqp"))
        })
    };
    while any() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// CPU time of this process, SQ thread included.
pub(crate) fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec, which outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
