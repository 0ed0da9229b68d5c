//! A lane for tests: claims slots, prepares ops, turns the driver, and takes the answers.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wakering_core::abi::Opcode;
use wakering_core::block::BlockPool;
use wakering_core::resource::{AREA_BYTES, PathRole, Prepared};
use wakering_core::slab::FreeList;
use wakering_core::slot::Cancel;
use wakering_core::waker::WakerRef;
use wakering_core::{Completion, Driver, Error, Home, Token};

/// Slots of a lane.
pub(crate) const SLOTS: u32 = 64;
/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an op answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) result: i32,
    pub(crate) flags: u32,
    pub(crate) owned: Option<Vec<u8>>,
    pub(crate) back: [u8; AREA_BYTES],
}

/// An op to be started. Memory that it names outlives it.
#[derive(Clone, Debug)]
pub(crate) struct Op<'a> {
    prepared: Prepared,
    first: &'a [u8],
    second: Option<&'a [u8]>,
    segments: Vec<libc::iovec>,
    owned: Option<usize>,
}

impl<'a> Op<'a> {
    pub(crate) fn new(opcode: Opcode) -> Self {
        let mut prepared = Prepared::new(opcode);
        prepared.fd = libc::AT_FDCWD;
        Self { prepared, first: b"", second: None, segments: Vec::new(), owned: None }
    }

    pub(crate) fn on(opcode: Opcode, fd: i32) -> Self {
        Self::new(opcode).at(fd)
    }

    pub(crate) fn opcode(&self) -> Opcode {
        self.prepared.opcode
    }

    pub(crate) fn at(mut self, fd: i32) -> Self {
        self.prepared.fd = fd;
        self
    }

    pub(crate) fn path(mut self, path: &'a (impl AsRef<OsStr> + ?Sized)) -> Self {
        self.first = path.as_ref().as_bytes();
        self
    }

    pub(crate) fn second(mut self, path: &'a (impl AsRef<OsStr> + ?Sized)) -> Self {
        self.second = Some(path.as_ref().as_bytes());
        self
    }

    pub(crate) fn flags(mut self, flags: i32) -> Self {
        self.prepared.op_flags = flags as u32;
        self
    }

    pub(crate) fn extra(mut self, extra: [u32; 2]) -> Self {
        self.prepared.extra = extra;
        self
    }

    pub(crate) fn offset(mut self, offset: u64) -> Self {
        self.prepared.offset = offset;
        self
    }

    /// Where to read into. The caller keeps it until the op is done.
    pub(crate) fn into(mut self, buffer: &mut [u8]) -> Self {
        self.prepared.address = buffer.as_mut_ptr();
        self.prepared.length = buffer.len() as u32;
        self
    }

    /// What to write. The caller keeps it until the op is done.
    pub(crate) fn from(mut self, bytes: &[u8]) -> Self {
        self.prepared.address = bytes.as_ptr().cast_mut();
        self.prepared.length = bytes.len() as u32;
        self
    }

    /// Several segments, for Readv and Writev.
    pub(crate) fn segments(mut self, segments: impl IntoIterator<Item = (*mut u8, usize)>) -> Self {
        let iovec = |(base, length): (*mut u8, usize)| libc::iovec {
            iov_base: base.cast(),
            iov_len: length,
        };
        self.segments = segments.into_iter().map(iovec).collect();
        self.prepared.length = self.segments.len() as u32;
        self
    }

    /// Reads into memory that the op brings along.
    pub(crate) fn owned(mut self, length: usize) -> Self {
        self.owned = Some(length);
        self.prepared.flags |= wakering_core::abi::op_flag::OWNED_RESULT;
        self
    }
}

/// A home, its driver, and a folder that goes away with it.
pub(crate) struct Lane<D> {
    pub(crate) home: Arc<Home>,
    pub(crate) driver: D,
    pub(crate) folder: PathBuf,
    free: FreeList,
    blocks: BlockPool,
    answers: Vec<(Token, Answer)>,
}

