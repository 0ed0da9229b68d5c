//! A lane for tests: claims slots, prepares ops, turns the driver, and takes the answers.

// Named by their paths, because some test takes in this file alone.
#[path = "lane/op.rs"]
mod op;
#[path = "lane/outside.rs"]
mod outside;

pub(crate) use op::{Answer, Op};
#[allow(unused_imports, reason = "whoever takes in this file uses some of them")]
pub(crate) use outside::{close_now, control, is_readable, make_fifo, pipe, read_now, write_now};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wakering_core::abi::{Opcode, completion_flag};
use wakering_core::block::BlockPool;
use wakering_core::buffers::BufferGroup;
use wakering_core::slab::FreeList;
use wakering_core::slot::{Cancel, Orphan, Outcome};
use wakering_core::waker::WakerRef;
use wakering_core::{Completion, Driver, Error, Home, Token};

/// Slots of a lane.
pub(crate) const SLOTS: u32 = 64;
/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A home, its driver, and a folder that goes away with it.
pub(crate) struct Lane<D> {
    pub(crate) home: Arc<Home>,
    pub(crate) driver: D,
    pub(crate) folder: PathBuf,
    free: FreeList,
    blocks: BlockPool,
    answers: Vec<(Token, Answer)>,
    /// What the op in each slot does.
    running: Vec<Opcode>,
    orphans: Vec<Token>,
    /// Buffers that ops pick from, and their number.
    group: Option<(u16, Arc<BufferGroup>)>,
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
        let running = vec![Opcode::Nop; SLOTS as usize];
        let (answers, orphans) = (Vec::new(), Vec::new());
        Some(Self { home, driver, folder, free, blocks, answers, running, orphans, group: None })
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

    /// Has the driver lend buffers to ops that pick.
    pub(crate) fn lend(
        &mut self,
        group: Arc<BufferGroup>,
    ) -> Result<(u16, Arc<BufferGroup>), Error> {
        let number = self.driver.add_buffers(group.clone())?;
        Ok(self.group.insert((number, group)).clone())
    }

    pub(crate) fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }

    /// Enqueues an op, for which a slot is free.
    pub(crate) fn enqueue(&mut self, op: &Op<'_>) -> Result<Token, Error> {
        let token = self.free.claim(&self.home.slab, WakerRef::NOBODY).expect("a free slot");
        let (home, blocks) = (self.home.clone(), &self.blocks);
        let slot = home.slab.slot(token);
        // SAFETY: the op is Queued and this thread owns the home.
        unsafe { slot.with_resource(|resource| op.prepare(resource, blocks)) }
            .expect("a block is free");
        self.running[token.index() as usize] = op.opcode();
        self.driver.enqueue(token).map(|()| token).inspect_err(|_| {
            // Refused: still Queued, and the caller's to withdraw.
            assert_eq!(slot.request_cancel(token), Cancel::Withdrawn);
            slot.take(token, |_, resource| resource.release(&self.blocks)).expect("withdrawn");
            self.free.give_back(token.index());
        })
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
        let done = self.look(timeout, most);
        for completion in &done {
            self.take(completion);
        }
        done.len()
    }

    /// One turn; what is done stays in its slot until [`Self::take`].
    pub(crate) fn look(&mut self, timeout: Option<Duration>, most: usize) -> Vec<Completion> {
        let mut done = Vec::new();
        let told = self.driver.turn(timeout, most, &mut |completion| done.push(completion));
        assert_eq!(told.expect("a turn"), done.len());
        done
    }

    /// Takes an answer. What an orphan opened is closed, as by every owner.
    pub(crate) fn take(&mut self, completion: &Completion) {
        let (token, Outcome { result, flags }) = (completion.token, completion.outcome);
        let opcode = self.running[token.index() as usize];
        let (answer, orphaned) = if flags & completion_flag::MORE != 0 {
            (Answer::in_between(result, flags), self.orphans.contains(&token))
        } else {
            let slot = self.home.slab.slot(token);
            let taken = slot.take(token, |taken, resource| {
                assert_eq!(taken.outcome, completion.outcome);
                let answer = Answer::last(result, flags, resource);
                resource.release(&self.blocks);
                (answer, taken.orphaned)
            });
            self.free.give_back(token.index());
            taken.expect("a completion comes once")
        };
        if orphaned {
            undo(opcode, &answer);
            if let (Some(number), Some((_, group))) = (answer.picked(), &self.group) {
                // SAFETY: it was picked for this completion.
                unsafe { group.give_back(number) };
            }
        } else {
            self.answers.push((token, answer));
        }
    }

    /// Loses interest in an op, as whoever drops its future.
    pub(crate) fn orphan(&mut self, token: Token) -> Orphan {
        let home = self.home.clone();
        let slot = home.slab.slot(token);
        let orphan = slot.orphan(token);
        match orphan {
            Orphan::Withdrawn => {
                let outcome = slot.peek(token).expect("withdrawn is ready");
                self.take(&Completion { token, outcome });
            }
            Orphan::WaitForCqe => {
                self.orphans.push(token);
                if slot.request_cancel(token) == Cancel::Ask {
                    self.driver.cancel(token).expect("a cancel is never refused");
                }
            }
            // Its completion takes it.
            Orphan::Ready | Orphan::Stale => {}
        }
        orphan
    }

    /// Turns until every slot is free.
    pub(crate) fn settle(&mut self) {
        let until = Instant::now() + PATIENCE;
        while self.home.slab.in_use().count() > 0 {
            assert!(Instant::now() < until, "slots are in use after {PATIENCE:?}");
            self.turn(Some(Duration::from_millis(100)));
        }
        self.orphans.clear();
    }

    /// The answer of an op, if it is there.
    pub(crate) fn answer(&mut self, token: Token) -> Option<Answer> {
        let place = self.answers.iter().position(|(done, _)| *done == token)?;
        Some(self.answers.remove(place).1)
    }

    /// Whether an answer of the op is there.
    pub(crate) fn has_answer(&self, token: Token) -> bool {
        self.answers.iter().any(|(done, _)| *done == token)
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
        self.room() > 0
    }

    /// How many slots are free.
    pub(crate) fn room(&self) -> usize {
        self.free.available()
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
        if let Some((number, _)) = self.group.take() {
            self.driver.remove_buffers(number);
        }
        assert_eq!(self.driver.in_flight(), 0);
        assert_eq!(self.drain(Duration::from_secs(5)), 0);
        assert_eq!(self.home.slab.in_use().count(), 0);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Closes what an op opened that nobody waits for.
fn undo(opcode: Opcode, answer: &Answer) {
    let opens =
        matches!(opcode, Opcode::OpenAt | Opcode::Socket | Opcode::Accept | Opcode::InstallFixed);
    if opens && answer.result >= 0 {
        close_now(answer.result);
    }
    if opcode == Opcode::Pipe && answer.result == 0 {
        answer.ends().into_iter().for_each(close_now);
    }
    if let Some(fd) = answer.descriptor() {
        close_now(fd);
    }
}
