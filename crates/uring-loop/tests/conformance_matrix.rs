//! Every op in every situation, on each kind of ring; prints the tables.

#[path = "../../core/tests/conformance/matrix/mod.rs"]
mod matrix;

use matrix::case::{Peer, RingParts};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use wakering_core::Home;
use wakering_core::abi::Opcode;
use wakering_uring_loop::{Sqpoll, UringConfig, UringDriver, ring_since};

/// An eighth of the slots, so that the submission queue is full before they are.
const ENTRIES: u32 = 8;

fn run(title: &str, config: fn(u32) -> UringConfig) {
    matrix::rows::check_complete();
    matrix::run(
        &matrix::Subject {
            title: &format!("{title}, Linux {}", matrix::Linux::release()),
            make: &|home, _| {
                let config = UringConfig { entries: ENTRIES, ..config(home.slab.len()) };
                UringDriver::new(config, home)
            },
            lacks: &lacks,
            ring: Some(&parts),
        },
        matrix::rows::ALL,
    );
}

fn lacks(opcode: Opcode) -> String {
    match ring_since(opcode) {
        Some(since) => format!("needs Linux {since}"),
        None => "left to the pool of threads".into(),
    }
}

/// Registers a file and a buffer. The memory is never given back: it is small, and the ring's.
fn parts(driver: &mut UringDriver, file: RawFd) -> Result<RingParts, String> {
    let no = |error| format!("nothing can be registered with this ring: {error}");
    let memory = Box::leak(Box::new([0u8; 256]));
    let (start, length) = (memory.as_mut_ptr(), memory.len());
    let place = driver.register_file(file).map_err(no)?;
    // SAFETY: the memory stays for ever.
    let buffer = unsafe { driver.register_buffer(start, length) }.map_err(no)?;
    Ok(RingParts { place, buffer, memory: (start, length), peer })
}

fn peer() -> Result<Peer, String> {
    let home = Arc::new(Home::new(8).map_err(|error| error.to_string())?);
    let bell = home.doorbell.as_raw_fd();
    let driver = UringDriver::new(UringConfig::inline(8), home);
    let driver = driver.map_err(|refused| refused.to_string())?;
    Ok(Peer { ring: driver.ring_fd(), bell, _driver: Box::new(driver) })
}

#[test]
fn conformance_matrix_inline() {
    run("uring, on a thread that waits elsewhere", UringConfig::inline);
}

#[test]
fn conformance_matrix_worker() {
    run("uring, on a thread of its own (DEFER_TASKRUN)", UringConfig::worker);
}

#[test]
fn conformance_matrix_sqpoll() {
    run("uring, with an SQ thread", |slots| {
        let sqpoll = Sqpoll { cpu: None, idle_ms: 20, share: None };
        UringConfig::inline(slots).with_sqpoll(sqpoll)
    });
}
