//! A sender that writes over what a receiver is about to read.

use super::*;
use crate::sync::loom_support::block_on;
use loom::thread;

#[test]
fn loom_broadcast_nothing_is_lost_untold() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let (sender, mut receiver) = channel(1);
        let thread = thread::spawn(move || {
            for value in 0..2 {
                sender.send(value);
            }
        });
        let mut next = 0;
        loop {
            match block_on(receiver.recv()) {
                Ok(value) => {
                    assert_eq!(value, next);
                    next += 1;
                }
                Err(RecvError::Lagged(lost)) => next += lost,
                Err(RecvError::Closed) => break,
            }
        }
        assert_eq!(next, 2);
        thread.join().unwrap();
    });
}