impl<D: Driver> Lane<D> {
    /// A lane in a folder of its own, or a printed reason why there is no such driver here.
    #[expect(clippy::print_stderr, reason = "what is skipped is printed with its reason")]
    pub(crate) fn new<E: std::fmt::Display>(
        name: &str,
        make: impl FnOnce(Arc<Home>) -> Result<D, E>,
    ) -> Option<Self> {
        let home = Arc::new(Home::new(SLOTS).expect("an eventfd"));
        let free = FreeList::new(&home.slab);
        let driver = make(home.clone()).inspect_err(|reason| eprintln!("SKIP: {reason}")).ok()?;
        let folder = std::env::temp_dir().join(format!("wakering-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("a folder for the test");
        let blocks = BlockPool::new(8);
        Some(Self { home, driver, folder, free, blocks, answers: Vec::new() })
    }

    /// Whether to skip a test that needs `opcode`; says so.
    #[expect(clippy::print_stderr, reason = "what is skipped is printed with its reason")]
    pub(crate) fn lacks(&self, opcode: Opcode) -> bool {
        let lacks = !self.driver.supports(opcode);
        if lacks {
            eprintln!("SKIP: driver {} leaves {} to the pool", self.driver.name(), opcode.name());
        }
        lacks
    }

    pub(crate) fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }

    /// Enqueues an op. The claim fails only where all slots are in use.
    pub(crate) fn enqueue(&mut self, op: &Op<'_>) -> Result<Token, Error> {
        let token = self.free.claim(&self.home.slab, WakerRef::NOBODY).expect("a free slot");
        let blocks = &mut self.blocks;
        let prepare = |resource: &mut wakering_core::resource::Resource| {
            resource.prepared = op.prepared;
            if op.segments.is_empty() {
                resource.set_path(PathRole::First, op.first, blocks)?;
                if let Some(second) = op.second {
                    resource.set_path(PathRole::Second, second, blocks)?;
                }
            } else {
                resource.set_iovecs(op.segments.len(), blocks, |index| Ok(op.segments[index]))?;
            }
            if let Some(length) = op.owned {
                let mut memory = Vec::with_capacity(length);
                resource.prepared.address = memory.as_mut_ptr();
                resource.prepared.length = length as u32;
                resource.owned = Some(memory);
            }
            Ok::<(), Error>(())
        };
        // SAFETY: the op is Queued and this thread owns the home.
        unsafe { self.home.slab.slot(token).with_resource(prepare) }.expect("a block is free");
        self.driver.enqueue(token).map(|()| token)
    }

    /// Enqueues and publishes an op.
    pub(crate) fn start(&mut self, op: &Op<'_>) -> Token {
        let token = self.enqueue(op).expect("the driver takes it");
        self.driver.publish().expect("published");
        token
    }

    /// One turn; every op that is done is taken. How many completions there were.
    pub(crate) fn turn(&mut self, timeout: Option<Duration>) -> usize {
        self.turn_at_most(timeout, usize::MAX)
    }

    pub(crate) fn turn_at_most(&mut self, timeout: Option<Duration>, most: usize) -> usize {
        let mut done = Vec::new();
        let told = self.driver.turn(timeout, most, &mut |completion| done.push(completion));
        assert_eq!(told.expect("a turn"), done.len());
        for completion in &done {
            self.take(completion);
        }
        done.len()
    }

    fn take(&mut self, completion: &Completion) {
        let token = completion.token;
        let answer = self.home.slab.slot(token).take(token, |taken, resource| {
            assert_eq!(taken.outcome, completion.outcome);
            let back = *resource.back_bytes();
            let owned = resource.owned.take();
            resource.release(&self.blocks);
            Answer { result: taken.outcome.result, flags: taken.outcome.flags, owned, back }
        });
        self.answers.push((token, answer.expect("a completion comes once")));
        self.free.give_back(token.index());
    }

    /// The answer of an op, if it is there.
    pub(crate) fn answer(&mut self, token: Token) -> Option<Answer> {
        let place = self.answers.iter().position(|(done, _)| *done == token)?;
        Some(self.answers.swap_remove(place).1)
    }

    /// Turns until the op is done.
    pub(crate) fn finish(&mut self, token: Token) -> Answer {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = self.answer(token) {
                return answer;
            }
            assert!(Instant::now() < until, "the op is not done after {PATIENCE:?}");
            self.turn(Some(Duration::from_millis(100)));
        }
    }

