//! The memory of tasks: places that are used again and again.
//!
//! ```text
//! worker: Cache ── one shelf per size ──┐ stacks of 128   ┌─ Depot, under a lock: piles of stacks,
//! worker: Cache ────────────────────────┼────────────────►│  chunks, shelves for threads that are
//! other threads ────────────────────────┘◄────────────────┘  no workers, tasks that lie elsewhere
//! ```
//!
//! Once a program has had as many tasks at a time as it will have, spawning allocates nothing. A
//! place that is freed by another worker than the one that took it stays there; whoever has too many
//! gives a whole stack to the depot, and whoever has none takes one, so the lock is taken once for
//! 128 tasks. Chunks are given back to the system with the scheduler, or with the last waker that
//! outlives it. There is a bound for them; beyond it a spawn is refused with Busy.

mod blocks;
pub(crate) mod chunk;
mod shelf;

use super::dispatch::Dispatch;
use super::header::{Header, TaskRef};
use crate::abi::ErrorKind;
use crate::error::Error;
use crate::loom::{AtomicPtr, AtomicU64, MODEL, Mutex, Ordering};
use blocks::Blocks;
use chunk::{CHUNK_BYTES, CHUNKS_MAX, Chunk, PLACE_BITS, SIZES};
use shelf::{Pile, Shelf, Stack};
use std::collections::HashMap;
use std::ptr::{NonNull, null_mut};
use std::sync::PoisonError;

/// Places that a worker keeps in one stack before the stack goes to the depot.
const STACK_PLACES_MAX: u32 = if MODEL { 2 } else { 128 };
/// Set in the number of a task that lies in no chunk.
const OUTSIDE: u32 = 1 << 29;

/// A worker's own free places.
#[derive(Debug)]
pub(crate) struct Cache {
    shelves: [Shelf; SIZES.len()],
}

impl Cache {
    /// Without any place.
    pub(crate) const fn new() -> Self {
        Self { shelves: [const { Shelf::new() }; SIZES.len()] }
    }

    /// A free place of that class. Busy beyond the depot's bound, ENOMEM where the system has none.
    #[inline]
    pub(crate) fn take(
        &mut self,
        dispatch: NonNull<Dispatch>,
        class: usize,
    ) -> Result<NonNull<Header>, Error> {
        match self.shelves[class].take() {
            Some(place) => Ok(place),
            None => self.refill(dispatch, class),
        }
    }

    #[cold]
    fn refill(
        &mut self,
        dispatch: NonNull<Dispatch>,
        class: usize,
    ) -> Result<NonNull<Header>, Error> {
        // SAFETY: it lives as long as any of its workers, whose cache this is.
        let depot = &unsafe { dispatch.as_ref() }.depot;
        let shelf = &mut self.shelves[class];
        depot.lock().fill(&depot.chunks, dispatch, class, shelf)?;
        shelf.take().ok_or(Error::Kind(ErrorKind::Busy))
    }

    /// Takes back a place that was freed.
    #[inline]
    pub(crate) fn put(&mut self, depot: &Depot, class: usize, place: NonNull<Header>) {
        if let Some(stack) = self.shelves[class].put(place, STACK_PLACES_MAX) {
            depot.keep(class, stack);
        }
    }
}

/// What all threads of a scheduler share.
#[derive(Debug)]
pub(crate) struct Depot {
    inner: Mutex<Inner>,
    chunks: Box<[AtomicPtr<Chunk>]>,
    /// Places that threads without a cache took, and had counted. Written under
    /// the lock, so without an exchange.
    guests: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    chunks_len: usize,
    blocks: Blocks,
    piles: [Pile; SIZES.len()],
    /// For threads that have no cache.
    guests: [Shelf; SIZES.len()],
    outside: Vec<Option<TaskRef>>,
    outside_free: Vec<u32>,
    names: HashMap<u32, &'static str>,
    /// After closing: tasks whose place somebody still refers to.
    outstanding: Option<usize>,
}

