//! Timers of one thread: limits that are not reached, and sleeps that are.

use crate::contender::Run;
use crate::machine;
use crate::measure::Measure;
use crate::one_thread::{OneThread, in_a_task};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// A runtime's sleep.
pub trait StartTimer: 'static {
    fn sleep(duration: Duration) -> impl Future + 'static;
}

const HOUR: Duration = Duration::from_secs(3600);
const TIMERS: usize = 1_000;

pub fn cells<L: OneThread, T: StartTimer>() -> Vec<(&'static str, Run)> {
    vec![
        ("timer_cancel", |measure| cancel::<L, T>(measure, 0)),
        ("timer_cancel_beside", |measure| cancel::<L, T>(measure, 10_000)),
        ("timer_fire", fire::<L, T>),
    ]
}

/// Asks the future once, which starts its timer.
async fn start(mut sleep: Pin<&mut impl Future>) {
    poll_fn(|cx| {
        assert!(sleep.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// Starts a timer and drops it, while so many others wait.
fn cancel<L: OneThread, T: StartTimer>(measure: &mut Measure, beside: u64) {
    in_a_task::<L, _>(measure, async move |mut measure: Measure| {
        let mut others = Vec::new();
        for other in 0..beside {
            let mut sleep = Box::pin(T::sleep(HOUR + Duration::from_millis(other * 7919 % 10_007)));
            start(sleep.as_mut()).await;
            others.push(sleep);
        }
        measure
            .run_async(TIMERS as u64, async || {
                for _ in 0..TIMERS {
                    start(pin!(T::sleep(HOUR / 2))).await;
                }
            })
            .await;
        measure
    });
}

/// A task each for 1,000 sleeps of 1 to 2 ms: the CPU time of all threads for one of them.
fn fire<L: OneThread, T: StartTimer>(measure: &mut Measure) {
    in_a_task::<L, _>(measure, async move |mut measure: Measure| {
        let mut joins = Vec::with_capacity(TIMERS);
        measure
            .run_async_timed(TIMERS as u64, async || {
                let before = machine::cpu();
                joins.extend((0..TIMERS as u64).map(|timer| {
                    let duration = Duration::from_micros(1_000 + timer * 7919 % 1_000);
                    L::spawn(async move {
                        T::sleep(duration).await;
                    })
                }));
                for join in joins.drain(..) {
                    join.await;
                }
                machine::cpu() - before
            })
            .await;
        measure
    });
}
