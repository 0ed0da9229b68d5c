//! Scopes: what is started in one is over when it is over.
//!
//! ```text
//! scope ─► body ─┬─ spawn ─► task ─┐       the body ends, panics, or is dropped; somebody says `cancel`
//!                └─ spawn ─► task ─┴─► ops              │
//!                                                       ▼
//!          tasks aborted, ops cancelled ─► the last task and the last completion ─► over
//! ```

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use wakering_core::scheduler::{CancelToken, Drain, Holding, with_cancel};
use wakering_core::task::{
    AbortHandle, JoinHandle, LocalJoinHandle, Whereabouts, spawn, spawn_local,
};

/// Runs `body`, and ends what it has started.
///
/// ```
/// use wakering::Runtime;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::builder().workers(2).loops(1).build()?;
/// let sum = runtime.spawn(wakering::scope(async |scope| {
///     let endless = scope.spawn(std::future::pending::<u32>());
///     let one = scope.spawn(async { 1 });
///     assert!(!endless.is_finished());
///     one.await.unwrap() + 1
/// }));
/// assert_eq!(runtime.block_on(sum).unwrap(), 2);
/// # Ok(())
/// # }
/// ```
///
/// When this is ready:
///
/// - every task that was [spawned](Scope::spawn) in the scope is over;
/// - every op that they, or the body, gave up in flight has had its last completion: its buffer is free, and
///   a descriptor that only it kept open is closed;
/// - and so for scopes within this one.
///
/// A panic of the body is passed on, after that. Where this future is dropped, the same is asked for, and
/// nobody waits: whoever has the [`Drain`] does, see [`Scope::drain`].
///
/// What it does not do: it does not interrupt a task that computes, nor a system call on a thread of the pool
/// that cannot be interrupted; it waits for them. Tasks that are spawned by other means, and sockets or
/// files that outlive it, are not its own: a stream's receive that is under way stays with the stream.
pub async fn scope<T>(body: impl AsyncFnOnce(Scope) -> T) -> T {
    let scope = Scope::new();
    let ended = {
        let _ending = Ending(&scope);
        let body = scope.0.drain.hold(body(scope.clone()));
        caught(with_cancel(&scope.0.token, body)).await
    };
    scope.0.drain.over().await;
    ended.unwrap_or_else(|panic| resume_unwind(panic))
}

async fn caught<F: Future>(future: F) -> std::thread::Result<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        // What a panic leaves half done is dropped, and not polled again.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

/// What is started in a [`scope()`]. Cheap to clone, for tasks that spawn others.
#[derive(Clone, Debug)]
pub struct Scope(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    drain: Drain,
    token: CancelToken,
    tasks: Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    cancelled: bool,
    handles: Vec<AbortHandle>,
}

impl Tasks {
    fn add(&mut self, task: AbortHandle) {
        if self.handles.len() == self.handles.capacity() {
            self.handles.retain(|task| !task.is_finished());
            // So that the next look comes after as many again.
            self.handles.reserve(self.handles.len() + 1);
        }
        self.handles.push(task);
    }
}

/// The body is over, one way or the other.
struct Ending<'a>(&'a Scope);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Scope {
    fn new() -> Self {
        Self(Arc::new(Inner {
            drain: Drain::new(),
            token: CancelToken::new(),
            tasks: Mutex::default(),
        }))
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spawns a task of the scope, from one of the runtime's.
    ///
    /// # Panics
    ///
    /// As [`task::spawn`](crate::task::spawn()).
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_with(future, spawn)
    }

    /// The same for a task that stays on this thread.
    ///
    /// # Panics
    ///
    /// As [`task::spawn_local`](crate::task::spawn_local).
    pub fn spawn_local<F>(&self, future: F) -> LocalJoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.spawn_with(future, spawn_local)
    }

    /// The same for a task that `spawn` spawns: of a runtime, with a name, in storage of its own.
    pub fn spawn_with<F: Future, W: Whereabouts>(
        &self,
        future: F,
        spawn: impl FnOnce(Holding<F>) -> JoinHandle<F::Output, W>,
    ) -> JoinHandle<F::Output, W> {
        let task = spawn(self.0.drain.hold(future));
        let mut tasks = self.tasks();
        if tasks.cancelled {
            task.abort();
        } else {
            tasks.add(task.abort_handle());
        }
        task
    }

    /// Ends it, from any thread: tasks are aborted, those that are spawned from now on at once; the ops of
    /// the body answer ECANCELED, and it ends as it likes.
    pub fn cancel(&self) {
        self.0.token.cancel();
        let mut tasks = self.tasks();
        tasks.cancelled = true;
        let handles = std::mem::take(&mut tasks.handles);
        drop(tasks);
        handles.iter().for_each(AbortHandle::abort);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.token.is_cancelled()
    }

    /// What of it is not over. For those who drop the scope's future and want to wait all the same.
    pub fn drain(&self) -> &Drain {
        &self.0.drain
    }
}
