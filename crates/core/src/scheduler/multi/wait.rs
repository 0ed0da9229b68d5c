//! Waiting for a scheduler from outside: for its tasks, or for a future of one's own.

#![forbid(unsafe_code)]

use super::super::local::RunError;
use super::Scheduler;
use super::guest::Guest;
use super::shared::Registered;
use std::pin::pin;
use std::task::Poll;

impl Scheduler {
    /// Waits until there are no tasks but system tasks, or one says
    /// [`exit_all`](crate::task::exit_all). The status that was said last, or zero.
    ///
    /// Tasks go on meanwhile and afterwards, until [`Self::shutdown`]; a scheduler that was told to
    /// exit stays so.
    ///
    /// ```
    /// use wakering_core::scheduler::{Options, Scheduler};
    /// use wakering_core::task::exit_all;
    ///
    /// let scheduler = Scheduler::start(Options::new().workers(2)).unwrap();
    /// scheduler.spawn(async { match exit_all(7).await {} }).detach();
    /// scheduler.spawn(std::future::pending::<()>()).detach();
    /// assert_eq!(scheduler.run(), Ok(7));
    /// ```
    ///
    /// # Errors
    ///
    /// Stalled, which is looked for whenever the last worker falls asleep; what a loop failed with.
    ///
    /// # Panics
    ///
    /// Where it is called from one of its own tasks.
    pub fn run(&self) -> Result<i32, RunError> {
        let shared = &self.shared;
        assert!(!shared.is_here(), "a scheduler was run by one of its own tasks");
        shared.rest.watch();
        let ended = shared.watch.wait(None, || {
            let over = shared.over();
            if over.is_some() || shared.live_at_rest() == Some(0) {
                return Some(over);
            }
            shared.stalled().map(|stalled| Some(RunError::Stalled(stalled)))
        });
        shared.rest.unwatch();
        match ended.flatten() {
            None | Some(RunError::Exited(_)) => Ok(shared.dispatch.status.code()),
            Some(error) => Err(error),
        }
    }

    /// Polls a future on the calling thread, which is no worker, until it is ready, or the scheduler is
    /// told to end. What it [spawns](crate::task::spawn()) goes to the workers.
    ///
    /// # Errors
    ///
    /// Exited where a task says [`exit_all`](crate::task::exit_all) first; Stalled where nothing will ever
    /// wake it, see [`Self::check_stalled`]; what a loop failed with.
    ///
    /// # Panics
    ///
    /// Where the future does.
    pub fn run_until<F: Future>(&self, future: F) -> Result<F::Output, RunError> {
        let _guest = Guest::of(&self.shared);
        let mut future = pin!(future);
        let mut registered = Registered { shared: &self.shared, ticket: None };
        let polled = std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            // The waker of `block_on` is the same each time.
            registered.ticket.get_or_insert_with(|| {
                self.shared.rest.watch();
                self.shared.watch.register(cx.waker().clone())
            });
            match self.shared.over() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            }
        });
        let mut stalled = None;
        let ended = crate::task::block_on_unless(polled, |waker, wakers| {
            stalled = self.shared.stalled_for(waker, wakers);
            stalled.is_some()
        });
        match (ended, stalled) {
            (None, Some(stalled)) => Err(RunError::Stalled(stalled)),
            (Some(ended), _) => ended,
            (None, None) => unreachable!("it ends otherwise only where it is stalled"),
        }
    }

    /// [`Self::run_until`] for those who do not expect it to fail.
    ///
    /// # Panics
    ///
    /// Where that does, and where it gives an error: a program that waits for what will not come says
    /// so.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match self.run_until(future) {
            Ok(output) => output,
            Err(error) => panic!("{error}"),
        }
    }
}
