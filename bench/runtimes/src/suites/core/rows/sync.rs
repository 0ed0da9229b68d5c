//! One thread: what tasks exchange and share, each runtime with what its users would take.

use crate::contender::Run;
use crate::measure::Measure;
use crate::one_thread::{OneThread, in_a_task, yield_by_wake};
use std::rc::Rc;

/// A bounded channel with one receiver.
pub trait Channel: 'static {
    type Sender<T: 'static>: 'static;
    type Receiver<T: 'static>: 'static;
    fn channel<T: 'static>(room: usize) -> (Self::Sender<T>, Self::Receiver<T>);
    fn send<T: 'static>(sender: &Self::Sender<T>, value: T) -> impl Future<Output = ()>;
    /// Nothing where all senders are gone.
    fn receive<T: 'static>(receiver: &mut Self::Receiver<T>) -> impl Future<Output = Option<T>>;
}

/// A channel for one value.
pub trait Oneshot: 'static {
    type Sender: 'static;
    type Receiver: 'static;
    fn oneshot() -> (Self::Sender, Self::Receiver);
    fn send(sender: Self::Sender, value: u64);
    fn receive(receiver: Self::Receiver) -> impl Future<Output = u64>;
}

/// Wakes one who waits, or lets the next one pass.
pub trait Notify: 'static {
    fn new() -> Self;
    fn notify(&self);
    fn notified(&self) -> impl Future<Output = ()>;
}

/// What is held for a while: a mutex, or a semaphore's permit.
pub trait Acquire: 'static {
    type Held<'a>
    where
        Self: 'a;
    fn new() -> Self;
    fn acquire(&self) -> impl Future<Output = Self::Held<'_>>;
}

const ROUNDS: usize = 1_000;
const ROOM: usize = 16;

/// A value goes to another task and comes back through a second channel.
pub fn channel_cell<L: OneThread, C: Channel>() -> (&'static str, Run) {
    ("mpsc_round_trip", |measure| {
        in_a_task::<L, _>(measure, |mut measure| async {
            let (ask, mut asked) = C::channel::<u64>(ROOM);
            let (answer, mut answered) = C::channel::<u64>(ROOM);
            let echo = L::spawn(async move {
                while let Some(value) = C::receive(&mut asked).await {
                    C::send(&answer, value).await;
                }
            });
            measure
                .run_async(ROUNDS as u64, async || {
                    for round in 0..ROUNDS as u64 {
                        C::send(&ask, round).await;
                        assert_eq!(C::receive(&mut answered).await, Some(round));
                    }
                })
                .await;
            drop(ask);
            echo.await;
            measure
        });
    })
}

/// A request goes through a channel with a oneshot in it, by which the reply comes.
pub fn request_cell<L: OneThread, C: Channel, O: Oneshot>() -> (&'static str, Run) {
    ("request_reply", |measure| {
        in_a_task::<L, _>(measure, |mut measure| async {
            let (ask, mut asked) = C::channel::<(u64, O::Sender)>(ROOM);
            let server = L::spawn(async move {
                while let Some((value, reply)) = C::receive(&mut asked).await {
                    O::send(reply, value + 1);
                }
            });
            measure
                .run_async(ROUNDS as u64, async || {
                    for round in 0..ROUNDS as u64 {
                        let (reply, replied) = O::oneshot();
                        C::send(&ask, (round, reply)).await;
                        assert_eq!(O::receive(replied).await, round + 1);
                    }
                })
                .await;
            drop(ask);
            server.await;
            measure
        });
    })
}

/// Two tasks that notify each other.
pub fn notify_cell<L: OneThread, N: Notify>() -> (&'static str, Run) {
    ("notify", |measure| {
        in_a_task::<L, _>(measure, |mut measure| async {
            measure
                .run_async(ROUNDS as u64, async || {
                    let there = Rc::new((N::new(), N::new()));
                    let other = there.clone();
                    let echo = L::spawn(async move {
                        for _ in 0..ROUNDS {
                            other.0.notified().await;
                            other.1.notify();
                        }
                    });
                    for _ in 0..ROUNDS {
                        there.0.notify();
                        there.1.notified().await;
                    }
                    echo.await;
                })
                .await;
            measure
        });
    })
}

fn free<L: OneThread, A: Acquire>(measure: &mut Measure) {
    in_a_task::<L, _>(measure, |mut measure| async {
        let lock = A::new();
        measure
            .run_async(ROUNDS as u64, async || {
                for _ in 0..ROUNDS {
                    drop(std::hint::black_box(lock.acquire().await));
                }
            })
            .await;
        measure
    });
}

/// Four tasks that hold it over a yield: who comes next waits in the queue and is woken.
fn contended<L: OneThread, A: Acquire>(measure: &mut Measure) {
    const TASKS: usize = 4;
    in_a_task::<L, _>(measure, |mut measure| async {
        measure
            .run_async((TASKS * ROUNDS) as u64, async || {
                let lock = Rc::new(A::new());
                let tasks = [(); TASKS].map(|()| {
                    let lock = lock.clone();
                    L::spawn(async move {
                        for _ in 0..ROUNDS {
                            let held = lock.acquire().await;
                            yield_by_wake().await;
                            drop(held);
                        }
                    })
                });
                for task in tasks {
                    task.await;
                }
            })
            .await;
        measure
    });
}

pub fn mutex_cells<L: OneThread, A: Acquire>() -> Vec<(&'static str, Run)> {
    vec![("mutex_free", free::<L, A>), ("mutex_contended", contended::<L, A>)]
}

pub fn semaphore_cell<L: OneThread, A: Acquire>() -> (&'static str, Run) {
    ("semaphore_free", free::<L, A>)
}

/// Made, sent and received, with the value there before anybody asks.
pub fn oneshot_cell<L: OneThread, O: Oneshot>() -> (&'static str, Run) {
    ("oneshot_ready", |measure| {
        in_a_task::<L, _>(measure, |mut measure| async {
            measure
                .run_async(ROUNDS as u64, async || {
                    for round in 0..ROUNDS as u64 {
                        let (sender, receiver) = O::oneshot();
                        O::send(sender, std::hint::black_box(round));
                        assert_eq!(O::receive(receiver).await, round);
                    }
                })
                .await;
            measure
        });
    })
}
