//! The rows of the table, by what they are about. A row is data: how a case of the op is set up that
//! succeeds, one that fails, and one that waits, each with what it must answer.

use super::case::{Made, Stage};
use super::columns::Setup;
use super::stream::Stream;
use super::{Kind, Linux, Row};
use wakering_core::abi::Opcode;

mod addresses;
mod chains;
mod data;
mod files;
mod messages;
mod multishot;
mod net;
mod paths;
mod pool;
mod registered;
mod sockets;
mod streams;
mod waits;

/// All of them.
pub(crate) const ALL: &[&[Row]] = &[
    waits::ROWS,
    chains::ROWS,
    files::ROWS,
    paths::ROWS,
    streams::ROWS,
    sockets::ROWS,
    data::ROWS,
    messages::ROWS,
    multishot::ROWS,
    registered::ROWS,
    pool::ROWS,
];

/// For an op that the kernel carries out when it gets to it.
const NEVER_WAITS: Result<Setup, &str> = Err("never waits for anybody");

const fn row(
    name: &'static str,
    opcode: Opcode,
    succeeds: Setup,
    fails: Setup,
    waits: Result<Setup, &'static str>,
) -> Row {
    let kind = Kind::Once { succeeds, waits };
    Row { name, opcode, kind, fails: Ok(fails), picks: false, of_a_ring: false, ring_since: None }
}

type Streaming = fn(&Stage) -> Result<Stream, String>;

/// A multishot op.
const fn many(
    name: &'static str,
    opcode: Opcode,
    stream: Streaming,
    fails: Result<Setup, &'static str>,
    ring_since: Linux,
) -> Row {
    let (kind, ring_since) = (Kind::Many(stream), Some(ring_since));
    Row { name, opcode, kind, fails, picks: false, of_a_ring: false, ring_since }
}

impl Row {
    /// It picks its buffer.
    const fn picking(self) -> Self {
        Self { picks: true, ..self }
    }

    /// It is about what only a ring has.
    const fn of_a_ring(self) -> Self {
        Self { of_a_ring: true, ..self }
    }

    /// Rings do it since this Linux.
    const fn since(self, linux: Linux) -> Self {
        Self { ring_since: Some(linux), ..self }
    }
}

/// That an op is here for each opcode, but for those that end others: they are two of the columns.
pub(crate) fn check_complete() {
    for &opcode in Opcode::ALL {
        let ends_others =
            matches!(opcode, Opcode::Cancel | Opcode::CancelHandle | Opcode::CancelAll);
        let has_row = ALL.iter().copied().flatten().any(|row| row.opcode == opcode);
        assert!(has_row || ends_others, "{} has no row", opcode.name());
    }
}

/// A case that has no more to wait for.
fn woken(case: Made) -> Made {
    let case = case?;
    case.wake.as_ref().expect("one that waits")();
    Ok(case)
}

/// Of a call from outside the driver: what it gives, or why it cannot be had here.
fn had<T>(result: std::io::Result<T>, what: &str) -> Result<T, String> {
    result.map_err(|error| format!("{what} cannot be had here: {error}"))
}
