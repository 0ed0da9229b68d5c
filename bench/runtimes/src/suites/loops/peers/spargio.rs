//! spargio: shards over io_uring that steal tasks from each other before they begin. Its futures go
//! from thread to thread, so that it takes part where a runtime serves by itself: TCP echo. A shard
//! that has nothing to do never sleeps, and its CPU time says so. One issuer cannot be asked for: its
//! rings are made on one thread and used on another.

use crate::contender::{Contender, Run};
use crate::suites::loops::rows::{self, Echo, MESSAGE_BYTES};
use futures_lite::future;
use spargio::Runtime;
use spargio::net::{TcpListener, TcpStream};

pub const CONTENDER: Contender = Contender { name: "spargio", crates: &["spargio"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::echo_cells::<Spargio>();
    cells.extend(rows::echo_stealing_cells::<Spargio>());
    cells
}

struct Spargio;

async fn echo(stream: TcpStream) {
    let mut bytes = vec![0; MESSAGE_BYTES];
    loop {
        let Ok((length @ 1.., filled)) = stream.recv_owned(bytes).await else { return };
        bytes = filled;
        bytes.truncate(length);
        let Ok((sent, back)) = stream.send_owned(bytes).await else { return };
        assert_eq!(sent, length, "one message always has room");
        bytes = back;
        bytes.resize(MESSAGE_BYTES, 0);
    }
}

impl Echo for Spargio {
    fn serve(listener: std::net::TcpListener, workers: usize) {
        let builder = Runtime::builder().shards(workers).io_uring_coop_taskrun(true);
        let runtime = builder.build().expect("threads and rings");
        let handle = runtime.handle();
        let on_shards = handle.clone();
        let serving = handle.spawn_stealable(async move {
            let same = listener.try_clone().expect("a descriptor");
            let listener = TcpListener::from_std(on_shards.clone(), listener);
            // It has just told the socket not to wait, and then takes that for an error.
            same.set_nonblocking(false).expect("a socket");
            loop {
                let (stream, _) = listener.accept_round_robin().await.expect("a connection");
                let on_session = stream.clone();
                drop(on_session.spawn_stealable_on_session(&on_shards, echo(stream)));
            }
        });
        future::block_on(serving.expect("it runs")).expect("no panic");
    }
}
