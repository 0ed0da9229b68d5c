//! One value, once, from one task to another.
//!
//! The cell is used by the two ends alone, and the last of them to go gives it back: whichever that
//! is follows from the states of `wait_cell`, so there is no count of references.
//!
//! - **O1** The value is written by the sender before it finishes with `SENT`, and read by whoever
//!   is told that: the receiver by the outcome, or the sender by `Abandoned`.
//! - **O2** An end does not touch the cell after it was told that the other is still to come, or
//!   after it has given the cell back.

mod recycle;

use crate::loom::UnsafeCell;
use crate::sync::kind::{Kind, Shared, Sharing};
use crate::sync::select::Branch;
use crate::sync::wait_cell::{Finished, Left, WaitCell};
use crate::task::{WaitsFor, note_waiting};
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// Outcomes of the cell.
const DROPPED: usize = 0;
const SENT: usize = 1;

struct Cell<T, K: Sharing> {
    wait: WaitCell<K>,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// Where the cell lies: [`Recycled`] or [`Lent`]; sealed.
pub trait Storage {
    /// Gives a cell back.
    ///
    /// # Safety
    ///
    /// It came from this storage, and nobody uses it any more.
    unsafe fn give_back<C>(cell: NonNull<C>);
}

/// From a bounded free list, which the last end gives it back to: a pair allocates nothing once the
/// list has been filled.
#[derive(Debug)]
pub enum Recycled {}

/// In a [`Oneshot`] of the caller's.
#[derive(Debug)]
pub struct Lent<'a>(PhantomData<&'a mut ()>);

impl Storage for Recycled {
    #[inline(always)]
    unsafe fn give_back<C>(cell: NonNull<C>) {
        // SAFETY: passed on.
        unsafe { recycle::give_back(cell) };
    }
}

impl Storage for Lent<'_> {
    #[inline(always)]
    unsafe fn give_back<C>(_: NonNull<C>) {}
}

/// The end that gives the value. Dropped without [`send`](Self::send), it says so to the receiver.
pub struct Sender<T, K: Sharing = Shared, S: Storage = Recycled> {
    cell: NonNull<Cell<T, K>>,
    storage: PhantomData<(S, T)>,
}

/// The end that waits for the value: a future.
///
/// Cancel-safe by reference: `(&mut receiver).await` may be dropped and made anew, the value waits in
/// the cell. Dropped itself, it drops a value that was sent, and a value that is sent later comes
/// back to its sender.
///
/// # Panics
///
/// When it is polled after it was ready.
#[must_use = "futures do nothing unless they are polled"]
pub struct Receiver<T, K: Sharing = Shared, S: Storage = Recycled> {
    /// `None` after the outcome was taken.
    cell: Option<NonNull<Cell<T, K>>>,
    storage: PhantomData<(S, T)>,
}

/// The sender was dropped, and no value will come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Dropped;

/// No value is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TryRecvError {
    /// Not yet.
    Empty,
    /// The sender was dropped, or the value was taken.
    Dropped,
}

// SAFETY: a sender reaches the cell as the protocol of `WaitCell` lets it, whose words are atomics
// in `Shared`; the value goes with it.
unsafe impl<T: Send, S: Storage> Send for Sender<T, Shared, S> {}
// SAFETY: `&Sender` only looks at the state word.
unsafe impl<T: Send, S: Storage> Sync for Sender<T, Shared, S> {}
// SAFETY: as for `Sender`.
unsafe impl<T: Send, S: Storage> Send for Receiver<T, Shared, S> {}
// SAFETY: as for `Sender`.
unsafe impl<T: Send, S: Storage> Sync for Receiver<T, Shared, S> {}

/// A pair for any thread.
///
/// ```
/// # use wakering_core::sync::oneshot;
/// let (sender, mut receiver) = oneshot::channel();
/// sender.send(7).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(7));
/// ```
#[inline(always)]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    pair()
}

/// A pair for the tasks of one loop.
#[inline(always)]
pub fn local<T>() -> (Sender<T, super::Local>, Receiver<T, super::Local>) {
    pair()
}

