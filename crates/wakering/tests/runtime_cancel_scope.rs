//! When a scope is over, nothing of it is in flight: neither tasks nor ops, and no descriptor is kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use wakering::fs::File;
use wakering::net::TcpListener;
use wakering::task::yield_now;
use wakering::time::{sleep, timeout};
use wakering::{LocalRuntime, Scope, scope};

#[path = "support/around.rs"]
mod around;
#[path = "support/drivers.rs"]
mod drivers;

use around::{ANYWHERE, alone, beside, descriptors, glance, pair, until};
use drivers::personalities;

/// Tasks that wait at sockets of their own, each with an op in flight.
async fn wait_at_sockets(scope: &Scope) {
    for number in 0..8 {
        let (client, server) = pair().await;
        scope
            .spawn(async move {
                // The one keeps the other open.
                let _client = client;
                let (read, _) = server.read(Vec::with_capacity(8)).await;
                panic!("{number} ended with {read:?}");
            })
            .detach();
        scope
            .spawn(async {
                let listener = TcpListener::bind(ANYWHERE).unwrap();
                let _endless = listener.accept().await;
            })
            .detach();
    }
    for _ in 0..200 {
        // So that their ops are the kernel's.
        let _others = yield_now().await;
    }
}

/// Runs `f` twice on each personality: the second time no descriptor may be left over.
fn leaves_nothing(f: impl Fn(&LocalRuntime)) {
    let _alone = alone();
    for builder in personalities() {
        let runtime = builder.build_local().unwrap();
        f(&runtime);
        let before = descriptors();
        f(&runtime);
        assert_eq!(descriptors(), before);
        assert_eq!(runtime.scheduler().ops().unwrap().in_flight(), 0);
    }
}

#[test]
fn f19_the_end_of_the_body_ends_all_of_it() {
    leaves_nothing(|runtime| {
        let answer = runtime.block_on(scope(async |scope| {
            wait_at_sockets(&scope).await;
            assert!(scope.drain().left() >= 16);
            42
        }));
        assert_eq!(answer, 42);
    });
}

#[test]
fn f19_a_panic_of_the_body_is_passed_on_when_all_is_over() {
    leaves_nothing(|runtime| {
        let panicking = scope(async |scope| {
            wait_at_sockets(&scope).await;
            panic!("on purpose");
        });
        let caught = catch_unwind(AssertUnwindSafe(|| runtime.block_on(panicking)));
        let payload = caught.unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"on purpose"));
    });
}

#[test]
fn f19_a_task_cancels_its_scope_and_the_body_learns_it_by_its_ops() {
    leaves_nothing(|runtime| {
        let error = runtime.block_on(scope(async |scope| {
            wait_at_sockets(&scope).await;
            let cancelling = scope.clone();
            scope.spawn(async move { cancelling.cancel() }).detach();
            let listener = TcpListener::bind(ANYWHERE).unwrap();
            let error = listener.accept().await.unwrap_err();
            let late = scope.spawn(sleep(Duration::from_secs(1000)));
            assert!(late.await.unwrap_err().is_cancelled());
            error
        }));
        assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
    });
}

#[test]
fn f19_a_scope_that_is_dropped_is_cancelled_and_its_drain_tells_when_it_is_over() {
    leaves_nothing(|runtime| {
        runtime.block_on(async {
            let mut drain = None;
            let dropped = scope(async |scope| {
                drain = Some(scope.drain().clone());
                wait_at_sockets(&scope).await;
                std::future::pending::<()>().await;
            });
            assert!(timeout(Duration::from_millis(50), dropped).await.is_err());
            let drain = drain.unwrap();
            drain.over().await;
            assert_eq!(drain.left(), 0);
        });
    });
}

#[test]
fn f19_an_outer_scope_waits_for_what_an_inner_one_gave_up() {
    leaves_nothing(|runtime| {
        runtime.block_on(scope(async |outer| {
            outer
                .spawn(scope(async |inner| {
                    wait_at_sockets(&inner).await;
                    std::future::pending::<()>().await;
                }))
                .detach();
            until("all of them", || outer.drain().left() >= 17).await;
            // So that their ops are the kernel's.
            sleep(Duration::from_millis(1)).await;
        }));
    });
}

#[test]
fn v11_an_open_that_is_given_up_is_closed_before_the_scope_is_over() {
    leaves_nothing(|runtime| {
        for turns in 0..100 {
            runtime.block_on(scope(async |scope| {
                scope.spawn(async { File::open("/proc/self/exe").await.map(drop) }).detach();
                for _ in 0..turns {
                    let _others = yield_now().await;
                }
            }));
        }
    });
}

#[test]
fn f19_a_stream_that_outlives_a_scope_keeps_its_bytes() {
    let _beside = beside();
    for builder in personalities() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let (client, server) = pair().await;
            scope(async |_scope| {
                assert!(glance(3, server.read(Vec::with_capacity(8))).await.is_none());
            })
            .await;
            client.write_all(b"bytes".to_vec()).await.0.unwrap();
            let (read, bytes) = server.read(Vec::with_capacity(8)).await;
            assert_eq!((read.unwrap(), &bytes[..]), (5, &b"bytes"[..]));
        });
    }
}

#[test]
fn f19_tasks_of_a_scope_run_on_all_workers_with_ops_of_other_loops() {
    let _alone = alone();
    for builder in personalities() {
        let runtime = builder.workers(2).loops(1).build().unwrap();
        let round = || {
            let whole = runtime.spawn(scope(async |scope| {
                wait_at_sockets(&scope).await;
                let number = scope.spawn(async { 7 });
                number.await.unwrap()
            }));
            assert_eq!(runtime.block_on(whole).unwrap(), 7);
        };
        round();
        let before = descriptors();
        (0..20).for_each(|_| round());
        assert_eq!(descriptors(), before);
    }
}

/// From outside the runtime's tasks a scope spawns where it is told to.
#[test]
fn a_scope_spawns_by_whatever_means() {
    let _beside = beside();
    for builder in personalities() {
        let runtime = builder.workers(1).build().unwrap();
        let sum = runtime.block_on(scope(async |scope| {
            let far = scope.spawn_with(async { 3 }, |task| runtime.spawn(task));
            let endless = std::future::pending::<()>();
            scope.spawn_with(endless, |task| runtime.spawn(task)).detach();
            far.await.unwrap()
        }));
        assert_eq!(sum, 3);
    }
}
