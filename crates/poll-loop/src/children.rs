//! Waiting for a child by its pidfd, which is readable when the child has ended.

#![forbid(unsafe_code)]

use crate::streams::Step;
use crate::sys;
use crate::syscalls::Stop;
use wakering_core::resource::Resource;

/// Attempts a Waitid. Only an end is told by the pidfd: for stops and the like a thread waits.
pub(crate) fn attempt(resource: &mut Resource) -> Step {
    let options = resource.prepared.op_flags as i32;
    match Stop::new().retrying(|| sys::wait_child(resource, libc::WNOHANG)) {
        0 if sys::has_no_child(resource) && options & libc::WNOHANG == 0 => {
            if options & (libc::WSTOPPED | libc::WCONTINUED) == 0 { Step::Wait } else { Step::Pool }
        }
        result => Step::Done(result),
    }
}
