//! Where io_uring is refused, whole or one call of it, a runtime works without it, and says why: FEATURES
//! F16. `kernel.io_uring_disabled=2` answers `io_uring_setup` with EPERM, and a container's profile does too.

#![allow(clippy::print_stderr, reason = "what is skipped is printed with its reason")]

#[path = "support/around.rs"]
mod around;
#[path = "support/files.rs"]
mod files;
#[path = "../../uring-loop/tests/support/seccomp.rs"]
mod seccomp;

use around::{ANYWHERE, pair};
use files::{Folder, drivers};
use seccomp::where_forbidden;
use std::time::Duration;
use wakering::fs::{self, File};
use wakering::net::UdpSocket;
use wakering::runtime::{Idle, SqpollOptions};
use wakering::task::spawn;
use wakering::{Builder, Capabilities, DriverChoice, Runtime};

const CALLS: [(libc::c_long, &str); 3] = [
    (libc::SYS_io_uring_setup, "io_uring_setup"),
    (libc::SYS_io_uring_enter, "io_uring_enter"),
    (libc::SYS_io_uring_register, "io_uring_register"),
];

/// What a reason names: the call, or whichever comes first where all of them are refused already.
fn named(call: &'static str) -> &'static str {
    match Runtime::builder().driver(DriverChoice::Uring).build_local() {
        Ok(_) => call,
        Err(_) => "io_uring_",
    }
}

/// Files, names, sockets and timers, in tasks.
async fn everything(folder: Folder) {
    let path = folder.path("file");
    fs::write(&path, vec![7; 100_000]).await.0.unwrap();
    let file = File::open(&path).await.unwrap();
    let (read, bytes) = file.read_exact_at(vec![0; 1000], 50_000).await;
    read.unwrap();
    assert_eq!(bytes, [7; 1000]);
    assert_eq!(file.metadata().await.unwrap().len(), 100_000);
    let missing = File::open(folder.path("missing")).await.unwrap_err();
    assert_eq!(missing.raw_os_error(), Some(libc::ENOENT));
    let (client, server) = pair().await;
    let echo = spawn(async move {
        let (read, bytes) = server.read_exact(Vec::with_capacity(64)).await;
        read.unwrap();
        server.write_all(bytes).await.0.unwrap();
    });
    client.write_all(vec![1; 64]).await.0.unwrap();
    assert_eq!(client.read_exact(Vec::with_capacity(64)).await.1, [1; 64]);
    echo.await.unwrap();
    let socket = UdpSocket::bind(ANYWHERE).unwrap();
    socket.send_to(b"datagram".to_vec(), socket.local_addr().unwrap()).await.0.unwrap();
    assert_eq!(socket.recv(Vec::with_capacity(16)).await.1, b"datagram");
    wakering::time::sleep(Duration::from_millis(1)).await;
    fs::remove_file(&path).await.unwrap();
}

fn tells(capabilities: &Capabilities, call: &str) {
    assert_eq!(capabilities.driver, "poll");
    assert!(capabilities.reason.starts_with("io_uring is refused"), "{}", capabilities.reason);
    assert!(capabilities.reason.contains(call), "{}", capabilities.reason);
    let ring = capabilities.features.iter().find(|feature| feature.name == "io_uring").unwrap();
    assert!(!ring.available && ring.reason.is_some());
}

fn works_without_it(builder: &Builder, call: &str) {
    let runtime = builder.clone().workers(2).build().unwrap();
    assert_eq!(runtime.capabilities().len(), 2);
    runtime.capabilities().iter().for_each(|capabilities| tells(capabilities, call));
    let task = runtime.spawn(everything(Folder::new()));
    runtime.block_on(task).unwrap();
    let runtime = builder.clone().build_local().unwrap();
    tells(runtime.capabilities(), call);
    // `spawn` in it wants a runtime of several; this one has its own.
    let written = runtime.block_on(async {
        let folder = Folder::new();
        fs::write(folder.path("file"), b"local".to_vec()).await.0.unwrap();
        fs::read(folder.path("file")).await
    });
    assert_eq!(written.unwrap(), b"local");
}

#[test]
fn f16_a_runtime_works_where_io_uring_is_refused_and_tells_why() {
    for (number, call) in CALLS {
        let call = named(call);
        for errno in [libc::EPERM, libc::ENOSYS, libc::EACCES] {
            let sqpoll = SqpollOptions { cpu: None, idle: Idle::Millis(10) };
            let builder = Runtime::builder().slots(64);
            let worked = where_forbidden(number, errno, || {
                works_without_it(&builder, call);
                works_without_it(&builder.clone().sqpoll(sqpoll), call);
            });
            if worked.is_none() {
                return eprintln!("SKIP: no seccomp here");
            }
        }
    }
}

/// Tests set no sysctl: it is 2 in a guest that was booted so.
#[test]
fn f16_where_the_sysctl_forbids_io_uring_the_reason_names_it() {
    let set = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    if set.trim() != "2" {
        return eprintln!("SKIP: kernel.io_uring_disabled is {set:?} here, not 2");
    }
    let builder = Runtime::builder();
    works_without_it(&builder, "io_uring_setup");
    let runtime = builder.build_local().unwrap();
    let reason = &runtime.capabilities().reason;
    assert!(reason.contains("the sysctl kernel.io_uring_disabled is 2"), "{reason}");
}

#[test]
fn f16_who_asks_for_io_uring_is_told_that_it_is_refused() {
    for (number, call) in CALLS {
        let call = named(call);
        let errors = where_forbidden(number, libc::EPERM, || {
            let builder = Runtime::builder().driver(DriverChoice::Uring);
            let several = builder.clone().workers(2).build().unwrap_err();
            [several, builder.build_local().unwrap_err()]
        });
        let Some(errors) = errors else { return eprintln!("SKIP: no seccomp here") };
        for error in errors {
            assert!(error.to_string().starts_with(call), "{error}");
        }
    }
}

/// Positions are given with each call: nobody moves the file's own one and puts it back.
#[test]
fn l12_places_are_read_and_written_where_lseek_is_refused() {
    let worked = where_forbidden(libc::SYS_lseek, libc::EPERM, || {
        for builder in drivers() {
            let folder = Folder::new();
            builder.build_local().unwrap().block_on(async {
                let path = folder.path("file");
                let mut options = File::options();
                let file = options.read(true).write(true).create(true).open(&path).await.unwrap();
                for place in (0..64).rev() {
                    let (written, bytes) = file.write_at(vec![place as u8; 512], place * 512).await;
                    assert_eq!(written.unwrap(), 512);
                    let (read, bytes) = file.read_at(bytes, place * 512).await;
                    assert_eq!((read.unwrap(), bytes[511]), (512, place as u8));
                }
                assert_eq!(file.read(vec![9; 2]).await.1, [0, 0], "its own position is the start");
            });
        }
    });
    if worked.is_none() {
        eprintln!("SKIP: no seccomp here");
    }
}
