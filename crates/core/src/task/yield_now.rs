//! Letting others go first.

#![forbid(unsafe_code)]

use super::here;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Lets every task that is ready now run once before this one goes on. How many did.
///
/// ```
/// use wakering_core::scheduler::LocalScheduler;
/// use wakering_core::task::{spawn_local, yield_now};
///
/// let scheduler = LocalScheduler::new().unwrap();
/// let (alone, with_two) = scheduler.block_on(async {
///     let alone = yield_now().await;
///     spawn_local(async {}).detach();
///     spawn_local(async {}).detach();
///     (alone, yield_now().await)
/// });
/// assert_eq!((alone, with_two), (0, 2));
/// ```
///
/// Under a foreign runtime it yields as well and says zero. Safe to cancel.
pub fn yield_now() -> YieldNow {
    YieldNow { polls_before: None }
}

/// See [`yield_now`].
#[derive(Debug)]
#[must_use = "nothing is yielded unless it is awaited"]
pub struct YieldNow {
    polls_before: Option<u64>,
}

impl Future for YieldNow {
    type Output = usize;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let polls = here::with(|here| here.map_or(0, |here| here.polls.get()));
        match self.polls_before {
            // The poll that asks now is one of those that were made since.
            Some(before) => Poll::Ready(polls.saturating_sub(before + 1) as usize),
            None => {
                self.polls_before = Some(polls);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