#[inline(always)]
fn pair<T, K: Sharing>() -> (Sender<T, K>, Receiver<T, K>) {
    let cell = recycle::obtain(Cell::new());
    (Sender { cell, storage: PhantomData }, Receiver { cell: Some(cell), storage: PhantomData })
}

/// Room for one pair at a time, wherever the caller wants it: no allocation at all.
///
/// ```
/// # use wakering_core::sync::oneshot::Oneshot;
/// let mut room = Oneshot::<u32>::new();
/// for round in 0..3 {
///     let (sender, mut receiver) = room.pair();
///     sender.send(round).unwrap();
///     assert_eq!(receiver.try_recv(), Ok(round));
/// }
/// ```
pub struct Oneshot<T, K: Sharing = Shared> {
    cell: Cell<T, K>,
}

// SAFETY: without a pair it holds nothing but room, and the pair borrows it mutably.
unsafe impl<T: Send> Send for Oneshot<T, Shared> {}

impl<T, K: Sharing> Oneshot<T, K> {
    /// Room for a pair.
    pub fn new() -> Self {
        Self { cell: Cell::new() }
    }

    /// A pair that uses it. Once both ends are gone it may be used again.
    pub fn pair(&mut self) -> (Sender<T, K, Lent<'_>>, Receiver<T, K, Lent<'_>>) {
        self.cell = Cell::new();
        let cell = NonNull::from(&mut self.cell);
        (Sender { cell, storage: PhantomData }, Receiver { cell: Some(cell), storage: PhantomData })
    }
}

impl<T, K: Sharing> Default for Oneshot<T, K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, K: Sharing> Cell<T, K> {
    #[inline(always)]
    fn new() -> Self {
        Self { wait: WaitCell::new(), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// # Safety
    ///
    /// The cell is alive, and its value is there and the caller's (O1).
    #[inline(always)]
    unsafe fn take(this: NonNull<Self>) -> T {
        // SAFETY: passed on.
        let cell = unsafe { this.as_ref() };
        // SAFETY: passed on.
        cell.value.with(|value| unsafe { value.cast::<T>().read() })
    }
}

impl<T, K: Sharing, S: Storage> Sender<T, K, S> {
    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// Gives the value. `Err` brings it back where the receiver is gone.
    #[inline]
    pub fn send(self, value: T) -> Result<(), T> {
        let cell = self.cell;
        std::mem::forget(self);
        // SAFETY: alive until this end has finished (O2).
        let room = unsafe { &cell.as_ref().value };
        // SAFETY: the value is the sender's until it finishes (O1).
        room.with_mut(|place| unsafe { place.cast::<T>().write(value) });
        // SAFETY: alive; a sender finishes once.
        match unsafe { Self::finish(cell, SENT) } {
            Finished::Told => Ok(()),
            Finished::Abandoned => {
                // SAFETY: the receiver is gone, so this is the last end, and the value its own (O1).
                let value = unsafe { Cell::take(cell) };
                // SAFETY: as above; it is not touched again (O2).
                unsafe { S::give_back(cell) };
                Err(value)
            }
        }
    }

    /// Whether the receiver is gone: nobody wants the value any more.
    pub fn is_abandoned(&self) -> bool {
        // SAFETY: alive until this end has finished (O2).
        unsafe { self.cell.as_ref() }.wait.is_abandoned()
    }

    /// # Safety
    ///
    /// The cell is alive, and this end finishes once.
    #[inline(always)]
    unsafe fn finish(cell: NonNull<Cell<T, K>>, outcome: usize) -> Finished {
        // SAFETY: alive (caller).
        let wait = unsafe { &raw const (*cell.as_ptr()).wait };
        // SAFETY: passed on.
        unsafe { WaitCell::finish(wait, outcome) }
    }
}

impl<T, K: Sharing, S: Storage> Drop for Sender<T, K, S> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: alive; `send` forgets the sender, so that it finishes once.
        if unsafe { Self::finish(self.cell, DROPPED) } == Finished::Abandoned {
            // SAFETY: the receiver is gone, so this is the last end.
            unsafe { S::give_back(self.cell) };
        }
    }
}

