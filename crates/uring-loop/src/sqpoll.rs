//! The kernel thread that takes submissions: how it is asked for, shared, and waited for.

#![forbid(unsafe_code)]

use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wakering_core::cpus;

/// Submission by a kernel thread.
#[derive(Clone, Debug)]
pub struct Sqpoll {
    /// The CPU that the thread is bound to; any, where there is none.
    pub cpu: Option<u32>,
    /// How long it looks for work before it sleeps. Zero is taken as one: to the kernel zero would
    /// mean a whole second.
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

/// The rings that one SQ thread serves. The first of them makes the thread and the last one ends
/// it; none is special in between.
#[derive(Debug, Default)]
pub struct SharedSqpoll {
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    rings: Vec<RawFd>,
    cpu: Option<u32>,
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

    /// How many rings share the thread now.
    pub fn rings(&self) -> usize {
        self.members.lock().unwrap_or_else(PoisonError::into_inner).rings.len()
    }

    /// Has `build` make a ring, attached to a member where there is one. The members stay locked
    /// meanwhile, so that the ring to attach to cannot be closed.
    pub(crate) fn join<R, E>(
        self: &Arc<Self>,
        cpu: Option<u32>,
        build: impl FnOnce(Option<RawFd>) -> Result<(R, RawFd), E>,
    ) -> Result<Result<(R, Membership), E>, OtherCpu> {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let attach = members.rings.first().copied();
        if attach.is_some() && members.cpu != cpu {
            return Err(OtherCpu(members.cpu));
        }
        Ok(build(attach).map(|(ring, fd)| {
            members.rings.push(fd);
            members.cpu = cpu;
            (ring, Membership { share: self.clone(), ring: fd })
        }))
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut members = self.share.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.rings.retain(|&ring| ring != self.ring);
    }
}

/// Looks that would be shorter are not worth the clock that bounds them.
const SPIN_NS_MIN: u64 = 2_000;
const TRY_AGAIN_AFTER: u32 = 64;

/// How long to look at the completion queue before going to sleep. A sleeper is woken in tens of
/// microseconds where the SQ thread answers in one or two, so looking a while is worth it, as long
/// as answers come: each look in vain halves the next, and after some of them only every
/// [`TRY_AGAIN_AFTER`]th turn looks at all.
#[derive(Debug)]
pub(crate) struct Spin {
    max_ns: u64,
    budget_ns: u64,
    skipped: u32,
    /// Looks that a completion came in.
    pub(crate) hits: u64,
    /// Looks in vain.
    pub(crate) misses: u64,
    /// What those took.
    pub(crate) vain_ns: u64,
}

impl Spin {
    /// Looks of at most `max_ns`; none at all for zero, or where there is one CPU only: the SQ
    /// thread could not run meanwhile.
    pub(crate) fn new(max_ns: u64) -> Self {
        let max_ns = if cpus() < 2 { 0 } else { max_ns };
        Self { max_ns, budget_ns: max_ns, skipped: 0, hits: 0, misses: 0, vain_ns: 0 }
    }

    /// Looks until `come` says yes or the budget is spent. Whether it came.
    pub(crate) fn until(&mut self, mut come: impl FnMut() -> bool) -> bool {
        if self.max_ns == 0 {
            return false;
        }
        if self.budget_ns < SPIN_NS_MIN {
            self.skipped += 1;
            if self.skipped < TRY_AGAIN_AFTER {
                return false;
            }
            self.skipped = 0;
            self.budget_ns = SPIN_NS_MIN;
        }
        let start = Instant::now();
        let budget = Duration::from_nanos(self.budget_ns);
        loop {
            for _ in 0..16 {
                if come() {
                    self.budget_ns = (self.budget_ns * 2).min(self.max_ns);
                    self.hits += 1;
                    return true;
                }
                std::hint::spin_loop();
            }
            let elapsed = start.elapsed();
            if elapsed >= budget {
                self.vain_ns += elapsed.as_nanos() as u64;
                self.budget_ns /= 2;
                self.misses += 1;
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wakering_core::policy::SPIN_NS_MAX;

    #[test]
    fn spinning_in_vain_stops_and_is_tried_again_later() {
        let mut spin = counted(SPIN_NS_MAX);
        for _ in 0..8 {
            assert!(!spin.until(|| false));
        }
        assert_eq!((spin.hits, spin.misses), (0, 5), "32, 16, 8, 4 and 2 us, then none");
        let mut looks = 0;
        for _ in 1..TRY_AGAIN_AFTER - 8 {
            spin.until(|| {
                looks += 1;
                false
            });
        }
        assert_eq!(looks, 0);
        for _ in 0..16 {
            spin.until(|| true);
        }
        assert_eq!(spin.budget_ns, SPIN_NS_MAX);
    }

    /// As on a machine of several CPUs.
    fn counted(max_ns: u64) -> Spin {
        Spin { max_ns, budget_ns: max_ns, skipped: 0, hits: 0, misses: 0, vain_ns: 0 }
    }

    #[test]
    fn a_thousand_turns_in_vain_cost_a_handful_of_looks() {
        let mut spin = counted(SPIN_NS_MAX);
        for _ in 0..1000 {
            assert!(!spin.until(|| false));
        }
        // Five until it stops, then the shortest one each 64 turns.
        assert_eq!((spin.hits, spin.misses), (0, 5 + 995 / u64::from(TRY_AGAIN_AFTER)));
    }

    #[test]
    fn a_ring_that_is_not_to_spin_does_not_look_once() {
        let mut spin = counted(0);
        assert!(!spin.until(|| unreachable!("it must not look")));
        assert_eq!((spin.hits, spin.misses), (0, 0));
    }

    #[test]
    fn the_first_ring_makes_the_thread_and_others_attach() {
        let share = SharedSqpoll::new();
        let join = |fd: RawFd, cpu| share.join(cpu, |attach| Ok::<_, ()>((attach, fd)));
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
