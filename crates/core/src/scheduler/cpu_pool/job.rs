//! A job: what is to be done, or what came of it, and who waits.
//!
//! ```text
//!   Queued ─1 a thread takes it─► Running ─2 it returns, or panics─► Done ─4 polled─► Taken
//!     └────3 cancelled ──────────────────────────────────────────────┘
//! ```

#![forbid(unsafe_code)]

use super::queue::Place;
use super::{Shared, lock};
use crate::loom::long_lived::Mutex;
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Why a job has no value.
pub enum JobError {
    /// It was cancelled before it started, by [`Job::cancel`] or by the pool's shutdown.
    Cancelled,
    /// It panicked, with this.
    Panicked(Box<dyn Any + Send>),
}

/// What a cancel achieved.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CancelJob {
    /// It will not run; what it owned is dropped, and awaiting it gives [`JobError::Cancelled`].
    Cancelled,
    /// It runs, or has run: its outcome stands.
    TooLate,
}

/// A job on the pool, to be awaited.
///
/// Dropping it lets the job run on and throws its value away; [`Self::cancel`] is what stops a job
/// that has not started. Cancel-safe: a job that is not awaited any more can be awaited again.
#[must_use = "a job whose value nobody wants should say so: drop it"]
pub struct Job<T> {
    pub(super) answer: Arc<dyn Answer<T>>,
    pub(super) pool: Arc<Shared>,
    pub(super) place: Place,
}

/// The side of the job's thread.
pub(super) trait Work: Send + Sync {
    /// Transitions 1 and 2. Whether it panicked.
    fn run(&self) -> bool;
    /// Transition 3, for who took it out of the queue.
    fn cancel(&self);
}

/// The side of who waits.
pub(super) trait Answer<T>: Send + Sync {
    fn poll(&self, waker: &Waker) -> Poll<Result<T, JobError>>;
    fn is_done(&self) -> bool;
}

pub(super) struct Cell<F, T>(Mutex<State<F, T>>);

enum State<F, T> {
    Queued(F, Option<Waker>),
    Running(Option<Waker>),
    Done(Result<T, JobError>),
    Taken,
}

impl<F, T> Cell<F, T> {
    pub(super) const fn new(work: F) -> Self {
        Self(Mutex::new(State::Queued(work, None)))
    }

    fn become_done(&self, outcome: Result<T, JobError>) {
        let before = std::mem::replace(&mut *lock(&self.0), State::Done(outcome));
        // Woken, and the work dropped, after the lock was given back: both are foreign code.
        if let State::Queued(_, Some(waker)) | State::Running(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<F, T> Work for Cell<F, T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    fn run(&self) -> bool {
        let mut state = lock(&self.0);
        let before = std::mem::replace(&mut *state, State::Taken);
        let State::Queued(work, waker) = before else {
            *state = before;
            return false;
        };
        *state = State::Running(waker);
        drop(state);
        let outcome = catch_unwind(AssertUnwindSafe(work)).map_err(JobError::Panicked);
        let panicked = outcome.is_err();
        self.become_done(outcome);
        panicked
    }

    fn cancel(&self) {
        self.become_done(Err(JobError::Cancelled));
    }
}

impl<F: Send, T: Send> Answer<T> for Cell<F, T> {
    fn poll(&self, waker: &Waker) -> Poll<Result<T, JobError>> {
        let mut state = lock(&self.0);
        let place = match &mut *state {
            State::Queued(_, place) | State::Running(place) => place,
            State::Done(_) => match std::mem::replace(&mut *state, State::Taken) {
                State::Done(outcome) => return Poll::Ready(outcome),
                _ => unreachable!("it was Done, under this lock"),
            },
            State::Taken => panic!("a job was polled after it had given its value"),
        };
        let old = match place {
            Some(old) if old.will_wake(waker) => None,
            _ => place.replace(waker.clone()),
        };
        drop(state);
        drop(old);
        Poll::Pending
    }

    fn is_done(&self) -> bool {
        matches!(&*lock(&self.0), State::Done(_) | State::Taken)
    }
}

impl<T> Job<T> {
    /// Stops the job if it has not started. Its place in the queue is free at once.
    pub fn cancel(&self) -> CancelJob {
        match self.pool.take_out(self.place) {
            Some(work) => {
                work.cancel();
                CancelJob::Cancelled
            }
            None => CancelJob::TooLate,
        }
    }

    /// Whether it has ended, one way or another.
    pub fn is_finished(&self) -> bool {
        self.answer.is_done()
    }
}

impl<T> Future for Job<T> {
    type Output = Result<T, JobError>;

    /// # Panics
    ///
    /// Where it was Ready before.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.poll(context.waker())
    }
}

impl<T> std::fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for JobError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for JobError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cancelled => f.write_str("the job was cancelled before it started"),
            Self::Panicked(payload) => {
                let text = payload.downcast_ref::<&str>().copied();
                let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
                write!(f, "the job panicked: {}", text.unwrap_or("(no text)"))
            }
        }
    }
}

impl std::error::Error for JobError {}
