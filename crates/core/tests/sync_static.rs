//! What is shared by the whole program may be a `static`.

use wakering_core::sync::{Mutex, Notify, Rendez, RwLock, Semaphore, WaitQueue};
use wakering_core::task::block_on;

static TOTAL: Mutex<u32> = Mutex::const_new(0);
static NAMES: RwLock<Vec<&str>> = RwLock::const_new(Vec::new());
static AT_ONCE: Semaphore = Semaphore::const_new(2);
static BELL: Notify = Notify::const_new();
static QUEUE: WaitQueue = WaitQueue::const_new();
static MEETING: Rendez = Rendez::const_new();

#[test]
fn statics_are_shared_by_threads() {
    let threads = ["ada", "bob", "cy"].map(|name| {
        std::thread::spawn(move || {
            block_on(async {
                let _permit = AT_ONCE.acquire().await;
                NAMES.write().await.push(name);
                *TOTAL.lock().await += 1;
                BELL.notify_one();
            });
        })
    });
    block_on(BELL.notified());
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!((NAMES.try_read().unwrap().len(), *TOTAL.try_lock().unwrap()), (3, 3));
    assert_eq!(AT_ONCE.free(), 2);
    assert!(!QUEUE.wake_one());
    assert_eq!(MEETING.wakeup(), 0);
}
