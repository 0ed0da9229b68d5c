//! What a lock, a hand-off and a message cost on one thread, per kind: `cargo bench -p wakering-core
//! --bench sync [-- FILTER]`. The median of 21 samples, in nanoseconds.
//!
//! Tasks are polled by the smallest executor there can be (a flag a task), so that a row is what the
//! primitive costs, not what a scheduler does.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::time::Instant;
use wakering_core::sync::oneshot::{self, Oneshot};
use wakering_core::sync::{
    Barrier, BufferPool, Channel, Local, Mutex, Notify, RwLock, Semaphore, Shared, Sharing,
    WaitQueue, Watermarks, select,
};

const SAMPLES: usize = 21;

/// Calls `sample` with a number of rounds, and prints the median of its time per round.
fn row(name: &str, mut sample: impl FnMut(u32)) {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if filter.is_some_and(|filter| !name.contains(&filter)) {
        return;
    }
    let rounds = 20_000;
    sample(rounds);
    let mut times = [(); SAMPLES].map(|()| {
        let start = Instant::now();
        sample(rounds);
        start.elapsed().as_secs_f64() * 1e9 / f64::from(rounds)
    });
    times.sort_by(f64::total_cmp);
    println!("{name:<44} {:>8.2} ns   (best {:.2})", times[SAMPLES / 2], times[0]);
}

// The smallest waker: a flag that lives for ever.

static TABLE: RawWakerVTable =
    RawWakerVTable::new(|flag| RawWaker::new(flag, &TABLE), wake, wake, |_| ());

fn wake(flag: *const ()) {
    // SAFETY: `waker_of` made it of a `&'static AtomicBool`.
    let flag = unsafe { &*flag.cast::<AtomicBool>() };
    flag.store(true, Ordering::Relaxed);
}

fn waker_of(flag: &'static AtomicBool) -> Waker {
    // SAFETY: the flag outlives every waker, and is used through `&` from any thread.
    unsafe { Waker::new(std::ptr::from_ref(flag).cast(), &TABLE) }
}

static FLAGS: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&waker_of(&FLAGS[0])))
}

fn ready<F: Future>(future: F) -> F::Output {
    match poll(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing was to be waited for"),
    }
}

/// Runs two tasks by their flags, until the first ends.
fn duet(first: impl Future<Output = ()>, second: impl Future<Output = ()>) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let wakers = [waker_of(&FLAGS[0]), waker_of(&FLAGS[1])];
    FLAGS.iter().for_each(|flag| flag.store(true, Ordering::Relaxed));
    loop {
        if FLAGS[0].swap_off()
            && first.as_mut().poll(&mut Context::from_waker(&wakers[0])).is_ready()
        {
            return;
        }
        if FLAGS[1].swap_off() {
            let _ = second.as_mut().poll(&mut Context::from_waker(&wakers[1]));
        }
    }
}

trait SwapOff {
    fn swap_off(&self) -> bool;
}

impl SwapOff for AtomicBool {
    /// Without an atomic exchange: all of this is one thread.
    fn swap_off(&self) -> bool {
        let was = self.load(Ordering::Relaxed);
        self.store(false, Ordering::Relaxed);
        was
    }
}

fn locks<K: Sharing>(kind: &str) {
    let mutex = Mutex::<u64, K>::new(0);
    row(&format!("mutex, free, {kind}"), |rounds| {
        for _ in 0..rounds {
            *ready(black_box(&mutex).lock()) += 1;
        }
    });
    row(&format!("mutex, try_lock, {kind}"), |rounds| {
        for _ in 0..rounds {
            *black_box(&mutex).try_lock().unwrap() += 1;
        }
    });
    row(&format!("mutex, contended hand-off, {kind}"), |rounds| {
        let mut guard = mutex.try_lock().unwrap();
        for _ in 0..rounds {
            *guard += 1;
            let mut next = pin!(black_box(&mutex).lock());
            assert!(poll(next.as_mut()).is_pending());
            drop(guard);
            let Poll::Ready(handed) = poll(next.as_mut()) else { unreachable!("handed over") };
            guard = handed;
        }
    });
    let semaphore = Semaphore::<K>::new(4);
    row(&format!("semaphore, free, {kind}"), |rounds| {
        for _ in 0..rounds {
            drop(black_box(ready(black_box(&semaphore).acquire())));
        }
    });
    let lock = RwLock::<u64, K>::new(0);
    row(&format!("rwlock, read, free, {kind}"), |rounds| {
        for _ in 0..rounds {
            black_box(*ready(black_box(&lock).read()));
        }
    });
    let pool = BufferPool::<_, K>::of_bytes(4, 64, Watermarks { low: 0, high: 1 });
    row(&format!("buffer pool, get and put, {kind}"), |rounds| {
        for _ in 0..rounds {
            drop(black_box(ready(black_box(&pool).get())));
        }
    });
}

