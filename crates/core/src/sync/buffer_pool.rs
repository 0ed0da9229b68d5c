//! A fixed number of buffers, lent one at a time.
//!
//! ```text
//! get ─► one permit (waits in line where none is free) ─► the buffer from the stock
//! put ─► the buffer into the stock ─► the permit to the first in line
//!
//! free ≤ low ─► Scarce ─► … ─► free ≥ high ─► Ample        between the marks: as it was
//! ```
//!
//! - **P1** There are at least as many buffers in the stock as permits that are free or on their way:
//!   whoever has a permit finds a buffer.

#![forbid(unsafe_code)]

use crate::sync::kind::{Kind, Lock, Parts, Shared, Sharing};
use crate::sync::permits::{Grantee, Permits, Take};
use crate::sync::wait::{Enter, Entry, Gone, Place, Rule, Wait, serve};
use crate::sync::wait_list::WaitList;
use crate::sync::wake_batch::WakeBatch;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// Lends a fixed number of buffers, or of anything else that is worth keeping. All of them are there
/// from the beginning; lending and giving back allocates nothing.
///
/// The pool is a counted reference: a clone is the same pool, and a [`Pooled`] may outlive both, and
/// go through channels to other tasks.
///
/// ```
/// # use wakering_core::sync::{BufferPool, Watermarks};
/// let pool: BufferPool = BufferPool::of_bytes(2, 4096, Watermarks { low: 0, high: 2 });
/// let mut buffer = pool.try_get().unwrap();
/// buffer[..5].copy_from_slice(b"hello");
/// buffer.put();
/// assert_eq!(pool.free(), 2);
/// ```
pub struct BufferPool<B = Box<[u8]>, K: Sharing = Shared>(K::Ref<Inner<B, K>>);

/// What a pool's clones and loans share.
pub struct Inner<B, K: Sharing> {
    permits: Permits<K>,
    stock: K::Lock<Stock<B, K>>,
}

/// When a pool counts as [`Scarce`](Pressure::Scarce) and as [`Ample`](Pressure::Ample) again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Watermarks {
    /// Scarce, once no more than so many are free.
    pub low: usize,
    /// Ample, once no fewer than so many are free.
    pub high: usize,
}

/// On which side of the watermarks a pool is, or was last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pressure {
    /// There are enough.
    Ample,
    /// There are few: a server may stop reading, a cache write back.
    Scarce,
}

/// What the pool's lock guards.
pub struct Stock<B, K: Sharing> {
    free: Vec<B>,
    marks: Watermarks,
    pressure: Pressure,
    /// Who waits for a watermark, and for which.
    line: WaitList<K, Pressure>,
}

/// A buffer on loan: the buffer itself, by [`Deref`]. Put back, or dropped, it is gone from here: a
/// use after that does not compile.
///
/// ```compile_fail
/// # use wakering_core::sync::{BufferPool, Watermarks};
/// # let pool: BufferPool = BufferPool::of_bytes(2, 64, Watermarks { low: 0, high: 1 });
/// let buffer = pool.try_get().unwrap();
/// buffer.put();
/// buffer.len();
/// ```
pub struct Pooled<B = Box<[u8]>, K: Sharing = Shared> {
    /// `None` only in the drop.
    buffer: Option<B>,
    pool: BufferPool<B, K>,
}

/// Waits for a buffer. See [`BufferPool::get`].
pub type Getting<'a, B = Box<[u8]>, K = Shared> = Wait<'a, Take<Gets<'a, B, K>>>;

/// Waits for a watermark. See [`BufferPool::until`].
pub type Reaching<'a, B = Box<[u8]>, K = Shared> = Wait<'a, Reaches<B, K>>;

impl<K: Sharing> BufferPool<Box<[u8]>, K> {
    /// A pool of `count` zeroed buffers of `bytes` each.
    pub fn of_bytes(count: usize, bytes: usize, marks: Watermarks) -> Self {
        Self::new((0..count).map(|_| vec![0; bytes].into_boxed_slice()), marks)
    }
}

impl<B, K: Sharing> BufferPool<B, K> {
    /// A pool of these buffers.
    ///
    /// # Panics
    ///
    /// Where the high mark is not above the low one: the two would be reached at once.
    pub fn new(buffers: impl IntoIterator<Item = B>, marks: Watermarks) -> Self {
        assert!(marks.low < marks.high, "the high watermark lies above the low one");
        let free: Vec<B> = buffers.into_iter().collect();
        let permits = Permits::new(free.len());
        let line = WaitList::new();
        let mut stock = Stock { free, marks, pressure: Pressure::Ample, line };
        stock.measure();
        Self(K::share(Inner { permits, stock: K::Lock::new(stock) }))
    }

    /// Who shares it.
    pub fn kind(&self) -> Kind {
        K::KIND
    }

    /// Waits for a buffer, behind those who came before. Its bytes are as the one before left them.
    ///
    /// Cancel-safe: dropped while it waits, it leaves the line; dropped when a buffer was meant for
    /// it and not taken, that goes to the next.
    pub fn get(&self) -> Getting<'_, B, K> {
        self.0.permits.take(1, Gets(self))
    }

    /// A buffer, where one is free and nobody is in line.
    pub fn try_get(&self) -> Option<Pooled<B, K>> {
        self.0.permits.try_take(1).then(|| self.lend())
    }

    /// How many are free.
    pub fn free(&self) -> usize {
        self.0.permits.free()
    }

    /// How many tasks are in line.
    pub fn waiting(&self) -> usize {
        self.0.permits.waiting()
    }

    /// On which side of the watermarks it is.
    pub fn pressure(&self) -> Pressure {
        self.0.stock.with(|stock| stock.pressure)
    }

    /// Waits until the pool is `pressure`, if only for a moment: it may be otherwise again when this
    /// is polled.
    ///
    /// Cancel-safe: it takes nothing.
    pub fn until(&self, pressure: Pressure) -> Reaching<'_, B, K> {
        Wait::new(&*self.0, Reaches { pressure, pool: PhantomData })
    }

    /// The buffer for a permit that was taken (P1).
    fn lend(&self) -> Pooled<B, K> {
        let buffer = serve(&*self.0, |stock, _| {
            let buffer = stock.free.pop();
            stock.measure();
            buffer
        });
        debug_assert!(buffer.is_some(), "whoever has a permit finds a buffer");
        Pooled { buffer, pool: self.clone() }
    }

    fn put_back(&self, buffer: B) {
        serve(&*self.0, |stock, _| {
            stock.free.push(buffer);
            stock.measure();
        });
        self.0.permits.give(1);
    }
}

