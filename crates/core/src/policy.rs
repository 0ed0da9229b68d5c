//! Which lane an op takes: the thresholds, in one place, and the choice as a pure function.
//!
//! | lane | carries |
//! |---|---|
//! | `Cached` | what can be answered from memory without blocking, on the calling thread |
//! | `Loop` | everything else that the loop's own driver can do |
//! | `Worker` | copies too large for the calling thread, and what was asked to be asynchronous |
//! | `Pool` | what a ring has no op for |

#![forbid(unsafe_code)]

use crate::abi::{Opcode, op_flag};

/// A read or write of at least this many bytes is copied by a worker loop. From here on that saves
/// the calling thread time in any case: 12 us of copying, against 2 us for handing over, or 8 where
/// the other core sleeps. (1 MiB of cached data would keep the thread for 40 us.)
pub const WORKER_BYTES_MIN: u32 = 256 * 1024;

/// A read of at most this many bytes is first tried without blocking, where that pays: alone beside a
/// ring it takes 0.90 us instead of 1.32 for 4 KiB, and as long for 32 KiB and more.
pub const CACHED_READ_BYTES_MAX: u32 = 64 * 1024;

/// A file that has been read or written so often gets a place in the ring's table, which saves a lookup
/// for each further time (43 ns) and costs two system calls (0.74 us), the first one the table too
/// (2.95 us): by now, not having had it has cost as much.
pub const FIXED_FILE_TRANSFERS: u32 = 64;

/// With at least so many ops at a time, a thread of the pool that is awake looks up and reads most of
/// the small files. It may block, so a stat is one system call there instead of three (1.0 us, not
/// 2.3), beside what JavaScript takes here.
pub const SHARED_MIN: usize = 8;

/// As [`SHARED_MIN`], where the thread has to be woken first: that takes as long as some twenty stats.
pub const SHARED_MIN_ASLEEP: usize = 32;

/// This thread keeps one of so many for itself.
pub const SHARED_OF: u32 = 4;

/// The longest look at the completions of an SQ thread, or of the pool's threads, before the thread goes
/// back to its event loop, in nanoseconds. About what waking it costs, so that a look in vain at most
/// doubles the wait.
pub const SPIN_NS_MAX: u64 = 32_000;

/// Where an op is carried out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Lane {
    /// Attempted at once; if it would block, [`choose`] is asked again with `attempted`.
    Cached = 0,
    /// The loop's driver.
    Loop = 1,
    /// The worker loop.
    Worker = 2,
    /// The blocking pool.
    Pool = 3,
}

impl Lane {
    /// How many there are.
    pub const COUNT: usize = 4;
}

/// What the choice depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The op.
    pub opcode: Opcode,
    /// [`op_flag`].
    pub flags: u8,
    /// Bytes to move.
    pub length: u32,
    /// Whether the op names a regular file's position, or a path: something that may be cached.
    pub may_be_cached: bool,
    /// Whether the loop's driver can do this op.
    pub driver_supports: bool,
    /// Whether the driver is a ring: then a read costs it no thread, and batches pay.
    pub ring: bool,
    /// Whether this is the only op of its batch and nothing else is in flight.
    pub alone: bool,
    /// Whether the buffer is memory that other threads may write to.
    pub buffer_may_travel: bool,
    /// Whether a ring would wake a thread of the kernel's for it.
    pub wakes_thread: bool,
}

