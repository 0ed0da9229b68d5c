//! What belongs to one loop is refused on another thread and goes on at home; what belongs to none goes
//! wherever it is wanted: FEATURES R8.

use std::sync::mpsc;
use wakering::fs::File;
use wakering::net::{TcpStream, UdpSocket};
use wakering::sync::oneshot;
use wakering_core::Error;
use wakering_core::abi::ErrorKind;
use wakering_core::buffers::BufferGroup;
use wakering_core::driver::CancelKey;
use wakering_core::scheduler::Ops;

#[path = "support/around.rs"]
mod around;
#[path = "support/files.rs"]
mod files;

use around::{ANYWHERE, glance, pair};
use files::{Folder, drivers};

fn refused_elsewhere(ops: &Ops) {
    let wrong = Error::Kind(ErrorKind::WrongLoop);
    let ops = ops.clone();
    std::thread::spawn(move || {
        assert_eq!(ops.cancel_where(CancelKey::All), Err(wrong));
        assert_eq!(ops.add_buffers(BufferGroup::new(1, 64)), Err(wrong));
    })
    .join()
    .unwrap();
}

#[test]
fn r8_what_is_a_loops_own_is_refused_elsewhere_and_goes_on_at_home() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        let ops = runtime.scheduler().ops().unwrap().clone();
        runtime.block_on(async {
            let socket = UdpSocket::bind(ANYWHERE).unwrap();
            let mut receive = Box::pin(socket.recv(Vec::with_capacity(16)));
            assert!(glance(3, &mut receive).await.is_none());
            refused_elsewhere(&ops);
            // What was under way was not touched, and at home it is no error.
            let sender = UdpSocket::bind(ANYWHERE).unwrap();
            sender.send_to(b"still".to_vec(), socket.local_addr().unwrap()).await.0.unwrap();
            let (received, bytes) = receive.await;
            assert_eq!((received.unwrap(), &bytes[..]), (5, &b"still"[..]));
            assert_ne!(ops.cancel_where(CancelKey::All), Err(ErrorKind::WrongLoop.into()));
        });
    }
}

#[test]
fn l25_a_group_of_buffers_is_one_loops_and_is_registered_once() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        let ops = runtime.scheduler().ops().unwrap().clone();
        runtime.block_on(async {
            let group = BufferGroup::new(1, 64);
            ops.add_buffers(group.clone()).unwrap();
            assert_eq!(ops.add_buffers(group), Err(ErrorKind::Busy.into()));
        });
    }
}

/// A stream whose receive is under way on one runtime's loop, and a file that was opened there, are read
/// on another runtime's thread.
#[test]
fn r8_streams_and_files_are_no_loops_own() {
    for builder in drivers() {
        let folder = Folder::new();
        std::fs::write(folder.path("file"), b"0123456789").unwrap();
        let (hand_over, handed) = mpsc::channel::<(TcpStream, File)>();
        let (done, is_done) = oneshot::channel::<()>();
        let reading = std::thread::spawn({
            let builder = builder.clone();
            move || {
                let runtime = builder.build_local().unwrap();
                let (stream, file) = handed.recv().unwrap();
                runtime.block_on(async {
                    let (read, bytes) = stream.read_exact(Vec::with_capacity(1 << 20)).await;
                    read.unwrap();
                    assert!(bytes.iter().enumerate().all(|(at, &byte)| byte == (at >> 8) as u8));
                    let (read, bytes) = file.read_at(Vec::with_capacity(4), 3).await;
                    assert_eq!((read.unwrap(), &bytes[..]), (4, &b"3456"[..]));
                    stream.close().await;
                    file.close().await.unwrap();
                });
                done.send(()).unwrap();
            }
        });
        builder.build_local().unwrap().block_on(async {
            let (client, server) = pair().await;
            assert!(glance(3, server.read(Vec::with_capacity(8))).await.is_none());
            let file = File::open(folder.path("file")).await.unwrap();
            hand_over.send((server, file)).unwrap();
            let bytes: Vec<u8> = (0..1_u32 << 20).map(|at| (at >> 8) as u8).collect();
            client.write_all(bytes).await.0.unwrap();
            is_done.await.unwrap();
        });
        reading.join().unwrap();
    }
}