impl Depot {
    /// For chunks of so many bytes together, at most.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let chunks_max = (bytes_max / CHUNK_BYTES).clamp(1, CHUNKS_MAX);
        Self {
            inner: Mutex::new(Inner {
                chunks_len: 0,
                blocks: Blocks::new(),
                piles: [const { Pile::new() }; SIZES.len()],
                guests: [const { Shelf::new() }; SIZES.len()],
                outside: Vec::new(),
                outside_free: Vec::new(),
                names: HashMap::new(),
                outstanding: None,
            }),
            guests: AtomicU64::new(0),
            chunks: (0..chunks_max).map(|_| AtomicPtr::new(null_mut())).collect(),
        }
    }

    fn lock(&self) -> impl std::ops::DerefMut<Target = Inner> + '_ {
        // Nothing panics under the lock but the allocator, and then nothing was changed yet.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A free place, for a thread that has no cache; `counted` where a task that keeps the scheduler
    /// going is sure to come of it.
    pub(crate) fn take(
        &self,
        dispatch: NonNull<Dispatch>,
        class: usize,
        counted: bool,
    ) -> Result<NonNull<Header>, Error> {
        let mut inner = self.lock();
        inner.check_open()?;
        let count = |place| {
            // Relaxed: written under the lock only. Release: with the Acquire of `guests`.
            let guests = self.guests.load(Ordering::Relaxed) + u64::from(counted);
            self.guests.store(guests, Ordering::Release);
            place
        };
        if let Some(place) = inner.guests[class].take() {
            return Ok(count(place));
        }
        let mut shelf = std::mem::take(&mut inner.guests[class]);
        let filled = inner.fill(&self.chunks, dispatch, class, &mut shelf);
        let place = shelf.take();
        inner.guests[class] = shelf;
        filled?;
        place.map(count).ok_or(Error::Kind(ErrorKind::Busy))
    }

    /// How often [`Self::take`] has given a place, and counted it.
    pub(crate) fn guests(&self) -> u64 {
        // Acquire: with the Release of `take`.
        self.guests.load(Ordering::Acquire)
    }

    #[cold]
    #[inline(never)]
    fn keep(&self, class: usize, stack: Stack) {
        self.lock().piles[class].push(stack);
    }

    /// Takes back a place that was freed by a thread that has no cache. Whether it was the last one
    /// that kept a closed depot.
    #[must_use]
    pub(crate) fn put(&self, class: usize, place: NonNull<Header>) -> bool {
        let mut inner = self.lock();
        if let Some(stack) = inner.guests[class].put(place, STACK_PLACES_MAX) {
            inner.piles[class].push(stack);
        }
        inner.one_less()
    }

    /// Takes back a place that no task was made in.
    pub(crate) fn give_back(&self, class: usize, place: NonNull<Header>) {
        let mut inner = self.lock();
        if let Some(stack) = inner.guests[class].put(place, STACK_PLACES_MAX) {
            inner.piles[class].push(stack);
        }
    }

    /// Takes a worker's places, before it ends.
    pub(crate) fn absorb(&self, cache: &mut Cache) {
        let mut inner = self.lock();
        for (class, shelf) in cache.shelves.iter_mut().enumerate() {
            let shelf = std::mem::take(shelf);
            inner.piles[class].push(shelf.loaded);
            inner.piles[class].push(shelf.spare);
        }
    }

    /// After the last worker's places were absorbed: how many tasks somebody still refers to. Where
    /// there are some, the last of them says so (`put`, `unregister`).
    pub(crate) fn close(&self) -> usize {
        let mut inner = self.lock();
        let carved: usize = self.each_chunk().map(|chunk| chunk.1 as usize).sum();
        let piled: usize = inner.piles.iter().map(|pile| pile.places).sum();
        let guests: usize =
            inner.guests.iter().map(|shelf| shelf.loaded.len + shelf.spare.len).sum::<u32>()
                as usize;
        let outside = inner.outside.len() - inner.outside_free.len();
        let outstanding = carved - piled - guests + outside;
        inner.outstanding = Some(outstanding);
        outstanding
    }

    fn each_chunk(&self) -> impl Iterator<Item = (NonNull<Chunk>, u32)> + '_ {
        self.chunks.iter().map_while(|chunk| {
            // Acquire: with the Release of `fill`.
            let chunk = NonNull::new(chunk.load(Ordering::Acquire))?;
            // SAFETY: chunks stay as long as the depot.
            let carved = unsafe { chunk.as_ref() }.carved.load(Ordering::Acquire);
            Some((chunk, carved))
        })
    }

    /// Every place that is or was a task's, in the pool and outside. Those that are in the pool stay
    /// valid as long as the depot; of the others only what `f` does under the lock is.
    pub(crate) fn each(&self, mut f: impl FnMut(TaskRef)) {
        for (chunk, carved) in self.each_chunk() {
            for place in 0..carved {
                // SAFETY: chunks stay as long as the depot.
                if let Some(task) = unsafe { Chunk::place(chunk, place) } {
                    f(task);
                }
            }
        }
        for task in self.lock().outside.iter().flatten() {
            f(*task);
        }
    }

    /// The first of those for which `f` says so; see [`Self::each`].
    pub(crate) fn find(&self, mut f: impl FnMut(TaskRef) -> bool) -> Option<TaskRef> {
        for (chunk, carved) in self.each_chunk() {
            // SAFETY: chunks stay as long as the depot.
            let mut places = (0..carved).filter_map(|place| unsafe { Chunk::place(chunk, place) });
            if let Some(task) = places.find(|&task| f(task)) {
                return Some(task);
            }
        }
        self.lock().outside.iter().flatten().copied().find(|&task| f(task))
    }

    /// The place of the pool that begins at that address, if one does.
    pub(crate) fn at_address(&self, address: usize) -> Option<TaskRef> {
        let base = address & !(CHUNK_BYTES - 1);
        let (chunk, _) = self.each_chunk().find(|(chunk, _)| chunk.addr().get() == base)?;
        // SAFETY: chunks stay as long as the depot.
        unsafe { Chunk::place_at(chunk, address) }
    }

    /// Does `f` with the task at that number, if there is or was one; the place stays meanwhile.
    #[inline]
    pub(crate) fn with_number<R>(&self, number: u32, f: impl FnOnce(TaskRef) -> R) -> Option<R> {
        if number & OUTSIDE != 0 {
            return self.with_outside(number & !OUTSIDE, f);
        }
        let chunk = self.chunks.get((number >> PLACE_BITS) as usize)?;
        // Acquire: with the Release of `fill`.
        let chunk = NonNull::new(chunk.load(Ordering::Acquire))?;
        // SAFETY: chunks stay as long as the depot.
        unsafe { Chunk::place(chunk, number & ((1 << PLACE_BITS) - 1)) }.map(f)
    }

    #[inline(never)]
    fn with_outside<R>(&self, index: u32, f: impl FnOnce(TaskRef) -> R) -> Option<R> {
        let inner = self.lock();
        let task = *inner.outside.get(index as usize)?;
        task.map(f)
    }

    /// Gives a task outside a number. Fails with Busy or ENOMEM.
    pub(crate) fn register(&self, task: TaskRef) -> Result<u32, Error> {
        let mut inner = self.lock();
        inner.check_open()?;
        if let Some(index) = inner.outside_free.pop() {
            inner.outside[index as usize] = Some(task);
            return Ok(index | OUTSIDE);
        }
        let index = inner.outside.len();
        if index >= OUTSIDE as usize {
            return Err(ErrorKind::Busy.into());
        }
        let no_memory = |_| Error::Os(libc::ENOMEM);
        inner.outside.try_reserve(1).map_err(no_memory)?;
        // So that `unregister` never allocates.
        let capacity = inner.outside.capacity();
        let free = inner.outside_free.len();
        inner.outside_free.try_reserve(capacity - free).map_err(no_memory)?;
        inner.outside.push(Some(task));
        Ok(index as u32 | OUTSIDE)
    }

    /// Takes the number back. Whether it was the last one that kept a closed depot.
    #[must_use]
    pub(crate) fn unregister(&self, number: u32) -> bool {
        let mut inner = self.lock();
        inner.outside[(number & !OUTSIDE) as usize] = None;
        inner.outside_free.push(number & !OUTSIDE);
        inner.one_less()
    }

    /// Fails with ENOMEM; then there is no name.
    pub(crate) fn set_name(&self, number: u32, name: &'static str) -> Result<(), Error> {
        let names = &mut self.lock().names;
        if let Some(before) = names.get_mut(&number) {
            *before = name;
            return Ok(());
        }
        names.try_reserve(1).map_err(|_| Error::Os(libc::ENOMEM))?;
        names.insert(number, name);
        Ok(())
    }

    pub(crate) fn name(&self, number: u32) -> Option<&'static str> {
        self.lock().names.get(&number).copied()
    }

    pub(crate) fn forget_name(&self, number: u32) {
        self.lock().names.remove(&number);
    }
}

