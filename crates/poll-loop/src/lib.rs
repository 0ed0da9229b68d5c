//! A loop without io_uring, for places that refuse it, and what every loop needs beside a ring.
//!
//! ```text
//! enqueue ─► publish ┬─► stream op: tried at once, else waits for readiness ──┐
//!                    ├─► timer: a heap and one timerfd ───────────────────────┤
//!                    └─► anything that may block: the pool's threads ─► inbox ┴─► turn ─► Completion
//! ```
//!
//! [`driver`] is the [`wakering_core::Driver`]; [`readiness`], `sockets` and [`timers`] are its parts that need
//! no thread. [`pool`] carries out what blocks, on both drivers: a ring cannot list a directory
//! either. [`syscalls`] is one op, synchronously; [`cached`] is what can be answered from memory
//! without any of this, and [`mounts`] knows on which file systems that may be tried; [`writes`] knows
//! which a ring is not the best way for.
//!
//! What never lives here: a ring, a policy about which lane an op takes, a handle table.

pub mod cached;
mod children;
pub mod content;
pub mod driver;
mod layers;
pub mod mounts;
mod picked;
pub mod pool;
pub mod readiness;
mod sockets;
pub mod streams;
mod sys;
pub mod syscalls;
pub mod timers;
pub mod writes;

pub use driver::{PollConfig, PollDriver};
pub use mounts::Mounts;
pub use pool::{BlockingPool, PoolConfig};
