//! Which ring this kernel gives: the best flags that it takes, and why not the others.
//!
//! ```text
//! all flags ─ok────────────────────────────────────────────────► ring
//!    ├─ EINVAL: on a tiny ring, drop the newest flag until it is taken, then add the dropped ones
//!    │          again, one by one: what is refused now is really unknown ────────► again
//!    ├─ ENOMEM: half the places, down to a floor ────────────────────────────────► again
//!    ├─ EPERM, EAGAIN with an SQ thread: without it ─────────────────────────────► again
//!    └─ anything else ─► Refused
//! ```

#![forbid(unsafe_code)]

use crate::config::{Personality, UringConfig};
use crate::probe::{Feature, Refused, explain};
use std::os::fd::RawFd;

/// One flag of `io_uring_setup` that a ring can do without.
#[derive(Debug)]
pub(crate) struct SetupFlag {
    /// What `features()` calls it.
    pub(crate) name: &'static str,
    /// The first kernel that knows it.
    pub(crate) since: &'static str,
    /// What is lost without it.
    pub(crate) purpose: &'static str,
}

/// Oldest first: the index is the bit in a [`Flags`].
pub(crate) const SETUP_FLAGS: [SetupFlag; 6] = [
    SetupFlag {
        name: "submit_all",
        since: "5.18",
        purpose: "a bad op does not hold up those behind it",
    },
    SetupFlag {
        name: "coop_taskrun",
        since: "5.19",
        purpose: "completions do not interrupt the thread",
    },
    SetupFlag {
        name: "taskrun_flag",
        since: "5.19",
        purpose: "pending completions can be seen without a call",
    },
    SetupFlag { name: "single_issuer", since: "6.0", purpose: "the kernel takes fewer locks" },
    SetupFlag {
        name: "defer_taskrun",
        since: "6.1",
        purpose: "completions are worked off when asked for",
    },
    SetupFlag { name: "no_sqarray", since: "6.6", purpose: "one indirection less per submission" },
];

/// A set of [`SETUP_FLAGS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flags(pub(crate) u16);

impl Flags {
    pub(crate) const SUBMIT_ALL: Self = Self(1);
    pub(crate) const COOP_TASKRUN: Self = Self(2);
    pub(crate) const TASKRUN_FLAG: Self = Self(4);
    pub(crate) const SINGLE_ISSUER: Self = Self(8);
    pub(crate) const DEFER_TASKRUN: Self = Self(16);
    pub(crate) const NO_SQARRAY: Self = Self(32);

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn of_index(index: usize) -> Self {
        Self(1 << index)
    }

    fn indices(self) -> impl DoubleEndedIterator<Item = usize> {
        (0..SETUP_FLAGS.len()).filter(move |&index| self.has(Self::of_index(index)))
    }
}

/// The SQ thread of an [`Attempt`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SqThread {
    pub(crate) cpu: Option<u32>,
    pub(crate) idle_ms: u32,
    pub(crate) attach: Option<RawFd>,
}

/// One call of `io_uring_setup`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Attempt {
    pub(crate) entries: u32,
    pub(crate) completions: u32,
    pub(crate) flags: Flags,
    pub(crate) sqpoll: Option<SqThread>,
}

/// A ring's places are never fewer, whatever the memory.
pub(crate) const ENTRIES_MIN: u32 = 64;

impl Attempt {
    /// What `config` wishes for.
    pub(crate) fn first(config: &UringConfig, attach: Option<RawFd>) -> Self {
        let entries = config.entries.clamp(1, 32_768);
        let sqpoll = config.sqpoll.as_ref().map(|sqpoll| SqThread {
            cpu: sqpoll.cpu,
            idle_ms: sqpoll.idle_ms_for_kernel(),
            attach,
        });
        Self {
            entries,
            completions: config.completions.clamp(entries, 65_536),
            flags: wanted(config.personality, sqpoll.is_some()),
            sqpoll,
        }
    }

    fn tiny(self) -> Self {
        Self { entries: 1, completions: 2, ..self }
    }

    /// Half of it, or `None` at the floor.
    fn smaller(self) -> Option<Self> {
        let entries = (self.entries / 2).max(ENTRIES_MIN.min(self.entries));
        let completions = (self.completions / 2).max(ENTRIES_MIN.min(self.completions));
        let smaller = Self { entries, completions: completions.max(entries), ..self };
        (smaller != self).then_some(smaller)
    }
}

/// The flags that a personality wants. An SQ thread excludes all task-run flags; a worker asks for
/// COOP too, which is what it falls back to where DEFER is unknown.
pub(crate) const fn wanted(personality: Personality, sqpoll: bool) -> Flags {
    let base = Flags::SUBMIT_ALL.with(Flags::SINGLE_ISSUER).with(Flags::NO_SQARRAY);
    if sqpoll {
        return base;
    }
    let cooperative = base.with(Flags::COOP_TASKRUN).with(Flags::TASKRUN_FLAG);
    match personality {
        Personality::Inline => cooperative,
        Personality::Worker => cooperative.with(Flags::DEFER_TASKRUN),
    }
}

