//! Every receiver gets every value, as far as the ring reaches back.
//!
//! ```text
//! sent:       0 1 2 3 4 5 6            ring of 4: the values 3 4 5 6
//! receiver:         ▲ next = 2   ─►    Lagged(1), then 3, 4, 5, 6
//! ```
//!
//! A sender never waits for room: it writes over the oldest value, and a receiver that had not read it
//! is told how many it lost. (A receiver on another thread that is just copying that very value out is
//! waited for: a value's `clone` should be short.)

#![forbid(unsafe_code)]

use crate::loom::Ordering;
use crate::sync::kind::{Kind, Local, Parts, Shared, Sharing, Value, Word};
use crate::sync::news::{Listener, Listens, News};
use crate::sync::wait::Wait;
use std::fmt;

/// What senders and receivers share.
pub struct Ring<T, K: Sharing> {
    places: Box<[K::Value<Stored<T>>]>,
    /// How many were sent.
    sent: News<K>,
    /// One sender at a time: how many it has sent.
    tail: K::Value<usize>,
    receivers: K::Word,
}

struct Stored<T> {
    /// Its number among all that were sent.
    number: usize,
    value: Option<T>,
}

type Shares<T, K> = <K as Parts>::Ref<Ring<T, K>>;

/// Sends to every receiver that there is. When the last clone is dropped, receivers get what they
/// have not read, and are told then.
pub struct Sender<T, K: Sharing = Shared>(Shares<T, K>);

/// Receives what is sent after it was made. A clone begins where the original is.
pub struct Receiver<T, K: Sharing = Shared> {
    ring: Shares<T, K>,
    /// The number of the value to read next.
    next: usize,
}

/// Nothing was received.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RecvError {
    /// So many values were written over before this receiver read them. The next one that it
    /// receives is the oldest there is.
    Lagged(usize),
    /// Every sender is gone, and everything that was sent has been read.
    Closed,
}

/// Waits for a value. See [`Receiver::recv`].
pub type Receiving<'a, T, K = Shared> = Wait<'a, Listens<Receives<'a, T, K>>>;

/// A ring of `capacity` values, for any thread. With 0 it is 1.
///
/// ```
/// # use wakering_core::sync::broadcast::{self, RecvError};
/// let (sender, mut receiver) = broadcast::channel(2);
/// for value in 1..=3 {
///     sender.send(value);
/// }
/// assert_eq!(receiver.try_recv(), Some(Err(RecvError::Lagged(1))));
/// assert_eq!(receiver.try_recv(), Some(Ok(2)));
/// assert_eq!(receiver.try_recv(), Some(Ok(3)));
/// assert_eq!(receiver.try_recv(), None);
/// ```
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    ends(capacity)
}

/// A ring for the tasks of one loop.
pub fn local<T: Clone>(capacity: usize) -> (Sender<T, Local>, Receiver<T, Local>) {
    ends(capacity)
}

fn ends<T, K: Sharing>(capacity: usize) -> (Sender<T, K>, Receiver<T, K>) {
    let place = |number| K::Value::new(Stored { number, value: None });
    let ring = K::share(Ring {
        places: (0..capacity.max(1)).map(place).collect(),
        sent: News::new(),
        tail: K::Value::new(0),
        receivers: K::Word::new(1),
    });
    (Sender(ring.clone()), Receiver { ring, next: 0 })
}

impl<T, K: Sharing> Ring<T, K> {
    /// The value of that number; `None` where it was written over.
    fn read(&self, number: usize) -> Option<T>
    where
        T: Clone,
    {
        self.places[number % self.places.len()]
            .read(|stored| if stored.number == number { stored.value.clone() } else { None })
    }

    /// What there is for a receiver that has come to `next`.
    fn next(&self, next: &mut usize) -> Option<Result<T, RecvError>>
    where
        T: Clone,
    {
        loop {
            let sent = self.sent.told();
            if *next == sent.count() {
                return sent.is_all().then_some(Err(RecvError::Closed));
            }
            let oldest = sent.count().saturating_sub(self.places.len());
            if *next < oldest {
                let lost = oldest - *next;
                *next = oldest;
                return Some(Err(RecvError::Lagged(lost)));
            }
            if let Some(value) = self.read(*next) {
                *next += 1;
                return Some(Ok(value));
            }
            // Written over since the count was read, which has moved since: this receiver lags.
        }
    }
}

