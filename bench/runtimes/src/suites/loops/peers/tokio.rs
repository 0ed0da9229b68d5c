//! tokio: for one thread its `LocalRuntime`, for several its multi-thread runtime. Files go to its
//! blocking pool, in one hop each.

use crate::contender::{Contender, Run};
use crate::one_thread::OneThread;
use crate::suites::loops::rows::{
    self, BLOCK, Echo, Files, MESSAGE_BYTES, Post, ReadAt, Recv, Turn,
};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalRuntime};
use tokio::sync::mpsc;
use tokio::task::{spawn_blocking, spawn_local};

pub const CONTENDER: Contender = Contender { name: "tokio", crates: &["tokio"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::read_cells::<Tokio>();
    cells.extend(rows::echo_cells::<Tokio>());
    cells.extend(rows::echo_stealing_cells::<Tokio>());
    cells.push(rows::unsubmitted_cell::<Tokio>());
    cells.push(rows::lost_cell::<Tokio>());
    cells.extend(rows::cross_cells::<Tokio>());
    cells.extend(rows::file_cells::<Tokio>());
    cells.extend(rows::echo_fallback_cells::<Tokio>());
    cells
}

struct Tokio;

impl OneThread for Tokio {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        LocalRuntime::new().expect("a runtime").block_on(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        let join = spawn_local(future);
        async { join.await.expect("no panic") }
    }
}

impl ReadAt for Tokio {
    type File = Arc<File>;
    type Buffer = Vec<u8>;

    async fn open(file: File, _: usize) -> Arc<File> {
        Arc::new(file)
    }

    fn buffer(_: &Arc<File>, _: usize) -> Vec<u8> {
        vec![0; BLOCK]
    }

    async fn read_at(file: &Arc<File>, mut buffer: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let file = file.clone();
        let read = spawn_blocking(move || (file.read_at(&mut buffer, offset), buffer));
        let (length, buffer) = read.await.expect("no panic");
        (length.expect("a file to read"), buffer)
    }
}

impl Files for Tokio {
    type File = Arc<File>;

    fn file(file: File) -> Arc<File> {
        Arc::new(file)
    }

    async fn read_at(file: &Arc<File>, buffer: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        <Self as ReadAt>::read_at(file, buffer, offset).await
    }

    async fn stat(path: &Path) -> u64 {
        tokio::fs::metadata(path).await.expect("it is there").len()
    }

    async fn open(path: &Path) {
        drop(tokio::fs::File::open(path).await.expect("it is there"));
    }
}

async fn echo(mut stream: TcpStream) {
    stream.set_nodelay(true).expect("a socket of TCP");
    let mut bytes = [0; MESSAGE_BYTES];
    while let Ok(length @ 1..) = stream.read(&mut bytes).await {
        if stream.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

fn listen(listener: std::net::TcpListener) -> TcpListener {
    listener.set_nonblocking(true).expect("a socket");
    TcpListener::from_std(listener).expect("a listener")
}

impl Echo for Tokio {
    fn serve(listener: std::net::TcpListener, workers: usize) {
        if workers == 1 {
            Self::block_on(async {
                let listener = listen(listener);
                while let Ok((stream, _)) = listener.accept().await {
                    spawn_local(echo(stream));
                }
            });
        } else {
            let runtime = Builder::new_multi_thread().worker_threads(workers).enable_all().build();
            runtime.expect("threads").block_on(async {
                let listener = listen(listener);
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(echo(stream));
                }
            });
        }
    }
}

impl Turn for Tokio {
    async fn turn() {
        tokio::task::yield_now().await;
    }
}

impl Recv for Tokio {
    type Stream = TcpStream;

    async fn stream(stream: std::net::TcpStream) -> TcpStream {
        stream.set_nonblocking(true).expect("a socket");
        TcpStream::from_std(stream).expect("a stream")
    }

    async fn recv(stream: &mut TcpStream) -> usize {
        let mut bytes = [0; MESSAGE_BYTES];
        stream.read(&mut bytes).await.expect("the other end is there")
    }
}

impl Post for Tokio {
    type Sender = mpsc::Sender<u64>;
    type Receiver = mpsc::Receiver<u64>;

    fn post(room: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::channel(room)
    }

    async fn send(sender: &Self::Sender, message: u64) {
        sender.send(message).await.expect("somebody receives");
    }

    async fn receive(receiver: &mut Self::Receiver) -> u64 {
        receiver.recv().await.expect("somebody sends")
    }
}
