//! The signal that ends a waiting call of a pool thread, and keeping all others away from it.
//!
//! A call like `open` of a FIFO waits in the kernel until somebody opens the other end. The only
//! thing that ends it is a signal with a handler. A real-time signal that nobody uses is taken, once
//! per process; it is only ever sent to pool threads, and only while its handler is still ours.
//!
//! A signal that comes just before its call is made ends nothing, so it is followed by a timer that
//! sends it again and again until the op is over.

use std::ptr::{null, null_mut};
use std::sync::OnceLock;

extern "C" fn nothing(_signal: libc::c_int) {}

/// The signal, with its handler installed; `None` where the program uses all of them.
fn number() -> Option<libc::c_int> {
    static NUMBER: OnceLock<Option<libc::c_int>> = OnceLock::new();
    *NUMBER.get_or_init(|| {
        // From the top, which fewer programs use, but for the very last: valgrind's.
        (libc::SIGRTMIN()..libc::SIGRTMAX()).rev().find(|&signal| take(signal))
    })
}

fn take(signal: libc::c_int) -> bool {
    // SAFETY: all zero is a valid `sigaction`: default action, no flags, empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    if handler_of(signal) != Some(libc::SIG_DFL) {
        return false;
    }
    // No SA_RESTART: interrupting is what it is for.
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the handler does nothing, which is safe in any signal context.
    unsafe { libc::sigaction(signal, &raw const action, null_mut()) == 0 }
}

fn handler_of(signal: libc::c_int) -> Option<libc::sighandler_t> {
    // SAFETY: as in `take`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: asks only; the answer is a local.
    let asked = unsafe { libc::sigaction(signal, null(), &raw mut action) };
    (asked == 0).then_some(action.sa_sigaction)
}

/// Signals one thread of this process until it is dropped.
#[derive(Debug)]
pub(super) struct Nagging(Option<libc::timer_t>);

// SAFETY: a timer's number belongs to the process, not to a thread.
unsafe impl Send for Nagging {}

impl Nagging {
    /// Begins, with a first signal at once. `None` where the program uses all signals.
    pub(super) fn begin(thread: libc::pid_t) -> Option<Self> {
        let signal = number()?;
        let ours = nothing as extern "C" fn(libc::c_int) as usize;
        if handler_of(signal) != Some(ours) {
            return None;
        }
        // SAFETY: cannot fail, touches no memory.
        let process = unsafe { libc::getpid() };
        // SAFETY: touches no memory; at worst the thread is gone, which is ESRCH.
        let _ = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) };
        Some(Self(start_timer(signal, thread)))
    }
}

impl Drop for Nagging {
    fn drop(&mut self) {
        if let Some(timer) = self.0 {
            // SAFETY: the timer is ours and deleted once.
            unsafe { libc::timer_delete(timer) };
        }
    }
}

fn start_timer(signal: libc::c_int, thread: libc::pid_t) -> Option<libc::timer_t> {
    const AGAIN_NS: i64 = 5_000_000;
    // SAFETY: all zero is a valid `sigevent`.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = signal;
    event.sigev_notify_thread_id = thread;
    let mut timer = null_mut();
    // SAFETY: both are locals of the right type.
    let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
    if made != 0 {
        return None;
    }
    let again = libc::timespec { tv_sec: 0, tv_nsec: AGAIN_NS };
    let setting = libc::itimerspec { it_interval: again, it_value: again };
    // SAFETY: the timer was just made, the setting is a local, the old one is not asked for.
    unsafe { libc::timer_settime(timer, 0, &raw const setting, null_mut()) };
    Some(timer)
}

/// Lets the calling thread, which blocks all signals, be reached by this one.
pub(super) fn accept() {
    let Some(signal) = number() else { return };
    let mut set = empty_set();
    // SAFETY: a valid set and a valid signal.
    unsafe { libc::sigaddset(&raw mut set, signal) };
    // SAFETY: the set is valid; the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, null_mut()) };
}

/// Runs `f` with every signal blocked, so that a thread started in it inherits that.
pub(super) fn with_all_blocked<R>(f: impl FnOnce() -> R) -> R {
    let mut all = empty_set();
    let mut before = empty_set();
    // SAFETY: a valid set.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: both sets are valid.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
    let result = f();
    // SAFETY: `before` is what the mask was.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, null_mut()) };
    result
}

/// The calling thread's number.
pub(super) fn this_thread() -> libc::pid_t {
    // SAFETY: cannot fail, touches no memory.
    unsafe { libc::gettid() }
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: all zero is a valid `sigset_t`.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is a local.
    unsafe { libc::sigemptyset(&raw mut set) };
    set
}
