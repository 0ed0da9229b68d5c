//! Every primitive, of each kind: free, waited for, cancelled.

use super::counting::allocations;
use super::{ROUNDS, Table};
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use wakering_core::sync::oneshot::{self, Oneshot};
use wakering_core::sync::{
    Barrier, BufferPool, Channel, Kind, Local, Mutex, Notify, OwnerLock, Rendez, RwLock, Semaphore,
    Shared, Sharing, Watermarks, broadcast, select, try_select, watch,
};

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

fn kind<K: Sharing>() -> &'static str {
    match K::KIND {
        Kind::Local => "local",
        Kind::Shared => "shared",
    }
}

fn locks<K: Sharing>(table: &mut Table) {
    let kind = kind::<K>();
    let mutex = Mutex::<(), K>::new(());
    table.row(&format!("{kind} mutex, free"), || drop(ready(mutex.lock())));
    table.row(&format!("{kind} mutex, handed over"), || {
        let mut guard = mutex.try_lock();
        drop(woken(mutex.lock(), || guard = None));
    });
    table.row(&format!("{kind} mutex, cancelled"), || {
        let _guard = mutex.try_lock();
        cancelled(mutex.lock());
    });
    let lock = OwnerLock::<K>::new();
    table.row(&format!("{kind} owner lock"), || {
        ready(lock.lock_by(std::num::NonZeroUsize::MIN));
        lock.unlock_by(std::num::NonZeroUsize::MIN).unwrap();
    });
    let lock = RwLock::<(), K>::new(());
    table.row(&format!("{kind} rwlock"), || {
        let mut reader = lock.try_read();
        drop(woken(lock.write(), || reader = None));
    });
    let semaphore = Semaphore::<K>::new(2);
    table.row(&format!("{kind} semaphore"), || {
        let mut permit = semaphore.try_acquire();
        drop(woken(semaphore.acquire_many(2), || permit = None));
    });
    let pool = BufferPool::<_, K>::of_bytes(1, 64, Watermarks { low: 0, high: 1 });
    table.row(&format!("{kind} buffer pool"), || {
        let mut loan = Some(ready(pool.get()));
        drop(woken(pool.get(), || loan = None));
    });
}

fn wakes<K: Sharing>(table: &mut Table) {
    let kind = kind::<K>();
    let barrier = Barrier::<K>::new(2);
    table.row(&format!("{kind} barrier"), || {
        woken(barrier.wait(), || assert!(ready(barrier.wait()).last));
    });
    let rendez = Rendez::<K>::new();
    table.row(&format!("{kind} rendez"), || {
        woken(rendez.sleep(), || assert_eq!(rendez.wakeup(), 1));
        cancelled(rendez.sleep());
    });
    let notify = Notify::<K>::new();
    table.row(&format!("{kind} notify"), || {
        woken(notify.notified(), || notify.notify_one());
        notify.notify_one();
        ready(notify.notified());
    });
}

fn messages<K: Sharing>(table: &mut Table) {
    let kind = kind::<K>();
    for capacity in [0, 1, 8] {
        let channel = Channel::<u64, K>::new(capacity);
        table.row(&format!("{kind} channel of {capacity}, recv first"), || {
            assert_eq!(woken(channel.recv(), || channel.try_send(1).unwrap()), Ok(1));
        });
        table.row(&format!("{kind} channel of {capacity}, send first"), || {
            while channel.try_send(0).is_ok() {}
            woken(channel.send(1), || assert!(channel.try_recv().is_ok())).unwrap();
            while channel.try_recv().is_ok() {}
            cancelled(channel.recv());
        });
        let other = Channel::<u64, K>::new(1);
        table.row(&format!("{kind} select, channel of {capacity}"), || {
            let both = select((channel.recv(), other.recv()));
            woken(both, || other.try_send(1).unwrap());
            assert!(try_select((channel.recv(), other.recv())).is_none());
        });
    }
}

fn answers(table: &mut Table) {
    table.row("oneshot, shared", || {
        let (sender, receiver) = oneshot::channel();
        woken(receiver, || sender.send(1u64).unwrap()).unwrap();
    });
    table.row("oneshot, local", || {
        let (sender, receiver) = oneshot::local();
        sender.send([1u64; 8]).unwrap();
        ready(receiver).unwrap();
    });
    table.row("oneshot, cancelled", || {
        let (sender, receiver) = oneshot::channel::<u64>();
        cancelled(receiver);
        drop(sender);
    });
    let mut room = Oneshot::<u64, Shared>::new();
    table.row("oneshot, in the caller's room", || {
        let (sender, receiver) = room.pair();
        woken(receiver, || sender.send(1).unwrap()).unwrap();
    });
    let (sender, mut receiver) = watch::channel(0);
    table.row("watch", || {
        woken(receiver.changed(), || assert!(sender.set(1) <= 1)).unwrap();
    });
    let (sender, mut receiver) = broadcast::channel(4);
    table.row("broadcast", || {
        woken(receiver.recv(), || assert_eq!(sender.send(1), 1)).unwrap();
    });
}

/// One thread makes every pair, another ends it: the cells come back by way of the depot.
fn answers_that_end_elsewhere(table: &mut Table) {
    const AT_ONCE: usize = 16;
    let channel = Channel::<oneshot::Receiver<u64>>::new(AT_ONCE);
    let (start, done) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    let rounds = ROUNDS + 200;
    let mut counted = 0;
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
        counted = allocations() - before;
    });
    table.line("oneshot, 16 ended on another thread", (counted, 0));
}

pub(super) fn rows(table: &mut Table) {
    locks::<Local>(table);
    locks::<Shared>(table);
    wakes::<Local>(table);
    wakes::<Shared>(table);
    messages::<Local>(table);
    messages::<Shared>(table);
    answers(table);
    answers_that_end_elsewhere(table);
}
