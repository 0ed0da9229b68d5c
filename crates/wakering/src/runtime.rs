//! The runtime of Rust programs: a scheduler with its loops.
//!
//! ```text
//! Runtime       workers that steal ─┬─ worker 0: loop      block_on: the calling thread, which is
//!                                   ├─ worker 1: loop      none of them, polls one future
//!                                   └─ worker 2: the ops of the others' loops
//! LocalRuntime  one thread, its loop, and tasks that need not be Send
//! ```
//!
//! A file or a socket belongs to no loop: each op on it goes to the loop of the worker that polls it
//! first, or to another's where that has none.

mod builder;
mod driver;

pub use builder::{Builder, SqpollOptions};
pub use wakering_uring_loop::sqpoll::{Idle, SqpollReport, Steering};

use crate::buf::FixedBufPool;
use crate::engine::Capabilities;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use wakering_core::scheduler::{LocalScheduler, Ops, RunError, Scheduler, Shutdown};
use wakering_core::task::{JoinHandle, LocalJoinHandle};
use wakering_uring_loop::SharedSqpoll;

/// What a runtime of either kind has beside its scheduler.
#[derive(Debug, Default)]
struct Made {
    capabilities: Vec<Capabilities>,
    sqpoll: Option<Arc<SharedSqpoll>>,
    buffers: Option<FixedBufPool>,
}

impl Made {
    fn sqpoll(&self) -> Option<SqpollReport> {
        self.sqpoll.as_ref().map(|share| share.report())
    }
}

/// Tasks on several threads, and the loops that carry out their ops.
///
/// ```
/// use wakering::Runtime;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::builder().workers(2).loops(1).build()?;
/// let text = runtime.block_on(async {
///     let (written, text) = wakering::fs::write("/tmp/wakering.txt", b"hello".to_vec()).await;
///     written?;
///     wakering::fs::read("/tmp/wakering.txt").await
/// })?;
/// assert_eq!(text, b"hello");
/// # Ok(())
/// # }
/// ```
///
/// Dropped, it aborts its tasks and waits up to five seconds for what they have begun.
#[derive(Debug)]
pub struct Runtime {
    scheduler: Scheduler,
    made: Made,
}

impl Runtime {
    /// A worker with a loop for each CPU.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// For what is to be chosen.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Polls a future on the calling thread until it is ready. Its ops go to a loop of the runtime's; what is
    /// to run beside others is [spawned](Self::spawn).
    ///
    /// # Panics
    ///
    /// Where the future does; where a task says [`exit_all`](crate::task::exit_all), or nothing will ever
    /// wake the future.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.scheduler.loops().first().map(Ops::enter_default);
        self.scheduler.block_on(future)
    }

    /// [`Self::block_on`] for those who expect that it may be told to end.
    ///
    /// # Errors
    ///
    /// Exited, Stalled, or what a loop failed with.
    pub fn run_until<F: Future>(&self, future: F) -> Result<F::Output, RunError> {
        let _entered = self.scheduler.loops().first().map(Ops::enter_default);
        self.scheduler.run_until(future)
    }

    /// Spawns a task, from any thread.
    ///
    /// # Panics
    ///
    /// Where there is no room for another, or the runtime is closing.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.scheduler.spawn(future)
    }

    /// The scheduler: priorities of its own kind (pinned tasks, system tasks), metrics, a dump of tasks.
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// Of each loop, what carries its ops, and why that.
    pub fn capabilities(&self) -> &[Capabilities] {
        &self.made.capabilities
    }

    /// What the SQ thread does, where there is one.
    pub fn sqpoll(&self) -> Option<SqpollReport> {
        self.made.sqpoll()
    }

    /// The buffers that [`Builder::registered_buffers`] asked for.
    pub fn buffers(&self) -> Option<&FixedBufPool> {
        self.made.buffers.as_ref()
    }

    /// Aborts every task, drains the loops, and joins the workers; up to `deadline`.
    pub fn shutdown(self, deadline: Duration) -> Shutdown {
        self.scheduler.shutdown(deadline)
    }
}

/// Tasks on the thread that made it, with one loop.
///
/// ```
/// use wakering::Runtime;
/// use wakering::net::{TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::builder().build_local()?;
/// runtime.block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///     server.write_all(b"hello".to_vec()).await.0?;
///     let (read, bytes) = client.read(Vec::with_capacity(16)).await;
///     assert_eq!((read?, &bytes[..]), (5, &b"hello"[..]));
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct LocalRuntime {
    scheduler: LocalScheduler,
    made: Made,
}

impl LocalRuntime {
    /// Runs tasks until the future is ready.
    ///
    /// # Panics
    ///
    /// As [`Runtime::block_on`].
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.scheduler.block_on(future)
    }

    /// Spawns a task.
    ///
    /// # Panics
    ///
    /// As [`Runtime::spawn`].
    pub fn spawn<F>(&self, future: F) -> LocalJoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.scheduler.spawn(future)
    }

    /// The scheduler.
    pub fn scheduler(&self) -> &LocalScheduler {
        &self.scheduler
    }

    /// What carries its ops, and why that.
    pub fn capabilities(&self) -> &Capabilities {
        &self.made.capabilities[0]
    }

    /// What the SQ thread does, where there is one.
    pub fn sqpoll(&self) -> Option<SqpollReport> {
        self.made.sqpoll()
    }

    /// The buffers that [`Builder::registered_buffers`] asked for.
    pub fn buffers(&self) -> Option<&FixedBufPool> {
        self.made.buffers.as_ref()
    }
}
