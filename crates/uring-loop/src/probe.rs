//! What this kernel can do, each with yes or why not, and why a ring was refused.

#![forbid(unsafe_code)]

use crate::encode::{ROWS, trial};
use crate::groups;
use crate::kernel::{Kernel, attempt};
use crate::outside;
use crate::ring::{self, Ring};
use crate::setup::{Attempt, Flags, SETUP_FLAGS, SqThread};
use io_uring::opcode as kernel;
use std::os::fd::{AsRawFd, RawFd};
use wakering_core::park::Doorbell;

/// One thing that a kernel may or may not have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Feature {
    /// Its name: of a setup flag, of a registration, or `op_` and the name of an operation.
    pub name: &'static str,
    /// Whether it is there.
    pub available: bool,
    /// Why not.
    pub reason: Option<String>,
}

impl Feature {
    pub(crate) fn yes(name: &'static str) -> Self {
        Self { name, available: true, reason: None }
    }

    pub(crate) fn no(name: &'static str, reason: String) -> Self {
        Self { name, available: false, reason: Some(reason) }
    }

    fn since(name: &'static str, has: bool, since: &str) -> Self {
        if has { Self::yes(name) } else { Self::no(name, format!("needs Linux {since}")) }
    }

    fn of(name: &'static str, errno: i32, since: &str) -> Self {
        match errno {
            0 => Self::yes(name),
            libc::EINVAL => Self::no(name, format!("needs Linux {since}")),
            errno => Self::no(name, explain(errno, name)),
        }
    }
}

/// There is no ring to be had, or not the one that was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// What the kernel answered.
    pub errno: i32,
    /// Which call it answered so.
    pub at: &'static str,
    /// What that means here and what can be done.
    pub why: String,
    /// The option whose value is wrong, where it is the wish and not the ring that is refused.
    pub option: Option<&'static str>,
}

impl Refused {
    pub(crate) fn of(errno: i32, at: &'static str) -> Self {
        Self { errno, at, why: explain(errno, at), option: None }
    }

    pub(crate) fn option(option: &'static str, why: String) -> Self {
        Self { errno: libc::EINVAL, at: "io_uring_setup", why, option: Some(option) }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.option {
            Some(option) => write!(f, "{option}: {}", self.why),
            None => write!(f, "{}: {}", self.at, self.why),
        }
    }
}

impl std::error::Error for Refused {}

/// What an errno of a ring's system call means, and what can be done about it.
pub(crate) fn explain(errno: i32, at: &str) -> String {
    let said = std::io::Error::from_raw_os_error(errno);
    match errno {
        libc::ENOSYS => format!(
            "{said}: this kernel was built without io_uring, or a sandbox (seccomp) hides {at}"
        ),
        libc::EPERM => match disabled_by_sysctl() {
            Some(how) => format!("{said}: {how}"),
            None => format!(
                "{said}: a sandbox (seccomp, as in the default profiles of Docker and containerd) \
                 or a security module forbids {at}"
            ),
        },
        libc::EACCES => format!("{said}: a security module or a restriction forbids {at}"),
        libc::ENOMEM => format!(
            "{said}: the ring's memory counts against the locked memory of the user ({}); raise \
             `ulimit -l`, or use fewer or smaller rings",
            locked_memory_limit()
        ),
        libc::EMFILE => format!("{said}: no descriptor is left in this process; raise `ulimit -n`"),
        libc::ENFILE => format!("{said}: no descriptor is left in this system"),
        libc::EAGAIN => format!("{said}: no kernel thread could be started; look at `ulimit -u`"),
        _ => said.to_string(),
    }
}

fn disabled_by_sysctl() -> Option<String> {
    let value = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    match value.trim() {
        "1" => Some(
            "the sysctl kernel.io_uring_disabled is 1: only members of kernel.io_uring_group and \
             processes with CAP_SYS_ADMIN get a ring"
                .into(),
        ),
        "2" => Some("the sysctl kernel.io_uring_disabled is 2: nobody gets a ring".into()),
        _ => None,
    }
}

fn locked_memory_limit() -> String {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => "no limit is set".into(),
        Some(bytes) => format!("limit {bytes} bytes"),
        None => "limit unknown".into(),
    }
}

