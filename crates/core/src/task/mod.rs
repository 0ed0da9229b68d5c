//! Tasks: futures that a scheduler runs, in storage of the caller's choice.
//!
//! | storage | cost of a spawn | where |
//! |---|---|---|
//! | [`TaskStorage`], [`TaskPool`] | no allocation, ever; Busy when in use | a `static` |
//! | the scheduler's pool | no allocation once it has as many places as the program needs | every ordinary spawn up to 2,000 bytes of future |
//! | its own allocation | one | futures that are larger, or aligned to more than 16 bytes |
//!
//! ```text
//!             one word: SCHEDULED, WOKEN, Complete …, references, generation   state
//!  TaskRef ─► header: link, state, vtable, what it waits for, joiner           header
//!             future, then its output or the payload of its panic              vtable
//!             └─ in a chunk of a pool (pool), or in storage of its own (storage)
//!  Waker ───► the header (waker); JoinHandle ─► the header (join)
//! ```
//!
//! A task of 16 bytes of future takes 64 bytes, one cache line.
//!
//! **Rules.** A task is polled and dropped by the threads of its scheduler only. A poll never nests:
//! a wake puts a task into a queue, it never runs one. A panic ends its task, and goes to whoever
//! joins it. What is woken before it is polled is polled once; what is woken while it is polled is
//! polled again; what is woken after its end stays ended.
//!
//! **Recursion.** A task has no stack of its own that could overflow. An `async fn` that calls itself
//! has to box each call, which the compiler insists on, so its depth is memory; a task that spawns
//! itself without end meets the bound of its scheduler's memory and is told Busy. Chains of tasks that
//! wake, join or drop one another use no stack, however long they are. What is not promised: a plain
//! function that calls itself without end overflows its thread's stack as anywhere in Rust, and the
//! process is aborted.

mod block_on;
pub(crate) mod budget;
pub(crate) mod dispatch;
mod exit;
pub(crate) mod header;
pub(crate) mod here;
pub(crate) mod info;
mod join;
mod local;
pub(crate) mod pool;
pub(crate) mod run;
pub(crate) mod slow;
pub(crate) mod spawn;
mod spawn_blocking;
mod state;
pub(crate) mod storage;
pub(crate) mod stuck;
pub(crate) mod trace;
mod vtable;
mod waits;
mod waker;
mod yield_now;

pub use block_on::block_on;
pub(crate) use block_on::block_on_unless;
pub use budget::{Proceed, consume_budget, poll_proceed};
pub use exit::{Exit, exit, exit_all};
pub use info::{Doing, Dump, TaskInfo, current, set_name};
pub use join::{
    AbortHandle, Anywhere, AtHome, JoinError, JoinHandle, LocalJoinHandle, Whereabouts,
};
pub use local::{Scope, TaskLocal};
pub use slow::SlowPoll;
pub use spawn::{Spawn, SpawnError, spawn, spawn_local, try_spawn, try_spawn_local};
pub use spawn_blocking::{spawn_blocking, try_spawn_blocking};
pub use storage::{Claim, TaskPool, TaskStorage};
pub use trace::{Hook, Step};
pub use waits::{WaitsFor, WokenFrom, note_waiting};
pub use yield_now::{YieldNow, yield_now};

pub(crate) use header::TaskRef;
pub(crate) use waits::{keep_inside, note};
pub(crate) use waker::{is_same as is_same_waker, polled};

/// The number of a task in its scheduler: a place, and which use of it. No two tasks of a scheduler
/// have the same within 16 million uses of a place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TaskId {
    number: u32,
    generation: u32,
}

impl TaskId {
    pub(crate) fn of(task: TaskRef) -> Self {
        Self { number: task.number(), generation: task.state().look().generation() }
    }

    const fn word(self) -> u64 {
        (self.generation as u64) << 32 | self.number as u64
    }

    const fn from_word(word: u64) -> Self {
        Self { number: word as u32, generation: (word >> 32) as u32 }
    }

    /// As what an op's slot holds, so that a loop wakes the task by number.
    pub(crate) const fn waker_ref(self) -> crate::waker::WakerRef {
        crate::waker::WakerRef::task(self.number, self.generation)
    }
}

impl std::fmt::Display for TaskId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.number, self.generation)
    }
}

// Not beneath the state, which has no unsafe code: the models have cells that loom watches.
#[cfg(all(test, loom))]
#[path = "state/loom_tests.rs"]
mod state_loom_tests;

/// A header that no scheduler knows, for the models of queues.
#[cfg(all(test, loom))]
pub(crate) fn test_task() -> TestTask {
    TestTask(Box::new(header::Header::free()))
}

/// See [`test_task`].
#[cfg(all(test, loom))]
pub(crate) struct TestTask(Box<header::Header>);

#[cfg(all(test, loom))]
impl TestTask {
    pub(crate) fn task(&self) -> TaskRef {
        // SAFETY: it stays while the test does, which reaches no more than the header.
        unsafe { TaskRef::new(std::ptr::NonNull::from(&*self.0)) }
    }
}
