//! Threads in which a system call fails, as it does in a sandbox.

const SECCOMP_RET_ALLOW: u32 = 0x7FFF_0000;
const SECCOMP_RET_ERRNO: u32 = 0x0005_0000;

/// Has one system call fail in the calling thread, and in those that it starts, from now on.
fn forbid(number: libc::c_long, errno: i32) -> bool {
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let answer = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = [
        step(load, 0, 0, 0),
        step(equal, 0, 1, number as u32),
        step(answer, 0, 0, SECCOMP_RET_ERRNO | errno as u32),
        step(answer, 0, 0, SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: takes numbers only.
    let no_new = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // SAFETY: the kernel copies the program during the call.
    let set =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
    no_new == 0 && set == 0
}

/// Runs `f` in a thread of its own in which the call fails. `None` where there is no seccomp.
pub(crate) fn where_forbidden<R: Send>(
    number: libc::c_long,
    errno: i32,
    f: impl FnOnce() -> R + Send,
) -> Option<R> {
    std::thread::scope(|scope| {
        scope.spawn(|| forbid(number, errno).then(f)).join().expect("no panic")
    })
}
