//! The row in which somebody else is busy on the SQ thread's CPU.

use crate::lane::{Lane, wait_for_sq_threads};
use crate::{Contender, median};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wakering_core::scheduler::affinity::CpuSet;

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
        for _ in 0..rounds {
            for (place, &contender) in CONTENDERS.iter().enumerate() {
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
        println!("\nSQ core not free: reads a second, eight at a time, {rounds} rounds");
        let plain = median(rates[0].clone());
        for (place, contender) in CONTENDERS.iter().enumerate() {
            let rate = median(rates[place].clone());
            println!("{contender:<26} {rate:>12.0} {:>6.2}  {}", rate / plain, states[place]);
        }
    });
}
