//! The kernel thread that takes submissions: how it is asked for, shared, steered and seen.
//!
//! ```text
//! SharedSqpoll ┬ members   the rings that it serves, each with its idle time
//!              ├ steward   policy, keeper ring, decisions        (where it is steered)
//!              └ report()  from any thread
//! SwitchingDriver ─ a loop over such a thread that can do without it
//! ```
//!
//! The kernel's rules (6.18; each was measured):
//!
//! - The thread's idle time is the longest of all rings attached to it, in whole ticks, and zero means
//!   a second: each ring has one of its own, attached rings too.
//! - The CPU is the first ring's. The others' is ignored, so it is compared here.
//! - Any ring may go first, the one that made the thread included; the last one ends it. A keeper is a
//!   ring like the others here.

use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use steward::{Note, Steward};

mod clock;
pub(crate) mod cpu;
mod keeper;
pub mod policy;
mod registered;
mod report;
mod steward;
mod switching;
mod thread;

pub use report::SqpollReport;
pub use steward::DECISIONS_MAX;
pub use switching::SwitchingDriver;

use policy::{Reason, Route, Setting, WEIGHT_DEFAULT};
use thread::Thread;

/// Submission by a kernel thread.
#[derive(Clone, Debug)]
pub struct Sqpoll {
    /// The CPU that the thread is bound to; any, where there is none.
    pub cpu: Option<u32>,
    /// How long it looks for work before it sleeps. Zero is taken as one: to the kernel zero would
    /// mean a whole second. Not looked at where the idle time is steered.
    pub idle_ms: u32,
    /// Rings with the same of these are served by one thread.
    pub share: Option<Arc<SharedSqpoll>>,
}

impl Sqpoll {
    /// What the kernel is told: never zero.
    pub(crate) fn idle_ms_for_kernel(&self) -> u32 {
        self.idle_ms.max(1)
    }
}

/// How long the thread looks for work before it sleeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Idle {
    /// So long.
    Millis(u32),
    /// As long as pays, and not at all where plain submission is better.
    Auto(Steering),
}

/// What an idle time is chosen by: see [`policy`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Steering {
    /// What a second of delay of the first op after a pause weighs, in CPU seconds. The first ring of
    /// a shared thread decides.
    pub weight: u32,
    /// Whether loops may go over to plain submission.
    pub may_leave: bool,
}

impl Default for Steering {
    fn default() -> Self {
        Self { weight: WEIGHT_DEFAULT, may_leave: true }
    }
}

/// The rings that one SQ thread serves. The first of them makes the thread and the last one ends
/// it; none is special in between.
#[derive(Debug, Default)]
pub struct SharedSqpoll {
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    /// Each with the idle time that it was made with.
    rings: Vec<(RawFd, u32)>,
    cpu: Option<u32>,
    steward: Option<Steward>,
    wakeups: u64,
}

/// A ring's place among the members; gone when it is dropped, which is before the ring is closed.
#[derive(Debug)]
pub(crate) struct Membership {
    share: Arc<SharedSqpoll>,
    ring: RawFd,
}

/// The ring asks for another CPU than the one its shared thread is bound to.
#[derive(Debug)]
pub(crate) struct OtherCpu(pub(crate) Option<u32>);

impl SharedSqpoll {
    /// Nobody yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many rings share the thread now.
    pub fn rings(&self) -> usize {
        self.members().rings.len()
    }

    /// The CPU that the thread has for itself: what workers and pools keep off. None, where it may run
    /// on any, or there is no thread.
    pub fn cpu(&self) -> Option<u32> {
        let members = self.members();
        members.cpu.filter(|_| !members.rings.is_empty())
    }

