//! The future that a run goes on for: a task that borrows from the stack of `run_until`.

use crate::task::here::Here;
use crate::task::{TaskRef, run};
use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// The future of `run_until`, as a task: it lies on the caller's stack, and so does its output.
pub(super) struct Root<F: Future> {
    /// `None` once they are gone.
    target: Option<Target<F>>,
}

struct Target<F: Future> {
    future: NonNull<F>,
    output: NonNull<Option<std::thread::Result<F::Output>>>,
    /// The task has ended.
    over: NonNull<Cell<bool>>,
    /// The scheduler's.
    stop: NonNull<Cell<bool>>,
}

impl<F: Future> Root<F> {
    /// It reaches all of them until it is over or its guard is dropped.
    pub(super) fn new(
        future: Pin<&mut F>,
        output: &mut Option<std::thread::Result<F::Output>>,
        over: &Cell<bool>,
        stop: &Cell<bool>,
    ) -> Self {
        // SAFETY: it is not moved: `poll` pins it again.
        let future = NonNull::from(unsafe { future.get_unchecked_mut() });
        let output = NonNull::from(output);
        Self { target: Some(Target { future, output, over: over.into(), stop: stop.into() }) }
    }
}

impl<F: Future> Future for Root<F> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(target) = &mut self.target else { return Poll::Ready(()) };
        // SAFETY: `run_until` has it on its stack, below this call, and its guard takes it away before
        // it is left; it does not use it while it drives this.
        let future = unsafe { target.future.as_mut() };
        // SAFETY: `run_until` pinned it.
        let future = unsafe { Pin::new_unchecked(future) };
        // A panic goes to the caller of `run_until`, who has no handle.
        let result = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(payload),
        };
        // SAFETY: as for the future.
        *unsafe { target.output.as_mut() } = Some(result);
        Poll::Ready(())
    }
}

impl<F: Future> Drop for Root<F> {
    fn drop(&mut self) {
        let Some(target) = &self.target else { return };
        // SAFETY: as for the future.
        unsafe { target.over.as_ref() }.set(true);
        // SAFETY: the scheduler is there as long as any of its tasks has a future.
        unsafe { target.stop.as_ref() }.set(true);
    }
}

/// Sees to it that the root's task does not reach what is gone.
pub(super) struct RootGuard<'a, F: Future> {
    task: TaskRef,
    over: &'a Cell<bool>,
    here: &'a Here,
    future: PhantomData<F>,
}

impl<'a, F: Future> RootGuard<'a, F> {
    pub(super) const fn new(task: TaskRef, over: &'a Cell<bool>, here: &'a Here) -> Self {
        Self { task, over, here, future: PhantomData }
    }
}

impl<F: Future> Drop for RootGuard<'_, F> {
    fn drop(&mut self) {
        if self.over.get() {
            return;
        }
        let root = self.task.stage().cast::<Root<F>>();
        // SAFETY: it is not over, so the task is there with its future; only this thread polls or
        // drops it, and it does neither now. Empty, it is over whenever its turn comes.
        unsafe { (*root).target = None };
        run::abort_at_home(self.task, self.here);
    }
}
