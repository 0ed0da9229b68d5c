//! What a ring is asked to be.

#![forbid(unsafe_code)]

use crate::sqpoll::Sqpoll;
use wakering_core::policy::SPIN_NS_MAX;

/// Where the ring lives, which decides how completions reach it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Personality {
    /// On a thread that waits elsewhere (libuv, epoll): completions ring the home's doorbell.
    Inline,
    /// On a thread of its own, which waits in the ring: completions are worked off when it asks.
    Worker,
}

/// Everything that can be chosen about a ring. Sizes are wishes: the kernel rounds them up to
/// powers of two, and a ring that finds too little locked memory is made smaller.
#[derive(Clone, Debug)]
pub struct UringConfig {
    /// Where it lives.
    pub personality: Personality,
    /// Places for submissions: how many ops can be enqueued between two publishes.
    pub entries: u32,
    /// Places for completions: the slots of the home and as many cancels, so that nothing overflows
    /// into the kernel's own memory.
    pub completions: u32,
    /// A kernel thread that takes submissions without being called.
    pub sqpoll: Option<Sqpoll>,
    /// Over an SQ thread: the longest look at the completions before going to sleep, in nanoseconds.
    /// Zero: none.
    pub spin_ns_max: u64,
    /// The most kernel worker threads for files, and for what may block for ever (pipes, sockets);
    /// zero leaves the kernel's own bound.
    pub io_wq_workers_max: Option<[u32; 2]>,
    /// The most buffers that can be registered.
    pub buffers_max: u16,
    /// The most files that can be registered.
    pub files_max: u32,
    /// So many places more, for files whose place the kernel chooses: connections that are accepted
    /// into the table, files opened with `op_flag::DIRECT` and no place (Linux 6.0). They are given
    /// back by their Close.
    pub files_chosen_max: u32,
}

impl UringConfig {
    /// A ring for a thread that waits elsewhere, with `slots_max` ops in flight at the most.
    pub fn inline(slots_max: u32) -> Self {
        Self {
            personality: Personality::Inline,
            entries: slots_max.clamp(8, 256),
            completions: slots_max.saturating_mul(2).clamp(16, 1 << 16),
            sqpoll: None,
            spin_ns_max: SPIN_NS_MAX,
            io_wq_workers_max: None,
            buffers_max: 64,
            files_max: 1024,
            files_chosen_max: 0,
        }
    }

    /// A ring for a thread of its own, with `slots_max` ops in flight at the most.
    pub fn worker(slots_max: u32) -> Self {
        Self { personality: Personality::Worker, ..Self::inline(slots_max) }
    }

    /// The same over an SQ thread.
    #[must_use]
    pub fn with_sqpoll(mut self, sqpoll: Sqpoll) -> Self {
        self.sqpoll = Some(sqpoll);
        self
    }
}