pub(crate) fn errno_of(error: &std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// Everything that this kernel has or has not, found out on tiny rings of its own. Takes about a
/// millisecond; for those who ask, not for every start.
///
/// # Errors
///
/// Where not even the plainest ring is to be had.
pub fn survey() -> Result<Vec<Feature>, Refused> {
    let setup_refused = |errno| Refused::of(errno, "io_uring_setup");
    let plain = Attempt { entries: 4, completions: 8, flags: Flags::default(), sqpoll: None };
    let mut ring = Ring::new(ring::build(&plain).map_err(setup_refused)?);
    let bell = Doorbell::new().map_err(|_| Refused::of(libc::EMFILE, "eventfd"))?;
    let mut features = setup_features(plain);
    let chains = features.iter().any(|feature| feature.name == "submit_all" && feature.available);
    let flags = if chains { Flags::SUBMIT_ALL } else { Flags::default() };
    let known = Kernel::find_out(&mut ring, flags, bell.as_raw_fd())?;
    features.extend(parameter_features(ring.params()));
    features.extend([
        Feature::of("cancel_any", known.cancel_any, "5.19"),
        Feature::of("cancel_fd", known.cancel_fd, "5.19"),
        Feature::since("chains", known.chains, "5.18"),
        Feature::since("send_msg_ring", outside::can_send(), "6.13"),
        Feature::since("send_to", known.send_to, "6.2"),
    ]);
    features.extend(multishot_features(&mut ring, &known, bell.as_raw_fd())?);
    features.extend(register_features(&ring, &bell));
    features
        .extend(ROWS.iter().map(|row| Feature::since(row.name, known.has(row.kernel), row.since)));
    Ok(features)
}

fn multishot_features(
    ring: &mut Ring,
    known: &Kernel,
    eventfd: RawFd,
) -> Result<[Feature; 5], Refused> {
    let accept = attempt(ring, &trial::accept_multishot(eventfd))? == libc::ENOTSOCK;
    // Before 5.19 the flag was not looked at, and 6.0 is the first that also has SEND_ZC.
    let recv = attempt(ring, &trial::recv_multishot(eventfd))? == libc::ENOTSOCK
        && known.has(kernel::SendZc::CODE);
    let timeout = attempt(ring, &trial::timeout_multishot())? == libc::ETIME;
    Ok([
        Feature::since("multishot_poll", known.has(kernel::RenameAt::CODE), "5.13"),
        Feature::since("multishot_accept", accept, "5.19"),
        Feature::since("multishot_recv", recv, "6.0"),
        Feature::since("multishot_timeout", timeout, "6.4"),
        Feature::since("multishot_read", known.has(kernel::ReadMulti::CODE), "6.7"),
    ])
}

fn setup_features(plain: Attempt) -> Vec<Feature> {
    let errno = |attempt: &Attempt| ring::build(attempt).err().unwrap_or(0);
    let mut features: Vec<_> = SETUP_FLAGS
        .iter()
        .enumerate()
        .map(|(index, flag)| {
            let alone = Flags::of_index(index);
            // Two of them are refused without the one that they go with.
            let flags = match alone {
                Flags::TASKRUN_FLAG => alone.with(Flags::COOP_TASKRUN),
                Flags::DEFER_TASKRUN => alone.with(Flags::SINGLE_ISSUER),
                _ => alone,
            };
            Feature::of(flag.name, errno(&Attempt { flags, ..plain }), flag.since)
        })
        .collect();
    let thread = SqThread { cpu: None, idle_ms: 1, attach: None };
    let first = ring::build(&Attempt { sqpoll: Some(thread), ..plain });
    features.push(Feature::of("sqpoll", first.as_ref().err().copied().unwrap_or(0), "5.11"));
    if let Ok(first) = first {
        let attached = SqThread { attach: Some(first.as_raw_fd()), ..thread };
        let answer = errno(&Attempt { sqpoll: Some(attached), ..plain });
        features.push(Feature::of("sqpoll_share", answer, "5.11"));
    }
    features
}

fn parameter_features(params: &io_uring::Parameters) -> Vec<Feature> {
    [
        ("nodrop", params.is_feature_nodrop(), "5.5"),
        ("current_position", params.is_feature_rw_cur_pos(), "5.6"),
        ("fast_poll", params.is_feature_fast_poll(), "5.7"),
        ("wait_timeout", params.is_feature_ext_arg(), "5.11"),
        ("native_workers", params.is_feature_native_workers(), "5.12"),
        ("linked_file", params.is_feature_linked_file(), "5.17"),
        ("bundles", params.is_feature_recvsend_bundle(), "6.10"),
        ("no_iowait", params.is_feature_no_iowait(), "6.15"),
    ]
    .map(|(name, has, since)| Feature::since(name, has, since))
    .into()
}

fn register_features(ring: &Ring, bell: &Doorbell) -> Vec<Feature> {
    let submitter = ring.submitter();
    let answer = |result: std::io::Result<()>| result.err().as_ref().map_or(0, errno_of);
    let itself = if ring.has_registered_self() { 0 } else { libc::EINVAL };
    let workers = submitter.register_iowq_max_workers(&mut [0, 0]);
    vec![
        Feature::of("registered_ring", itself, "5.18"),
        Feature::of(
            "registered_eventfd",
            answer(submitter.register_eventfd(bell.as_raw_fd())),
            "5.2",
        ),
        Feature::of("buffer_rings", groups::trial(ring), "5.19"),
        Feature::of("sparse_buffers", answer(submitter.register_buffers_sparse(1)), "5.19"),
        Feature::of("sparse_files", answer(submitter.register_files_sparse(1)), "5.19"),
        Feature::of("io_wq_workers_max", answer(workers), "5.15"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_do_or_who_did_it() {
        for errno in [libc::ENOSYS, libc::EPERM, libc::EACCES, libc::ENOMEM, libc::EMFILE] {
            let refused = Refused::of(errno, "io_uring_setup");
            assert!(refused.why.len() > 40, "{refused}");
            assert!(refused.to_string().starts_with("io_uring_setup: "));
        }
        assert!(Refused::of(libc::ENOMEM, "x").why.contains("ulimit -l"));
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a skip says why")]
    fn the_survey_names_each_feature_once_and_gives_each_no_a_reason() {
        let features = match survey() {
            Ok(features) => features,
            Err(refused) => {
                eprintln!("SKIP: {refused}");
                return;
            }
        };
        let mut names: Vec<_> = features.iter().map(|feature| feature.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), features.len());
        for feature in &features {
            assert_eq!(feature.available, feature.reason.is_none(), "{feature:?}");
        }
    }
}
