//! What the `polling` crate does not offer, on the epoll descriptor that it keeps: an edge that tells of
//! a peer that has ended its half too, and a wait that is one system call (the crate's own sets its
//! timer, arms that, waits, silences its notifier and arms that).

use super::{answer, negative_errno, wait_readable};
use libc::{c_int, c_long, epoll_event};
use std::os::fd::RawFd;
use std::time::Duration;

/// Something to read, or the end of it, or an error.
pub(crate) const READABLE: u32 = (libc::EPOLLIN | libc::EPOLLPRI) as u32 | ENDED;
/// Room to write, or nobody to write to.
pub(crate) const WRITABLE: u32 = (libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR) as u32;
/// The peer writes no more.
pub(crate) const ENDED: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;
/// Urgent data.
pub(crate) const URGENT: u32 = libc::EPOLLPRI as u32;

/// Watches a file for every edge.
pub(crate) fn watch(poller: RawFd, fd: RawFd, key: u64) -> i32 {
    control(poller, libc::EPOLL_CTL_ADD, fd, key)
}

/// Watches a file that is watched already, and has what it is ready for reported once more.
pub(crate) fn watch_again(poller: RawFd, fd: RawFd, key: u64) -> i32 {
    control(poller, libc::EPOLL_CTL_MOD, fd, key)
}

/// Watches a file no more.
pub(crate) fn unwatch(poller: RawFd, fd: RawFd) -> i32 {
    control(poller, libc::EPOLL_CTL_DEL, fd, 0)
}

fn control(poller: RawFd, how: c_int, fd: RawFd, key: u64) -> i32 {
    let events = READABLE | WRITABLE | libc::EPOLLET as u32;
    let mut event = epoll_event { events, u64: key };
    // SAFETY: the event is a local; a descriptor that is none is EBADF.
    answer(c_long::from(unsafe { libc::epoll_ctl(poller, how, fd, &raw mut event) }))
}

/// Waits for reports, up to `timeout`; `None` waits for ever. How many there are.
pub(crate) fn wait_reports(
    poller: RawFd,
    reports: &mut [epoll_event],
    timeout: Option<Duration>,
) -> i32 {
    let time = timeout.map(|timeout| libc::timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let (first, most) = (reports.as_mut_ptr(), reports.len() as c_int);
    let mask = std::ptr::null::<libc::sigset_t>();
    let call = libc::SYS_epoll_pwait2;
    // SAFETY: room for so many reports, a timespec that is a local, no signal mask.
    let found = unsafe { libc::syscall(call, poller, first, most, time, mask, 0usize) };
    match answer(found) {
        // Linux 5.10: its own wait knows milliseconds only.
        absent if absent == -libc::ENOSYS => match wait_readable(poller, timeout) {
            1.. => wait_at_once(poller, reports),
            nothing => nothing,
        },
        found => found,
    }
}

fn wait_at_once(poller: RawFd, reports: &mut [epoll_event]) -> i32 {
    let (first, most) = (reports.as_mut_ptr(), reports.len() as c_int);
    // SAFETY: room for so many reports.
    let found = unsafe { libc::epoll_wait(poller, first, most, 0) };
    if found < 0 { negative_errno() } else { found }
}
