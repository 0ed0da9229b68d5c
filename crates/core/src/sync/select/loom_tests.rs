//! Several waits at once, on two threads. (Two selects that meet: see the channel's models.)

use super::{First2, seed, select};
use crate::sync::loom_support::block_on;
use crate::sync::{Channel, Notify, Shared};
use loom::sync::Arc;
use loom::thread;

fn bounded(f: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(f);
}

/// Two values for one select: it takes one, and the other is still there.
#[test]
fn loom_select_the_losers_value_is_not_consumed() {
    bounded(|| {
        seed(1);
        let both = Arc::new([Channel::<u32>::new(1), Channel::<u32>::new(1)]);
        let thread = {
            let both = both.clone();
            thread::spawn(move || {
                both[0].try_send(10).unwrap();
                both[1].try_send(11).unwrap();
            })
        };
        let (winner, value) = block_on(select([both[0].recv(), both[1].recv()]));
        assert_eq!(value, Ok(10 + winner as u32));
        assert_eq!(block_on(both[1 - winner].recv()), Ok(11 - winner as u32));
        thread.join().unwrap();
        assert!(both.iter().all(|channel| channel.is_empty()));
    });
}

/// The loser was called while the winner was taken: its ring goes to the next who listens.
#[test]
fn loom_select_a_loser_that_was_called_passes_it_on() {
    bounded(|| {
        seed(2);
        let channel = Arc::new(Channel::<u32>::new(1));
        let notify = Arc::new(Notify::<Shared>::new());
        let thread = {
            let (channel, notify) = (channel.clone(), notify.clone());
            thread::spawn(move || {
                notify.notify_one();
                channel.try_send(1).unwrap();
            })
        };
        match block_on(select((channel.recv(), notify.notified()))) {
            First2::A(value) => {
                assert_eq!(value, Ok(1));
                block_on(notify.notified());
            }
            First2::B(_) => assert_eq!(block_on(channel.recv()), Ok(1)),
        }
        thread.join().unwrap();
    });
}
