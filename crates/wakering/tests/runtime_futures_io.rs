//! Streams as libraries see them that are written against `futures-io`.

use futures_io::{AsyncRead, AsyncWrite};
use std::future::poll_fn;
use std::io::{self, Read};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use wakering::net::{TcpListener, TcpStream, UnixStream};
use wakering::task::yield_now;
use wakering::time::sleep;

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

fn numbers(piece: u64) -> Vec<u8> {
    const NUMBERS: u64 = 8_000;
    (piece * NUMBERS..(piece + 1) * NUMBERS).flat_map(u64::to_be_bytes).collect()
}

/// All that is there.
fn read_now(mut from: &std::os::unix::net::UnixStream, to: &mut Vec<u8>) {
    let end = from.read_to_end(to);
    assert!(end.is_ok() || end.unwrap_err().kind() == io::ErrorKind::WouldBlock);
}

/// Numbers, by turns through the trait and through the stream's own writes, to one that reads a heap at once:
/// then an own write that waited for nothing would be there before what waits in the background.
#[test]
fn own_writes_go_behind_what_was_written_through_the_trait() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
            other.set_nonblocking(true).unwrap();
            let mut one = UnixStream::from(std::os::fd::OwnedFd::from(one));
            let (mut pieces, mut all) = (0, Vec::new());
            for round in 0..20 {
                // As much as there is room for, and more.
                while poll_fn(|cx| Poll::Ready(Pin::new(&mut one).poll_flush(cx))).await.is_ready()
                {
                    let bytes = numbers(pieces);
                    let writing = poll_fn(|cx| Pin::new(&mut one).poll_write(cx, &bytes));
                    assert_eq!(writing.await.unwrap(), bytes.len());
                    pieces += 1;
                    // The loop has its turn.
                    sleep(Duration::from_millis(1)).await;
                }
                read_now(&other, &mut all);
                let (stream, mut bytes) = (&one, numbers(pieces));
                pieces += 1;
                let mut own = pin!(async move {
                    if round % 2 == 0 {
                        let sent;
                        (sent, bytes) = stream.write(bytes).await;
                        bytes.drain(..sent.unwrap());
                    }
                    stream.write_all(bytes).await.0.unwrap();
                });
                while poll_fn(|cx| Poll::Ready(own.as_mut().poll(cx))).await.is_pending() {
                    let _others = yield_now().await;
                    read_now(&other, &mut all);
                }
            }
            drop(one);
            read_now(&other, &mut all);
            assert!((0..pieces).flat_map(numbers).eq(all), "every number, in order");
        });
    }
}

/// What went wrong in the background is said by an own write as well, once.
#[test]
fn an_own_write_says_what_went_wrong_before() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let (mut one, other) = UnixStream::pair().unwrap();
            // More than the socket has room for: some of it waits when nobody is there to read any more.
            let taken = poll_fn(|cx| Pin::new(&mut one).poll_write(cx, &[7; 64 << 10])).await;
            assert_eq!(taken.unwrap(), 64 << 10);
            while poll_fn(|cx| Poll::Ready(Pin::new(&mut one).poll_flush(cx))).await.is_ready() {
                let more = poll_fn(|cx| Pin::new(&mut one).poll_write(cx, &[7; 64 << 10])).await;
                assert!(more.unwrap() > 0);
            }
            drop(other);
            let (written, buffer) = one.write(vec![8; 3]).await;
            assert_eq!(written.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(buffer, [8; 3], "the buffer comes back");
        });
    }
}
