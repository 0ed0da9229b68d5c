//! Options as they come from TypeScript, which has checked them and made the messages.

use napi_derive::napi;
use wakering::{Config, DriverChoice, Idle, SqpollConfig, Steering};

/// Submission by a kernel thread.
#[napi(object)]
#[derive(Debug)]
pub struct SqpollOptions {
    /// The CPU that the thread is bound to.
    pub cpu: Option<u32>,
    /// Milliseconds before the thread sleeps. None: as long as pays.
    pub idle_ms: Option<u32>,
    /// What a second of delay weighs, in CPU seconds, where it is as long as pays.
    pub weight: Option<u32>,
    /// Whether runtimes of this process share the thread.
    pub share: bool,
}

/// What a port is made with.
#[napi(object)]
#[derive(Debug)]
pub struct PortOptions {
    /// `auto`, `uring` or `poll`.
    pub driver: String,
    /// Ops in flight at the most.
    pub slots: u32,
    /// Threads of the blocking pool at the most.
    pub pool_threads: u32,
    /// Submission by a kernel thread.
    pub sqpoll: Option<SqpollOptions>,
    /// Whether slabs may be registered with the kernel.
    pub register_buffers: bool,
}

fn steering(weight: Option<u32>) -> Steering {
    let otherwise = Steering::default();
    Steering { weight: weight.unwrap_or(otherwise.weight), ..otherwise }
}

impl From<PortOptions> for Config {
    fn from(options: PortOptions) -> Self {
        let driver = match options.driver.as_str() {
            "uring" => DriverChoice::Uring,
            "poll" => DriverChoice::Poll,
            _ => DriverChoice::Auto,
        };
        let sqpoll = options.sqpoll.map(|sqpoll| SqpollConfig {
            cpu: sqpoll.cpu,
            idle: sqpoll.idle_ms.map_or_else(|| Idle::Auto(steering(sqpoll.weight)), Idle::Millis),
            share: sqpoll.share,
        });
        Self {
            driver,
            slots: options.slots,
            pool_threads: options.pool_threads,
            sqpoll,
            register_buffers: options.register_buffers,
            ..Self::default()
        }
    }
}