impl<T, K: Sharing, S: Storage> Receiver<T, K, S> {
    /// Who shares it.
    pub const fn kind(&self) -> Kind {
        K::KIND
    }

    /// The value, where it was sent.
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let cell = self.cell.ok_or(TryRecvError::Dropped)?;
        // SAFETY: alive until this end gives it back or abandons it (O2).
        match unsafe { cell.as_ref() }.wait.outcome() {
            None => Err(TryRecvError::Empty),
            Some(outcome) => {
                // SAFETY: it is the outcome.
                let result = unsafe { self.settle(cell, outcome) };
                result.map_err(|Dropped| TryRecvError::Dropped)
            }
        }
    }

    /// # Safety
    ///
    /// `outcome` is what the sender finished this end's cell with.
    #[inline(always)]
    unsafe fn settle(&mut self, cell: NonNull<Cell<T, K>>, outcome: usize) -> Result<T, Dropped> {
        self.cell = None;
        // SAFETY: Sent: the value is there, and this end's (O1).
        let value = (outcome == SENT).then(|| unsafe { Cell::take(cell) });
        // SAFETY: the sender has finished, so this is the last end; `self.cell` is gone (O2).
        unsafe { S::give_back(cell) };
        value.ok_or(Dropped)
    }
}

impl<T, K: Sharing, S: Storage> Future for Receiver<T, K, S> {
    type Output = Result<T, Dropped>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let cell = this.cell.expect("a oneshot receiver was polled after it was ready");
        // SAFETY: alive until this end gives it back or abandons it (O2).
        match unsafe { cell.as_ref() }.wait.poll(cx) {
            // SAFETY: it is the outcome.
            Poll::Ready(outcome) => Poll::Ready(unsafe { this.settle(cell, outcome) }),
            Poll::Pending => {
                static ONESHOT: WaitsFor = WaitsFor::addressed("oneshot");
                note_waiting(cx, &ONESHOT, cell.addr().get(), K::WOKEN_FROM);
                Poll::Pending
            }
        }
    }
}

impl<T, K: Sharing, S: Storage> Branch for Receiver<T, K, S> {
    type Output = Result<T, Dropped>;

    fn poll_branch(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll(cx)
    }

    fn try_now(self: Pin<&mut Self>) -> Option<Self::Output> {
        match self.get_mut().try_recv() {
            Ok(value) => Some(Ok(value)),
            Err(TryRecvError::Dropped) => Some(Err(Dropped)),
            Err(TryRecvError::Empty) => None,
        }
    }
}

impl<T, K: Sharing, S: Storage> Unpin for Receiver<T, K, S> {}

impl<T, K: Sharing, S: Storage> Drop for Receiver<T, K, S> {
    #[inline]
    fn drop(&mut self) {
        let Some(cell) = self.cell else { return };
        // SAFETY: alive until this end gives it back or abandons it (O2).
        if let Left::Last(outcome) = unsafe { cell.as_ref() }.wait.abandon() {
            // SAFETY: it is the outcome. The value is dropped after the cell was given back.
            drop(unsafe { self.settle(cell, outcome) });
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sender was dropped, and no value will come")
    }
}

impl std::error::Error for Dropped {}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "no value was sent yet",
            Self::Dropped => "the sender was dropped, and no value will come",
        })
    }
}

impl std::error::Error for TryRecvError {}

impl<T, K: Sharing, S: Storage> fmt::Debug for Sender<T, K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("kind", &K::KIND).finish_non_exhaustive()
    }
}

impl<T, K: Sharing, S: Storage> fmt::Debug for Receiver<T, K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("kind", &K::KIND).finish_non_exhaustive()
    }
}

impl<T, K: Sharing> fmt::Debug for Oneshot<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oneshot").field("kind", &K::KIND).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
