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
use crate::sync::kind::{Kind, Local, Lock, Parts, Shared, Sharing, Value, Word};
use crate::sync::wait::{Enter, Entry, Gone, Place, Rule, Wait, serve};
use crate::sync::wait_list::WaitList;
use crate::sync::wake_batch::WakeBatch;
use std::fmt;
use std::marker::PhantomData;

/// The word: how many were sent, above one bit that says that no more will come.
const CLOSED: usize = 1;
const SENT: usize = 2;

/// What senders and receivers share.
pub struct Ring<T, K: Sharing> {
    places: Box<[K::Value<Stored<T>>]>,
    word: K::Word,
    /// One sender at a time: how many it has sent.
    tail: K::Value<usize>,
    senders: K::Word,
    receivers: K::Word,
    lock: K::Lock<WaitList<K, ()>>,
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
pub type Receiving<'a, T, K = Shared> = Wait<'a, Receives<'a, T, K>>;

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
        word: K::Word::new(0),
        tail: K::Value::new(0),
        senders: K::Word::new(1),
        receivers: K::Word::new(1),
        lock: K::Lock::new(WaitList::new()),
    });
    (Sender(ring.clone()), Receiver { ring, next: 0 })
}

impl<T, K: Sharing> Ring<T, K> {
    fn word(&self) -> usize {
        // Acquire: with the Release by which it is moved.
        self.word.load(Ordering::Acquire)
    }

    /// Calls everybody who waits, after the word was moved.
    fn announce(&self) {
        serve(self, |line, _| line.call_all());
    }

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
            let word = self.word();
            let sent = word / SENT;
            if *next == sent {
                return (word & CLOSED != 0).then_some(Err(RecvError::Closed));
            }
            let oldest = sent.saturating_sub(self.places.len());
            if *next < oldest {
                let lost = oldest - *next;
                *next = oldest;
                return Some(Err(RecvError::Lagged(lost)));
            }
            if let Some(value) = self.read(*next) {
                *next += 1;
                return Some(Ok(value));
            }
            // Written over since the word was read, which has moved since: this receiver lags.
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
                // Inside, so that who finds the place written over finds the word moved too.
                // Release: with the Acquire of `word`.
                ring.word.fetch_add(SENT, Ordering::Release);
                std::mem::replace(stored, Stored { number, value: Some(value) }).value
            })
        });
        ring.announce();
        // Relaxed: a hint.
        ring.receivers.load(Ordering::Relaxed)
    }

    /// A receiver of what is sent from now on.
    pub fn subscribe(&self) -> Receiver<T, K> {
        // Relaxed: a count for `send` to tell.
        self.0.receivers.fetch_add(1, Ordering::Relaxed);
        Receiver { ring: self.0.clone(), next: self.0.word() / SENT }
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
        Wait::new(&*self.ring, Receives { next: &mut self.next, ring: PhantomData })
    }

    /// The next value, or why there is none; `None` where it was not sent yet.
    pub fn try_recv(&mut self) -> Option<Result<T, RecvError>> {
        self.ring.next(&mut self.next)
    }
}

impl<T, K: Sharing> Place for Ring<T, K> {
    type Kind = K;
    type State = WaitList<K, ()>;

    fn lock(&self) -> &<K as Parts>::Lock<WaitList<K, ()>> {
        &self.lock
    }

    fn settle(&self, line: &mut WaitList<K, ()>, wakes: &mut WakeBatch<K>) {
        line.grant_called(wakes, |()| ());
    }
}

/// The rule of [`Receiver::recv`].
#[derive(Debug)]
pub struct Receives<'a, T, K> {
    next: &'a mut usize,
    ring: PhantomData<(fn() -> T, K)>,
}

impl<'a, T: Clone + 'a, K: Sharing> Rule<'a> for Receives<'a, T, K> {
    type Place = Ring<T, K>;
    type Payload = ();
    type Output = Result<T, RecvError>;
    const LABEL: &'static str = "broadcast";

    fn line(line: &mut WaitList<K, ()>) -> &mut WaitList<K, ()> {
        line
    }

    fn attempt(&mut self, ring: &'a Ring<T, K>) -> Option<Self::Output> {
        ring.next(self.next)
    }

    /// The word moves before the lock is taken to call those in line: who looks under the lock and
    /// sees nothing new is in line when the call comes.
    fn enter(
        &mut self,
        ring: &'a Ring<T, K>,
        _: &mut WaitList<K, ()>,
        _: Entry<()>,
        _: &mut WakeBatch<K>,
    ) -> Enter<Self::Output, ()> {
        // The value is read without the lock: a clone is the user's code.
        if ring.word() == *self.next * SENT { Enter::Wait(()) } else { Enter::Granted(()) }
    }

    fn granted(&mut self, ring: &'a Ring<T, K>, (): ()) -> Result<Self::Output, ()> {
        ring.next(self.next).ok_or(())
    }

    fn left(
        &mut self,
        _: &'a Ring<T, K>,
        _: &mut WaitList<K, ()>,
        _: Gone<()>,
        _: &mut WakeBatch<K>,
    ) -> Option<()> {
        None
    }
}

impl<T, K: Sharing> Clone for Sender<T, K> {
    fn clone(&self) -> Self {
        // Relaxed: this sender keeps the count from falling to zero meanwhile.
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl<T, K: Sharing> Drop for Sender<T, K> {
    fn drop(&mut self) {
        // AcqRel: the last one has what the others sent behind it.
        if self.0.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Release: with the Acquire of `word`. Only the last sender adds the one bit.
            self.0.word.fetch_add(CLOSED, Ordering::Release);
            self.0.announce();
        }
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
        f.debug_struct("Ring").field("sent", &(self.word() / SENT)).finish_non_exhaustive()
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

#[cfg(all(test, not(loom)))]
#[path = "broadcast/tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "broadcast/loom_tests.rs"]
mod loom_tests;
