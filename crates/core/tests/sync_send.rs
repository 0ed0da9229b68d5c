//! A task that waits at a primitive which threads share may go from thread to thread.

use wakering_core::sync::{
    Barrier, Mutex, Notify, Owner, OwnerLock, Rendez, RwLock, Semaphore, WaitQueue, broadcast,
    channel, oneshot, watch,
};

fn goes<T: Send>(_: T) {}

#[test]
fn f11_who_waits_for_something_shared_may_go_to_another_thread() {
    let mutex = <Mutex<u32>>::new(0);
    goes(async { *mutex.lock().await += 1 });
    let rwlock = <RwLock<u32>>::new(0);
    goes(async { *rwlock.write().await += *rwlock.read().await });
    let semaphore = <Semaphore>::new(1);
    goes(async { drop(semaphore.acquire().await) });
    let owned = <OwnerLock>::new();
    goes(async { _ = owned.lock_by(Owner::MIN).await });
    let barrier = <Barrier>::new(1);
    goes(async { barrier.wait().await });
    let (notify, line, rendez) = (<Notify>::new(), <WaitQueue>::new(), <Rendez>::new());
    goes(async { notify.notified().await });
    goes(async { line.wait().await });
    goes(async { drop(rendez.sleep_unlocked(mutex.lock().await).await) });
    let (sender, receiver) = channel::<u32>(1);
    goes(async move { sender.send(receiver.recv().await.unwrap()).await });
    let (sender, receiver) = oneshot::channel::<u32>();
    goes(async move { sender.send(receiver.await.unwrap()) });
    let (_sender, mut seen) = watch::channel(0);
    goes(async move { seen.changed().await });
    let (_sender, mut heard) = broadcast::channel::<u32>(1);
    goes(async move { heard.recv().await });
}
