//! Timers.

use crate::completion::Tag;
use crate::ring::{Full, Ring};
use io_uring::opcode as kernel;
use io_uring::squeue::Entry;
use io_uring::types::{TimeoutFlags, Timespec};
use std::time::Duration;
use wakering_core::abi::op_flag;
use wakering_core::resource::Resource;

/// On the monotonic clock. Completes with `-ETIME`, as it is; with MULTISHOT so again and again.
pub(super) fn timeout(resource: &mut Resource) -> Entry {
    let many = resource.prepared.flags & op_flag::MULTISHOT != 0;
    let flags = if many { TimeoutFlags::MULTISHOT } else { TimeoutFlags::empty() };
    kernel::Timeout::new(lend_timespec(resource)).flags(flags).build()
}

/// Of the op that it is linked behind.
pub(super) fn link_timeout(resource: &mut Resource) -> Entry {
    kernel::LinkTimeout::new(lend_timespec(resource)).build()
}

fn lend_timespec(resource: &mut Resource) -> *const Timespec {
    let timespec = Timespec::from(Duration::from_nanos(resource.prepared.offset));
    let lent = resource.back().cast::<Timespec>();
    // SAFETY: `back` is 256 bytes, aligned to 16, and this op has no path in it.
    unsafe { lent.write(timespec) };
    lent
}

/// How long to wait before cancel requests are made again: a little more each time.
static AGAIN_AFTER: [Timespec; AGAIN_STEPS] = {
    let mut steps = [Timespec::new(); AGAIN_STEPS];
    let mut step = 0;
    while step < AGAIN_STEPS {
        steps[step] = Timespec::new().nsec(1_000_000 << step);
        step += 1;
    }
    steps
};
/// The last step is 256 ms.
const AGAIN_STEPS: usize = 9;

/// Completes when it is time to make cancel requests again, for the `round`th time.
pub(crate) fn again(ring: &mut Ring, round: usize) -> Result<(), Full> {
    let after = &raw const AGAIN_AFTER[round.min(AGAIN_STEPS - 1)];
    let entry = kernel::Timeout::new(after).build().user_data(Tag::Again.token(0).to_bits());
    // SAFETY: R2 of `ring`: the timespec is there for ever.
    unsafe { ring.push(&entry) }
}
