//! Moments at which a runtime hung or panicked once: a full loop that idles, numbers that come back, and
//! ops that meet the end of their loop.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;
use wakering::net::UdpSocket;
use wakering::{DriverChoice, Runtime};
use wakering_core::scheduler::Nop;
use wakering_core::task::block_on;

#[path = "support/drivers.rs"]
mod drivers;
#[path = "support/slow.rs"]
mod slow;

use drivers::drivers;
use slow::Slow;

fn socket() -> UdpSocket {
    UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap()
}

/// All slots are the loop's own, and it has nothing to do: a thread that is no worker finds one.
#[test]
fn a_loop_that_idles_shares_its_room() {
    for builder in drivers() {
        let runtime = builder.workers(1).slots(3).build().unwrap();
        let (here, there) = (socket(), socket());
        for _ in 0..20 {
            let sent = runtime.block_on(async {
                here.send_to(b"x".to_vec(), there.local_addr().unwrap()).await.0
            });
            assert_eq!(sent.unwrap(), 1);
        }
    }
}

#[test]
fn a_socket_whose_number_was_anothers_is_waited_for() {
    for odd in [false, true] {
        let runtime = Runtime::builder().driver(DriverChoice::Poll).build_local().unwrap();
        runtime.block_on(async {
            let _shifts_the_names = odd.then(socket);
            for _ in 0..2 {
                let receiver = socket();
                let address = receiver.local_addr().unwrap();
                let sender = std::thread::spawn(move || {
                    // After the receiver has begun to wait.
                    std::thread::sleep(Duration::from_millis(20));
                    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
                    socket.send_to(b"x", address).unwrap();
                });
                assert_eq!(receiver.recv(Vec::with_capacity(8)).await.0.unwrap(), 1);
                sender.join().unwrap();
            }
        });
    }
}

#[test]
fn every_op_on_a_loop_that_is_gone_is_told_so() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        let ops = runtime.scheduler().ops().unwrap().clone();
        drop(runtime);
        for _ in 0..3 {
            assert!(block_on(ops.run(Nop)).is_err());
        }
    }
}

#[test]
fn a_socket_is_dropped_elsewhere_while_its_loop_drains() {
    let (begins, begun) = mpsc::channel();
    let (go_on, may) = mpsc::channel();
    let (hand_over, handed) = mpsc::channel();
    let looping = std::thread::spawn(move || {
        let scheduler = Slow::start(begins, may);
        let receiver = scheduler.block_on(async {
            let receiver = socket();
            {
                let mut receive = Box::pin(receiver.recv(Vec::with_capacity(8)));
                assert!(poll_fn(|cx| Poll::Ready(receive.as_mut().poll(cx).is_pending())).await);
            }
            receiver
        });
        hand_over.send(receiver).unwrap();
    });
    let receiver: UdpSocket = handed.recv().unwrap();
    begun.recv().unwrap();
    let dropped = std::thread::spawn(move || drop(receiver)).join();
    go_on.send(()).unwrap();
    looping.join().unwrap();
    assert!(dropped.is_ok());
}
