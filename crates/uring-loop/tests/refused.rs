//! Where a sandbox forbids io_uring, whole or one call of it, there is a refusal that says so.

mod support;

use std::sync::Arc;
use support::{Lane, alone, open_fds, skip};
use wakering_core::abi::Opcode;
use wakering_core::{Driver, Home};
use wakering_uring_loop::{Refused, Sqpoll, UringConfig, UringDriver, survey};

const SECCOMP_RET_ALLOW: u32 = 0x7FFF_0000;
const SECCOMP_RET_ERRNO: u32 = 0x0005_0000;

/// Has one system call fail in the calling thread, from now on.
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
fn where_forbidden<R: Send>(
    number: libc::c_long,
    errno: i32,
    f: impl FnOnce() -> R + Send,
) -> Option<R> {
    std::thread::scope(|scope| {
        scope.spawn(|| forbid(number, errno).then(f)).join().expect("no panic")
    })
}

fn refusal(config: UringConfig) -> Refused {
    let home = Arc::new(Home::new(4).unwrap());
    UringDriver::new(config, home).map(drop).unwrap_err()
}

#[test]
fn each_call_that_is_forbidden_is_named_with_its_errno() {
    let _alone = alone();
    if Lane::inline(4).is_none() {
        return;
    }
    let calls = [
        (libc::SYS_io_uring_setup, "io_uring_setup"),
        (libc::SYS_io_uring_enter, "io_uring_enter"),
        (libc::SYS_io_uring_register, "io_uring_register"),
    ];
    let fds = open_fds();
    for (number, at) in calls {
        for errno in [libc::EPERM, libc::ENOSYS, libc::EACCES] {
            let sqpoll = Sqpoll { cpu: None, idle_ms: 10, share: None };
            for config in [
                UringConfig::inline(4),
                UringConfig::worker(4),
                UringConfig::inline(4).with_sqpoll(sqpoll),
            ] {
                let Some(refused) = where_forbidden(number, errno, || refusal(config)) else {
                    return skip("no seccomp here");
                };
                assert_eq!((refused.errno, refused.at), (errno, at), "{refused}");
                assert!(refused.to_string().starts_with(at), "{refused}");
                assert_eq!(refused.option, None);
            }
            let surveyed = where_forbidden(number, errno, survey).unwrap();
            assert_eq!(surveyed.map(drop).unwrap_err().errno, errno);
        }
    }
    assert_eq!(open_fds(), fds);
}

#[test]
fn features_name_each_flag_and_each_operation() {
    let _alone = alone();
    let Some(lane) = Lane::worker(4) else { return };
    let features = lane.driver.features();
    for name in ["single_issuer", "sqpoll", "cancel_any", "sparse_buffers", "op_statx"] {
        assert!(features.iter().any(|feature| feature.name == name), "{name}");
    }
    for feature in &features {
        assert_eq!(feature.available, feature.reason.is_none(), "{feature:?}");
    }
    let given_up: Vec<_> = lane.driver.given_up().iter().map(|feature| feature.name).collect();
    for name in given_up {
        assert!(features.iter().any(|feature| feature.name == name && !feature.available));
    }
    let truncates =
        features.iter().any(|feature| feature.name == "op_ftruncate" && feature.available);
    assert_eq!(truncates, lane.driver.supports(Opcode::Ftruncate));
}
