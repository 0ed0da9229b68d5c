//! Both sides on several threads. Bounds are small: what matters is which side is in line, and who
//! goes while it is called.

use super::*;
use crate::sync::loom_support::{Count, block_on, poll_once};
use crate::sync::select;
use loom::sync::Arc;
use loom::thread;

fn bounded(f: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(f);
}

fn passes(capacity: usize) {
    bounded(move || {
        let (sender, receiver) = channel(capacity);
        let thread = thread::spawn(move || {
            block_on(async {
                sender.send(1).await.unwrap();
                sender.send(2).await.unwrap();
            });
        });
        block_on(async {
            assert_eq!(receiver.recv().await, Ok(1));
            assert_eq!(receiver.recv().await, Ok(2));
            assert_eq!(receiver.recv().await, Err(RecvError));
        });
        thread.join().unwrap();
    });
}

#[test]
fn loom_channel_without_room_passes_in_order_and_closes() {
    passes(0);
}

#[test]
fn loom_channel_with_room_passes_in_order_and_closes() {
    passes(1);
}

/// A receiver is dropped while a value comes for it: another receiver gets the value.
#[test]
fn loom_channel_send_against_drop_of_a_receiver() {
    bounded(|| {
        let channel = Arc::new(Channel::<u32>::new(1));
        let (_, ignored) = Count::new();
        let mut leaving = Box::pin(channel.recv());
        assert!(poll_once(leaving.as_mut(), &ignored).is_pending());
        let thread = {
            let channel = channel.clone();
            thread::spawn(move || assert_eq!(channel.try_send(7), Ok(())))
        };
        drop(leaving);
        assert_eq!(block_on(channel.recv()), Ok(7));
        thread.join().unwrap();
    });
}

/// At capacity 0 a sender withdraws while a receiver is called for it; the next sender is heard.
#[test]
fn loom_channel_withdrawal_against_recv() {
    bounded(|| {
        let channel = Arc::new(Channel::<u32>::new(0));
        let thread = {
            let channel = channel.clone();
            thread::spawn(move || {
                let (_, ignored) = Count::new();
                let mut leaving = Box::pin(channel.send(1));
                let polled = poll_once(leaving.as_mut(), &ignored);
                assert!(polled.is_pending());
                drop(leaving);
                block_on(channel.send(2))
            })
        };
        let mut last = block_on(channel.recv()).unwrap();
        if last == 1 {
            last = block_on(channel.recv()).unwrap();
        }
        assert_eq!(last, 2);
        assert_eq!(thread.join().unwrap(), Ok(()));
    });
}

/// A close meets a sender and a receiver in line: the sender's value is received or comes back.
#[test]
fn loom_channel_close_against_both_sides() {
    bounded(|| {
        let channel = Arc::new(Channel::<u32>::new(0));
        let sender = {
            let channel = channel.clone();
            thread::spawn(move || block_on(channel.send(1)))
        };
        let closer = {
            let channel = channel.clone();
            thread::spawn(move || channel.close())
        };
        let received = block_on(channel.recv());
        let sent = sender.join().unwrap();
        assert!(closer.join().unwrap());
        assert_eq!(received.is_ok(), sent.is_ok());
    });
}

/// A select that sends against one that receives, without room: they meet, once.
#[test]
fn loom_channel_select_against_select() {
    bounded(|| {
        select::seed(1);
        let channel = Arc::new(Channel::<u32>::new(0));
        let thread = {
            let channel = channel.clone();
            thread::spawn(move || block_on(select::select([channel.send(5)])))
        };
        assert_eq!(block_on(select::select([channel.recv()])), (0, Ok(5)));
        assert_eq!(thread.join().unwrap(), (0, Ok(())));
        assert_eq!(channel.try_recv(), Err(TryRecvError::Empty));
    });
}
