//! Sockets that bring more than anybody takes: they stop, lose nothing, and harm no others.

use std::io::{self, Write};
use std::net::TcpListener as StdListener;
use std::net::TcpStream as StdStream;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use wakering::net::{Received, TcpListener, TcpStream, UnixStream};
use wakering_core::scheduler::{Ops, ops};

#[path = "support/around.rs"]
mod around;
#[path = "support/loops.rs"]
mod loops;

use around::{ANYWHERE, alone, descriptors, glance, pair, until};
use loops::loops;

/// Answers that one op may have waiting, and what may come before its cancel has reached it.
const BOUND: usize = 64;
const ON_TOP: usize = 32;

/// A connection to a blocking socket of the standard library's, which is the first.
fn tcp_half_std() -> (StdStream, TcpStream) {
    let listener = StdListener::bind(ANYWHERE).unwrap();
    let client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, TcpStream::from(listener.accept().unwrap().0))
}

/// The same, where what is sent is at once the receiver's.
fn unix_half_std() -> (StdUnixStream, UnixStream) {
    let (client, server) = StdUnixStream::pair().unwrap();
    (client, UnixStream::from(OwnedFd::from(server)))
}

/// Bytes that the kernel has for a socket.
fn unread(socket: &impl AsFd) -> usize {
    let mut bytes = 0_i32;
    // SAFETY: the number of bytes is written there.
    let done = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    assert_eq!(done, 0);
    bytes as usize
}

/// Whether bytes lie in the buffers that a loop has for everybody.
fn is_shared(ops: &Ops, bytes: &[u8]) -> bool {
    let (_, group) = ops.shared_buffers(|| panic!("somebody has received")).expect("it has some");
    let bytes_all = usize::from(group.count()) * group.bytes_each() as usize;
    (bytes.as_ptr() as usize).wrapping_sub(group.address(0) as usize) < bytes_all
}

/// Eight bytes there and back, in turns of the loop. Whether they came in the loop's own buffers.
async fn round((client, server): &(TcpStream, TcpStream), number: u64) -> bool {
    client.write_all(number.to_be_bytes().to_vec()).await.0.unwrap();
    let received = server.receive().await.unwrap();
    assert_eq!(received[..], number.to_be_bytes());
    is_shared(&ops().unwrap(), &received)
}

/// Reads numbers to the end of a stream; they are these, in their order.
async fn is_numbered(
    numbers: std::ops::Range<u64>,
    mut receive: impl AsyncFnMut() -> io::Result<Received>,
) {
    let mut bytes = Vec::new();
    loop {
        let received = receive().await.unwrap();
        if received.is_empty() {
            break;
        }
        bytes.extend_from_slice(&received);
    }
    assert!(bytes.as_chunks::<8>().0.iter().map(|number| u64::from_be_bytes(*number)).eq(numbers));
}

/// Twelve that nobody reads would take all 1,024 buffers of their loop.
#[test]
fn streams_that_nobody_reads_leave_buffers_to_the_one_that_is_read() {
    const RECORDS: u64 = 200;
    let _alone = alone();
    for (name, scheduler) in loops() {
        scheduler.block_on(async {
            let fast = pair().await;
            let mut slow: Vec<_> = (0..12).map(|_| unix_half_std()).collect();
            for (_, server) in &slow {
                assert!(glance(2, server.receive()).await.is_none(), "it waits from now on");
            }
            for number in 0..RECORDS {
                for (client, _) in &mut slow {
                    client.write_all(&number.to_be_bytes()).unwrap();
                }
                assert!(round(&fast, number).await, "{name}: a buffer was left");
            }
            for (client, server) in slow {
                let taken = RECORDS as usize - unread(&server) / 8;
                assert!((BOUND..=BOUND + ON_TOP).contains(&taken), "{name}: {taken} taken");
                drop(client);
                is_numbered(0..RECORDS, || server.receive()).await;
            }
        });
    }
}

/// More than a stream may take, at once, before it is looked at for the first time; read after a pause.
#[test]
fn a_stream_that_is_full_from_the_start_comes_whole_and_beside_others() {
    const NUMBERS: u64 = 300_000;
    let _alone = alone();
    for (_, scheduler) in loops() {
        scheduler.block_on(async {
            let fast = pair().await;
            let (mut client, slow) = tcp_half_std();
            let sending = std::thread::spawn(move || {
                let bytes: Vec<u8> = (0..NUMBERS).flat_map(u64::to_be_bytes).collect();
                client.write_all(&bytes).unwrap();
            });
            until("the socket is full", || unread(&slow) > 1 << 16).await;
            let looked = glance(3, slow.read(Vec::with_capacity(8))).await;
            let first = looked.map_or(0, |(read, bytes)| {
                assert_eq!((read.unwrap(), &bytes[..]), (8, &[0; 8][..]));
                1
            });
            for number in 0..100 {
                let _wherever = round(&fast, number).await;
            }
            is_numbered(first..NUMBERS, || slow.receive()).await;
            sending.join().unwrap();
        });
    }
}

#[test]
fn connections_that_nobody_takes_wait_in_line_and_are_all_taken_in_their_order() {
    const CONNECTIONS: usize = 150;
    let _alone = alone();
    for (name, scheduler) in loops() {
        scheduler.block_on(async {
            let fast = pair().await;
            let listener = TcpListener::bind(ANYWHERE).unwrap();
            let address = listener.local_addr().unwrap();
            assert!(glance(2, listener.accept()).await.is_none(), "it waits from now on");
            let before = descriptors();
            let mut clients = Vec::new();
            for number in 0..CONNECTIONS {
                clients.push(StdStream::connect(address).unwrap());
                assert!(round(&fast, number as u64).await);
            }
            let taken = descriptors() - before - CONNECTIONS;
            assert!((BOUND..=BOUND + ON_TOP).contains(&taken), "{name}: {taken} taken");
            for client in &clients {
                let (_, peer) = listener.accept().await.unwrap();
                assert_eq!(peer, client.local_addr().unwrap(), "{name}");
            }
            listener.close().await;
            assert_eq!(descriptors(), before + CONNECTIONS - 1, "{name}: clients are left");
        });
    }
}
