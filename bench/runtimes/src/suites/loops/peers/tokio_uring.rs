//! tokio-uring: a ring beside tokio's own loop, which is told by epoll. Files are read into registered
//! buffers. Completions are not deferred, because nobody would ask for them.

use crate::contender::{Contender, Run};
use crate::one_thread::OneThread;
use crate::suites::loops::rows::{self, BLOCK, Echo, MESSAGE_BYTES, Nop, ReadAt, Recv, Turn};
use tokio_uring::buf::fixed::{FixedBuf, FixedBufRegistry};
use tokio_uring::fs::File;
use tokio_uring::net::{TcpListener, TcpStream};

pub const CONTENDER: Contender = Contender { name: "tokio-uring", crates: &["tokio-uring"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::nop_cells::<TokioUring>();
    cells.extend(rows::read_cells::<TokioUring>());
    cells.extend(rows::echo_cells::<TokioUring>());
    cells.push(rows::in_flight_cell::<TokioUring>());
    cells.push(rows::unsubmitted_cell::<TokioUring>());
    cells.push(rows::lost_cell::<TokioUring>());
    cells
}

struct TokioUring;

impl OneThread for TokioUring {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let mut ring = tokio_uring::uring_builder();
        ring.setup_single_issuer().setup_coop_taskrun();
        tokio_uring::builder().entries(1024).uring_builder(&ring).start(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        let join = tokio_uring::spawn(future);
        async { join.await.expect("no panic") }
    }
}

impl Nop for TokioUring {
    async fn nop() {
        tokio_uring::no_op().await.expect("it cannot fail");
    }
}

impl ReadAt for TokioUring {
    type File = (File, FixedBufRegistry<Vec<u8>>);
    type Buffer = FixedBuf;

    async fn open(file: std::fs::File, readers: usize) -> Self::File {
        let registry = FixedBufRegistry::new((0..readers).map(|_| vec![0; BLOCK]));
        registry.register().expect("locked memory");
        (File::from_std(file), registry)
    }

    fn buffer((_, registry): &Self::File, reader: usize) -> FixedBuf {
        registry.check_out(reader).expect("nobody has it")
    }

    async fn read_at((file, _): &Self::File, buffer: FixedBuf, offset: u64) -> (usize, FixedBuf) {
        let (length, buffer) = file.read_fixed_at(buffer, offset).await;
        (length.expect("a file to read"), buffer)
    }
}

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

impl Echo for TokioUring {
    fn serve(listener: std::net::TcpListener, _: usize) {
        Self::block_on(async {
            let listener = TcpListener::from_std(listener);
            while let Ok((stream, _)) = listener.accept().await {
                tokio_uring::spawn(echo(stream));
            }
        });
    }
}

impl Turn for TokioUring {
    async fn turn() {
        Self::nop().await;
    }
}

impl Recv for TokioUring {
    type Stream = TcpStream;

    async fn stream(stream: std::net::TcpStream) -> TcpStream {
        TcpStream::from_std(stream)
    }

    async fn recv(stream: &mut TcpStream) -> usize {
        let (length, _) = stream.read(Vec::with_capacity(MESSAGE_BYTES)).await;
        length.expect("the other end is there")
    }
}
