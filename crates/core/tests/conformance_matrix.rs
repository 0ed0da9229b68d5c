//! The life of an op in every situation, without a kernel; prints the table.

#[allow(dead_code, reason = "the sim knows no files or sockets: it has one row of its own")]
#[path = "conformance/matrix/mod.rs"]
mod matrix;

use matrix::case::{Case, Made, Stage};
use matrix::lane::Op;
use matrix::{Column, Kind, Row, Subject};
use wakering_core::Error;
use wakering_core::abi::Opcode;
use wakering_core::driver::sim::{ERRORS, Faults, SimDriver};

const SEED: u64 = 6;
/// An eighth of the slots.
const QUEUE_MAX: usize = 8;
const TURNS_MAX: u32 = 4;
const ALWAYS: u8 = u8::MAX;

const ROWS: &[Row] = &[Row {
    name: "any op",
    opcode: Opcode::Nop,
    kind: Kind::Once { succeeds: any, waits: Ok(any_that_takes_long) },
    fails: Ok(any_that_fails),
    picks: false,
    of_a_ring: false,
    ring_since: None,
}];

fn any(_: &Stage) -> Made {
    Ok(Case::new(Op::new(Opcode::Nop)))
}

/// Nothing needs to happen but turns.
fn any_that_takes_long(stage: &Stage) -> Made {
    Ok(any(stage)?.wake(|| {}))
}

fn any_that_fails(stage: &Stage) -> Made {
    Ok(any(stage)?.fails_with_any_of(&ERRORS))
}

#[test]
fn conformance_matrix_sim() {
    let make = |home, column| {
        let faults = match column {
            Column::Error => Faults { failed: ALWAYS, ..Faults::default() },
            Column::During | Column::Drop | Column::Full => {
                Faults { delayed: ALWAYS, ..Faults::default() }
            }
            _ => Faults::default(),
        };
        Ok::<_, Error>(SimDriver::new(home, SEED, QUEUE_MAX, TURNS_MAX).with_faults(faults))
    };
    let lacks = |opcode: Opcode| format!("the sim has no {}", opcode.name());
    matrix::run(&Subject { title: "sim", make: &make, lacks: &lacks, ring: None }, &[ROWS]);
}
