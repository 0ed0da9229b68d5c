//! Sends without copying: the buffer comes back when the kernel needs it no more, and every byte arrives.

use std::future::poll_fn;
use std::io::Read;
use std::net::{TcpListener, TcpStream as StdStream};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use wakering::cancel::drop_and_drain;
use wakering::net::{Sent, TcpStream, UdpSocket};
use wakering_core::Driver;
use wakering_core::abi::Opcode;
use wakering_core::scheduler::ops;
use wakering_uring_loop::{UringConfig, UringDriver};

#[path = "support/around.rs"]
mod around;
#[path = "support/loops.rs"]
mod loops;

use around::{ANYWHERE, alone, descriptors, until};
use loops::loops;

fn half_std() -> (TcpStream, StdStream) {
    let listener = TcpListener::bind(ANYWHERE).unwrap();
    let client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    (TcpStream::from(client), listener.accept().unwrap().0)
}

/// Whether rings here send without copying.
#[allow(clippy::print_stderr, reason = "what is skipped is printed with its reason")]
fn rings_send_zc() -> bool {
    let home = std::sync::Arc::new(wakering_core::Home::new(4).unwrap());
    let ring = UringDriver::new(UringConfig::inline(4), home);
    let can = ring.is_ok_and(|ring| ring.supports(Opcode::SendZc));
    if !can {
        eprintln!("SKIP: no ring that sends without copying (Linux 6.0)");
    }
    can
}

/// Over loopback bytes lie in the sender's buffer until they are received.
#[test]
fn a_buffer_comes_back_when_its_bytes_were_received() {
    let _alone = alone();
    let can = rings_send_zc();
    for (name, scheduler) in loops() {
        scheduler.block_on(async {
            let (stream, mut peer) = half_std();
            let bytes: Vec<u8> = (0..32 << 10_u32).map(|at| (at / 7) as u8).collect();
            let mut send = Box::pin(stream.send_zc(bytes.clone()));
            if name != "poll" && can {
                for _ in 0..5 {
                    wakering::time::sleep(Duration::from_millis(1)).await;
                    assert!(poll_fn(|cx| Poll::Ready(send.as_mut().poll(cx))).await.is_pending());
                }
            }
            let reading = std::thread::spawn(move || {
                let mut all = Vec::new();
                peer.read_to_end(&mut all).unwrap();
                all
            });
            let (sent, back) = (&mut send).await;
            drop(send);
            let Sent { bytes: count, copied } = sent.unwrap();
            assert_eq!(back, bytes, "{name}");
            // Of a ring before Linux 6.2 nobody knows.
            assert!(copied == Some(true) || copied.is_none() && name != "poll", "{name}: loopback");
            let memory = back.as_ptr();
            let (sent, again) = stream.send_zc(back).await;
            assert_eq!(again.as_ptr(), memory, "it went and came, and was not copied here");
            let count_again = sent.unwrap().bytes;
            stream.close().await;
            let all = reading.join().unwrap();
            assert!(all[..count] == bytes[..count] && all[count..] == bytes[..count_again]);
        });
    }
}

/// A socket that is no TCP socket, or has no partner any more: by the plain way, or the plain error.
#[test]
fn what_cannot_be_sent_so_is_sent_the_plain_way() {
    let _alone = alone();
    for (name, scheduler) in loops() {
        scheduler.block_on(async {
            let (one, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
            let stream = TcpStream::from(OwnedFd::from(one));
            let (sent, back) = stream.send_zc(b"bytes".to_vec()).await;
            assert_eq!((sent.unwrap().bytes, &back[..]), (5, &b"bytes"[..]), "{name}");
            let mut came = [0; 5];
            other.read_exact(&mut came).unwrap();
            assert_eq!(&came, b"bytes");
            drop(other);
            let (sent, back) = stream.send_zc(back).await;
            assert_eq!(sent.unwrap_err().raw_os_error(), Some(libc::EPIPE), "{name}");
            assert_eq!(back, b"bytes");
        });
    }
}

#[test]
fn a_datagram_goes_without_copying_and_too_long_a_one_is_refused() {
    let _alone = alone();
    for (name, scheduler) in loops() {
        scheduler.block_on(async {
            let [here, there] = [(); 2].map(|()| UdpSocket::bind(ANYWHERE).unwrap());
            let to = there.local_addr().unwrap();
            let (sent, back) = here.send_to_zc(vec![7; 9_000], to).await;
            assert_eq!((sent.unwrap().bytes, back), (9_000, vec![7; 9_000]), "{name}");
            let (received, bytes) = there.recv_from(Vec::with_capacity(10_000)).await;
            assert_eq!(received.unwrap(), (9_000, here.local_addr().unwrap()), "{name}");
            assert_eq!(bytes, [7; 9_000]);
            let (sent, back) = here.send_to_zc(vec![7; 70_000], to).await;
            assert_eq!(sent.unwrap_err().raw_os_error(), Some(libc::EMSGSIZE), "{name}");
            assert_eq!(back.len(), 70_000);
        });
    }
}

/// The socket is closed only after the notification; the bytes of the future's buffer arrive whole.
#[test]
fn a_send_that_is_dropped_keeps_its_buffer_until_it_is_given_back() {
    let _alone = alone();
    for (name, scheduler) in loops() {
        scheduler.block_on(async {
            let before = descriptors();
            let (stream, mut peer) = half_std();
            {
                let mut send = pin!(stream.send_zc(vec![0x5A; 32 << 10]));
                assert!(poll_fn(|cx| Poll::Ready(send.as_mut().poll(cx).is_pending())).await);
                wakering::time::sleep(Duration::from_millis(2)).await;
            }
            // What was freed would come again.
            let filled: Vec<_> = (0..8).map(|_| vec![0xAA_u8; 32 << 10]).collect();
            let reading = std::thread::spawn(move || {
                let mut all = Vec::new();
                peer.read_to_end(&mut all).unwrap();
                all
            });
            drop_and_drain(stream).await;
            until("nothing is in flight", || ops().unwrap().in_flight() == 0).await;
            assert!(reading.join().unwrap().iter().all(|&byte| byte == 0x5A), "{name}");
            assert!(filled.iter().flatten().all(|&byte| byte == 0xAA));
            assert_eq!(descriptors(), before, "{name}");
        });
    }
}
