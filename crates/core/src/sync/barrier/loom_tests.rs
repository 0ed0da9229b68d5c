//! Who comes last, and who goes while the last one comes.

use super::*;
use crate::sync::loom_support::{Count, News, block_on, poll_once};
use loom::sync::Arc;
use loom::thread;

/// Both pass, one of them is the last, and each sees what the other wrote before.
#[test]
fn loom_barrier_two_meet_twice() {
    loom::model(|| {
        let barrier = Arc::new(Barrier::<Shared>::new(2));
        let news = Arc::new(News::new());
        let thread = {
            let (barrier, news) = (barrier.clone(), news.clone());
            thread::spawn(move || {
                news.write(7);
                let first = block_on(barrier.wait());
                (first.last, block_on(barrier.wait()).last)
            })
        };
        let first = block_on(barrier.wait()).last;
        assert_eq!(news.read(), 7);
        let second = block_on(barrier.wait()).last;
        let others = thread.join().unwrap();
        assert_eq!((first ^ others.0, second ^ others.1), (true, true));
        assert_eq!(barrier.arrived(), 0);
    });
}

/// A waiter is dropped while the others come: either it was counted, and the round is over, or it
/// was not, and they wait for one more.
#[test]
fn loom_barrier_arrival_against_drop() {
    loom::model(|| {
        let barrier = Arc::new(Barrier::<Shared>::new(2));
        let (count, waker) = Count::new();
        let mut leaving = Box::pin(barrier.wait());
        assert!(poll_once(leaving.as_mut(), &waker).is_pending());
        let thread = {
            let barrier = barrier.clone();
            thread::spawn(move || {
                let (_, ignored) = Count::new();
                let mut arriving = Box::pin(barrier.wait());
                poll_once(arriving.as_mut(), &ignored).is_ready()
            })
        };
        drop(leaving);
        let passed = thread.join().unwrap();
        assert_eq!(barrier.arrived(), 0, "who has gone is not counted");
        assert!(!passed || count.get() == 1, "who was counted was called");
    });
}
