//! The pool of a scheduler: made when the first job comes, closed with the scheduler.

#![forbid(unsafe_code)]

use super::cpu_pool::{CpuPool, CpuPoolConfig, CpuPoolMetrics, Job, JobOptions, Shutdown};
use crate::abi::ErrorKind;
use crate::error::Error;
use std::sync::OnceLock;
use std::time::Duration;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Blocking {
    config: CpuPoolConfig,
    /// `None` where the scheduler was closed before any job came.
    pool: OnceLock<Option<CpuPool>>,
}

impl Blocking {
    /// No thread, nor memory for jobs, yet.
    pub(crate) const fn new(config: CpuPoolConfig) -> Self {
        Self { config, pool: OnceLock::new() }
    }

    /// See [`CpuPool::spawn_with`].
    pub(crate) fn spawn<F, T>(&self, options: JobOptions, work: F) -> Result<Job<T>, Error>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.pool.get_or_init(|| Some(CpuPool::new(self.config.clone()))) {
            Some(pool) => pool.spawn_with(options, work),
            None => Err(ErrorKind::Closed.into()),
        }
    }

    /// See [`CpuPool::shutdown`]. No job is taken afterwards.
    pub(crate) fn shutdown(&self, deadline: Duration) -> Shutdown {
        match self.pool.get_or_init(|| None) {
            Some(pool) => pool.shutdown(deadline),
            None => Shutdown::default(),
        }
    }

    /// All zero where there is no pool.
    pub(crate) fn metrics(&self) -> CpuPoolMetrics {
        self.pool.get().and_then(Option::as_ref).map(CpuPool::metrics).unwrap_or_default()
    }
}
