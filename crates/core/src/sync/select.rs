//! Waiting for several things at once.
//!
//! Branches are polled in an order that is drawn anew each time, until one is ready: of several that
//! are ready each wins equally often. The others are dropped when one has won, and every operation of
//! [`sync`](super) is such that an unfinished one has taken and given nothing.
//!
//! - **B1** The branches of a pinned [`Select`] are pinned with it: they are reached through the
//!   projections of [`Branches`] only, none of which moves one.

mod random;

pub use random::seed;

use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// What may be a branch of [`select`] and [`try_select`]: a future of which nothing is lost when it is
/// dropped unfinished, and which has a form that does not wait.
///
/// Every future of [`sync`](super) is one. `None` is a branch that is never ready. A branch that is to
/// outlive the select, and keep its place in line, goes in by reference: pinned, `branch.as_mut()`.
pub trait Branch {
    /// What it gives.
    type Output;

    /// Said before the first poll: from now on nothing may be done on its behalf but in its own poll.
    fn selected(self: Pin<&mut Self>) {}

    /// As [`Future::poll`].
    fn poll_branch(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output>;

    /// Does what it is for if that can be done at once. Otherwise nothing has happened, and nothing
    /// of it is left anywhere. Not called after `poll_branch`.
    fn try_now(self: Pin<&mut Self>) -> Option<Self::Output>;
}

impl<B: Branch> Branch for Option<B> {
    type Output = B::Output;

    fn selected(self: Pin<&mut Self>) {
        if let Some(branch) = self.as_pin_mut() {
            branch.selected();
        }
    }

    fn poll_branch(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        self.as_pin_mut().map_or(Poll::Pending, |branch| branch.poll_branch(cx))
    }

    fn try_now(self: Pin<&mut Self>) -> Option<B::Output> {
        self.as_pin_mut()?.try_now()
    }
}

impl<B: Branch> Branch for Pin<&mut B> {
    type Output = B::Output;

    fn selected(self: Pin<&mut Self>) {
        self.get_mut().as_mut().selected();
    }

    fn poll_branch(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        self.get_mut().as_mut().poll_branch(cx)
    }

    fn try_now(self: Pin<&mut Self>) -> Option<B::Output> {
        self.get_mut().as_mut().try_now()
    }
}

impl<B: Branch + Unpin> Branch for &mut B {
    type Output = B::Output;

    fn selected(self: Pin<&mut Self>) {
        Pin::new(&mut **self.get_mut()).selected();
    }

    fn poll_branch(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        Pin::new(&mut **self.get_mut()).poll_branch(cx)
    }

    fn try_now(self: Pin<&mut Self>) -> Option<B::Output> {
        Pin::new(&mut **self.get_mut()).try_now()
    }
}

/// Several branches: an array of one type, or a tuple of up to four.
pub trait Branches {
    /// Which won, and what it gave.
    type Output;
    /// How many there are: at most 64.
    const COUNT: usize;

