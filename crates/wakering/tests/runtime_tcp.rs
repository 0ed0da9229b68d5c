//! TCP through the Rust runtime, on a ring and without one.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use wakering::net::{TcpListener, TcpStream};
use wakering::task::yield_now;
use wakering::time::{sleep, timeout};

#[path = "support/drivers.rs"]
mod drivers;

use drivers::drivers;

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(ANYWHERE).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}

async fn echo(stream: TcpStream) {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let read;
        (read, buffer) = stream.read(buffer).await;
        if read.unwrap() == 0 {
            return;
        }
        let written;
        (written, buffer) = stream.write_all(buffer).await;
        written.unwrap();
    }
}

async fn ask(address: SocketAddr, rounds: u32) {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut buffer = Vec::with_capacity(64);
    for round in 0..rounds {
        buffer.clear();
        buffer.extend_from_slice(&[round as u8; 64]);
        let (written, sent) = stream.write_all(buffer).await;
        written.unwrap();
        let (read, back) = stream.read_exact(sent).await;
        read.unwrap();
        assert_eq!(back, [round as u8; 64]);
        buffer = back;
    }
}

#[test]
fn many_connections_are_echoed_on_one_thread() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(ANYWHERE).unwrap();
            let address = listener.local_addr().unwrap();
            let serving = runtime.spawn(async move {
                for _ in 0..40 {
                    let (stream, _) = listener.accept().await.unwrap();
                    wakering::task::spawn_local(echo(stream)).detach();
                }
            });
            let clients: Vec<_> = (0..40).map(|_| runtime.spawn(ask(address, 50))).collect();
            for client in clients {
                client.await.unwrap();
            }
            serving.await.unwrap();
        });
    }
}

#[test]
fn many_connections_are_echoed_by_several_workers_over_one_loop() {
    for builder in drivers() {
        let runtime = builder.workers(3).loops(1).build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(ANYWHERE).unwrap();
            let address = listener.local_addr().unwrap();
            let serving = runtime.spawn(async move {
                for _ in 0..20 {
                    let (stream, _) = listener.accept().await.unwrap();
                    wakering::task::spawn(echo(stream)).detach();
                }
            });
            let clients: Vec<_> = (0..20).map(|_| runtime.spawn(ask(address, 50))).collect();
            for client in clients {
                client.await.unwrap();
            }
            serving.await.unwrap();
        });
    }
}

#[test]
fn more_streams_than_slots_wait_for_room() {
    for builder in drivers() {
        let runtime = builder.slots(16).build_local().unwrap();
        runtime.block_on(async {
            let mut pairs = Vec::new();
            for _ in 0..40 {
                pairs.push(pair().await);
            }
            let reads: Vec<_> = pairs
                .into_iter()
                .map(|(mut client, server)| {
                    runtime.spawn(async move {
                        let stays = client.write_all(b"late".to_vec()).await.0;
                        stays.unwrap();
                        let (read, bytes) = server.read(Vec::with_capacity(16)).await;
                        assert_eq!((read.unwrap(), &bytes[..]), (4, &b"late"[..]));
                        client = server;
                        drop(client);
                    })
                })
                .collect();
            for read in reads {
                read.await.unwrap();
            }
        });
    }
}

/// 20,000 numbered records arrive while each read is polled once, as in a select, and often loses.
#[test]
fn f19_no_byte_is_lost_when_reads_lose_a_select() {
    const RECORDS: u32 = 20_000;
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(ANYWHERE).unwrap();
            let address = listener.local_addr().unwrap();
            let sender = std::thread::spawn(move || {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                for record in 0..RECORDS {
                    stream.write_all(&record.to_be_bytes()).unwrap();
                    if record % 64 == 0 {
                        std::thread::yield_now();
                    }
                }
            });
            let (stream, _) = listener.accept().await.unwrap();
            let (mut bytes, mut lost) = (Vec::new(), 0);
            loop {
                let polled = {
                    let mut read = pin!(stream.read(Vec::with_capacity(64)));
                    poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx))).await
                };
                match polled {
                    Poll::Ready((read, piece)) => {
                        if read.unwrap() == 0 {
                            break;
                        }
                        bytes.extend_from_slice(&piece);
                    }
                    // It lost, and is dropped.
                    Poll::Pending => {
                        lost += 1;
                        let _others = yield_now().await;
                    }
                }
            }
            sender.join().unwrap();
            let seen = bytes.as_chunks::<4>().0.iter().map(|record| u32::from_be_bytes(*record));
            assert!(seen.eq(0..RECORDS), "every record, in order");
            assert!(lost > 0, "some reads lost");
        });
    }
}

#[test]
fn l26_a_second_reader_is_refused_and_the_first_goes_on() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let (client, server) = pair().await;
            let server = Arc::new(server);
            let first = runtime.spawn({
                let server = server.clone();
                async move { server.read(Vec::with_capacity(8)).await }
            });
            yield_now().await;
            let (second, buffer) = server.read(Vec::with_capacity(3)).await;
            assert_eq!(second.unwrap_err().raw_os_error(), Some(libc::EBUSY));
            assert_eq!(buffer.capacity(), 3, "the buffer comes back");
            server.write_all(b"out".to_vec()).await.0.unwrap();
            client.write_all(b"in".to_vec()).await.0.unwrap();
            let (read, bytes) = first.await.unwrap();
            assert_eq!((read.unwrap(), &bytes[..]), (2, &b"in"[..]));
        });
    }
}

