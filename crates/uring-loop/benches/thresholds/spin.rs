//! How long a lane over SQPOLL looks for completions before it goes back to the event loop.
//!
//! The lane waits by its bell, as one under libuv does: without a look, each answer wakes it.

use crate::measure::{medians, micros, print_table};
use crate::reads::timed;
use crate::ring::{Folder, PAGE, Pages, Places, Ring};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wakering_core::abi::Opcode;
use wakering_core::resource::Prepared;
use wakering_uring_loop::{Sqpoll, UringConfig};

/// After so many milliseconds the SQ thread sleeps, and leaves its CPU to the other way.
const IDLE_MS: u32 = 10;

/// Binds the calling thread to a CPU, from which no other thread is kept.
fn run_on(cpu: u32) {
    // SAFETY: a set of CPUs is plain numbers, and zeros are the empty one.
    let mut cpus: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set outlives the call, and `cpu` is one of this machine.
    unsafe { libc::CPU_SET(cpu as usize, &mut cpus) };
    // SAFETY: the set outlives the call.
    let done = unsafe { libc::sched_setaffinity(0, size_of_val(&cpus), &raw const cpus) };
    assert_eq!(done, 0, "a thread may choose among its CPUs");
}

/// Keeps a CPU busy while `work` is done.
fn beside_somebody_busy(cpu: u32, work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            run_on(cpu);
            // Relaxed: a flag that nothing else depends on.
            while !over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        work();
        over.store(true, Ordering::Relaxed);
    });
}

/// The ring without an SQ thread, with one and no look, and with one and looks.
pub fn looks(folder: &Folder) {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from) as u32;
    if cpus < 2 {
        return println!("SKIP: an SQ thread needs a CPU of its own");
    }
    let mut rows = Vec::new();
    measure(folder, cpus - 1, "", &mut rows);
    beside_somebody_busy(cpus - 1, || measure(folder, cpus - 1, ", its CPU busy", &mut rows));
    print_table(
        "Looking for completions over SQPOLL: a cached read of 4 KiB, us",
        &[
            "read",
            "ring",
            "SQPOLL, no look",
            "SQPOLL, looks",
            "seen",
            "in vain",
            "us in vain a read",
        ],
        &rows,
    );
}

fn measure(folder: &Folder, cpu: u32, when: &str, rows: &mut Vec<Vec<String>>) {
    let (file, file_bytes) = folder.large();
    let sqpoll = Sqpoll { cpu: Some(cpu), idle_ms: IDLE_MS, share: None };
    let plain = UringConfig::inline(256);
    let looking = plain.clone().with_sqpoll(sqpoll);
    let patient = UringConfig { spin_ns_max: 0, ..looking.clone() };
    let mut pages = Pages::new(32 * PAGE);
    let mut rings = Vec::new();
    for config in [plain, patient, looking] {
        let Some(mut ring) = Ring::new(config, None) else { return };
        // SAFETY: the pages outlive the rings, and nobody else reaches them meanwhile.
        let registered = unsafe { ring.driver.register_buffer(pages.at(0), 32 * PAGE) };
        let Ok(registered) = registered else { return println!("SKIP: locked memory is short") };
        let fixed_file = ring.driver.register_file(file.as_raw_fd()).expect("a place");
        rings.push((ring, registered, fixed_file));
    }
    let mut places = Places::new(file_bytes, PAGE);
    for depth in [1, 32] {
        let before = rings[2].0.driver.counters();
        let mut looked = 0;
        let found = medians(3, depth as u64, |way, times| {
            let (ring, registered, fixed_file) = &mut rings[way];
            let mut once = || {
                ring.batch(depth, |number| Prepared {
                    registered: *registered,
                    fixed_file: *fixed_file,
                    address: pages.at(number * PAGE),
                    length: PAGE as u32,
                    offset: places.next(),
                    ..Prepared::new(Opcode::Read)
                });
            };
            // The other ring's SQ thread goes to sleep, this one's wakes up.
            std::thread::sleep(Duration::from_millis(u64::from(IDLE_MS) * 2));
            once();
            looked += u64::from(way == 2) * (times * depth as u64 + 1);
            timed(|| (0..times).for_each(|_| once()))
        });
        let after = rings[2].0.driver.counters();
        let hits = after.spins_hit - before.spins_hit;
        let misses = after.spins_missed - before.spins_missed;
        let vain = (after.spun_in_vain_ns - before.spun_in_vain_ns) as f64 / looked as f64;
        rows.push(vec![
            format!("{depth} at a time{when}"),
            micros(found[0][0]),
            micros(found[1][0]),
            micros(found[2][0]),
            hits.to_string(),
            misses.to_string(),
            format!("{:.3}", vain / 1000.0),
        ]);
    }
}