fn wakes<K: Sharing>(kind: &str) {
    let queue = WaitQueue::<K>::new();
    row(&format!("wait queue, wait and wake, {kind}"), |rounds| {
        for _ in 0..rounds {
            let mut waiting = pin!(black_box(&queue).wait());
            assert!(poll(waiting.as_mut()).is_pending());
            queue.wake_one();
            assert!(poll(waiting.as_mut()).is_ready());
        }
    });
    row(&format!("wait queue, wait and drop, {kind}"), |rounds| {
        for _ in 0..rounds {
            let mut waiting = pin!(black_box(&queue).wait());
            assert!(poll(waiting.as_mut()).is_pending());
        }
    });
    let notify = Notify::<K>::new();
    row(&format!("notify, wait and ring, {kind}"), |rounds| {
        for _ in 0..rounds {
            let mut waiting = pin!(black_box(&notify).notified());
            assert!(poll(waiting.as_mut()).is_pending());
            notify.notify_one();
            assert!(poll(waiting.as_mut()).is_ready());
        }
    });
    let (ping, pong) = (Notify::<K>::new(), Notify::<K>::new());
    row(&format!("notify, round trip of two tasks, {kind}"), |rounds| {
        let second = async {
            loop {
                ping.notified().await;
                pong.notify_one();
            }
        };
        let first = async {
            for _ in 0..rounds {
                ping.notify_one();
                pong.notified().await;
            }
        };
        duet(first, second);
    });
    let barrier = Barrier::<K>::new(2);
    row(&format!("barrier, round of two, {kind}"), |rounds| {
        for _ in 0..rounds {
            let mut waiting = pin!(black_box(&barrier).wait());
            assert!(poll(waiting.as_mut()).is_pending());
            ready(barrier.wait());
            assert!(poll(waiting.as_mut()).is_ready());
        }
    });
}

fn messages<K: Sharing>(kind: &str) {
    let channel = Channel::<u64, K>::new(8);
    row(&format!("channel, send and recv, ready, {kind}"), |rounds| {
        for round in 0..rounds {
            ready(black_box(&channel).send(u64::from(round))).unwrap();
            black_box(ready(channel.recv()).unwrap());
        }
    });
    for capacity in [0, 1] {
        let there = Channel::<u64, K>::new(capacity);
        let back = Channel::<u64, K>::new(capacity);
        row(&format!("channel({capacity}), round trip of two tasks, {kind}"), |rounds| {
            let second = async {
                loop {
                    let value = there.recv().await.unwrap();
                    back.send(value).await.unwrap();
                }
            };
            let first = async {
                for round in 0..rounds {
                    there.send(u64::from(round)).await.unwrap();
                    black_box(back.recv().await.unwrap());
                }
            };
            duet(first, second);
        });
    }
    let empty = Channel::<u64, K>::new(1);
    row(&format!("select of two, one ready, {kind}"), |rounds| {
        for round in 0..rounds {
            channel.try_send(u64::from(round)).unwrap();
            black_box(ready(select((channel.recv(), empty.recv()))));
        }
    });
}

fn answers() {
    row("oneshot, ready, local", |rounds| {
        for round in 0..rounds {
            let (sender, receiver) = oneshot::local();
            sender.send(black_box(round)).unwrap();
            black_box(ready(receiver).unwrap());
        }
    });
    row("oneshot, ready, shared", |rounds| {
        for round in 0..rounds {
            let (sender, receiver) = oneshot::channel();
            sender.send(black_box(round)).unwrap();
            black_box(ready(receiver).unwrap());
        }
    });
    let mut room = Oneshot::<u32, Local>::new();
    row("oneshot, ready, local, in the caller's room", |rounds| {
        for round in 0..rounds {
            let (sender, receiver) = room.pair();
            sender.send(black_box(round)).unwrap();
            black_box(ready(receiver).unwrap());
        }
    });
    row("oneshot, awaited, shared", |rounds| {
        for round in 0..rounds {
            let (sender, receiver) = oneshot::channel();
            let mut receiver = pin!(receiver);
            assert!(poll(receiver.as_mut()).is_pending());
            sender.send(black_box(round)).unwrap();
            assert!(poll(receiver).is_ready());
        }
    });
    let requests = Channel::<(u32, oneshot::Sender<u32, Local>), Local>::new(1);
    row("request and reply, local", |rounds| {
        let server = async {
            while let Ok((request, reply)) = requests.recv().await {
                reply.send(request).unwrap();
            }
        };
        let client = async {
            for round in 0..rounds {
                let (sender, receiver) = oneshot::local();
                requests.send((round, sender)).await.unwrap();
                black_box(receiver.await.unwrap());
            }
        };
        duet(client, server);
    });
    let requests = Channel::<(u32, oneshot::Sender<u32>)>::new(1);
    row("request and reply, shared", |rounds| {
        let server = async {
            while let Ok((request, reply)) = requests.recv().await {
                reply.send(request).unwrap();
            }
        };
        let client = async {
            for round in 0..rounds {
                let (sender, receiver) = oneshot::channel();
                requests.send((round, sender)).await.unwrap();
                black_box(receiver.await.unwrap());
            }
        };
        duet(client, server);
    });
}

fn main() {
    locks::<Local>("local");
    locks::<Shared>("shared");
    wakes::<Local>("local");
    wakes::<Shared>("shared");
    messages::<Local>("local");
    messages::<Shared>("shared");
    answers();
}