impl<T, K: Sharing> Sender<T, K> {
    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// Sends to every receiver. How many there are: what nobody receives is lost.
    pub fn send(&self, value: T) -> usize {
        let ring = &*self.0;
        // What is written over is dropped at the end, when nothing is held.
        let _old = ring.tail.write(|sent| {
            let number = *sent;
            *sent += 1;
            let place = &ring.places[number % ring.places.len()];
            place.write(|stored| {
                // Inside, so that who finds the place written over finds the count moved too.
                ring.sent.tell();
                std::mem::replace(stored, Stored { number, value: Some(value) }).value
            })
        });
        ring.sent.announce();
        // Relaxed: a hint.
        ring.receivers.load(Ordering::Relaxed)
    }

    /// A receiver of what is sent from now on.
    pub fn subscribe(&self) -> Receiver<T, K> {
        // Relaxed: a count for `send` to tell.
        self.0.receivers.fetch_add(1, Ordering::Relaxed);
        Receiver { ring: self.0.clone(), next: self.0.sent.told().count() }
    }
}

impl<T: Clone, K: Sharing> Receiver<T, K> {
    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// Waits for the next value.
    ///
    /// Cancel-safe: a value is read by the poll that returns it. Dropped, it has read nothing.
    pub fn recv(&mut self) -> Receiving<'_, T, K> {
        let ring = &*self.ring;
        Wait::new(&ring.sent, Listens(Receives { next: &mut self.next, ring }))
    }

    /// The next value, or why there is none; `None` where it was not sent yet.
    pub fn try_recv(&mut self) -> Option<Result<T, RecvError>> {
        self.ring.next(&mut self.next)
    }
}

/// Who waits for a value. See [`Receiver::recv`].
#[derive(Debug)]
pub struct Receives<'a, T, K: Sharing> {
    next: &'a mut usize,
    ring: &'a Ring<T, K>,
}

impl<T: Clone, K: Sharing> Listener for Receives<'_, T, K> {
    type Kind = K;
    type Output = Result<T, RecvError>;
    const LABEL: &'static str = "broadcast";

    fn seen(&self) -> usize {
        *self.next
    }

    #[inline]
    fn read(&mut self) -> Option<Self::Output> {
        self.ring.next(self.next)
    }
}

impl<T, K: Sharing> Clone for Sender<T, K> {
    fn clone(&self) -> Self {
        self.0.sent.add_sender();
        Self(self.0.clone())
    }
}

impl<T, K: Sharing> Drop for Sender<T, K> {
    fn drop(&mut self) {
        self.0.sent.drop_sender();
    }
}

impl<T, K: Sharing> Clone for Receiver<T, K> {
    fn clone(&self) -> Self {
        // Relaxed: a count for `send` to tell.
        self.ring.receivers.fetch_add(1, Ordering::Relaxed);
        Self { ring: self.ring.clone(), next: self.next }
    }
}

impl<T, K: Sharing> Drop for Receiver<T, K> {
    fn drop(&mut self) {
        // Relaxed: a count for `send` to tell.
        self.ring.receivers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lagged(lost) => {
                write!(f, "{lost} values were written over before they were read")
            }
            Self::Closed => f.write_str("every sender is gone"),
        }
    }
}

impl std::error::Error for RecvError {}

impl<T, K: Sharing> fmt::Debug for Ring<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("sent", &self.sent.told().count()).finish_non_exhaustive()
    }
}

impl<T, K: Sharing> fmt::Debug for Sender<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&*self.0).finish()
    }
}

impl<T, K: Sharing> fmt::Debug for Receiver<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("next", &self.next).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "broadcast/tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "broadcast/loom_tests.rs"]
mod loom_tests;
