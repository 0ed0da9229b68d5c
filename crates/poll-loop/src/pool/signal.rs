//! The signal that ends a waiting call of a pool thread, and keeping all others away from it.
//!
//! A call like `open` of a FIFO waits in the kernel until somebody opens the other end. The only
//! thing that ends it is a signal with a handler. A real-time signal that nobody uses is taken, once
//! per process; it is only ever sent to pool threads, and only while its handler is still ours.

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

/// Sends it to a thread of this process.
pub(super) fn send(thread: libc::pid_t) {
    let Some(signal) = number() else { return };
    let ours = nothing as extern "C" fn(libc::c_int) as usize;
    if handler_of(signal) != Some(ours) {
        return;
    }
    // SAFETY: cannot fail, touches no memory.
    let process = unsafe { libc::getpid() };
    // SAFETY: touches no memory; at worst the thread is gone, which is ESRCH.
    let _ = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) };
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
