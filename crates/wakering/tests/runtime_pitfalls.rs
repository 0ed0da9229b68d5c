//! What others shipped as bugs, seen from a program that uses the runtime.

use std::io::Read;
use std::time::Duration;
use wakering::Runtime;
use wakering::net::TcpListener;
use wakering::task::spawn_local;

#[path = "support/around.rs"]
mod around;
#[path = "support/drivers.rs"]
mod drivers;

use around::{ANYWHERE, alone, beside, descriptors, glance, threads, until};
use drivers::{drivers, personalities};

/// It burns a CPU under load: who wants one says so.
#[test]
fn no_sq_thread_runs_unless_it_is_asked_for() {
    let _alone = alone();
    // Those of other tests' rings end a little later.
    wakering::task::block_on(async {
        let runtime = Runtime::builder().build_local().unwrap();
        runtime.block_on(until("the end of other SQ threads", || threads("iou-sqp") == 0));
    });
    for builder in drivers() {
        let runtime = builder.workers(2).build().unwrap();
        runtime
            .block_on(runtime.spawn(async {
                let file = wakering::fs::File::open("/proc/self/exe").await.unwrap();
                file.read_at(Vec::with_capacity(64), 0).await.0.unwrap();
            }))
            .unwrap();
        assert!(runtime.sqpoll().is_none());
        assert_eq!(threads("iou-sqp"), 0);
    }
}

/// One accept takes many connections: those that nobody asked for any more are closed with the listener, and
/// so is one that came together with the cancel.
#[test]
fn connections_that_nobody_took_are_closed_with_their_listener() {
    let _alone = alone();
    for builder in personalities() {
        let runtime = builder.build_local().unwrap();
        let ops = runtime.scheduler().ops().unwrap().clone();
        runtime.block_on(async {
            let before = descriptors();
            for round in 0..50 {
                let listener = TcpListener::bind(ANYWHERE).unwrap();
                let address = listener.local_addr().unwrap();
                assert!(glance(round % 4, listener.accept()).await.is_none());
                let mut clients: Vec<_> =
                    (0..5).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
                let _taken = glance(round % 3, listener.accept()).await;
                if round % 2 == 0 {
                    listener.close().await;
                } else {
                    drop(listener);
                }
                until("the last completion", || ops.in_flight() == 0).await;
                assert_eq!(descriptors(), before + clients.len(), "round {round}");
                for client in &mut clients {
                    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                    let end = client.read(&mut [0; 1]);
                    let reset =
                        |error: std::io::Error| error.raw_os_error() == Some(libc::ECONNRESET);
                    assert!(end.map_or_else(reset, |read| read == 0), "it is open still");
                }
            }
        });
    }
}

/// A receive that is dropped leaves its slot to others; a late answer reaches none of them. The numbers that
/// come tell.
#[test]
fn late_answers_of_dropped_ops_reach_nobody() {
    let _beside = beside();
    for builder in personalities() {
        let runtime = builder.slots(8).build_local().unwrap();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..4_u8)
                .map(|number| {
                    spawn_local(async move {
                        let (client, server) = around::pair().await;
                        for round in 0..200_u8 {
                            let dropped = server.read(Vec::with_capacity(2));
                            assert!(glance(u64::from(round % 3), dropped).await.is_none());
                            client.write_all(vec![number, round]).await.0.unwrap();
                            let (read, bytes) = server.read_exact(Vec::with_capacity(2)).await;
                            read.unwrap();
                            assert_eq!(bytes, [number, round]);
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
}
