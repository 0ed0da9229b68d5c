//! One op, set up: what it borrows, what it must answer, and what must be true then.

use crate::matrix::lane::{Answer, Op};
use std::cell::Cell;
use std::os::fd::{OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wakering_core::buffers::BufferGroup;

/// A case, or why there is none on this machine.
pub(crate) type Made = Result<Case, String>;

/// What a case sees of the world: a folder of its own, and what its lane has.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) folder: PathBuf,
    /// Buffers to pick from, and their number.
    group: Option<(u16, Arc<BufferGroup>)>,
    ring: Option<RingParts>,
    serial: Cell<u32>,
}

/// What only a ring has.
#[derive(Debug)]
pub(crate) struct RingParts {
    /// Where in its table a file lies, whose every byte is an `r`.
    pub(crate) place: u32,
    /// A registered buffer, and its memory.
    pub(crate) buffer: u16,
    pub(crate) memory: (*mut u8, usize),
    /// Makes another ring.
    pub(crate) peer: fn() -> Result<Peer, String>,
}

/// Another ring.
pub(crate) struct Peer {
    pub(crate) ring: RawFd,
    /// What it rings when something is there.
    pub(crate) bell: RawFd,
    pub(crate) _driver: Box<dyn std::any::Any>,
}

impl Stage {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), group: None, ring: None, serial: Cell::new(0) }
    }

    /// With buffers to pick from.
    pub(crate) fn with_group(mut self, number: u16, group: Arc<BufferGroup>) -> Self {
        self.group = Some((number, group));
        self
    }

    /// With what only a ring has.
    pub(crate) fn with_ring(mut self, ring: RingParts) -> Self {
        self.ring = Some(ring);
        self
    }

    /// For a row that is said to be of a ring.
    pub(crate) fn ring(&self) -> &RingParts {
        self.ring.as_ref().expect("the row is said to be of a ring")
    }

    /// The group of a row that picks.
    pub(crate) fn group(&self) -> (u16, Arc<BufferGroup>) {
        self.group.clone().expect("the row is said to pick")
    }

    /// A number that no other case has.
    pub(crate) fn unique(&self) -> u32 {
        self.serial.replace(self.serial.get() + 1)
    }

    /// A name that nothing has yet.
    pub(crate) fn fresh(&self) -> PathBuf {
        self.folder.join(format!("fresh-{}", self.unique()))
    }

    /// A file with this content.
    pub(crate) fn file(&self, content: &[u8]) -> PathBuf {
        let path = self.fresh();
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// The same, open for reading and writing.
    pub(crate) fn open(&self, content: &[u8]) -> (PathBuf, OwnedFd) {
        let path = self.file(content);
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path);
        (path, file.expect("it opens").into())
    }
}

/// What came of a case, for its last look.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) answer: &'a Answer,
    /// The answers of the ops that are linked behind it.
    pub(crate) linked: &'a [Answer],
    /// The case's memory.
    pub(crate) room: &'a [u8],
}

/// Descriptors that live as long as their case.
pub(crate) type Kept = Vec<OwnedFd>;

/// What a case answers.
#[derive(Clone, Copy)]
enum Expected {
    Is(i32),
    NoError,
    Errno(&'static [i32]),
}

type Look = Box<dyn FnOnce(&Seen<'_>)>;

/// See the module's text. Built up by its methods; the answer is 0 unless said otherwise.
pub(crate) struct Case {
    pub(crate) op: Op<'static>,
    /// Ops that are enqueued right behind it.
    pub(crate) linked: Vec<Op<'static>>,
    /// Makes what the op waits for happen.
    pub(crate) wake: Option<Box<dyn Fn()>>,
    expected: Expected,
    room: Room,
    kept: Kept,
    look: Option<Look>,
}

impl Case {
    pub(crate) fn new(op: Op<'_>) -> Self {
        Self {
            op: op.keep(),
            linked: Vec::new(),
            wake: None,
            expected: Expected::Is(0),
            room: Room::default(),
            kept: Kept::default(),
            look: None,
        }
    }

    /// Reads into memory of the case.
    pub(crate) fn reading(op: Op<'_>, length: usize) -> Self {
        let mut room = vec![0; length];
        let op = op.into(&mut room);
        Self { room: Room(room), ..Self::new(op) }.gives(length as i32)
    }

    /// Writes from memory of the case.
    pub(crate) fn writing(op: Op<'_>, bytes: &[u8]) -> Self {
        let room = bytes.to_vec();
        let op = op.from(&room);
        Self { room: Room(room), ..Self::new(op) }.gives(bytes.len() as i32)
    }

    /// Several segments of memory of the case, of so many bytes each.
    pub(crate) fn segments(op: Op<'_>, bytes: &[u8], each: usize) -> Self {
        let mut room = bytes.to_vec();
        let segments: Vec<_> = room.chunks_mut(each).map(|c| (c.as_mut_ptr(), c.len())).collect();
        let op = op.segments(segments);
        Self { room: Room(room), ..Self::new(op) }.gives(bytes.len() as i32)
    }

    /// What it answers.
    pub(crate) fn gives(mut self, result: i32) -> Self {
        self.expected = Expected::Is(result);
        self
    }

    /// It answers with some number that is no error.
    pub(crate) fn gives_any(mut self) -> Self {
        self.expected = Expected::NoError;
        self
    }

    /// It fails with this errno.
    pub(crate) fn fails(self, errno: i32) -> Self {
        self.gives(-errno)
    }

    /// It fails with one of these errnos.
    #[allow(dead_code, reason = "the kernel's errors are known one by one; the sim's are not")]
    pub(crate) fn fails_with_any_of(mut self, errnos: &'static [i32]) -> Self {
        self.expected = Expected::Errno(errnos);
        self
    }

    /// What must be true when it has answered.
    pub(crate) fn then(mut self, look: impl FnOnce(&Seen<'_>) + 'static) -> Self {
        self.look = Some(Box::new(look));
        self
    }

    /// What to do for the op to get on.
    pub(crate) fn wake(mut self, wake: impl Fn() + 'static) -> Self {
        self.wake = Some(Box::new(wake));
        self
    }

    /// A descriptor that lives as long as the case.
    pub(crate) fn keep(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.kept.push(fd.into());
        self
    }

    /// An op that is enqueued right behind.
    pub(crate) fn link(mut self, op: Op<'_>) -> Self {
        self.linked.push(op.keep());
        self
    }

    /// How many slots it takes.
    pub(crate) fn slots(&self) -> usize {
        1 + self.linked.len()
    }

    /// The last look: the answers are as they must be.
    pub(crate) fn settle(mut self, answers: &[Answer]) {
        let (answer, linked) = answers.split_first().expect("an answer");
        match self.expected {
            Expected::Is(result) => assert_eq!(answer.result, result, "what it answers"),
            Expected::NoError => assert!(answer.result >= 0, "it answers {}", answer.result),
            Expected::Errno(any) => assert!(any.contains(&-answer.result), "{}", answer.result),
        }
        if let Some(look) = self.look.take() {
            look(&Seen { answer, linked, room: &self.room.0 });
        }
    }
}

/// The memory of a case.
#[derive(Default)]
struct Room(Vec<u8>);

impl Drop for Room {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The kernel may still write there.
            std::mem::forget(std::mem::take(&mut self.0));
        }
    }
}

/// The number of a descriptor that nobody has.
pub(crate) const NOBODYS: RawFd = 1 << 30;
