//! Cancelled ops tell the truth, and lose nothing: on a ring, with an SQ thread, and without a ring.
//!
//! `WAKERING_SELECTS=1000000` and `WAKERING_RACES=100000` have as many of each.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use wakering::cancel::{CancelToken, Ended, with_cancel};
use wakering::fs::File;
use wakering::net::{TcpListener, TcpStream, UdpSocket};
use wakering::task::{LocalJoinHandle, spawn_local, yield_now};
use wakering_core::random::Random;

#[path = "support/around.rs"]
mod around;
#[path = "support/drivers.rs"]
mod drivers;

use around::{ANYWHERE, alone, beside, descriptors, glance, number, pair, until};
use drivers::{drivers, personalities};

/// Has somebody cancel after a few turns.
fn cancel_soon(token: &CancelToken, turns: u64) -> LocalJoinHandle<()> {
    let token = token.clone();
    spawn_local(async move {
        for _ in 0..turns {
            let _others = yield_now().await;
        }
        token.cancel();
    })
}

#[test]
fn f19_a_cancelled_read_gives_its_buffer_back_and_the_next_one_gets_all() {
    let _beside = beside();
    for builder in personalities() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let (client, server) = pair().await;
            let token = CancelToken::new();
            for round in 0..100_u8 {
                token.reset();
                cancel_soon(&token, u64::from(round % 5)).detach();
                let read = with_cancel(&token, server.read(Vec::with_capacity(77))).await;
                let Ended::Cancelled(buffer) = Ended::from(read) else { panic!("nothing came") };
                assert_eq!((buffer.len(), buffer.capacity()), (0, 77));
                client.write_all(vec![round; 50]).await.0.unwrap();
                let (read, bytes) = server.read_exact(Vec::with_capacity(50)).await;
                read.unwrap();
                assert_eq!(bytes, [round; 50]);
            }
        });
    }
}

#[test]
fn f19_messages_accepts_and_files_are_cancelled_the_same_way() {
    let _beside = beside();
    for builder in personalities() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let token = CancelToken::new();
            let socket = UdpSocket::bind(ANYWHERE).unwrap();
            cancel_soon(&token, 2).detach();
            let (received, buffer) = with_cancel(&token, socket.recv(Vec::with_capacity(9))).await;
            assert_eq!(received.unwrap_err().raw_os_error(), Some(libc::ECANCELED));
            assert_eq!(buffer.capacity(), 9);
            let to = socket.local_addr().unwrap();
            socket.send_to(b"message".to_vec(), to).await.0.unwrap();
            let (received, bytes) = socket.recv(Vec::with_capacity(9)).await;
            assert_eq!((received.unwrap(), &bytes[..]), (7, &b"message"[..]));

            let listener = TcpListener::bind(ANYWHERE).unwrap();
            token.reset();
            cancel_soon(&token, 2).detach();
            let refused = with_cancel(&token, listener.accept()).await.unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::ECANCELED));
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());

            let file = File::open("/proc/self/exe").await.unwrap();
            token.cancel();
            let (read, buffer) = with_cancel(&token, file.read_at(Vec::with_capacity(16), 0)).await;
            assert_eq!(read.unwrap_err().raw_os_error(), Some(libc::ECANCELED), "refused");
            assert_eq!(buffer.capacity(), 16);
            let (read, buffer) = file.read_at(buffer, 0).await;
            assert_eq!((read.unwrap(), &buffer[1..4]), (16, &b"ELF"[..]));
        });
    }
}

#[test]
fn v13_a_cancel_that_comes_late_changes_nothing_and_a_token_is_good_again() {
    let _beside = beside();
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let (client, server) = pair().await;
            client.write_all(b"bytes".to_vec()).await.0.unwrap();
            let token = CancelToken::new();
            let read = with_cancel(&token, server.read(Vec::with_capacity(8))).await;
            token.cancel();
            token.cancel();
            let Ended::Completed(Ok(5), bytes) = Ended::from(read) else { panic!("it was done") };
            assert_eq!(bytes, b"bytes");
            assert!(token.is_cancelled());
            token.reset();
            client.write_all(b"more".to_vec()).await.0.unwrap();
            let (read, bytes) = with_cancel(&token, server.read(Vec::with_capacity(8))).await;
            assert_eq!((read.unwrap(), &bytes[..]), (4, &b"more"[..]));
        });
    }
}

