//! The drivers that are to be had here.

#![allow(dead_code, reason = "each test file uses its part")]

use wakering::runtime::{Idle, SqpollOptions};
use wakering::{Builder, DriverChoice, Runtime};

/// A runtime's builder for each driver: a ring, and none.
pub(crate) fn drivers() -> Vec<Builder> {
    let builders = [DriverChoice::Uring, DriverChoice::Poll]
        .map(|driver| Runtime::builder().driver(driver).slots(256));
    let found = to_be_had(builders);
    assert!(!found.is_empty(), "the poll driver is everywhere");
    found
}

/// The same, and a ring whose ops an SQ thread submits: there a cancel is not carried out at once.
pub(crate) fn personalities() -> Vec<Builder> {
    let sqpoll = SqpollOptions { cpu: None, idle: Idle::Millis(10) };
    let mut found = drivers();
    let builder = Runtime::builder().driver(DriverChoice::Uring).slots(256).sqpoll(sqpoll);
    found.extend(to_be_had([builder]));
    found
}

#[allow(clippy::print_stderr, reason = "what is skipped is printed with its reason")]
fn to_be_had<const N: usize>(builders: [Builder; N]) -> Vec<Builder> {
    let mut found = Vec::new();
    for builder in builders {
        match builder.clone().build_local() {
            Ok(_) => found.push(builder),
            Err(why) => eprintln!("SKIP: {builder:?}: {why}"),
        }
    }
    found
}
