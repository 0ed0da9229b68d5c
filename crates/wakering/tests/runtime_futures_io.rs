//! Streams as libraries see them that are written against `futures-io`.

use futures_io::{AsyncRead, AsyncWrite};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use wakering::net::{TcpListener, TcpStream, UnixStream};

#[path = "support/drivers.rs"]
mod drivers;

use drivers::drivers;

async fn write_all(stream: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, bytes)).await?;
        bytes = &bytes[written..];
    }
    poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx)).await
}

async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut piece = vec![0; 10_000];
    loop {
        match poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut piece)).await? {
            0 => return Ok(all),
            count => all.extend_from_slice(&piece[..count]),
        }
    }
}

fn megabytes() -> Vec<u8> {
    (0..3 << 20).map(|at: u32| (at / 1000) as u8).collect()
}

#[test]
fn megabytes_go_through_both_traits() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let (mut one, mut other) = UnixStream::pair().unwrap();
            let writing = runtime.spawn(async move {
                write_all(&mut one, &megabytes()).await.unwrap();
                poll_fn(|cx| Pin::new(&mut one).poll_close(cx)).await.unwrap();
                one
            });
            assert!(read_to_end(&mut other).await.unwrap() == megabytes());
            writing.await.unwrap();
        });
    }
}

#[test]
fn what_went_wrong_is_said_by_a_later_call() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            drop(server);
            let error = loop {
                if let Err(error) = write_all(&mut client, &[7; 4096]).await {
                    break error;
                }
            };
            let expected = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
            assert!(expected.contains(&error.kind()), "{error}");
        });
    }
}
