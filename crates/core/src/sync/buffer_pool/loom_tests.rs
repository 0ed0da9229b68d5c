//! Gets and puts on several threads: each buffer has one owner at a time, and none is lost.

use super::*;
use crate::sync::loom_support::{Count, block_on, poll_once};
use loom::sync::Arc;
use loom::thread;

const MARKS: Watermarks = Watermarks { low: 0, high: 1 };

/// A buffer that loom watches: whoever writes must be alone with it.
type Watched = loom::cell::Cell<u32>;

fn bounded(f: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(f);
}

fn pool() -> Arc<BufferPool<Watched>> {
    Arc::new(BufferPool::new([Watched::new(0)], MARKS))
}

#[test]
fn loom_buffer_pool_one_buffer_for_two() {
    bounded(|| {
        let pool = pool();
        let thread = {
            let pool = pool.clone();
            thread::spawn(move || {
                let buffer = block_on(pool.get());
                buffer.set(buffer.get() + 1);
            })
        };
        let buffer = block_on(pool.get());
        buffer.set(buffer.get() + 1);
        drop(buffer);
        thread.join().unwrap();
        assert_eq!(block_on(pool.get()).get(), 2);
        assert_eq!((pool.free(), pool.waiting()), (1, 0));
    });
}

/// A get that waits is dropped while the buffer comes back: the next one gets it.
#[test]
fn loom_buffer_pool_put_against_drop() {
    bounded(|| {
        let pool = pool();
        let (_, ignored) = Count::new();
        let lent = pool.try_get().unwrap();
        let mut leaving = Box::pin(pool.get());
        assert!(poll_once(leaving.as_mut(), &ignored).is_pending());
        let thread = thread::spawn(move || lent.put());
        drop(leaving);
        drop(block_on(pool.get()));
        thread.join().unwrap();
        assert_eq!((pool.free(), pool.waiting()), (1, 0));
    });
}

/// Who waits for a watermark is told when it is crossed, also while it begins to wait.
#[test]
fn loom_buffer_pool_watermark_against_put() {
    bounded(|| {
        let pool = pool();
        let lent = pool.try_get().unwrap();
        assert_eq!(pool.pressure(), Pressure::Scarce);
        let thread = thread::spawn(move || lent.put());
        block_on(pool.until(Pressure::Ample));
        thread.join().unwrap();
        assert_eq!(pool.pressure(), Pressure::Ample);
    });
}
