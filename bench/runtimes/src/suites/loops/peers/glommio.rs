//! glommio, as it is published today (glommio-ng). Its reads of cached files give a buffer of its own
//! each; it has no NOP, and its streams keep a recv that was dropped for the next one.

use crate::contender::{Contender, Run};
use crate::one_thread::OneThread;
use crate::suites::loops::rows::{self, BLOCK, Echo, MESSAGE_BYTES, ReadAt, Recv, Turn};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio_ng::io::BufferedFile;
use glommio_ng::net::{TcpListener, TcpStream};
use glommio_ng::{LocalExecutor, executor, spawn_local};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};

pub const CONTENDER: Contender = Contender { name: "glommio-ng", crates: &["glommio-ng"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::read_cells::<Glommio>();
    cells.extend(rows::echo_cells::<Glommio>());
    cells.push(rows::unsubmitted_cell::<Glommio>());
    cells.push(rows::lost_cell::<Glommio>());
    cells
}

struct Glommio;

impl OneThread for Glommio {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        LocalExecutor::default().run(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        spawn_local(future)
    }
}

impl ReadAt for Glommio {
    type File = BufferedFile;
    type Buffer = ();

    async fn open(file: std::fs::File, _: usize) -> BufferedFile {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        BufferedFile::open(path).await.expect("the file is open")
    }

    fn buffer(_: &BufferedFile, _: usize) {}

    async fn read_at(file: &BufferedFile, (): (), offset: u64) -> (usize, ()) {
        (file.read_at(offset, BLOCK).await.expect("a file to read").len(), ())
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

impl Echo for Glommio {
    fn serve(listener: std::net::TcpListener, _: usize) {
        let address = listener.local_addr().expect("it is bound");
        // It only takes what it bound itself.
        drop(listener);
        Self::block_on(async move {
            let listener = TcpListener::bind(address).expect("the port is free again");
            while let Ok(stream) = listener.accept().await {
                spawn_local(echo(stream)).detach();
            }
        });
    }
}

impl Turn for Glommio {
    async fn turn() {
        executor().yield_task_queue_now().await;
    }
}

impl Recv for Glommio {
    type Stream = TcpStream;

    #[expect(unsafe_code, reason = "there is no safe way from a socket of the standard library")]
    async fn stream(stream: std::net::TcpStream) -> TcpStream {
        // SAFETY: the descriptor is given away.
        unsafe { TcpStream::from_raw_fd(stream.into_raw_fd()) }
    }

    async fn recv(stream: &mut TcpStream) -> usize {
        let mut bytes = [0; MESSAGE_BYTES];
        stream.read(&mut bytes).await.expect("the other end is there")
    }
}
