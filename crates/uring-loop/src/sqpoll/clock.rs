//! The kernel's own ticks: as coarse as an SQ thread's idle time is, and a fifth of the price of a
//! precise clock, so that it can be read at each publish.

use std::sync::OnceLock;

fn read(of: unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> libc::c_int) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both functions that are passed here write one timespec, which outlives the call.
    unsafe { of(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Milliseconds since some moment; the same number within a tick.
pub(crate) fn now_ms() -> u64 {
    read(libc::clock_gettime) / 1_000_000
}

/// The length of a tick: 1 to 10 ms.
pub(crate) fn tick_ms() -> u32 {
    static TICK_MS: OnceLock<u32> = OnceLock::new();
    *TICK_MS.get_or_init(|| (read(libc::clock_getres) / 1_000_000).clamp(1, 10) as u32)
}