    /// What the thread does. From any thread; reads a few small files.
    pub fn report(&self) -> SqpollReport {
        let members = self.members();
        let thread = members.rings.first().and_then(|&(ring, _)| Thread::of_ring(ring));
        let times = thread.and_then(|thread| thread.times());
        let steward = members.steward.as_ref();
        let keeper_ms = steward.and_then(Steward::keeper_ms);
        SqpollReport {
            thread: thread.map(|thread| thread.id),
            cpu: members.cpu.or(thread.and_then(|thread| thread.cpu)),
            warning: cpu::warning(members.cpu),
            rings: members.rings.len(),
            route: steward.map_or(Route::SqThread, |steward| steward.setting().route),
            idle_ms: members.floor_ms().max(keeper_ms.unwrap_or(0)),
            keeper_ms,
            sleeps: thread.and_then(|thread| thread.sleeps()),
            wakeups: members.wakeups,
            ran: times.map(|times| times.ran),
            waited: times.map(|times| times.waited),
            worked: times.and_then(|times| times.worked),
            decisions: steward.into_iter().flat_map(Steward::decisions).collect(),
        }
    }

    /// Has `build` make a ring with this idle time, attached to a member where there is one. The
    /// members stay locked meanwhile, so that the ring to attach to cannot be closed.
    pub(crate) fn join<R, E>(
        self: &Arc<Self>,
        cpu: Option<u32>,
        idle_ms: u32,
        build: impl FnOnce(Option<RawFd>) -> Result<(R, RawFd), E>,
    ) -> Result<Result<(R, Membership), E>, OtherCpu> {
        let mut members = self.members();
        let attach = members.rings.first().map(|&(ring, _)| ring);
        if attach.is_some() && members.cpu != cpu {
            return Err(OtherCpu(members.cpu));
        }
        Ok(build(attach).map(|(ring, fd)| {
            members.rings.push((fd, idle_ms));
            members.cpu = cpu;
            (ring, Membership { share: self.clone(), ring: fd })
        }))
    }

    /// From here on the thread is steered. The first loop that asks says how.
    fn steer(&self, steering: Steering) {
        let Steering { weight, may_leave } = steering;
        self.members().steward.get_or_insert_with(|| Steward::new(weight, may_leave));
    }

    /// A loop has published: what holds now, and whether it is time to ask. `None` where another thread
    /// is at it: the loop keeps its note and tells it the next time.
    fn note(&self, note: Note, wakeups: u64) -> Option<(Setting, bool)> {
        let mut members = self.members.try_lock().ok()?;
        members.wakeups += wakeups;
        let steward = members.steward.as_mut()?;
        let due = steward.note(note);
        Some((steward.setting(), due))
    }

    /// Asks the policy: some 100 us. What holds then; `None` where another thread is at it.
    fn ask(&self, now_ms: u64) -> Option<Setting> {
        let mut members = self.members.try_lock().ok()?;
        let (&(ring, _), floor_ms, cpu) = (members.rings.first()?, members.floor_ms(), members.cpu);
        let steward = members.steward.as_mut()?;
        steward.ask(now_ms, ring, floor_ms, cpu);
        Some(steward.setting())
    }

    /// One of the loops goes this way for a reason of its own.
    fn tell(&self, reason: Reason) {
        if let Some(steward) = &mut self.members().steward {
            steward.one_loop(reason);
        }
    }
}

impl Members {
    /// The longest idle time that its rings were made with.
    fn floor_ms(&self) -> u32 {
        self.rings.iter().map(|&(_, idle_ms)| idle_ms).max().unwrap_or(0)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut members = self.share.members();
        members.rings.retain(|&(ring, _)| ring != self.ring);
        if members.rings.is_empty()
            && let Some(steward) = &mut members.steward
        {
            steward.close_keeper();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ring_makes_the_thread_and_others_attach() {
        let share = SharedSqpoll::new();
        let join = |fd: RawFd, cpu| share.join(cpu, 10, |attach| Ok::<_, ()>((attach, fd)));
        let (attach, first) = join(5, Some(1)).unwrap().unwrap();
        assert_eq!(attach, None);
        let (attach, _second) = join(6, Some(1)).unwrap().unwrap();
        assert_eq!(attach, Some(5));
        assert_eq!(join(7, Some(0)).unwrap_err().0, Some(1));
        drop(first);
        assert_eq!(share.rings(), 1);
        let (attach, _third) = join(8, Some(1)).unwrap().unwrap();
        assert_eq!(attach, Some(6));
    }
}