#[test]
fn l26_a_second_writer_is_refused_and_the_first_goes_on_beside_a_reader() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let (client, server) = pair().await;
            let client = Arc::new(client);
            // More than both ends have room for.
            let first = runtime.spawn({
                let client = client.clone();
                async move { client.write_all(vec![5; 8 << 20]).await.0 }
            });
            yield_now().await;
            let (second, buffer) = client.write(vec![6; 3]).await;
            assert_eq!(second.unwrap_err().raw_os_error(), Some(libc::EBUSY));
            assert_eq!(buffer, [6; 3], "the buffer comes back");
            server.write_all(b"in".to_vec()).await.0.unwrap();
            let (read, bytes) = client.read(Vec::with_capacity(8)).await;
            assert_eq!((read.unwrap(), &bytes[..]), (2, &b"in"[..]));
            assert!(!first.is_finished(), "nobody has read it");
            let (read, bytes) = server.read_exact(Vec::with_capacity(8 << 20)).await;
            read.unwrap();
            assert!(bytes.iter().all(|&byte| byte == 5));
            first.await.unwrap().unwrap();
        });
    }
}

#[test]
fn l28_exactly_so_many_bytes_or_an_error_that_says_how_many_there_were() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let (client, server) = pair().await;
            let sending = runtime.spawn(async move {
                for _ in 0..10 {
                    client.write_all(vec![7; 10]).await.0.unwrap();
                    sleep(Duration::from_millis(1)).await;
                }
                client.write_all(vec![8; 60]).await.0.unwrap();
            });
            let (read, bytes) = server.read_exact(Vec::with_capacity(100)).await;
            read.unwrap();
            assert_eq!(bytes, [7; 100]);
            sending.await.unwrap();
            let (read, bytes) = server.read_exact(Vec::with_capacity(100)).await;
            let error = read.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
            assert!(error.to_string().contains("60 of 100"), "{error}");
            assert_eq!(bytes, [8; 60]);
        });
    }
}

#[test]
fn refusals_and_ends_are_told() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let free = TcpListener::bind(ANYWHERE).unwrap().local_addr().unwrap();
            let refused = TcpStream::connect(free).await.unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED));
            let (client, server) = pair().await;
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let (end, _) = server.read(Vec::with_capacity(8)).await;
            assert_eq!(end.unwrap(), 0);
            let (end, _) = server.read(Vec::with_capacity(8)).await;
            assert_eq!(end.unwrap(), 0, "the end stays");
            server.write_all(b"still".to_vec()).await.0.unwrap();
            let (read, bytes) = client.read(Vec::with_capacity(8)).await;
            assert_eq!((read.unwrap(), &bytes[..]), (5, &b"still"[..]));
        });
    }
}

#[test]
fn a_read_that_ran_into_its_limit_leaves_the_bytes_for_the_next() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let (client, server) = pair().await;
            let limit = Duration::from_millis(5);
            let late = timeout(limit, server.read(Vec::with_capacity(8))).await;
            assert!(late.is_err());
            client.write_all(b"bytes".to_vec()).await.0.unwrap();
            sleep(limit).await;
            let (read, bytes) = server.read(Vec::with_capacity(3)).await;
            assert_eq!((read.unwrap(), &bytes[..]), (3, &b"byt"[..]));
            let (read, bytes) = server.read(Vec::with_capacity(3)).await;
            assert_eq!((read.unwrap(), &bytes[..]), (2, &b"es"[..]));
        });
    }
}

/// Longer than the buffers of both ends: writes wait, and everything arrives.
#[test]
fn l10_a_slow_reader_gets_a_megabyte_while_others_go_on() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(ANYWHERE).unwrap();
            let address = listener.local_addr().unwrap();
            let reader = std::thread::spawn(move || {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                std::thread::sleep(Duration::from_millis(30));
                let mut all = Vec::new();
                stream.read_to_end(&mut all).unwrap();
                all
            });
            let (stream, _) = listener.accept().await.unwrap();
            let ticking = runtime.spawn(async {
                let mut ticks = 0;
                loop {
                    sleep(Duration::from_millis(1)).await;
                    ticks += 1;
                    if ticks == 10 {
                        return ticks;
                    }
                }
            });
            let sent: Vec<u8> = (0..8 << 20).map(|at: u32| (at >> 8) as u8).collect();
            let (written, sent) = stream.write_all(sent).await;
            written.unwrap();
            drop(stream);
            assert_eq!(ticking.await.unwrap(), 10);
            assert!(reader.join().unwrap() == sent);
        });
    }
}

#[test]
fn what_arrived_is_seen_where_it_lies_and_the_rest_of_a_read_too() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let (client, server) = pair().await;
            client.write_all(b"all of it".to_vec()).await.0.unwrap();
            let (read, bytes) = server.read(Vec::with_capacity(3)).await;
            assert_eq!((read.unwrap(), &bytes[..]), (3, &b"all"[..]));
            let rest = server.receive().await.unwrap();
            assert_eq!(&rest[..], b" of it");
            drop(rest);
            // More than the loop has buffers for, so that they have to go back.
            let sending = runtime.spawn(async move {
                for _ in 0..100 {
                    client.write_all(vec![9; 100_000]).await.0.unwrap();
                }
            });
            let mut received = 0;
            loop {
                let bytes = server.receive().await.unwrap();
                if bytes.is_empty() {
                    break;
                }
                assert!(bytes.iter().all(|&byte| byte == 9));
                received += bytes.len();
            }
            assert_eq!(received, 10_000_000);
            sending.await.unwrap();
        });
    }
}
