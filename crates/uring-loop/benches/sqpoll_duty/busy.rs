//! The row in which somebody else is busy on the SQ thread's CPU.

use crate::lane::{Lane, wait_for_sq_threads};
use crate::{Contender, median};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wakering_core::scheduler::affinity::CpuSet;

pub(crate) const NAME: &str = "SQ core not free";

/// The least that Auto must reach of the plain ring's throughput.
const RATIO_MIN: f64 = 0.9;
const WARM_UP: Duration = Duration::from_millis(800);
const MEASURED: Duration = Duration::from_millis(1500);
const CONTENDERS: [Contender; 3] = [
    Contender::Plain,
    Contender::Fixed { idle_ms: 100 },
    Contender::Auto { weight: 100, may_leave: true },
];

/// Reads a second.
fn throughput(lane: &mut Lane, time: Duration) -> f64 {
    let begin = Instant::now();
    let mut ops = 0;
    while begin.elapsed() < time {
        lane.burst(512);
        ops += 512;
    }
    ops as f64 / begin.elapsed().as_secs_f64()
}

pub(crate) fn print_row(cpu: usize, rounds: usize, fd: i32) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            CpuSet::from_iter([cpu]).bind_this_thread().expect("a CPU of this process");
            while !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let mut rates = vec![Vec::new(); CONTENDERS.len()];
        let mut states = vec![String::new(); CONTENDERS.len()];
        for round in 1..=rounds {
            for (place, &contender) in CONTENDERS.iter().enumerate() {
                eprintln!("{NAME}, round {round} of {rounds}: {contender}");
                wait_for_sq_threads();
                let Some(mut lane) = Lane::new(contender, fd) else { break };
                throughput(&mut lane, WARM_UP);
                rates[place].push(throughput(&mut lane, MEASURED));
                states[place] = lane.state();
            }
        }
        stop.store(true, Ordering::Relaxed);
        if rates.iter().any(Vec::is_empty) {
            return;
        }
        println!("\n{NAME}: reads a second, eight at a time, {rounds} rounds");
        let plain = median(rates[0].clone());
        for (place, contender) in CONTENDERS.iter().enumerate() {
            let rate = median(rates[place].clone());
            let ratio = rate / plain;
            println!("{contender:<26} {rate:>12.0} {ratio:>6.2}  {}", states[place]);
            if matches!(contender, Contender::Auto { .. }) {
                let met = if ratio >= RATIO_MIN { "met" } else { "MISSED" };
                println!("Auto: {ratio:.2} of the plain ring, {RATIO_MIN} at the least: {met}");
            }
        }
    });
}
