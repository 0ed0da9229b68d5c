//! Where a sandbox forbids io_uring, whole or one call of it, there is a refusal that says so.

#[path = "support/seccomp.rs"]
mod seccomp;
mod support;

use seccomp::where_forbidden;
use std::sync::Arc;
use support::{Lane, alone, open_fds, skip};
use wakering_core::abi::Opcode;
use wakering_core::{Driver, Home};
use wakering_uring_loop::{Refused, Sqpoll, UringConfig, UringDriver, survey};

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
