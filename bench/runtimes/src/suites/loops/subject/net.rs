//! Streams of sockets on the runtime, over a ring, and where none may be used.

use crate::contender::Run;
use crate::one_thread::OneThread;
use crate::suites::loops::rows::{self, Echo, MESSAGE_BYTES, Recv, Turn};
use wakering::net::{TcpListener, TcpStream};
use wakering::task::{spawn, spawn_local};
use wakering::{Builder, DriverChoice, Runtime};

pub fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::echo_cells::<Net>();
    cells.extend(rows::echo_stealing_cells::<Net>());
    cells.push(rows::unsubmitted_cell::<Net>());
    cells.push(rows::lost_cell::<Net>());
    cells.extend(rows::echo_fallback_cells::<NetWithoutRing>());
    cells
}

/// Over a ring.
struct Net;
/// Over readiness.
struct NetWithoutRing;

async fn echo(stream: TcpStream) {
    stream.set_nodelay(true).expect("a socket of TCP");
    let mut bytes = Vec::with_capacity(MESSAGE_BYTES);
    loop {
        let (length, filled) = stream.read(bytes).await;
        let Ok(1..) = length else { return };
        let (sent, back) = stream.write_all(filled).await;
        if sent.is_err() {
            return;
        }
        bytes = back;
    }
}

fn serve_on(builder: Builder, listener: std::net::TcpListener, workers: usize) {
    if workers == 1 {
        builder.build_local().expect("a runtime").block_on(async {
            let listener = TcpListener::from(listener);
            while let Ok((stream, _)) = listener.accept().await {
                spawn_local(echo(stream)).detach();
            }
        });
    } else {
        let runtime = builder.workers(workers).build().expect("a runtime");
        // On a worker: what blocks on the runtime is no task, and cannot spawn as one.
        let serving = runtime.spawn(async {
            let listener = TcpListener::from(listener);
            while let Ok((stream, _)) = listener.accept().await {
                spawn(echo(stream)).detach();
            }
        });
        runtime.block_on(serving).expect("no panic");
    }
}

impl Echo for Net {
    fn serve(listener: std::net::TcpListener, workers: usize) {
        serve_on(Runtime::builder().driver(DriverChoice::Uring), listener, workers);
    }
}

impl Echo for NetWithoutRing {
    fn serve(listener: std::net::TcpListener, workers: usize) {
        serve_on(Runtime::builder().driver(DriverChoice::Poll), listener, workers);
    }
}

impl OneThread for Net {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let builder = Runtime::builder().driver(DriverChoice::Uring);
        builder.build_local().expect("a runtime").block_on(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        let join = spawn_local(future);
        async { join.await.expect("no panic") }
    }
}

impl Turn for Net {
    async fn turn() {
        super::ops::nop().await;
    }
}

impl Recv for Net {
    type Stream = TcpStream;

    async fn stream(stream: std::net::TcpStream) -> TcpStream {
        TcpStream::from(stream)
    }

    async fn recv(stream: &mut TcpStream) -> usize {
        stream.receive().await.expect("the other end is there").len()
    }
}
