//! A ring that carries nothing: it is attached to an SQ thread so that the thread stays awake longer.
//!
//! The kernel gives an SQ thread the longest idle time of all rings attached to it. Attaching raises
//! it at once; closing lowers it some 40 ms later, and only where the mappings went before the
//! descriptor. While more than one ring is attached, a pass takes at most eight entries of each.

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
    use crate::sqpoll::thread::{Thread, cpu_ticks};
    use std::time::Duration;

    /// How long the thread wants a CPU while this one sleeps.
    fn awake_for(thread: &Thread, time: Duration) -> Option<Duration> {
        let wanted = || thread.times().map(|times| times.ran + times.waited);
        let before = wanted()?;
        std::thread::sleep(time);
        Some(wanted()?.saturating_sub(before))
    }

    const PAUSE: Duration = Duration::from_millis(100);

    /// Whether the thread was kept awake, and slept afterwards. An error says why nobody can tell.
    fn keeps_and_lets_go() -> Result<bool, &'static str> {
        let thread = SqThread { cpu: None, idle_ms: 4, attach: None };
        let flags = Flags::default();
        let ring = build(&Attempt { entries: 4, completions: 8, flags, sqpoll: Some(thread) });
        let mut ring = Ring::new(ring.map_err(|_| "no SQ thread")?);
        let keeper = Keeper::attach(ring.fd(), 2000).expect("a second ring");
        // It may have slept before the keeper came: an entry wakes it.
        encode::bell(&mut ring, -1).expect("room for one");
        ring.publish().expect("the thread is woken");
        let thread = Thread::of_ring(ring.fd()).ok_or("the kernel does not name the thread")?;
        std::thread::sleep(PAUSE);
        let kept = awake_for(&thread, PAUSE).ok_or("the kernel does not count")?;
        drop(keeper);
        // The kernel lets go of it a little later, and only once its queues are unmapped.
        let sleeps = || awake_for(&thread, PAUSE).is_some_and(|awake| awake < PAUSE / 10);
        Ok(kept > PAUSE / 2 && (0..30).any(|_| sleeps()))
    }

    /// Whether each CPU had something to do for most of a while: then a thread that looks for work gets
    /// little of one, and nothing can be told.
    fn is_busy() -> bool {
        let ticks = || (0..64).map_while(cpu_ticks).collect::<Vec<_>>();
        let before = ticks();
        std::thread::sleep(PAUSE);
        before.iter().zip(ticks()).all(|(before, now)| {
            let (idle, all) = (now.0 - before.0, now.1 - before.1);
            idle * 2 < all
        })
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a skip says why")]
    fn it_keeps_the_thread_awake_until_it_is_closed() {
        for _ in 0..10 {
            match keeps_and_lets_go() {
                Ok(true) => return,
                Ok(false) if is_busy() => return eprintln!("SKIP: no CPU is free"),
                Ok(false) => {}
                Err(why) => return eprintln!("SKIP: {why}"),
            }
        }
        panic!("a keeper keeps the thread awake, and lets it sleep when it is closed");
    }
}