/// The lane of an op. `attempted` says that [`Lane::Cached`] was tried in vain.
pub const fn choose(s: Situation, attempted: bool) -> Lane {
    let asynchronous = s.flags & op_flag::ASYNC != 0;
    if !attempted && !asynchronous && s.may_be_cached {
        let cached = match s.opcode {
            // A ring's STATX always goes to a kernel thread, and there is no ACCESS: 2.3 us
            // against 23 us for what the caches know.
            Opcode::Statx | Opcode::Access => true,
            // A ring opens and reads cached data inline; one op alone is cheaper still without it.
            Opcode::OpenAt | Opcode::Close => !s.ring,
            Opcode::Read => s.length <= CACHED_READ_BYTES_MAX && (!s.ring || s.alone),
            _ => false,
        };
        if cached {
            return Lane::Cached;
        }
    }
    let moves_data = matches!(s.opcode, Opcode::Read | Opcode::Write);
    // No bytes at all are read from an empty pipe at once, says read(2); a ring of Linux 6.1 waits.
    if s.ring && moves_data && s.length == 0 {
        return Lane::Pool;
    }
    if s.ring && s.wakes_thread && s.length <= CACHED_READ_BYTES_MAX {
        return Lane::Pool;
    }
    // A ring wakes a thread of the kernel's for each of these.
    let changes_name = matches!(
        s.opcode,
        Opcode::Unlinkat | Opcode::Mkdirat | Opcode::Renameat | Opcode::Linkat | Opcode::Symlinkat
    );
    if s.ring && s.alone && changes_name {
        return Lane::Pool;
    }
    if s.ring && moves_data && s.buffer_may_travel && s.length >= WORKER_BYTES_MIN {
        return Lane::Worker;
    }
    if s.driver_supports { Lane::Loop } else { Lane::Pool }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Situation = Situation {
        opcode: Opcode::Read,
        flags: 0,
        length: 4096,
        may_be_cached: true,
        driver_supports: true,
        ring: true,
        alone: true,
        buffer_may_travel: true,
        wakes_thread: false,
    };

    #[test]
    fn a_lonely_read_is_tried_at_once_and_a_batch_goes_to_the_ring() {
        assert_eq!(choose(READ, false), Lane::Cached);
        assert_eq!(choose(READ, true), Lane::Loop);
        assert_eq!(choose(Situation { alone: false, ..READ }, false), Lane::Loop);
    }

    #[test]
    fn without_a_ring_every_small_read_is_tried_at_once() {
        let poll = Situation { alone: false, ring: false, ..READ };
        assert_eq!(choose(poll, false), Lane::Cached);
        assert_eq!(choose(Situation { flags: op_flag::ASYNC, ..poll }, false), Lane::Loop);
    }

    #[test]
    fn large_copies_go_to_the_worker_where_the_memory_may() {
        let large = Situation { length: 1 << 20, ..READ };
        assert_eq!(choose(large, false), Lane::Worker);
        assert_eq!(choose(Situation { buffer_may_travel: false, ..large }, false), Lane::Loop);
    }

    #[test]
    fn no_bytes_at_all_never_wait_in_a_ring() {
        let nothing = Situation { length: 0, may_be_cached: false, ..READ };
        assert_eq!(choose(nothing, false), Lane::Pool);
        assert_eq!(choose(Situation { ring: false, ..nothing }, false), Lane::Loop);
    }

    #[test]
    fn a_thread_of_ours_does_what_a_ring_would_wake_one_for_if_it_is_little() {
        let write = Situation { opcode: Opcode::Write, wakes_thread: true, ..READ };
        assert_eq!(choose(write, false), Lane::Pool);
        assert_eq!(choose(Situation { alone: false, ..write }, false), Lane::Pool);
        assert_eq!(choose(Situation { ring: false, ..write }, false), Lane::Loop);
        assert_eq!(choose(Situation { wakes_thread: false, ..write }, false), Lane::Loop);
        assert_eq!(choose(Situation { length: 128 * 1024, ..write }, false), Lane::Loop);
    }

    #[test]
    fn a_lonely_change_of_a_name_wakes_no_thread_of_the_kernels() {
        let unlink = Situation { opcode: Opcode::Unlinkat, may_be_cached: false, ..READ };
        assert_eq!(choose(unlink, false), Lane::Pool);
        assert_eq!(choose(Situation { alone: false, ..unlink }, false), Lane::Loop);
        assert_eq!(choose(Situation { ring: false, ..unlink }, false), Lane::Loop);
    }

    #[test]
    fn what_the_ring_cannot_do_goes_to_the_pool() {
        let readdir = Situation { opcode: Opcode::Readdir, driver_supports: false, ..READ };
        assert_eq!(choose(readdir, false), Lane::Pool);
    }
}
