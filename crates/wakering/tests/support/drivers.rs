//! The drivers that are to be had here.

use wakering::{Builder, DriverChoice, Runtime};

/// A runtime's builder for each driver: a ring, and none.
#[allow(clippy::print_stderr, reason = "what is skipped is printed with its reason")]
pub(crate) fn drivers() -> Vec<Builder> {
    let mut found = Vec::new();
    for driver in [DriverChoice::Uring, DriverChoice::Poll] {
        let builder = Runtime::builder().driver(driver).slots(256);
        match builder.clone().build_local() {
            Ok(_) => found.push(builder),
            Err(why) => eprintln!("SKIP: {driver:?}: {why}"),
        }
    }
    assert!(!found.is_empty(), "the poll driver is everywhere");
    found
}
