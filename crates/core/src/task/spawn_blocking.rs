//! Jobs for threads beside the scheduler's own.

#![forbid(unsafe_code)]

use super::here;
use super::spawn::refused_to_panic;
use crate::abi::ErrorKind;
use crate::error::Error;
use crate::scheduler::cpu_pool::{Job, JobOptions};
use crate::scheduler::try_spawn_blocking_as_guest;

/// Has a thread of the scheduler's pool call `work`: for calls that block, and for work that keeps a
/// CPU busy for longer than other tasks should wait. The pool's threads start when jobs come.
///
/// Dropping the job lets it go on; [`Job::cancel`] stops one that has not started.
///
/// ```
/// use wakering_core::scheduler::LocalScheduler;
/// use wakering_core::task::spawn_blocking;
///
/// let scheduler = LocalScheduler::new().unwrap();
/// let sum = scheduler.block_on(async { spawn_blocking(|| (1..=100).sum::<u64>()).await });
/// assert_eq!(sum.unwrap(), 5050);
/// ```
///
/// # Panics
///
/// Where [`try_spawn_blocking`] fails.
pub fn spawn_blocking<F, T>(work: F) -> Job<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match try_spawn_blocking(JobOptions::default(), work) {
        Ok(job) => job,
        Err(error) => refused_to_panic(error),
    }
}

/// As [`spawn_blocking`], with a name and a priority.
///
/// # Errors
///
/// Busy where as many jobs wait as the pool has room for, Closed where the scheduler is shutting down,
/// Unsupported where the thread neither runs tasks nor a future of a scheduler's, and what the system says where it has no thread.
/// `work` is dropped then, and has not run.
pub fn try_spawn_blocking<F, T>(options: JobOptions, work: F) -> Result<Job<T>, Error>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    here::with(|here| match here {
        None => try_spawn_blocking_as_guest(options, work),
        Some(here) if here.is_closing() => Err(ErrorKind::Closed.into()),
        Some(here) => here.dispatch().blocking.spawn(options, work),
    })
}
