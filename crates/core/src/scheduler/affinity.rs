//! On which CPUs threads run, and on which they must not.
//!
//! A thread that polls a ring in the kernel wants a CPU for itself, so workers and pools keep off
//! it, if there is another. Where there is none they run all the same, and a [`Warning`] says so.

use crate::error::Error;

/// CPUs that the kernel's mask has room for.
pub const CPUS_MAX: usize = 1024;

const BITS: usize = u64::BITS as usize;
const _: () = assert!(size_of::<CpuSet>() == size_of::<libc::cpu_set_t>());

/// A set of CPUs, by their numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct CpuSet {
    words: [u64; CPUS_MAX / BITS],
}

/// What could not be had. Everything runs nevertheless.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Warning {
    /// The CPUs to keep off are all that there are: nothing is kept off.
    NoOtherCpu,
    /// More workers are to be pinned than there are CPUs for them: some share one.
    SharedCpu,
}

/// Where workers run: what [`place`] has made of a machine and a wish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Places {
    /// The CPUs for workers and pools; never none.
    pub cpus: CpuSet,
    /// Whether each worker has one CPU.
    pub pinned: bool,
    /// What could not be had.
    pub warning: Option<Warning>,
}

/// Chooses the CPUs for `workers` workers: of the `available` ones those that are not in `keep_off`.
/// With `pinned` each worker has one of them, in turn; without, every worker may run on all of them.
///
/// ```
/// use wakering_core::scheduler::affinity::{CpuSet, Warning, place};
///
/// let two = CpuSet::from_iter([0, 1]);
/// let places = place(two, CpuSet::from_iter([1]), 1, true);
/// assert_eq!((places.cpus, places.warning), (CpuSet::from_iter([0]), None));
///
/// let one = CpuSet::from_iter([0]);
/// let places = place(one, one, 1, true);
/// assert_eq!((places.cpus, places.warning), (one, Some(Warning::NoOtherCpu)));
/// ```
pub fn place(available: CpuSet, keep_off: CpuSet, workers: usize, pinned: bool) -> Places {
    let others = available.without(&keep_off);
    let (cpus, warning) = if !others.is_empty() {
        (others, None)
    } else if available.is_empty() {
        // Only a caller who made the set up can ask this; the first CPU is as good as any.
        (CpuSet::from_iter([0]), Some(Warning::NoOtherCpu))
    } else {
        (available, Some(Warning::NoOtherCpu))
    };
    let shared = pinned && workers > cpus.len();
    Places { cpus, pinned, warning: warning.or(shared.then_some(Warning::SharedCpu)) }
}

impl Places {
    /// The CPUs of one worker.
    pub fn of(&self, worker: usize) -> CpuSet {
        if !self.pinned {
            return self.cpus;
        }
        self.cpus.iter().cycle().nth(worker % self.cpus.len().max(1)).into_iter().collect()
    }
}

/// How many CPUs the machine runs, whichever of them this thread may use: what it waits for may happen
/// on another one.
pub fn online() -> usize {
    // SAFETY: it asks for a number.
    let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(online).unwrap_or(1).max(1)
}

impl CpuSet {
    /// The CPUs that the calling thread may use. Fails with EINVAL where the machine has more than
    /// [`CPUS_MAX`].
    pub fn of_this_thread() -> Result<Self, Error> {
        let mut set = Self::default();
        let size = size_of::<Self>();
        // SAFETY: the kernel writes at most `size` bytes to `set`, which is laid out as its mask.
        let answer = unsafe { libc::sched_getaffinity(0, size, (&raw mut set).cast()) };
        if answer == 0 { Ok(set) } else { Err(Error::last_os()) }
    }

    /// Binds the calling thread to these CPUs, and says which it is bound to: the kernel leaves out
    /// those that the process may not use. Fails with EINVAL where that leaves none.
    pub fn bind_this_thread(&self) -> Result<Self, Error> {
        let size = size_of::<Self>();
        // SAFETY: the kernel reads `size` bytes of `self`, which is laid out as its mask.
        let answer = unsafe { libc::sched_setaffinity(0, size, std::ptr::from_ref(self).cast()) };
        if answer == 0 { Self::of_this_thread() } else { Err(Error::last_os()) }
    }

    /// Whether a CPU is in the set.
    pub const fn contains(&self, cpu: usize) -> bool {
        cpu < CPUS_MAX && self.words[cpu / BITS] & (1 << (cpu % BITS)) != 0
    }

    /// The same without those of `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut rest = *self;
        rest.words.iter_mut().zip(other.words).for_each(|(word, other)| *word &= !other);
        rest
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        (0..CPUS_MAX).filter(|&cpu| self.contains(cpu))
    }
}

impl FromIterator<usize> for CpuSet {
    /// Numbers of [`CPUS_MAX`] and more are left out: the machine has no such CPU.
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> Self {
        let mut set = Self::default();
        for cpu in cpus.into_iter().filter(|&cpu| cpu < CPUS_MAX) {
            set.words[cpu / BITS] |= 1 << (cpu % BITS);
        }
        set
    }
}

impl std::fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoOtherCpu => "the CPUs to keep off are all there are; nothing is kept off them",
            Self::SharedCpu => "more workers are pinned than there are CPUs; some share one",
        })
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