/// A ring, what it came to be, and what was given up on the way.
#[derive(Debug)]
pub(crate) struct Made<R> {
    pub(crate) ring: R,
    pub(crate) attempt: Attempt,
    pub(crate) given_up: Vec<Feature>,
}

/// Makes a ring with `build`, which answers an attempt with a ring or an errno.
pub(crate) fn negotiate<R>(
    config: &UringConfig,
    attach: Option<RawFd>,
    build: &mut dyn FnMut(&Attempt) -> Result<R, i32>,
) -> Result<Made<R>, Refused> {
    let mut attempt = Attempt::first(config, attach);
    let mut given_up = Vec::new();
    let mut settled = false;
    loop {
        let errno = match build(&attempt) {
            Ok(ring) => return Ok(Made { ring, attempt, given_up }),
            Err(errno) => errno,
        };
        match (errno, attempt.smaller(), attempt.sqpoll) {
            (libc::EINVAL, _, _) if !settled => {
                attempt.flags = taken_flags(attempt, build, &mut given_up)?;
                settled = true;
            }
            (libc::ENOMEM, Some(smaller), _) => {
                given_up.retain(|feature: &Feature| feature.name != "ring_size");
                given_up.push(Feature::no("ring_size", smaller_reason(smaller)));
                attempt = smaller;
            }
            (libc::EPERM | libc::EAGAIN, _, Some(_)) => {
                given_up.push(Feature::no("sqpoll", explain(errno, "io_uring_setup")));
                attempt.sqpoll = None;
                attempt.flags = wanted(config.personality, false);
                settled = false;
            }
            _ => return Err(Refused::of(errno, "io_uring_setup")),
        }
    }
}

fn smaller_reason(smaller: Attempt) -> String {
    let Attempt { entries, completions, .. } = smaller;
    format!(
        "made smaller for want of locked memory: {entries} submissions, {completions} completions"
    )
}

/// Which of an attempt's flags the kernel takes. Tried on tiny rings: a closed ring gives its
/// locked memory back late.
fn taken_flags<R>(
    attempt: Attempt,
    build: &mut dyn FnMut(&Attempt) -> Result<R, i32>,
    given_up: &mut Vec<Feature>,
) -> Result<Flags, Refused> {
    let mut takes = |flags: Flags, sqpoll: Option<SqThread>| {
        build(&Attempt { flags, sqpoll, ..attempt.tiny() }).err().unwrap_or(0)
    };
    let mut taken = attempt.flags;
    let mut dropped = Vec::new();
    loop {
        match takes(taken, attempt.sqpoll) {
            0 => break,
            libc::EINVAL => match taken.indices().next_back() {
                Some(newest) => {
                    taken = taken.without(Flags::of_index(newest));
                    dropped.push(newest);
                }
                None => return Err(bad_option(attempt, &mut takes)),
            },
            errno => return Err(Refused::of(errno, "io_uring_setup")),
        }
    }
    // Until nothing changes, because one flag may be taken only beside another.
    loop {
        let before = dropped.len();
        dropped.retain(|&index| {
            let more = taken.with(Flags::of_index(index));
            let known = takes(more, attempt.sqpoll) == 0;
            if known {
                taken = more;
            }
            !known
        });
        if dropped.len() == before {
            break;
        }
    }
    given_up.extend(dropped.into_iter().map(|index| {
        let SetupFlag { name, since, purpose } = &SETUP_FLAGS[index];
        let reason = format!("the kernel refuses it (known since Linux {since}): {purpose}");
        Feature::no(name, reason)
    }));
    Ok(taken)
}

/// EINVAL without any flag: something that was asked for makes no sense here.
fn bad_option(attempt: Attempt, takes: &mut dyn FnMut(Flags, Option<SqThread>) -> i32) -> Refused {
    let none = Flags::default();
    if let Some(sqpoll) = attempt.sqpoll {
        if let Some(cpu) = sqpoll.cpu
            && takes(none, Some(SqThread { cpu: None, ..sqpoll })) == 0
        {
            return Refused::option("sqpoll.cpu", crate::sqpoll::cpu::why_not(cpu));
        }
        if sqpoll.attach.is_some() && takes(none, Some(SqThread { attach: None, ..sqpoll })) == 0 {
            let why = "the kernel does not let this ring share the SQ thread of the others";
            return Refused::option("sqpoll.share", why.into());
        }
    }
    Refused::of(libc::EINVAL, "io_uring_setup")
}

#[cfg(test)]
#[path = "setup/tests.rs"]
mod tests;
