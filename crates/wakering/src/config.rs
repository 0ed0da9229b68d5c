//! What a lane is built with. Every number has a bound, and the bounds are checked here, so that a
//! number from outside cannot ask for the impossible.

#![forbid(unsafe_code)]

use wakering_core::Error;
use wakering_core::abi::ErrorKind;
use wakering_uring_loop::Idle;

/// Which driver is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DriverChoice {
    /// io_uring where the kernel lets us, readiness and threads where not.
    #[default]
    Auto,
    /// io_uring or an error.
    Uring,
    /// Readiness and threads.
    Poll,
}

/// Submission by a kernel thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SqpollConfig {
    /// The CPU that the kernel thread is bound to.
    pub cpu: Option<u32>,
    /// How long it looks for work before it sleeps: at least 1 ms, or as long as pays.
    pub idle: Idle,
    /// Whether lanes of this process that ask for the same CPU share one kernel thread.
    pub share: bool,
}

/// See the fields; [`Config::default`] suits a Node program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Which driver.
    pub driver: DriverChoice,
    /// Ops in flight at the most: 1 to 32,768.
    pub slots: u32,
    /// Open files at the most.
    pub handles_max: u32,
    /// Threads of the blocking pool at the most: 1 to 256.
    pub pool_threads: u32,
    /// Submission by a kernel thread, where wanted.
    pub sqpoll: Option<SqpollConfig>,
    /// Whether memory that is lent may be registered with the kernel.
    pub register_buffers: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            driver: DriverChoice::Auto,
            slots: 1024,
            handles_max: 1 << 20,
            pool_threads: 4,
            sqpoll: None,
            register_buffers: true,
        }
    }
}

impl Config {
    /// Fails with BadDescriptor where a number is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        let sqpoll = self.sqpoll.is_none_or(|sqpoll| match sqpoll.idle {
            Idle::Millis(idle_ms) => idle_ms > 0,
            Idle::Auto(_) => true,
        });
        let good = (1..=32_768).contains(&self.slots)
            && (1..=256).contains(&self.pool_threads)
            && self.handles_max > 0
            && sqpoll;
        if good { Ok(()) } else { Err(ErrorKind::BadDescriptor.into()) }
    }
}