impl Inner {
    fn check_open(&self) -> Result<(), Error> {
        if self.outstanding.is_some() { Err(ErrorKind::Closed.into()) } else { Ok(()) }
    }

    fn one_less(&mut self) -> bool {
        match &mut self.outstanding {
            None => false,
            Some(outstanding) => {
                *outstanding -= 1;
                *outstanding == 0
            }
        }
    }

    /// Fills a shelf that is empty: with a stack that was given here, or with a new chunk.
    fn fill(
        &mut self,
        chunks: &[AtomicPtr<Chunk>],
        dispatch: NonNull<Dispatch>,
        class: usize,
        shelf: &mut Shelf,
    ) -> Result<(), Error> {
        if let Some(stack) = self.piles[class].pop() {
            shelf.load(stack);
            return Ok(());
        }
        let index = self.chunks_len;
        let Some(entry) = chunks.get(index) else { return Err(ErrorKind::Busy.into()) };
        let chunk = self.blocks.take(index, chunks.len())?;
        let header = Chunk {
            dispatch,
            class: class as u32,
            index: index as u32,
            carved: crate::loom::AtomicU32::new(0),
        };
        // SAFETY: aligned, large enough, and ours.
        unsafe { chunk.write(header) };
        // Release: with the Acquire of `each_chunk` and `with_number`.
        entry.store(chunk.as_ptr(), Ordering::Release);
        self.chunks_len += 1;
        shelf.open(chunk, Chunk::places(class));
        Ok(())
    }
}
