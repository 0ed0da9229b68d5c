//! The kernel thread that takes submissions: how it is asked for, shared, and waited for.

#![forbid(unsafe_code)]

use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, PoisonError};

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

#[cfg(test)]
mod tests {
    use super::*;

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
