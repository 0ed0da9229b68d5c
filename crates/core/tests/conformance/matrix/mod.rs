//! Every op in the same seven situations, on any driver; the outcome is printed as a table.
//!
//! No test of this crate: a driver's crate takes it in with `#[path]` and calls [`run`].
//!
//! | column | the op is |
//! |---|---|
//! | success | carried out, and what it did is looked at |
//! | error | refused, with the errno that the kernel has for it |
//! | before | cancelled when it is enqueued and not published: it did nothing, or all of it |
//! | during | cancelled while it waits: it took nothing away that the next one would have got |
//! | after | cancelled when it is done: the answer stays |
//! | drop | an orphan, at each of these moments: its slot comes back, no descriptor stays open |
//! | full | one of as many as there are slots, eight times the places of the submission queue |
//!
//! A cell that cannot be tested says why, in a note below the table; there are no others.

pub(crate) mod case;
mod columns;
#[allow(dead_code, reason = "the suite uses the rest of it")]
#[path = "../lane.rs"]
pub(crate) mod lane;
mod many;
mod print;
pub(crate) mod rows;
pub(crate) mod stream;

use case::{RingParts, Stage};
use columns::{Cell, Setup};
use lane::Lane;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use stream::Stream;
use wakering_core::abi::Opcode;
use wakering_core::buffers::BufferGroup;
use wakering_core::{Driver, Home};

/// The situations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Column {
    Success,
    Error,
    Before,
    During,
    After,
    Drop,
    Full,
}

impl Column {
    pub(crate) const ALL: [Self; 7] = [
        Self::Success,
        Self::Error,
        Self::Before,
        Self::During,
        Self::After,
        Self::Drop,
        Self::Full,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Before => "before",
            Self::During => "during",
            Self::After => "after",
            Self::Drop => "drop",
            Self::Full => "full",
        }
    }
}

/// One line of the table: an op, or a variant of it.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) opcode: Opcode,
    pub(crate) kind: Kind,
    /// Or why it never does.
    pub(crate) fails: Result<Setup, &'static str>,
    /// Whether it picks its buffer.
    pub(crate) picks: bool,
    /// Whether it is about what only a ring has.
    pub(crate) of_a_ring: bool,
    /// The first Linux whose rings do it, where that is another than for the opcode.
    pub(crate) ring_since: Option<Linux>,
}

/// How often it answers.
pub(crate) enum Kind {
    Once {
        succeeds: Setup,
        /// Or why it never does.
        waits: Result<Setup, &'static str>,
    },
    Many(fn(&Stage) -> Result<Stream, String>),
}

/// Registers a file and a buffer with a ring.
pub(crate) type Registering<D> = dyn Fn(&mut D, RawFd) -> Result<RingParts, String>;

/// A driver under test.
pub(crate) struct Subject<'a, D, E> {
    /// What stands above the table.
    pub(crate) title: &'a str,
    pub(crate) make: &'a dyn Fn(Arc<Home>, Column) -> Result<D, E>,
    /// Why the driver does not support an op.
    pub(crate) lacks: &'a dyn Fn(Opcode) -> String,
    /// What only a ring has: of the driver, and with a file for its table.
    pub(crate) ring: Option<&'a Registering<D>>,
}

/// Buffers to pick from: one for each slot, and their size.
const BUFFERS: u32 = lane::SLOTS;
const BUFFER_BYTES: u32 = 256;

/// Descriptors are counted, so two tables do not run at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs every cell and prints the table; fails if one of them did, or if it is missing.
pub(crate) fn run<D: Driver, E: std::fmt::Display>(subject: &Subject<'_, D, E>, rows: &[&[Row]]) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut table = print::Table::new(subject.title);
    for row in rows.iter().copied().flatten() {
        for column in Column::ALL {
            match catch_unwind(AssertUnwindSafe(|| cell(subject, row, column))) {
                Ok(Some(Ok(Cell::Passed))) => table.passed(row.name),
                Ok(Some(Ok(Cell::Explained(why)) | Err(why))) => table.explained(row.name, &why),
                // No such driver here, which was said.
                Ok(None) => return,
                Err(panic) => table.failed(row.name, column, &said(&*panic)),
            }
        }
    }
    table.print();
    table.check();
}

