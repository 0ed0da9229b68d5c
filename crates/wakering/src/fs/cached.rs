//! What memory can answer is answered at once, on the thread that asks.
//!
//! ```text
//! budget left? ─► prepared, beside any slot ─► attempted ─┬─ answered ─► finished: one step of the budget
//!                                                         └─ else taken back: the op goes to a loop
//! ```
//!
//! An attempt cannot block, so it needs no slot, no wake and nobody else's thread: see
//! [`wakering_poll_loop::cached`]. A ring reads and opens cached files as quickly, and many at a time
//! more so; it is asked first unless there is nothing else for it to do.

#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::sync::{Arc, LazyLock};
use std::task::{Poll, ready};
use wakering_core::abi::Opcode;
use wakering_core::block::BlockPool;
use wakering_core::resource::Resource;
use wakering_core::scheduler::{Ops, Request, is_cancelled};
use wakering_core::task::poll_proceed;
use wakering_poll_loop::Mounts;
use wakering_poll_loop::cached::{self, Attempt};

/// What is known of mounts is the kernel's, and the same for every runtime of the process.
static MOUNTS: LazyLock<Arc<Mounts>> = LazyLock::new(Arc::default);
/// What needs a block is not attempted.
static NO_BLOCKS: LazyLock<BlockPool> = LazyLock::new(|| BlockPool::new(0));

/// On which mounts attempts are allowed: threads of the pools find out, attempts look it up.
pub(crate) fn mounts() -> &'static Arc<Mounts> {
    &MOUNTS
}

/// What an attempt came to.
pub(super) enum Tried<T> {
    Answered(T),
    /// Not in memory.
    No,
    /// Nobody has looked at the mount; a thread that carries the op out will.
    UnknownMount,
    /// This file never answers so.
    Unsupported,
}

/// Whether an op is worth an attempt, from where it is asked for.
pub(super) fn is_worth(opcode: Opcode, ops: &Ops) -> bool {
    if is_cancelled() {
        // Refused where it is started.
        return false;
    }
    let is_ring = || ops.driver_name() == Some("uring");
    match opcode {
        // A ring has a thread of the kernel's do it.
        Opcode::Statx | Opcode::Access => true,
        Opcode::OpenAt => !is_ring(),
        Opcode::Read | Opcode::Readv => ops.is_quiet() || !is_ring(),
        _ => false,
    }
}

/// Tries to answer an op from memory. A success is a step of the task's budget.
pub(super) fn attempt<R: Request>(mut request: R) -> impl Future<Output = Tried<R::Output>> {
    poll_fn(move |cx| {
        let proceed = ready!(poll_proceed(cx));
        let tried = attempt_now(&mut request);
        if matches!(tried, Tried::Answered(_)) {
            proceed.made_progress();
        }
        Poll::Ready(tried)
    })
}

fn attempt_now<R: Request>(request: &mut R) -> Tried<R::Output> {
    let mut resource = Resource::new();
    let tried = match request.prepare(&mut resource, &NO_BLOCKS) {
        Ok(()) => cached::attempt(&mut resource, mounts()),
        // It is found again, and told, where the op is started.
        Err(_) => Attempt::WouldBlock,
    };
    if let Attempt::Answered(outcome) = tried {
        return Tried::Answered(request.finish(outcome, &mut resource));
    }
    request.withdraw(&mut resource);
    match tried {
        Attempt::UnknownMount => Tried::UnknownMount,
        Attempt::Unsupported => Tried::Unsupported,
        Attempt::Answered(_) | Attempt::WouldBlock => Tried::No,
    }
}
