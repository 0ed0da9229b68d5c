//! What this process and its threads have used, and where they run: questions to the kernel.

use std::time::Duration;

/// Resident bytes, as the kernel counts them.
pub fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("the second number") * 4096
}

/// CPU time of all threads of this process.
pub fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills a timespec of ours.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(answer, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Keeps this thread on one CPU, if there are so many.
pub fn stay_on(cpu: usize) {
    // SAFETY: a set of CPUs is plain numbers, of which zeros are the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `cpu` is far below the 1,024 that a set has room for.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the call reads as many bytes as the set has.
    let answer = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    if answer != 0 {
        eprintln!("this thread stays where it is");
    }
}
