//! The scheduler: which task runs next, on which thread, and who is woken for it.

mod entry;
pub mod link;
mod local;
mod op;

pub use local::{LocalOptions, LocalScheduler, Remote, RunError, Stalled};
pub use op::{Op, Ops};