/// A cancel and four bytes, in any order: either they are the answer, or the next read's.
#[test]
fn f19_of_a_hundred_thousand_races_each_has_exactly_one_outcome() {
    let _beside = beside();
    let races = number("WAKERING_RACES", 20_000);
    let (cancelled, completed) = (AtomicU32::new(0), AtomicU32::new(0));
    for builder in personalities() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(ANYWHERE).unwrap();
            let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            client.set_nodelay(true).unwrap();
            let client = Arc::new(client);
            let (server, _) = listener.accept().await.unwrap();
            let token = CancelToken::new();
            let mut random = Random::new(races);
            let mut memory = Vec::with_capacity(4);
            for race in 0..races as u32 {
                token.reset();
                // A loop has its turn after 61 polls of tasks.
                let (turns, client) = (random.below(100), client.clone());
                let sending = spawn_local(async move {
                    for _ in 0..turns {
                        let _others = yield_now().await;
                    }
                    (&*client).write_all(&race.to_ne_bytes()).unwrap();
                });
                let cancelling = cancel_soon(&token, random.below(200));
                match Ended::from(with_cancel(&token, server.read(memory)).await) {
                    Ended::Completed(read, bytes) => {
                        completed.fetch_add(1, Ordering::Relaxed);
                        assert_eq!(read.unwrap(), 4);
                        memory = bytes;
                    }
                    Ended::Cancelled(buffer) => {
                        cancelled.fetch_add(1, Ordering::Relaxed);
                        assert_eq!((buffer.len(), buffer.capacity()), (0, 4));
                        let read;
                        (read, memory) = server.read(buffer).await;
                        assert_eq!(read.unwrap(), 4);
                    }
                }
                assert_eq!(memory, race.to_ne_bytes());
                sending.await.unwrap();
                cancelling.await.unwrap();
            }
        });
    }
    // Of all loops: an SQ thread that gets no CPU sees either always too late.
    let (cancelled, completed) = (cancelled.into_inner(), completed.into_inner());
    assert!(cancelled > 0 && completed > 0, "{cancelled} cancelled, {completed} completed");
}

#[test]
fn f19_tokens_are_cancelled_from_other_threads_on_ops_of_other_loops() {
    let _beside = beside();
    for builder in personalities() {
        let runtime = builder.workers(2).loops(1).build().unwrap();
        let reading = runtime.scheduler().spawn_on(1, || async {
            let (client, server) = pair().await;
            for round in 0..200_u8 {
                let token = CancelToken::new();
                let late = token.clone();
                let thread = std::thread::spawn(move || late.cancel());
                let read = with_cancel(&token, server.read(Vec::with_capacity(3))).await;
                let Ended::Cancelled(buffer) = Ended::from(read) else { panic!("nothing came") };
                client.write_all(vec![round; 3]).await.0.unwrap();
                assert_eq!(server.read(buffer).await.1, [round; 3]);
                thread.join().unwrap();
            }
        });
        runtime.block_on(reading).unwrap();
    }
}

#[test]
fn a_token_ends_the_wait_for_room_too() {
    let _beside = beside();
    for builder in drivers() {
        let runtime = builder.slots(8).build_local().unwrap();
        runtime.block_on(async {
            let mut sockets = Vec::new();
            for _ in 0..8 {
                let socket = UdpSocket::bind(ANYWHERE).unwrap();
                assert!(glance(2, socket.recv(Vec::new())).await.is_none());
                sockets.push(socket);
            }
            let one_more = UdpSocket::bind(ANYWHERE).unwrap();
            let token = CancelToken::new();
            cancel_soon(&token, 5).detach();
            let (received, _) = with_cancel(&token, one_more.recv(Vec::with_capacity(1))).await;
            assert_eq!(received.unwrap_err().raw_os_error(), Some(libc::ECANCELED));
        });
    }
}

