//! UDP and Unix sockets through the Rust runtime, on a ring and without one.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use wakering::net::{UdpSocket, UnixDatagram, UnixListener, UnixStream};
use wakering::task::yield_now;
use wakering::time::timeout;

#[path = "support/drivers.rs"]
mod drivers;

use drivers::drivers;

const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn socket_name(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("wakering-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[test]
fn datagrams_come_with_their_sender() {
    for builder in drivers() {
        builder.build_local().unwrap().block_on(async {
            let (here, there) =
                (UdpSocket::bind(ANYWHERE).unwrap(), UdpSocket::bind(ANYWHERE).unwrap());
            for round in 0..50u8 {
                let sent = here.send_to(vec![round; 100], there.local_addr().unwrap()).await.0;
                assert_eq!(sent.unwrap(), 100);
                let (received, bytes) = there.recv_from(Vec::with_capacity(1000)).await;
                assert_eq!(received.unwrap(), (100, here.local_addr().unwrap()));
                assert_eq!(bytes, [round; 100]);
            }
        });
    }
}

#[test]
fn connected_sockets_need_no_address_and_empty_datagrams_are_some() {
    for builder in drivers() {
        builder.build_local().unwrap().block_on(async {
            let (here, there) =
                (UdpSocket::bind(ANYWHERE).unwrap(), UdpSocket::bind(ANYWHERE).unwrap());
            let unconnected = here.send(b"to whom?".to_vec()).await.0.unwrap_err();
            assert_eq!(unconnected.raw_os_error(), Some(libc::EDESTADDRREQ));
            here.connect(there.local_addr().unwrap()).unwrap();
            there.connect(here.local_addr().unwrap()).unwrap();
            here.send(Vec::new()).await.0.unwrap();
            here.send(b"second".to_vec()).await.0.unwrap();
            let (received, _) = there.recv(Vec::with_capacity(10)).await;
            assert_eq!(received.unwrap(), 0);
            let (received, bytes) = there.recv(Vec::with_capacity(3)).await;
            assert_eq!((received.unwrap(), &bytes[..]), (3, &b"sec"[..]), "the rest is lost");
        });
    }
}

#[test]
fn ipv6_has_its_addresses_too() {
    let Ok(probe) = std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)) else {
        return;
    };
    drop(probe);
    let anywhere = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    for builder in drivers() {
        builder.build_local().unwrap().block_on(async {
            let (here, there) =
                (UdpSocket::bind(anywhere).unwrap(), UdpSocket::bind(anywhere).unwrap());
            here.send_to(b"six".to_vec(), there.local_addr().unwrap()).await.0.unwrap();
            let (received, _) = there.recv_from(Vec::with_capacity(10)).await;
            assert_eq!(received.unwrap(), (3, here.local_addr().unwrap()));
        });
    }
}

/// Numbered datagrams arrive while each receive is polled once and dropped.
#[test]
fn no_datagram_is_lost_when_receives_are_dropped() {
    for builder in drivers() {
        builder.build_local().unwrap().block_on(async {
            let (here, there) =
                (UdpSocket::bind(ANYWHERE).unwrap(), UdpSocket::bind(ANYWHERE).unwrap());
            let address = there.local_addr().unwrap();
            let mut seen = 0;
            for number in 0..2_000u32 {
                here.send_to(number.to_be_bytes().to_vec(), address).await.0.unwrap();
                // So many are under way that both ends have room for.
                while seen + 16 < number {
                    let polled = {
                        let mut receiving = pin!(there.recv(Vec::with_capacity(8)));
                        poll_fn(|cx| Poll::Ready(receiving.as_mut().poll(cx))).await
                    };
                    if let Poll::Ready((received, bytes)) = polled {
                        assert_eq!(received.unwrap(), 4);
                        assert_eq!(bytes, seen.to_be_bytes());
                        seen += 1;
                    } else {
                        let _others = yield_now().await;
                    }
                }
            }
        });
    }
}

#[test]
fn unix_streams_are_found_by_their_name() {
    let path = socket_name("stream");
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let missing = UnixStream::connect(&path).await.unwrap_err();
            assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
            let listener = UnixListener::bind(&path).unwrap();
            let client = runtime.spawn({
                let path = path.clone();
                async move {
                    let client = UnixStream::connect(path).await.unwrap();
                    client.write_all(b"over a name".to_vec()).await.0.unwrap();
                    client.read(Vec::with_capacity(8)).await.1
                }
            });
            let server = listener.accept().await.unwrap();
            let (read, bytes) = server.read_exact(Vec::with_capacity(11)).await;
            read.unwrap();
            assert_eq!(bytes, b"over a name");
            server.write_all(b"back".to_vec()).await.0.unwrap();
            assert_eq!(client.await.unwrap(), b"back");
        });
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn unix_datagrams_know_their_sender_if_it_has_a_name() {
    let path = socket_name("datagram");
    for builder in drivers() {
        builder.build_local().unwrap().block_on(async {
            let named = UnixDatagram::bind(&path).unwrap();
            let (one, other) = UnixDatagram::pair().unwrap();
            one.send(b"to a partner".to_vec()).await.0.unwrap();
            let (received, _) = other.recv_from(Vec::with_capacity(20)).await;
            assert_eq!(received.unwrap(), (12, None));
            let nameless = UnixDatagram::unbound().unwrap();
            nameless.send_to(b"to a name".to_vec(), &path).await.0.unwrap();
            let (received, _) = named.recv_from(Vec::with_capacity(20)).await;
            assert_eq!(received.unwrap(), (9, None));
            nameless.connect(&path).unwrap();
            named.send_to(b"to itself".to_vec(), &path).await.0.unwrap();
            let (received, _) = named.recv_from(Vec::with_capacity(20)).await;
            assert_eq!(received.unwrap(), (9, Some(path.clone())));
        });
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_second_receiver_is_refused() {
    for builder in drivers() {
        builder.build_local().unwrap().block_on(async {
            let socket = UdpSocket::bind(ANYWHERE).unwrap();
            let mut first = pin!(socket.recv(Vec::with_capacity(8)));
            assert!(poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await);
            let second = socket.recv(Vec::with_capacity(8)).await.0.unwrap_err();
            assert_eq!(second.raw_os_error(), Some(libc::EBUSY));
            assert!(timeout(Duration::from_millis(2), first).await.is_err());
        });
    }
}
