//! A ring that carries nothing: it is attached to an SQ thread so that the thread stays awake longer.
//!
//! The kernel gives an SQ thread the longest idle time of all rings attached to it. Attaching raises
//! it at once; closing lowers it some 40 ms later, and only where the mappings went before the
//! descriptor. A thread that is waiting for its CPU just then may miss it: it goes by the old idle time
//! until the next op. While more than one ring is attached, a pass takes at most eight entries of each.

#![forbid(unsafe_code)]

use crate::ring::build;
use crate::setup::{Attempt, Flags, SqThread};
use io_uring::IoUring;
use std::os::fd::RawFd;

/// See the module's text. Dropped, it unmaps its queues and then closes: [`IoUring`] sees to the
/// order.
pub(crate) struct Keeper {
    _uring: IoUring,
    pub(crate) idle_ms: u32,
}

impl Keeper {
    /// Attached to the SQ thread of `ring`, which is open. The errno where it cannot be had.
    pub(crate) fn attach(ring: RawFd, idle_ms: u32) -> Result<Self, i32> {
        // Without an idle time of its own the kernel would take a whole second.
        let thread = SqThread { cpu: None, idle_ms: idle_ms.max(1), attach: Some(ring) };
        let attempt =
            Attempt { entries: 1, completions: 2, flags: Flags::default(), sqpoll: Some(thread) };
        Ok(Self { _uring: build(&attempt)?, idle_ms })
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("idle_ms", &self.idle_ms).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;
    use crate::ring::Ring;
    use std::time::{Duration, Instant};

    const PAUSE: Duration = Duration::from_millis(100);

    /// Whether the thread falls asleep within this time, by the flag with which it says so.
    fn sleeps_within(ring: &mut Ring, time: Duration) -> bool {
        let end = Instant::now() + time;
        while !ring.sq_thread_sleeps() {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(PAUSE / 20);
        }
        true
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a skip says why")]
    fn it_keeps_the_thread_awake_until_it_is_closed() {
        let thread = SqThread { cpu: None, idle_ms: 4, attach: None };
        let flags = Flags::default();
        let attempt = Attempt { entries: 4, completions: 8, flags, sqpoll: Some(thread) };
        let mut ring = match build(&attempt) {
            Ok(uring) => Ring::new(uring),
            Err(errno) => return eprintln!("SKIP: no SQ thread (errno {errno})"),
        };
        // Longer than this waits for anything: a thread that sleeps was not kept awake.
        let minute = Duration::from_secs(60);
        assert!(sleeps_within(&mut ring, minute), "it sleeps when nobody keeps it awake");

        let keeper = Keeper::attach(ring.fd(), 2 * 60_000).expect("a second ring");
        encode::bell(&mut ring, -1).expect("room for one");
        ring.publish().expect("the thread is woken");
        while ring.sq_thread_sleeps() {
            std::thread::sleep(PAUSE / 20);
        }
        assert!(!sleeps_within(&mut ring, PAUSE), "a keeper keeps it awake");

        drop(keeper);
        // Its deadline is set anew by each op, and by the closing where it is not missed.
        let sleeps = (0..600).any(|_| {
            ring.reap(|_| true);
            encode::bell(&mut ring, -1).expect("room for one");
            ring.publish().expect("no call where it is awake");
            sleeps_within(&mut ring, PAUSE)
        });
        assert!(sleeps, "it sleeps when the keeper is closed");
    }
}
