//! Messages from one loop to another on the other CPU. Neither has time to sleep.

use crate::contender::{Run, tell_and_leave};
use crate::machine;
use crate::measure::Measure;
use crate::one_thread::{OneThread, in_a_task, yield_by_wake};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};

/// A bounded channel between threads.
pub trait Post: OneThread {
    type Sender: Send + 'static;
    type Receiver: Send + 'static;
    fn post(room: usize) -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, message: u64) -> impl Future<Output = ()>;
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = u64>;
}

const MESSAGES: u64 = 1_000;
const ROOM: usize = 1_024;

pub fn cells<L: Post>() -> Vec<(&'static str, Run)> {
    vec![("cross_busy", busy::<L>)]
}

fn busy<L: Post>(measure: &mut Measure) {
    let (sender, mut receiver) = L::post(ROOM);
    let received = Arc::new(AtomicU64::new(0));
    let count = received.clone();
    // It ends with the process.
    std::thread::spawn(move || {
        machine::stay_on(1);
        L::block_on(async move {
            L::detach(busy_for_ever());
            loop {
                L::receive(&mut receiver).await;
                count.fetch_add(1, Release);
            }
        });
    });
    machine::stay_on(0);
    in_a_task::<L, _>(measure, async move |mut measure: Measure| {
        L::detach(busy_for_ever());
        let mut sent = 0;
        measure
            .run_async(MESSAGES, async || {
                for message in 0..MESSAGES {
                    L::send(&sender, message).await;
                }
                sent += MESSAGES;
                while received.load(Acquire) < sent {
                    yield_by_wake().await;
                }
            })
            .await;
        tell_and_leave(&measure)
    });
}

async fn busy_for_ever() {
    loop {
        yield_by_wake().await;
    }
}
