//! An operation that does nothing: what a trip through the ring costs.

use super::super::gang::Gang;
use crate::contender::Run;
use crate::measure::Measure;
use crate::one_thread::{OneThread, in_a_task};

pub trait Nop: OneThread {
    fn nop() -> impl Future<Output = ()> + 'static;
}

pub const TASKS: usize = 100;
const OPERATIONS: usize = 1_000;

pub fn cells<L: Nop>() -> Vec<(&'static str, Run)> {
    vec![("nop_1", one_at_a_time::<L>), ("nop_100", many_tasks::<L>)]
}

fn one_at_a_time<L: Nop>(measure: &mut Measure) {
    in_a_task::<L, _>(measure, async |mut measure: Measure| {
        measure
            .run_async(OPERATIONS as u64, async || {
                for _ in 0..OPERATIONS {
                    L::nop().await;
                }
            })
            .await;
        crate::contender::tell_and_leave(&measure)
    });
}

fn many_tasks<L: Nop>(measure: &mut Measure) {
    const EACH: usize = 10 * OPERATIONS / TASKS;
    in_a_task::<L, _>(measure, async |mut measure: Measure| {
        let gang = Gang::hire::<L, _>(TASKS, |_| {
            async || {
                for _ in 0..EACH {
                    L::nop().await;
                }
            }
        });
        measure.run_async((TASKS * EACH) as u64, async || gang.round().await).await;
        crate::contender::tell_and_leave(&measure)
    });
}
