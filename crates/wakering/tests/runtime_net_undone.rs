//! What arrived for an op that nobody waits for any more is closed, not kept.

use std::future::poll_fn;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use wakering::cancel::drop_and_drain;
use wakering::net::TcpListener;
use wakering::task::block_on;
use wakering_core::abi::{Opcode, op_flag};
use wakering_core::buffers::BufferGroup;
use wakering_core::descriptor::Descriptor;
use wakering_core::resource::{Control, NOT_PICKED, Prepared, Resource};
use wakering_core::scheduler::{Request, Shots, describe, ops};
use wakering_core::slot::Outcome;

#[path = "support/around.rs"]
mod around;
#[path = "support/loops.rs"]
mod loops;
#[path = "support/slow.rs"]
mod slow;

use around::{ANYWHERE, alone, descriptors, glance, until};
use loops::loops;
use slow::Slow;

const HEAD: usize = size_of::<libc::cmsghdr>();

/// Sends a message with two descriptors of the same file.
fn send_descriptors(socket: &UnixDatagram) {
    let mut control = (HEAD + 8).to_ne_bytes().to_vec();
    let fd = socket.as_raw_fd();
    let numbers = [libc::SOL_SOCKET, libc::SCM_RIGHTS, fd, fd];
    control.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
    let mut segment = libc::iovec { iov_base: (&raw const numbers).cast_mut().cast(), iov_len: 4 };
    // SAFETY: a `msghdr` is numbers and pointers, for which zeroes are good.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut segment, 1);
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = control.len() as _;
    // SAFETY: what the message names lives until the call returns.
    let sent = unsafe { libc::sendmsg(fd, &raw const message, 0) };
    assert_eq!(sent, 4, "{}", std::io::Error::last_os_error());
}

/// Receives a message, or one after the other into buffers of a group, with what comes along.
fn receive(socket: Arc<Descriptor>, group: u16) -> impl Request<Output = Outcome> {
    let prepare = move |resource: &mut Resource, blocks: &_| {
        let flags = if group == NOT_PICKED { 0 } else { op_flag::MULTISHOT };
        resource.prepared = Prepared { flags, group, ..Prepared::new(Opcode::Recvmsg) };
        resource.set_file(&socket);
        let mut memory = vec![0; 64];
        let segment = libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: 64 };
        resource.owned = Some(memory);
        let count = usize::from(group == NOT_PICKED);
        resource.set_message(count, Control::Receive(64), blocks, |_| Ok(segment))
    };
    // SAFETY: the resource keeps the memory, and the file open.
    unsafe { describe(prepare) }
}

/// One of a message: dropped when it had not begun, and when it was told.
#[test]
fn descriptors_of_a_message_that_nobody_waits_for_are_closed() {
    let _alone = alone();
    for (name, scheduler) in loops() {
        scheduler.block_on(async {
            let before = descriptors();
            for is_told in [false, true] {
                let (here, there) = UnixDatagram::pair().unwrap();
                let there = Arc::new(Descriptor::new(OwnedFd::from(there)));
                send_descriptors(&here);
                let mut op = ops().unwrap().start(receive(there.clone(), NOT_PICKED));
                poll_fn(|cx| {
                    assert!(Pin::new(&mut op).poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                if is_told {
                    until("two descriptors", || descriptors() == before + 4).await;
                }
                drop_and_drain(op).await;
                drop((here, there));
                assert_eq!(descriptors(), before, "{name}, told: {is_told}");
            }
        });
    }
}

fn begin(shots: &mut Shots<impl Request<Output = Outcome>>) -> impl Future<Output = ()> {
    poll_fn(|cx| {
        assert!(shots.poll_next(cx).is_pending());
        Poll::Ready(())
    })
}

/// One of many messages: some wait to be taken when it is dropped.
#[test]
fn descriptors_of_messages_that_nobody_took_are_closed() {
    let _alone = alone();
    for (name, scheduler) in loops() {
        scheduler.block_on(async {
            let group = ops().unwrap().add_buffers(BufferGroup::new(8, 256)).unwrap();
            let before = descriptors();
            let (here, there) = UnixDatagram::pair().unwrap();
            let there = Arc::new(Descriptor::new(OwnedFd::from(there)));
            let mut shots = ops().unwrap().start_many(receive(there.clone(), group));
            begin(&mut shots).await;
            (0..3).for_each(|_| send_descriptors(&here));
            until("six descriptors", || descriptors() == before + 8).await;
            drop_and_drain(shots).await;
            drop((here, there));
            assert_eq!(descriptors(), before, "{name}");
        });
    }
}

/// A listener with connections that were accepted and that nobody took; their clients.
async fn untaken(connections: usize) -> (TcpListener, Vec<TcpStream>) {
    let before = descriptors();
    let listener = TcpListener::bind(ANYWHERE).unwrap();
    let address = listener.local_addr().unwrap();
    assert!(glance(2, listener.accept()).await.is_none(), "it waits from now on");
    let clients = (0..connections).map(|_| TcpStream::connect(address).unwrap()).collect();
    until("all are accepted", || descriptors() == before + 1 + 2 * connections).await;
    (listener, clients)
}

#[test]
fn connections_that_nobody_took_are_closed_with_their_listener() {
    let _alone = alone();
    for (name, scheduler) in loops() {
        scheduler.block_on(async {
            let before = descriptors();
            let (listener, clients) = untaken(5).await;
            listener.close().await;
            assert_eq!(descriptors(), before + clients.len(), "{name}");
        });
    }
}

/// Its op is left to the kernel: what that had answered is closed all the same, whether somebody still has
/// the listener or not.
#[test]
fn connections_that_nobody_took_are_closed_with_their_loop() {
    let _alone = alone();
    for is_kept in [true, false] {
        let (begins, _begun) = mpsc::channel();
        let (_, may) = mpsc::channel();
        let scheduler = Slow::start(begins, may);
        let before = descriptors();
        let (listener, clients) = scheduler.block_on(untaken(5));
        let kept = is_kept.then_some(listener);
        drop(scheduler);
        // The driver is gone; the listener stays, for the kernel's sake.
        assert!(descriptors() <= before + 1 + clients.len(), "kept: {is_kept}");
        if let Some(listener) = kept {
            assert!(block_on(listener.accept()).is_err(), "its loop is gone");
        }
    }
}
