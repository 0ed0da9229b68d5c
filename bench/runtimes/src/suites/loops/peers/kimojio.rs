//! kimojio, without its TLS, its ring with one issuer. It has no registered buffers and files.

use crate::contender::{Contender, Run};
use crate::one_thread::OneThread;
use crate::suites::loops::rows::{self, BLOCK, Echo, MESSAGE_BYTES, Nop, ReadAt, Recv, Turn};
use kimojio::configuration::Configuration;
use kimojio::{OwnedFd, Runtime, operations};
use rustix::net::{RecvFlags, SendFlags};
use std::fs::File;

pub const CONTENDER: Contender = Contender { name: "kimojio", crates: &["kimojio"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::nop_cells::<Kimojio>();
    cells.extend(rows::read_cells::<Kimojio>());
    cells.extend(rows::echo_cells::<Kimojio>());
    cells.push(rows::in_flight_cell::<Kimojio>());
    cells.push(rows::unsubmitted_cell::<Kimojio>());
    cells.push(rows::lost_cell::<Kimojio>());
    cells
}

struct Kimojio;

impl OneThread for Kimojio {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let ended = Runtime::new(0, Configuration::new()).block_on(future);
        ended.expect("nobody shuts it down").expect("no panic")
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        let join = operations::spawn_task(future);
        async { join.await.expect("no panic") }
    }
}

impl Nop for Kimojio {
    async fn nop() {
        operations::nop().await.expect("it cannot fail");
    }
}

impl ReadAt for Kimojio {
    type File = File;
    type Buffer = Vec<u8>;

    async fn open(file: File, _: usize) -> File {
        file
    }

    fn buffer(_: &File, _: usize) -> Vec<u8> {
        vec![0; BLOCK]
    }

    async fn read_at(file: &File, mut buffer: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        (operations::pread(file, &mut buffer, offset).await.expect("a file to read"), buffer)
    }
}

async fn recv(stream: &OwnedFd, bytes: &mut [u8]) -> usize {
    let received = operations::recv(stream, bytes, RecvFlags::empty(), None).await;
    received.expect("the other end is there")
}

async fn echo(stream: OwnedFd) {
    kimojio::socket_helpers::update_accept_socket(&stream).expect("a socket of TCP");
    let mut bytes = [0; MESSAGE_BYTES];
    loop {
        let length = recv(&stream, &mut bytes).await;
        let mut left = &bytes[..length];
        if left.is_empty() {
            return;
        }
        while !left.is_empty() {
            let sent = operations::send(&stream, left, SendFlags::empty(), None).await;
            left = &left[sent.expect("the other end is there")..];
        }
    }
}

impl Echo for Kimojio {
    fn serve(listener: std::net::TcpListener, _: usize) {
        Self::block_on(async move {
            while let Ok(stream) = operations::accept(&listener).await {
                Self::detach(echo(stream));
            }
        });
    }
}

impl Turn for Kimojio {
    async fn turn() {
        Self::nop().await;
    }
}

impl Recv for Kimojio {
    type Stream = OwnedFd;

    async fn stream(stream: std::net::TcpStream) -> OwnedFd {
        stream.into()
    }

    async fn recv(stream: &mut OwnedFd) -> usize {
        let mut bytes = [0; MESSAGE_BYTES];
        recv(stream, &mut bytes).await
    }
}