    /// An op from start to end.
    pub(crate) fn run(&mut self, op: &Op<'_>) -> Answer {
        let token = self.start(op);
        self.finish(token)
    }

    /// As [`Self::run`], for its result.
    pub(crate) fn result(&mut self, op: &Op<'_>) -> i32 {
        self.run(op).result
    }

    /// Opens a file or fails the test.
    pub(crate) fn open(&mut self, path: &Path, flags: i32) -> i32 {
        let fd = self.result(&Op::new(Opcode::OpenAt).path(path).flags(flags).extra([0o644, 0]));
        assert!(fd >= 0, "open {}: {fd}", path.display());
        fd
    }

    pub(crate) fn close(&mut self, fd: i32) {
        assert_eq!(self.result(&Op::on(Opcode::Close, fd)), 0);
    }

    /// Asks for a cancel as a lane does.
    pub(crate) fn cancel(&mut self, token: Token) -> Cancel {
        let answer = self.home.slab.slot(token).request_cancel(token);
        match answer {
            Cancel::Ask => self.driver.cancel(token).expect("a cancel is never refused"),
            Cancel::Withdrawn => {
                let outcome = self.home.slab.slot(token).peek(token).expect("withdrawn is ready");
                self.take(&Completion { token, outcome });
            }
            Cancel::AskedBefore | Cancel::TooLate | Cancel::Stale => {}
        }
        answer
    }

    /// Whether a slot is free.
    pub(crate) fn has_room(&self) -> bool {
        self.free.available() > 0
    }

    /// Answers that nobody asked for yet.
    pub(crate) fn take_answers(&mut self) -> Vec<(Token, Answer)> {
        std::mem::take(&mut self.answers)
    }

    /// Drains the driver; what it says is left.
    pub(crate) fn drain(&mut self, deadline: Duration) -> usize {
        let mut done = Vec::new();
        let left = self.driver.drain(deadline, &mut |completion| done.push(completion));
        for completion in &done {
            self.take(completion);
        }
        left.still_in_flight
    }

    /// Ends the test: nothing may be in flight.
    pub(crate) fn end(mut self) {
        while self.driver.in_flight() > 0 && self.turn(Some(Duration::from_millis(200))) > 0 {}
        assert_eq!(self.driver.in_flight(), 0);
        assert_eq!(self.drain(Duration::from_secs(5)), 0);
        assert_eq!(self.home.slab.in_use().count(), 0);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A pipe whose ends block, as a user's would: read end, write end.
pub(crate) fn pipe() -> (i32, i32) {
    let mut ends = [-1; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    (ends[0], ends[1])
}

/// write(2), from outside the driver.
pub(crate) fn write_now(fd: i32, bytes: &[u8]) -> isize {
    // SAFETY: the bytes live through the call.
    unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }
}

/// read(2), from outside the driver.
pub(crate) fn read_now(fd: i32, buffer: &mut [u8]) -> isize {
    // SAFETY: the buffer lives through the call.
    unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) }
}

/// close(2), from outside the driver.
pub(crate) fn close_now(fd: i32) {
    // SAFETY: the test owns the descriptor.
    assert_eq!(unsafe { libc::close(fd) }, 0);
}

/// Makes a FIFO.
pub(crate) fn make_fifo(path: &Path) {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("no NUL");
    // SAFETY: the path is terminated.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

/// fcntl(2) without an argument.
pub(crate) fn control(fd: i32, command: i32) -> i32 {
    // SAFETY: these commands take no memory.
    unsafe { libc::fcntl(fd, command) }
}

/// Whether poll(2) says that `fd` is readable within `timeout`.
pub(crate) fn is_readable(fd: i32, timeout: Duration) -> bool {
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry.
    unsafe { libc::poll(&raw mut entry, 1, timeout.as_millis() as i32) == 1 }
}
