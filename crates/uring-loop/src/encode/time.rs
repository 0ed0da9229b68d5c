//! Timers.

use io_uring::opcode as kernel;
use io_uring::squeue::Entry;
use io_uring::types::Timespec;
use std::time::Duration;
use wakering_core::resource::Resource;

/// On the monotonic clock. Completes with `-ETIME`, as it is.
pub(super) fn timeout(resource: &mut Resource) -> Entry {
    let timespec = Timespec::from(Duration::from_nanos(resource.prepared.offset));
    let lent = resource.back().cast::<Timespec>();
    // SAFETY: `back` is 256 bytes, aligned to 16, and this op has no path in it.
    unsafe { lent.write(timespec) };
    kernel::Timeout::new(lent).build()
}
