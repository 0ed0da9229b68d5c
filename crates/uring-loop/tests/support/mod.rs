//! A lane as small as can be: one driver, its home, and somebody to take the completions.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod net;
pub mod steered;

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wakering_core::abi::Opcode;
use wakering_core::block::BlockPool;
use wakering_core::resource::{Control, PathRole, Prepared, Resource};
use wakering_core::slab::FreeList;
use wakering_core::slot::{Cancel, Outcome};
use wakering_core::waker::WakerRef;
use wakering_core::{Driver, Error, Home, Token};
use wakering_uring_loop::{UringConfig, UringDriver};

/// See the module's text.
pub struct Lane<D = UringDriver> {
    pub driver: D,
    pub home: Arc<Home>,
    pub free: FreeList,
    pub blocks: BlockPool,
    pub done: Vec<(Token, Outcome)>,
}

/// Prints why a test cannot say anything here.
#[expect(clippy::print_stderr, reason = "a skip says why")]
pub fn skip(reason: impl std::fmt::Display) {
    eprintln!("SKIP: {reason}");
}

/// Whether the kernel has it; else a printed skip.
pub fn has(lane: &Lane, opcode: Opcode) -> bool {
    let supports = lane.driver.supports(opcode);
    if !supports {
        skip(format_args!("this kernel has no {}", opcode.name()));
    }
    supports
}

impl Lane {
    /// A lane, or a printed reason why this kernel gives none.
    pub fn new(slots: u32, config: UringConfig) -> Option<Self> {
        Self::over(slots, |home| UringDriver::new(config, home))
    }

    pub fn inline(slots: u32) -> Option<Self> {
        Self::new(slots, UringConfig::inline(slots))
    }

    pub fn worker(slots: u32) -> Option<Self> {
        Self::new(slots, UringConfig::worker(slots))
    }
}

impl<D: Driver> Lane<D> {
    /// A lane over the driver that `make` gives, or a printed reason why it gives none.
    pub fn over<E: std::fmt::Display>(
        slots: u32,
        make: impl FnOnce(Arc<Home>) -> Result<D, E>,
    ) -> Option<Self> {
        let home = Arc::new(Home::new(slots).unwrap());
        match make(home.clone()) {
            Ok(driver) => Some(Self {
                driver,
                free: FreeList::new(&home.slab),
                home,
                blocks: BlockPool::new(8),
                done: Vec::with_capacity(slots as usize * 2),
            }),
            Err(refused) => {
                skip(refused);
                None
            }
        }
    }

    /// Claims a slot and prepares it.
    pub fn claim(&mut self, prepared: Prepared) -> Token {
        let token = self.free.claim(&self.home.slab, WakerRef::NOBODY).expect("a free slot");
        self.with(token, |resource| resource.prepared = prepared);
        token
    }

    /// The resource of an op that is Queued or Ready.
    pub fn with<R>(&self, token: Token, f: impl FnOnce(&mut Resource) -> R) -> R {
        // SAFETY: tests reach it on the owning thread, before enqueueing or after completion.
        unsafe { self.home.slab.slot(token).with_resource(f) }
    }

    pub fn start(&mut self, prepared: Prepared) -> Token {
        let token = self.claim(prepared);
        self.driver.enqueue(token).unwrap();
        token
    }

    pub fn start_on_paths(&mut self, prepared: Prepared, paths: &[&Path]) -> Token {
        use std::os::unix::ffi::OsStrExt;
        let token = self.claim(prepared);
        let slot = self.home.slab.slot(token);
        for (role, path) in [PathRole::First, PathRole::Second].into_iter().zip(paths) {
            let bytes = path.as_os_str().as_bytes();
            let blocks = &mut self.blocks;
            // SAFETY: Queued, on the owning thread.
            unsafe { slot.with_resource(|resource| resource.set_path(role, bytes, blocks)) }
                .unwrap();
        }
        self.driver.enqueue(token).unwrap();
        token
    }

    /// Sets up the `msghdr` of an op that was claimed; the segments outlive it.
    pub fn message(&mut self, token: Token, segments: &[(*mut u8, usize)], control: Control<'_>) {
        let Self { home, blocks, .. } = self;
        let fill = |index: usize| {
            let (start, length) = segments[index];
            Ok(libc::iovec { iov_base: start.cast(), iov_len: length })
        };
        // SAFETY: Queued, on the owning thread.
        unsafe {
            home.slab.slot(token).with_resource(|resource| {
                resource.set_message(segments.len(), control, blocks, fill)
            })
        }
        .unwrap();
    }

    /// One turn; what came is kept in `done`, its slot still Ready.
    pub fn turn(&mut self, timeout: Option<Duration>) -> usize {
        let Self { driver, done, .. } = self;
        driver
            .turn(timeout, usize::MAX, &mut |completion| {
                done.push((completion.token, completion.outcome));
            })
            .unwrap()
    }

    /// Turns until something comes. Over an SQ thread the bell of what was reaped before may be late:
    /// a turn that it ends brings nothing.
    pub fn turn_until_something(&mut self) -> usize {
        let turns = (0..3).map(|_| self.turn(Some(Duration::from_secs(10))));
        turns.into_iter().find(|&came| came > 0).unwrap_or(0)
    }

    /// Turns until the op is complete; its result. The slot is still Ready.
    pub fn result_kept(&mut self, token: Token) -> i32 {
        loop {
            if let Some(place) = self.done.iter().position(|(done, _)| *done == token) {
                return self.done.swap_remove(place).1.result;
            }
            self.turn(Some(Duration::from_secs(10)));
        }
    }

    /// Turns until the op is complete, and frees its slot.
    pub fn result(&mut self, token: Token) -> i32 {
        let result = self.result_kept(token);
        self.take(token);
        result
    }

    pub fn take(&mut self, token: Token) {
        let Self { home, blocks, free, .. } = self;
        home.slab.slot(token).take(token, |_, resource| resource.release(blocks)).expect("Ready");
        free.give_back(token.index());
    }

    pub fn run(&mut self, prepared: Prepared) -> i32 {
        let token = self.start(prepared);
        self.result(token)
    }

    pub fn run_on_paths(&mut self, prepared: Prepared, paths: &[&Path]) -> i32 {
        let token = self.start_on_paths(prepared, paths);
        self.result(token)
    }

    /// Asks for a cancel as a lane does.
    pub fn cancel(&mut self, token: Token) -> Result<Cancel, Error> {
        let answer = self.home.slab.slot(token).request_cancel(token);
        if answer == Cancel::Ask {
            self.driver.cancel(token)?;
        }
        Ok(answer)
    }
}

/// A read or write of `buffer`, which outlives the op.
pub fn transfer(opcode: Opcode, fd: RawFd, buffer: &mut [u8], offset: u64) -> Prepared {
    Prepared {
        fd,
        address: buffer.as_mut_ptr(),
        length: buffer.len() as u32,
        offset,
        ..Prepared::new(opcode)
    }
}

/// A pipe: where to read, where to write.
pub fn pipe() -> (OwnedFd, OwnedFd) {
    let mut fds = [0; 2];
    // SAFETY: two descriptors are written to `fds`.
    assert_eq!(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: both are new and nobody else's.
    fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).into()
}

pub fn write_to(fd: &OwnedFd, bytes: &[u8]) {
    // SAFETY: `bytes` outlives the call.
    let written = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    assert_eq!(written, bytes.len() as isize);
}

static ALONE: Mutex<()> = Mutex::new(());

/// For files whose tests count what the whole process has: they go one after the other.
pub fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Open descriptors of this process.
pub fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A folder that is gone when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("wakering-uring-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
