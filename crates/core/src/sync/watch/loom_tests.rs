//! A change against a wait for it.

use super::*;
use crate::sync::loom_support::block_on;
use loom::thread;

#[test]
fn loom_watch_every_last_change_is_seen() {
    loom::model(|| {
        let (sender, mut receiver) = channel(0);
        let thread = thread::spawn(move || drop((sender.set(1), sender)));
        assert_eq!(block_on(receiver.changed()), Ok(()));
        assert_eq!(receiver.get(), 1);
        assert_eq!(block_on(receiver.changed()), Err(Unchanging));
        thread.join().unwrap();
    });
}
