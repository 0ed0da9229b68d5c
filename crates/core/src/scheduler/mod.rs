//! The scheduler: which task runs next, on which thread, and who is woken for it.

pub mod affinity;
pub mod cpu_pool;
pub mod deque;
pub mod idle;
pub mod inject;
pub mod link;
pub mod parker;
pub mod rng;