impl<B, K: Sharing> Stock<B, K> {
    /// Goes to the other side where its mark is reached.
    fn measure(&mut self) {
        let free = self.free.len();
        match self.pressure {
            Pressure::Ample if free <= self.marks.low => self.pressure = Pressure::Scarce,
            Pressure::Scarce if free >= self.marks.high => self.pressure = Pressure::Ample,
            Pressure::Ample | Pressure::Scarce => {}
        }
    }
}

impl<B, K: Sharing> Clone for BufferPool<B, K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B, K: Sharing> Pooled<B, K> {
    /// Gives it back, to the first in line if there is one. Dropping it does the same.
    pub fn put(self) {
        drop(self);
    }

    /// The pool that it belongs to.
    pub const fn pool(&self) -> &BufferPool<B, K> {
        &self.pool
    }
}

const THERE: &str = "a loan has its buffer until it is dropped";

impl<B, K: Sharing> Deref for Pooled<B, K> {
    type Target = B;

    #[inline]
    fn deref(&self) -> &B {
        self.buffer.as_ref().expect(THERE)
    }
}

impl<B, K: Sharing> DerefMut for Pooled<B, K> {
    #[inline]
    fn deref_mut(&mut self) -> &mut B {
        self.buffer.as_mut().expect(THERE)
    }
}

impl<B, K: Sharing> Drop for Pooled<B, K> {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.pool.put_back(buffer);
        }
    }
}

/// What a wait for a buffer makes of its permit.
#[derive(Debug)]
pub struct Gets<'a, B, K: Sharing>(&'a BufferPool<B, K>);

impl<'a, B, K: Sharing> Grantee for Gets<'a, B, K> {
    type Kind = K;
    type Guard = Pooled<B, K>;
    const LABEL: &'static str = "buffer pool";

    fn guard(&self) -> Pooled<B, K> {
        self.0.lend()
    }
}

impl<B, K: Sharing> Place for Inner<B, K> {
    type Kind = K;
    type State = Stock<B, K>;

    #[inline]
    fn lock(&self) -> &<K as Parts>::Lock<Stock<B, K>> {
        &self.stock
    }

    #[inline]
    fn settle(&self, stock: &mut Stock<B, K>, wakes: &mut WakeBatch<K>) {
        let pressure = stock.pressure;
        let reached = |wanted: &Pressure| *wanted == pressure;
        while !wakes.is_full() && stock.line.grant_first_that(wakes, reached, |_| ()).is_some() {}
    }
}

/// The rule of [`BufferPool::until`].
#[derive(Debug)]
pub struct Reaches<B, K> {
    pressure: Pressure,
    pool: PhantomData<(fn() -> B, K)>,
}

impl<'a, B: 'a, K: Sharing> Rule<'a> for Reaches<B, K> {
    type Place = Inner<B, K>;
    type Payload = Pressure;
    type Output = ();
    const LABEL: &'static str = "buffer pool (watermark)";
    const COSTS: bool = true;

    fn line(stock: &mut Stock<B, K>) -> &mut WaitList<K, Pressure> {
        &mut stock.line
    }

    fn attempt(&mut self, pool: &'a Inner<B, K>) -> Option<()> {
        pool.stock.with(|stock| (stock.pressure == self.pressure).then_some(()))
    }

    /// `settle` follows, and lets it through where the mark was reached since `attempt`.
    fn enter(
        &mut self,
        _: &'a Inner<B, K>,
        _: &mut Stock<B, K>,
        _: Entry<Pressure>,
        _: &mut WakeBatch<K>,
    ) -> Enter<(), Pressure> {
        Enter::Wait(self.pressure)
    }

    fn granted(&mut self, _: &'a Inner<B, K>, _: Pressure) -> Result<(), Pressure> {
        Ok(())
    }

    fn left(
        &mut self,
        _: &'a Inner<B, K>,
        _: &mut Stock<B, K>,
        _: Gone<Pressure>,
        _: &mut WakeBatch<K>,
    ) -> Option<Pressure> {
        None
    }
}

impl<B, K: Sharing> fmt::Debug for BufferPool<B, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BufferPool").field(&*self.0).finish()
    }
}

impl<B, K: Sharing> fmt::Debug for Inner<B, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("permits", &self.permits).finish_non_exhaustive()
    }
}

impl<B, K: Sharing> fmt::Debug for Stock<B, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stock")
            .field("free", &self.free.len())
            .field("marks", &self.marks)
            .field("pressure", &self.pressure)
            .finish_non_exhaustive()
    }
}

impl<B: fmt::Debug, K: Sharing> fmt::Debug for Pooled<B, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        B::fmt(self, f)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "buffer_pool/tests.rs"]
mod tests;

#[cfg(all(test, loom))]
#[path = "buffer_pool/loom_tests.rs"]
mod loom_tests;
