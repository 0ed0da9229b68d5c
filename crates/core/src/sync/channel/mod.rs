//! Channels: bounded, many senders, many receivers, in the order of coming on both sides.
//!
//! [`Channel`] is the channel itself, for tasks that share it by reference. [`channel()`] and
//! [`local`] give counted ends, and close the channel when the last of either side goes.

#![forbid(unsafe_code)]

mod ends;
mod error;
mod recv;
mod send;
mod state;

use crate::sync::kind::{Kind, Lock, Parts, Shared, Sharing};
use crate::sync::wait::{Place, Wait, serve};
use crate::sync::wake_batch::WakeBatch;
pub use ends::{Receiver, Sender, channel, local};
pub use error::{RecvError, SendError, TryRecvError, TrySendError};
pub use recv::Receives;
pub use send::Sends;
use state::State;
use std::fmt;

/// A bounded channel. What it holds lies in one buffer that is allocated when it is made.
///
/// With capacity 0 it holds nothing: sender and receiver meet.
pub struct Channel<T, K: Sharing = Shared> {
    capacity: usize,
    name: &'static str,
    lock: K::Lock<State<T, K>>,
}

/// Waits to send. See [`Channel::send`].
pub type Sending<'a, T, K = Shared> = Wait<'a, Sends<T, K>>;

/// Waits to receive. See [`Channel::recv`].
pub type Receiving<'a, T, K = Shared> = Wait<'a, Receives<T, K>>;

impl<T, K: Sharing> Channel<T, K> {
    /// An open, empty channel.
    pub fn new(capacity: usize) -> Self {
        Self::named("channel", capacity)
    }

    /// As [`new`](Self::new), with a name to be found by in a report.
    pub fn named(name: &'static str, capacity: usize) -> Self {
        Self { capacity, name, lock: K::Lock::new(State::new(capacity)) }
    }

    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How many items it holds at most.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many items it holds now.
    pub fn len(&self) -> usize {
        self.lock.with(|state| state.items.len())
    }

    /// Whether it holds nothing now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it was closed. Items may still be in it.
    pub fn is_closed(&self) -> bool {
        self.lock.with(|state| state.closed)
    }

    /// Sends: waits for room, behind those who came before. With capacity 0 it waits until a
    /// receiver has taken the value.
    ///
    /// Cancel-safe: dropped while it waits, the value leaves the line and is dropped with it. Once
    /// the channel or a receiver has taken the value out of the line it is sent, even if the future
    /// is dropped before it is polled again. In a [`select`](crate::sync::select()) it is stricter:
    /// there the value is sent only if this branch wins.
    #[inline]
    pub fn send(&self, value: T) -> Sending<'_, T, K> {
        Wait::new(self, Sends::new(value))
    }

    /// Sends, where there is room and nobody is in line. With capacity 0: where a receiver waits; if
    /// that goes away, the value is for the next one.
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        serve(self, |state, _| {
            if state.closed {
                return Err(TrySendError::Closed(value));
            }
            if !state.may_put() {
                return Err(TrySendError::Full(value));
            }
            state.items.push_back(value);
            Ok(())
        })
    }

    /// Receives: waits for an item, behind those who came before. `Err` once the channel is closed
    /// and empty.
    ///
    /// Cancel-safe: an item is taken by the poll that returns it, never before. Dropped at any time,
    /// it has taken nothing; what it was called for goes to the next in line.
    #[inline]
    pub fn recv(&self) -> Receiving<'_, T, K> {
        Wait::new(self, Receives::new())
    }

    /// Receives, where an item is there that no receiver in line was called for.
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        serve(self, |state, wakes| match state.take(wakes) {
            Some(item) => Ok(item),
            None if state.is_drained() => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        })
    }

    /// Closes it: nothing can be sent any more, and senders in line get their values back. What is in
    /// it can be received; receivers learn of the close when it is empty. Whether it was open.
    pub fn close(&self) -> bool {
        serve(self, |state, _| !std::mem::replace(&mut state.closed, true))
    }

    /// Closes it, and drops what is in it: for the last receiver.
    fn close_and_clear(&self) {
        let _items = serve(self, |state, _| {
            state.closed = true;
            std::mem::take(&mut state.items)
        });
    }
}

impl<T, K: Sharing> Place for Channel<T, K> {
    type Kind = K;
    type State = State<T, K>;

    #[inline]
    fn lock(&self) -> &<K as Parts>::Lock<State<T, K>> {
        &self.lock
    }

    #[inline(always)]
    fn settle(&self, state: &mut State<T, K>, wakes: &mut WakeBatch<K>) {
        state.settle(wakes);
    }
}

impl<T, K: Sharing> fmt::Debug for Channel<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("name", &self.name)
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .field("closed", &self.is_closed())
            .finish()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
