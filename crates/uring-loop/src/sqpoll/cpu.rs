//! The CPU of an SQ thread: whether it can be had, and who keeps off it.

#![forbid(unsafe_code)]

use crate::probe::Refused;
use crate::setup::SqThread;
use wakering_core::scheduler::affinity::{CPUS_MAX, CpuSet, Warning, place};

/// Whether a thread of this process may be bound to `cpu`: that it is online, and in the cpuset. Asked
/// by a thread that lives for that alone, because kernels before 6.12 do not look at the cpuset when
/// they bind an SQ thread. `None` where not even such a thread is to be had.
fn is_allowed(cpu: u32) -> Option<bool> {
    let cpu = usize::try_from(cpu).unwrap_or(CPUS_MAX);
    if cpu >= CPUS_MAX {
        return Some(false);
    }
    let name = "wakering-cpu".to_string();
    let asked = std::thread::Builder::new()
        .name(name)
        .spawn(move || CpuSet::from_iter([cpu]).bind_this_thread())
        .ok()?
        .join()
        .ok()?;
    match asked {
        Ok(bound) => Some(bound.contains(cpu)),
        Err(wakering_core::Error::Os(libc::EINVAL)) => Some(false),
        Err(_) => None,
    }
}

/// Whether the SQ thread of a new ring is where it may be.
pub(crate) fn check(thread: Option<SqThread>) -> Result<(), Refused> {
    let first = thread.filter(|thread| thread.attach.is_none());
    match first.and_then(|thread| thread.cpu) {
        Some(cpu) if is_allowed(cpu) == Some(false) => {
            Err(Refused::option("sqpoll.cpu", why_not(cpu)))
        }
        _ => Ok(()),
    }
}

/// Why an SQ thread cannot run there, and what can be done.
pub(crate) fn why_not(cpu: u32) -> String {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let online = online.trim();
    format!(
        "CPU {cpu} cannot run the SQ thread: it does not exist, is offline, or is not among the CPUs \
         of this process; choose one that `taskset -cp $$` lists{}{online}",
        if online.is_empty() { "" } else { "; online are " }
    )
}

/// What is kept off the SQ thread's CPU in vain: on a machine of one CPU everything runs there.
pub(crate) fn warning(cpu: Option<u32>) -> Option<Warning> {
    let taken = CpuSet::from_iter([cpu? as usize]);
    let available = CpuSet::of_this_thread().ok()?;
    place(available, taken, 1, false).warning
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_of_this_process_is_allowed_and_one_that_is_not_there_is_not() {
        let available = CpuSet::of_this_thread().unwrap();
        let cpu = available.iter().next().unwrap() as u32;
        assert_eq!(is_allowed(cpu), Some(true));
        assert_eq!(is_allowed(CPUS_MAX as u32 - 1), Some(false));
        assert_eq!(is_allowed(u32::MAX), Some(false));
        assert_eq!(CpuSet::of_this_thread().unwrap(), available, "this thread was not moved");
        assert!(why_not(99).starts_with("CPU 99 "));
    }
}
