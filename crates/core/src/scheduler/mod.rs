//! The scheduler: which task runs next, on which thread, and who is woken for it.

pub mod affinity;
mod blocking;
pub mod cpu_pool;
pub mod deque;
mod entry;
pub mod idle;
pub mod inject;
pub mod link;
mod local;
mod multi;
mod op;
pub mod parker;

pub(crate) use blocking::Blocking;
pub use local::{LocalOptions, LocalScheduler, Remote, RunError, Stalled};
pub use multi::{Activity, Metrics, Options, Scheduler, Shutdown};
pub(crate) use multi::{try_spawn_as_guest, try_spawn_blocking_as_guest};
pub(crate) use op::Loops;
pub use op::{
    CancelToken, Described, Drain, EnteredDefault, Held, Holding, Loop, Nop, Op, Ops, Request,
    Shot, Shots, describe, is_cancelled, ops, picked, with_cancel,
};