    /// [`Branch::selected`] of each.
    fn selected(self: Pin<&mut Self>);
    /// [`Branch::poll_branch`] of one.
    fn poll_at(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>) -> Poll<Self::Output>;
    /// [`Branch::try_now`] of one.
    fn try_at(self: Pin<&mut Self>, index: usize) -> Option<Self::Output>;
}

/// Waits until one of the branches is ready: `select((a, b))`, `select([a, b, c])`.
///
/// Of an array, the index of the winner and what it gave; of a tuple, [`First2`] and its sisters. Of
/// several that are ready any wins, each equally often. With branches that are all `None` it never
/// ends.
///
/// Cancel-safe: dropped, it drops its branches, each as its own text says.
///
/// ```
/// # use wakering_core::sync::{First2, channel, select};
/// # let (jobs_in, jobs) = channel::<u32>(1);
/// # let (_stop, stopped) = channel::<()>(0);
/// # jobs_in.try_send(5).unwrap();
/// # let waker = std::task::Waker::noop();
/// # let mut cx = std::task::Context::from_waker(waker);
/// # let run = async {
/// match select((jobs.recv(), stopped.recv())).await {
///     First2::A(job) => assert_eq!(job, Ok(5)),
///     First2::B(_) => unreachable!("nobody stops"),
/// }
/// # };
/// # assert!(std::pin::pin!(run).poll(&mut cx).is_ready());
/// ```
pub const fn select<B: Branches>(branches: B) -> Select<B> {
    const { assert!(B::COUNT <= 64, "a select has at most 64 branches") };
    Select { branches: Some(branches), begun: false }
}

/// The one of the branches that is ready now, without waiting; of several, any.
///
/// ```
/// # use wakering_core::sync::{Channel, try_select};
/// let (a, b) = (Channel::<u32>::new(1), Channel::<u32>::new(1));
/// assert!(try_select([a.recv(), b.recv()]).is_none());
/// b.try_send(3).unwrap();
/// assert_eq!(try_select([a.recv(), b.recv()]), Some((1, Ok(3))));
/// ```
pub fn try_select<B: Branches>(branches: B) -> Option<B::Output> {
    const { assert!(B::COUNT <= 64, "a select has at most 64 branches") };
    let mut branches = pin!(branches);
    branches.as_mut().selected();
    random::order(B::COUNT).find_map(|index| branches.as_mut().try_at(index))
}

/// The future of [`select()`].
#[must_use = "futures do nothing unless they are polled"]
pub struct Select<B> {
    /// `None` once one has won: the others are gone by then.
    branches: Option<B>,
    begun: bool,
}

impl<B> fmt::Debug for Select<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl<B: Branches> Future for Select<B> {
    type Output = B::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        // SAFETY: nothing is moved out; `begun` is not pinned, `branches` is (B1).
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: `self` came out of a pin, and the branches stay where they are until they are
        // dropped there (B1).
        let mut branches = unsafe { Pin::new_unchecked(&mut this.branches) };
        let mut all =
            branches.as_mut().as_pin_mut().expect("a select was polled after it was ready");
        if !std::mem::replace(&mut this.begun, true) {
            all.as_mut().selected();
        }
        for index in random::order(B::COUNT) {
            if let Poll::Ready(output) = all.as_mut().poll_at(index, cx) {
                branches.set(None);
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    }
}

impl<B: Branch, const N: usize> Branches for [B; N] {
    type Output = (usize, B::Output);
    const COUNT: usize = N;

    fn selected(mut self: Pin<&mut Self>) {
        for index in 0..N {
            at(self.as_mut(), index).selected();
        }
    }

    fn poll_at(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>) -> Poll<Self::Output> {
        at(self, index).poll_branch(cx).map(|output| (index, output))
    }

    fn try_at(self: Pin<&mut Self>, index: usize) -> Option<Self::Output> {
        at(self, index).try_now().map(|output| (index, output))
    }
}

fn at<B, const N: usize>(branches: Pin<&mut [B; N]>, index: usize) -> Pin<&mut B> {
    // SAFETY: an element is pinned with its array (B1).
    unsafe { branches.map_unchecked_mut(|branches| &mut branches[index]) }
}

/// The winner of a tuple, and a tuple's projections.
macro_rules! tuple {
    ($First:ident, $count:literal, $($B:ident $index:tt),+) => {
        #[doc = concat!("Which of ", stringify!($count), " branches won, and what it gave.")]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $First<$($B),+> {
            $(#[doc = concat!("The branch at ", stringify!($index), ".")] $B($B)),+
        }

        impl<$($B: Branch),+> Branches for ($($B,)+) {
            type Output = $First<$($B::Output),+>;
            const COUNT: usize = $count;

            fn selected(mut self: Pin<&mut Self>) {
                $(
                    // SAFETY: an element is pinned with its tuple (B1).
                    unsafe { self.as_mut().map_unchecked_mut(|all| &mut all.$index) }.selected();
                )+
            }

            fn poll_at(
                self: Pin<&mut Self>,
                index: usize,
                cx: &mut Context<'_>,
            ) -> Poll<Self::Output> {
                match index {
                    $($index => {
                        // SAFETY: an element is pinned with its tuple (B1).
                        let branch = unsafe { self.map_unchecked_mut(|all| &mut all.$index) };
                        branch.poll_branch(cx).map($First::$B)
                    })+
                    _ => unreachable!("an index below {}", Self::COUNT),
                }
            }

            fn try_at(self: Pin<&mut Self>, index: usize) -> Option<Self::Output> {
                match index {
                    $($index => {
                        // SAFETY: an element is pinned with its tuple (B1).
                        let branch = unsafe { self.map_unchecked_mut(|all| &mut all.$index) };
                        branch.try_now().map($First::$B)
                    })+
                    _ => unreachable!("an index below {}", Self::COUNT),
                }
            }
        }
    };
}

tuple!(First2, 2, A 0, B 1);
tuple!(First3, 3, A 0, B 1, C 2);
tuple!(First4, 4, A 0, B 1, C 2, D 3);

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

#[cfg(all(test, loom))]
#[path = "select/loom_tests.rs"]
mod loom_tests;