/// Numbered records arrive while reads are polled once and dropped.
#[test]
fn f19_no_byte_is_lost_by_reads_that_lose_a_million_selects() {
    let _beside = beside();
    let selects = number("WAKERING_SELECTS", 50_000);
    for builder in personalities() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(ANYWHERE).unwrap();
            let address = listener.local_addr().unwrap();
            let enough = Arc::new(AtomicBool::new(false));
            let stop = enough.clone();
            let sender = std::thread::spawn(move || {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                let mut sent = 0_u32;
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..8 {
                        stream.write_all(&sent.to_be_bytes()).unwrap();
                        sent += 1;
                    }
                    std::thread::sleep(Duration::from_micros(20));
                }
                sent
            });
            let (stream, _) = listener.accept().await.unwrap();
            let (mut bytes, mut lost, mut seen) = (Vec::new(), 0, 0_u32);
            loop {
                match glance(1, stream.read(Vec::with_capacity(64))).await {
                    Some((read, piece)) => {
                        if read.unwrap() == 0 {
                            break;
                        }
                        bytes.extend_from_slice(&piece);
                        let (records, rest) = bytes.as_chunks::<4>();
                        for record in records {
                            assert_eq!(u32::from_be_bytes(*record), seen);
                            seen += 1;
                        }
                        bytes = rest.to_vec();
                    }
                    None => {
                        lost += 1;
                        enough.store(lost >= selects, Ordering::Relaxed);
                        let _others = yield_now().await;
                    }
                }
            }
            assert_eq!(sender.join().unwrap(), seen, "every record, after {lost} lost selects");
        });
    }
}

#[test]
fn v14_ten_thousand_opens_that_are_given_up_leave_no_descriptor() {
    let _alone = alone();
    for builder in personalities() {
        let runtime = builder.build_local().unwrap();
        let ops = runtime.scheduler().ops().unwrap().clone();
        runtime.block_on(async {
            let _warm = File::open("/proc/self/exe").await.unwrap();
            let before = descriptors();
            let mut random = Random::new(7);
            for _ in 0..10_000 {
                let open = File::open("/proc/self/exe");
                let token = CancelToken::new();
                match random.below(3) {
                    0 => _ = glance(random.below(4), open).await,
                    1 => {
                        cancel_soon(&token, random.below(3)).detach();
                        _ = with_cancel(&token, open).await;
                    }
                    _ => {
                        cancel_soon(&token, random.below(3)).detach();
                        _ = glance(random.below(3), with_cancel(&token, open)).await;
                    }
                }
            }
            until("the last completions", || ops.in_flight() == 0).await;
            assert_eq!(descriptors(), before);
        });
    }
}

#[test]
fn an_accept_that_is_dropped_leaves_the_connection_to_the_next_one() {
    let _beside = beside();
    for builder in personalities() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(ANYWHERE).unwrap();
            for polls in 0..100 {
                assert!(glance(polls % 4, listener.accept()).await.is_none());
                let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                // Once more, now that there is one, and maybe too short to get it.
                let (server, _) = match glance(polls % 2, listener.accept()).await {
                    Some(accepted) => accepted.unwrap(),
                    None => listener.accept().await.unwrap(),
                };
                assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
            }
        });
    }
}

#[test]
fn u7_a_stream_that_is_closed_or_dropped_in_the_middle_of_a_read_is_closed_for_its_peer() {
    let _alone = alone();
    for builder in personalities() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            for is_closed in [true, false, true, false] {
                let before = descriptors();
                let listener = std::net::TcpListener::bind(ANYWHERE).unwrap();
                let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                let (mut peer, _) = listener.accept().unwrap();
                assert!(glance(3, stream.read(Vec::with_capacity(8))).await.is_none());
                if is_closed {
                    stream.close().await;
                    drop(listener);
                    assert_eq!(descriptors(), before + 1, "the peer's is left");
                } else {
                    drop(stream);
                }
                // On another thread, because the loop has to go on.
                let end = wakering::task::spawn_blocking(move || {
                    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                    peer.read(&mut [0; 8])
                });
                assert_eq!(end.await.unwrap().unwrap(), 0, "the end of the stream");
            }
        });
    }
}
