//! Two threads on two CPUs, a runtime on each, that wake each other.

use crate::contender::Run;
use crate::machine;
use crate::measure::Measure;
use crate::one_thread::{OneThread, in_a_task};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A notification that may come from another thread.
pub trait Pair: Send + Sync + 'static {
    fn new() -> Self;
    fn notify(&self);
    fn notified(&self) -> impl Future<Output = ()>;
}

pub fn cells<L: OneThread, N: Pair>() -> Vec<(&'static str, Run)> {
    vec![
        // Longer than anybody's spinning, so that both threads sleep when the round begins.
        ("cross_parked", |measure| rounds::<L, N>(measure, 1, Duration::from_micros(1_500))),
        ("cross_hot", |measure| rounds::<L, N>(measure, 1_000, Duration::ZERO)),
    ]
}

/// So many rounds there and back, after a pause.
fn rounds<L: OneThread, N: Pair>(measure: &mut Measure, rounds: u64, pause: Duration) {
    let bells = Arc::new((N::new(), N::new()));
    let other = bells.clone();
    // It ends with the process.
    std::thread::spawn(move || {
        machine::stay_on(1);
        L::block_on(async move {
            loop {
                other.0.notified().await;
                other.1.notify();
            }
        });
    });
    machine::stay_on(0);
    in_a_task::<L, _>(measure, async move |mut measure: Measure| {
        measure
            .run_async_timed(rounds, async || {
                std::thread::sleep(pause);
                let began = Instant::now();
                for _ in 0..rounds {
                    bells.0.notify();
                    bells.1.notified().await;
                }
                began.elapsed()
            })
            .await;
        measure
    });
}
