//! Ringing a loop from a thread that has no ring.

use crate::encode;
use io_uring::squeue::Entry;
use std::os::fd::RawFd;
use std::sync::OnceLock;
use wakering_core::Home;

const REGISTER_SEND_MSG_RING: libc::c_uint = 31;

/// Rings the bell of a loop: by a message to its ring where it has one and the kernel takes messages
/// from threads without (Linux 6.13), else by its doorbell.
pub fn ring(home: &Home) {
    if !can_send() || !send_to(home) {
        home.doorbell.ring();
    }
}

fn send_to(home: &Home) -> bool {
    let Some(fd) = home.borrow_ring() else { return false };
    let sent = send(&encode::rung(fd)) == 0;
    home.return_ring();
    sent
}

/// Whether this kernel takes a message from a thread without a ring. Asked once.
pub(crate) fn can_send() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    // Who does not know the call says EINVAL before it looks at the descriptor.
    *ANSWER.get_or_init(|| send(&encode::rung(-1)) == libc::EBADF)
}

/// Zero, or the errno.
fn send(entry: &Entry) -> i32 {
    let no_ring: RawFd = -1;
    // SAFETY: the kernel reads one entry, which outlives the call and names no memory.
    let done = unsafe {
        let entry = &raw const *entry;
        libc::syscall(libc::SYS_io_uring_register, no_ring, REGISTER_SEND_MSG_RING, entry, 1)
    };
    if done >= 0 {
        return 0;
    }
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}
