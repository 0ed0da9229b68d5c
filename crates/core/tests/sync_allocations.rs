//! What each primitive allocates per operation once it has been used: nothing.

#[path = "support/counting.rs"]
mod counting;

use counting::allocations;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use wakering_core::sync::oneshot::{self, Oneshot};
use wakering_core::sync::{
    Barrier, BufferPool, Channel, Local, Mutex, Notify, OwnerLock, Rendez, RwLock, Semaphore,
    Shared, Sharing, Watermarks, broadcast, select, try_select, watch,
};

const ROUNDS: usize = 1_000;

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn ready<F: Future>(future: F) -> F::Output {
    match poll(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing was to be waited for"),
    }
}

/// Joins the line, lets `wake` be done, and is ready then.
fn woken<F: Future>(future: F, wake: impl FnOnce()) -> F::Output {
    let mut future = pin!(future);
    assert!(poll(future.as_mut()).is_pending());
    wake();
    match poll(future) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it was woken"),
    }
}

/// Joins the line and leaves it.
fn cancelled<F: Future>(future: F) {
    assert!(poll(pin!(future)).is_pending());
}

/// Compares with the table: every row of it is 0 after the first round.
fn nothing(name: &str, mut round: impl FnMut()) {
    round();
    let before = allocations();
    for _ in 0..ROUNDS {
        round();
    }
    assert_eq!(allocations() - before, 0, "{name}: allocations in {ROUNDS} rounds");
}

fn locks<K: Sharing>() {
    let mutex = Mutex::<(), K>::new(());
    nothing("mutex, free", || drop(ready(mutex.lock())));
    nothing("mutex, handed over", || {
        let mut guard = mutex.try_lock();
        drop(woken(mutex.lock(), || guard = None));
    });
    nothing("mutex, cancelled", || {
        let _guard = mutex.try_lock();
        cancelled(mutex.lock());
    });
    let lock = OwnerLock::<K>::new();
    nothing("owner lock", || {
        ready(lock.lock_by(std::num::NonZeroUsize::MIN));
        lock.unlock_by(std::num::NonZeroUsize::MIN).unwrap();
    });
    let lock = RwLock::<(), K>::new(());
    nothing("rwlock", || {
        let mut reader = lock.try_read();
        drop(woken(lock.write(), || reader = None));
    });
    let semaphore = Semaphore::<K>::new(2);
    nothing("semaphore", || {
        let mut permit = semaphore.try_acquire();
        drop(woken(semaphore.acquire_many(2), || permit = None));
    });
    let pool = BufferPool::<_, K>::of_bytes(1, 64, Watermarks { low: 0, high: 1 });
    nothing("buffer pool", || {
        let mut loan = Some(ready(pool.get()));
        drop(woken(pool.get(), || loan = None));
    });
}

fn wakes<K: Sharing>() {
    let barrier = Barrier::<K>::new(2);
    nothing("barrier", || {
        woken(barrier.wait(), || assert!(ready(barrier.wait()).last));
    });
    let rendez = Rendez::<K>::new();
    nothing("rendez", || {
        woken(rendez.sleep(), || assert_eq!(rendez.wakeup(), 1));
        cancelled(rendez.sleep());
    });
    let notify = Notify::<K>::new();
    nothing("notify", || {
        woken(notify.notified(), || notify.notify_one());
        notify.notify_one();
        ready(notify.notified());
    });
}

fn messages<K: Sharing>() {
    for capacity in [0, 1, 8] {
        let channel = Channel::<u64, K>::new(capacity);
        nothing("channel, recv first", || {
            assert_eq!(woken(channel.recv(), || channel.try_send(1).unwrap()), Ok(1));
        });
        nothing("channel, send first", || {
            while channel.try_send(0).is_ok() {}
            woken(channel.send(1), || assert!(channel.try_recv().is_ok())).unwrap();
            while channel.try_recv().is_ok() {}
            cancelled(channel.recv());
        });
        let other = Channel::<u64, K>::new(1);
        nothing("select", || {
            let both = select((channel.recv(), other.recv()));
            woken(both, || other.try_send(1).unwrap());
            assert!(try_select((channel.recv(), other.recv())).is_none());
        });
    }
}

fn answers() {
    nothing("oneshot, shared", || {
        let (sender, receiver) = oneshot::channel();
        woken(receiver, || sender.send(1u64).unwrap()).unwrap();
    });
    nothing("oneshot, local", || {
        let (sender, receiver) = oneshot::local();
        sender.send([1u64; 8]).unwrap();
        ready(receiver).unwrap();
    });
    nothing("oneshot, cancelled", || {
        let (sender, receiver) = oneshot::channel::<u64>();
        cancelled(receiver);
        drop(sender);
    });
    let mut room = Oneshot::<u64, Shared>::new();
    nothing("oneshot, in the caller's room", || {
        let (sender, receiver) = room.pair();
        woken(receiver, || sender.send(1).unwrap()).unwrap();
    });
    let (sender, mut receiver) = watch::channel(0);
    nothing("watch", || {
        woken(receiver.changed(), || assert!(sender.set(1) <= 1)).unwrap();
    });
    let (sender, mut receiver) = broadcast::channel(4);
    nothing("broadcast", || {
        woken(receiver.recv(), || assert_eq!(sender.send(1), 1)).unwrap();
    });
}

/// One thread makes every pair, another ends it: the cells come back by way of the depot.
fn answers_that_end_elsewhere() {
    const AT_ONCE: usize = 16;
    let channel = Channel::<oneshot::Receiver<u64>>::new(AT_ONCE);
    let (start, done) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    let rounds = ROUNDS + 200;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..rounds {
                start.wait();
                for _ in 0..AT_ONCE {
                    channel.try_recv().unwrap().try_recv().unwrap();
                }
                done.wait();
            }
        });
        let mut before = 0;
        for round in 0..rounds {
            if round == 200 {
                before = allocations();
            }
            for _ in 0..AT_ONCE {
                let (sender, receiver) = oneshot::channel();
                sender.send(7).unwrap();
                channel.try_send(receiver).unwrap();
            }
            start.wait();
            done.wait();
        }
        assert_eq!(allocations() - before, 0, "oneshot, ended on another thread");
    });
}

/// One test: whatever runs beside it would be counted.
#[test]
fn nothing_is_allocated_per_operation() {
    locks::<Local>();
    locks::<Shared>();
    wakes::<Local>();
    wakes::<Shared>();
    messages::<Local>();
    messages::<Shared>();
    answers();
    answers_that_end_elsewhere();
}
