//! compio: its ring with one issuer and completions worked off when it asks. Its NOP is an op of ours
//! for its driver; its files are not registered with the ring, because its reads cannot name such.

use crate::contender::{Contender, Run};
use crate::one_thread::OneThread;
use crate::suites::loops::rows::{self, BLOCK, Echo, MESSAGE_BYTES, Nop, ReadAt, Recv, Turn};
use compio::BufResult;
use compio::driver::{OpCode, OpEntry, ProactorBuilder};
use compio::fs::File;
use compio::io::{AsyncRead, AsyncReadAt, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::RuntimeBuilder;
use io_uring::opcode;
use std::os::fd::AsRawFd;

pub const CONTENDER: Contender = Contender { name: "compio", crates: &["compio"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::nop_cells::<Compio>();
    cells.extend(rows::read_cells::<Compio>());
    cells.extend(rows::echo_cells::<Compio>());
    cells.push(rows::in_flight_cell::<Compio>());
    cells.push(rows::unsubmitted_cell::<Compio>());
    cells.push(rows::lost_cell::<Compio>());
    cells
}

struct Compio;

impl OneThread for Compio {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let mut proactor = ProactorBuilder::new();
        proactor.single_issuer(true).defer_taskrun(true);
        let runtime = RuntimeBuilder::new().with_proactor(proactor).build();
        runtime.expect("a runtime").block_on(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        let join = compio::runtime::spawn(future);
        async { assert!(join.await.is_ok(), "no panic") }
    }
}

struct Nothing;

#[expect(unsafe_code, reason = "an op of the driver is unsafe by its trait")]
// SAFETY: the entry names no memory.
unsafe impl OpCode for Nothing {
    type Control = ();

    fn create_entry(&mut self, (): &mut ()) -> OpEntry {
        opcode::Nop::new().build().into()
    }
}

impl Nop for Compio {
    async fn nop() {
        let BufResult(done, _) = compio::runtime::submit(Nothing).await;
        done.expect("it cannot fail");
    }
}

impl ReadAt for Compio {
    type File = File;
    type Buffer = Vec<u8>;

    async fn open(file: std::fs::File, _: usize) -> File {
        // It only takes what it opened itself.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        File::open(path).await.expect("the file is open")
    }

    fn buffer(_: &File, _: usize) -> Vec<u8> {
        vec![0; BLOCK]
    }

    async fn read_at(file: &File, buffer: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let BufResult(length, buffer) = file.read_at(buffer, offset).await;
        (length.expect("a file to read"), buffer)
    }
}

async fn echo(mut stream: TcpStream) {
    stream.set_nodelay(true).expect("a socket of TCP");
    let mut bytes = Vec::with_capacity(MESSAGE_BYTES);
    loop {
        let BufResult(length, filled) = stream.read(bytes).await;
        let Ok(1..) = length else { return };
        let BufResult(sent, back) = stream.write_all(filled).await;
        if sent.is_err() {
            return;
        }
        bytes = back;
    }
}

impl Echo for Compio {
    fn serve(listener: std::net::TcpListener, _: usize) {
        Self::block_on(async {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                compio::runtime::spawn(echo(stream)).detach();
            }
        });
    }
}

impl Turn for Compio {
    async fn turn() {
        Self::nop().await;
    }
}

impl Recv for Compio {
    type Stream = TcpStream;

    async fn stream(stream: std::net::TcpStream) -> TcpStream {
        TcpStream::from_std(stream).expect("a stream")
    }

    async fn recv(stream: &mut TcpStream) -> usize {
        let BufResult(length, _) = stream.read(Vec::with_capacity(MESSAGE_BYTES)).await;
        length.expect("the other end is there")
    }
}