/// A cell, in a lane of its own; `None` where no driver is to be had.
fn cell<D: Driver, E: std::fmt::Display>(
    subject: &Subject<'_, D, E>,
    row: &Row,
    column: Column,
) -> Option<Result<Cell, String>> {
    let mut lane = Lane::new("matrix", |home| (subject.make)(home, column))?;
    let result = in_lane(subject, &mut lane, row, column);
    lane.end();
    Some(result)
}

fn in_lane<D: Driver, E>(
    subject: &Subject<'_, D, E>,
    lane: &mut Lane<D>,
    row: &Row,
    column: Column,
) -> Result<Cell, String> {
    if !lane.driver.supports(row.opcode) {
        columns::unsupported(lane, row.opcode);
        return Err((subject.lacks)(row.opcode));
    }
    if let Some(since) = row.ring_since
        && lane.driver.name() == "uring"
        && Linux::running() < since
    {
        return Err(format!("needs Linux {since}"));
    }
    let stage = stage_for(subject, lane, row)?;
    if let Kind::Many(make) = &row.kind
        && many::is_refused(lane, &make(&stage)?)
    {
        return Err(format!("the {} driver has no {}", lane.driver.name(), row.name));
    }
    match (&row.kind, column) {
        (_, Column::Error) => columns::plain(lane, (row.fails?)(&stage)?),
        (Kind::Once { succeeds, waits }, _) => {
            return once(lane, &stage, *succeeds, *waits, column);
        }
        (Kind::Many(make), Column::Success) => many::success(lane, &make(&stage)?),
        (Kind::Many(make), Column::Before) => many::cancelled_before(lane, &make(&stage)?),
        (Kind::Many(make), Column::During) => many::cancelled_during(lane, &make(&stage)?),
        (Kind::Many(make), Column::After) => {
            return Ok(many::cancelled_after(lane, &make(&stage)?));
        }
        (Kind::Many(make), Column::Drop) => many::dropped(lane, &|| make(&stage))?,
        (Kind::Many(make), Column::Full) => many::full(lane, &|| make(&stage))?,
    }
    Ok(Cell::Passed)
}

/// A stage with what the row needs.
fn stage_for<D: Driver, E>(
    subject: &Subject<'_, D, E>,
    lane: &mut Lane<D>,
    row: &Row,
) -> Result<Stage, String> {
    let mut stage = Stage::new(&lane.folder);
    if row.picks {
        let lent = lane.lend(BufferGroup::new(BUFFERS as u16, BUFFER_BYTES));
        let (number, group) = lent.map_err(|error| format!("no buffers to pick from: {error}"))?;
        stage = stage.with_group(number, group);
    }
    if row.of_a_ring {
        let ring = subject.ring.ok_or("there is no ring to register anything with")?;
        let (_, file) = stage.open(&[b'r'; 256]);
        stage = stage.with_ring(ring(&mut lane.driver, file.as_raw_fd())?);
    }
    Ok(stage)
}

fn once<D: Driver>(
    lane: &mut Lane<D>,
    stage: &Stage,
    succeeds: Setup,
    waits: Result<Setup, &'static str>,
    column: Column,
) -> Result<Cell, String> {
    match column {
        Column::Success | Column::Error => columns::plain(lane, succeeds(stage)?),
        Column::Before => columns::cancelled_before(lane, succeeds(stage)?),
        Column::During => return columns::cancelled_during(lane, stage, waits?),
        Column::After => columns::cancelled_after(lane, succeeds(stage)?),
        Column::Drop => columns::dropped(lane, stage, succeeds, waits.ok())?,
        Column::Full => columns::full(lane, stage, succeeds, waits.ok())?,
    }
    Ok(Cell::Passed)
}

/// A release of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Linux(pub(crate) u32, pub(crate) u32);

impl Linux {
    /// The release of the kernel that runs, as it names itself.
    pub(crate) fn release() -> String {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("proc");
        release.trim().to_owned()
    }

    fn running() -> Self {
        let release = Self::release();
        let mut numbers = release.split(['.', '-']).map_while(|number| number.parse().ok());
        Self(numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }
}

impl std::fmt::Display for Linux {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What a panic says.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}
