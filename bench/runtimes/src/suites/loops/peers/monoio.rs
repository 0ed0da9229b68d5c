//! monoio: its ring with one issuer and completions worked off when it asks. It has neither a NOP nor
//! registered buffers and files.

use crate::contender::{Contender, Run};
use crate::one_thread::OneThread;
use crate::suites::loops::rows::{self, BLOCK, Echo, MESSAGE_BYTES, ReadAt, Recv, Turn};
use monoio::fs::File;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};

pub const CONTENDER: Contender = Contender { name: "monoio", crates: &["monoio"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::read_cells::<Monoio>();
    cells.extend(rows::echo_cells::<Monoio>());
    cells.push(rows::in_flight_cell::<Monoio>());
    cells.push(rows::unsubmitted_cell::<Monoio>());
    cells.push(rows::lost_cell::<Monoio>());
    cells
}

struct Monoio;

impl OneThread for Monoio {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let mut ring = io_uring_06::IoUring::builder();
        ring.setup_single_issuer().setup_defer_taskrun();
        let builder = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new().uring_builder(ring);
        builder.build().expect("a runtime").block_on(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        monoio::spawn(future)
    }
}

impl ReadAt for Monoio {
    type File = File;
    type Buffer = Vec<u8>;

    async fn open(file: std::fs::File, _: usize) -> File {
        File::from_std(file).expect("a file")
    }

    fn buffer(_: &File, _: usize) -> Vec<u8> {
        vec![0; BLOCK]
    }

    async fn read_at(file: &File, buffer: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let (length, buffer) = file.read_at(buffer, offset).await;
        (length.expect("a file to read"), buffer)
    }
}

async fn echo(mut stream: TcpStream) {
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

impl Echo for Monoio {
    fn serve(listener: std::net::TcpListener, _: usize) {
        Self::block_on(async {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                monoio::spawn(echo(stream));
            }
        });
    }
}

thread_local! {
    /// What is read for a turn of the loop, there being no NOP.
    static NOTHING: std::rc::Rc<File> = {
        let file = std::fs::File::open("/dev/null").expect("Linux has it");
        std::rc::Rc::new(File::from_std(file).expect("a file"))
    };
}

impl Turn for Monoio {
    async fn turn() {
        let nothing = NOTHING.with(Clone::clone);
        let (length, _) = nothing.read_at(Vec::with_capacity(1), 0).await;
        assert_eq!(length.expect("it can be read"), 0);
    }
}

impl Recv for Monoio {
    type Stream = TcpStream;

    async fn stream(stream: std::net::TcpStream) -> TcpStream {
        TcpStream::from_std(stream).expect("a stream")
    }

    async fn recv(stream: &mut TcpStream) -> usize {
        let (length, _) = stream.read(Vec::with_capacity(MESSAGE_BYTES)).await;
        length.expect("the other end is there")
    }
}
