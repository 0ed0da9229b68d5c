//! Counted ends of a channel.

#![forbid(unsafe_code)]

use super::Channel;
use crate::loom::Ordering;
use crate::sync::kind::{Local, Parts, Shared, Sharing, Word};
use std::fmt;
use std::ops::Deref;

struct Counted<T, K: Sharing> {
    channel: Channel<T, K>,
    senders: K::Word,
    receivers: K::Word,
}

type Shares<T, K> = <K as Parts>::Ref<Counted<T, K>>;

/// A sending end: a [`Channel`] that is closed when the last of its clones goes.
pub struct Sender<T, K: Sharing = Shared>(Shares<T, K>);

/// A receiving end: a [`Channel`] that is closed and emptied when the last of its clones goes.
pub struct Receiver<T, K: Sharing = Shared>(Shares<T, K>);

/// A channel for any thread. One allocation for the ends, one for the buffer.
///
/// ```
/// # use wakering_core::sync::{TryRecvError, channel};
/// let (sender, receiver) = channel(2);
/// sender.try_send(1).unwrap();
/// sender.try_send(2).unwrap();
/// assert!(sender.try_send(3).is_err(), "full means full");
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Ok(1));
/// assert_eq!(receiver.try_recv(), Ok(2));
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    ends(Channel::new(capacity))
}

/// A channel for the tasks of one loop.
pub fn local<T>(capacity: usize) -> (Sender<T, Local>, Receiver<T, Local>) {
    ends(Channel::new(capacity))
}

fn ends<T, K: Sharing>(channel: Channel<T, K>) -> (Sender<T, K>, Receiver<T, K>) {
    let shares =
        K::share(Counted { channel, senders: K::Word::new(1), receivers: K::Word::new(1) });
    (Sender(shares.clone()), Receiver(shares))
}

impl<T, K: Sharing> Deref for Sender<T, K> {
    type Target = Channel<T, K>;

    #[inline(always)]
    fn deref(&self) -> &Channel<T, K> {
        &self.0.channel
    }
}

impl<T, K: Sharing> Deref for Receiver<T, K> {
    type Target = Channel<T, K>;

    #[inline(always)]
    fn deref(&self) -> &Channel<T, K> {
        &self.0.channel
    }
}

impl<T, K: Sharing> Clone for Sender<T, K> {
    fn clone(&self) -> Self {
        // Relaxed: this end keeps the count from falling to zero meanwhile.
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl<T, K: Sharing> Clone for Receiver<T, K> {
    fn clone(&self) -> Self {
        // Relaxed: this end keeps the count from falling to zero meanwhile.
        self.0.receivers.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl<T, K: Sharing> Drop for Sender<T, K> {
    fn drop(&mut self) {
        // Relaxed: what the ends did is ordered by the channel's lock, which the close takes too.
        if self.0.senders.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.close();
        }
    }
}

impl<T, K: Sharing> Drop for Receiver<T, K> {
    fn drop(&mut self) {
        // Relaxed: what the ends did is ordered by the channel's lock, which the close takes too.
        if self.0.receivers.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.close_and_clear();
        }
    }
}

impl<T, K: Sharing> fmt::Debug for Sender<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&**self).finish()
    }
}

impl<T, K: Sharing> fmt::Debug for Receiver<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&**self).finish()
    }
}
