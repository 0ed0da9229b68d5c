//! Free slots: those of the loop's thread, those for others, and who waits for one.
//!
//! ```text
//! the loop's own list ─ empty ─► half of the shelf ─ empty ─► Busy
//! shelf (under a lock) ◄─ slots that other threads give back; while somebody waits, all of them
//!
//! want ─► epochs ─► try ─ Busy ─► in line ─► another epoch? ─ no ─► sleep
//!           ▲                                     │ yes               │ rung
//!           └─────────────────────────────────────┴───────────────────┘
//! ```
//!
//! - **M1** While somebody wants room every free slot goes to the shelf, where everybody finds it.
//! - **M2** Who wants room says so before it looks a last time; who gives a slot back looks whether
//!   somebody does after that. Between a thread and the loop the lock of the shelf orders the two, or the
//!   loop's next turn does, for which it is woken. With blocks it is the same.
//! - **M3** Who waits reads its line's epoch before it tries, and compares it when it is in line; who rings
//!   raises the epoch first. So nobody misses what comes between its try and the line.
//! - **M4** There are two lines, so that nobody hears its own slot come back: an op that found no slot waits
//!   for slots; one that found one, gave it back and lacks something else (a block, the driver's queue)
//!   waits until the loop has turned after that came back.
//! - **M5** A ring may call wakers of the program's: a turn owes it until it is over.

#![forbid(unsafe_code)]

use super::event_loop::{EventLoop, Mine};
use super::{Op, Ops, Request, cancel};
use crate::abi::ErrorKind;
use crate::error::Error;
use crate::loom::{AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::slab::{FreeList, Slab};
use crate::sync::Notify;
use crate::token::Token;
use crate::waker::WakerRef;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::PoisonError;
use std::task::{Context, Poll};

/// One slot in so many lies on the shelf from the start.
const SHELF_PART: u32 = 4;

/// What an op that said Busy is short of: the line to wait in (M4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lack {
    Slot,
    Rest,
}

/// Those who wait for the same. See M3.
#[derive(Debug)]
struct Line {
    epoch: AtomicUsize,
    bell: Notify,
}

impl Line {
    fn new() -> Self {
        Self { epoch: AtomicUsize::new(0), bell: Notify::new() }
    }

    fn epoch(&self) -> usize {
        // Acquire: with the Release of `next_epoch`.
        self.epoch.load(Ordering::Acquire)
    }

    fn next_epoch(&self) {
        // Release: with the Acquire of `epoch`, for what has come back.
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// There is something for one.
    fn ring_one(&self) {
        self.next_epoch();
        self.bell.notify_one();
    }

    fn ring_all(&self) {
        self.next_epoch();
        self.bell.notify_all();
    }

    /// Waits for a ring after this epoch.
    async fn news(&self, since: usize) {
        let mut rung = pin!(self.bell.notified());
        poll_fn(|cx| match rung.as_mut().poll(cx) {
            Poll::Pending if self.epoch() == since => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
    }
}

/// What every thread has of the free slots.
pub(super) struct Room {
    shelf: Mutex<Vec<u32>>,
    wanting: AtomicUsize,
    /// By [`Lack`].
    lines: [Line; 2],
    /// Not zero: something else than a slot came back, which the loop's next turn says.
    stirred: AtomicUsize,
    /// Not zero: the loop is gone, and no slot will come.
    closed: AtomicUsize,
}

/// Somebody wants room, until it is dropped.
pub(super) struct Wanting<'a>(&'a Room);

impl Drop for Wanting<'_> {
    fn drop(&mut self) {
        // Relaxed: it only makes others take the short way again.
        self.0.wanting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Room {
    /// The slots of `slab`: the room of all threads, and the loop's own list.
    pub(super) fn of(slab: &Slab) -> (Self, FreeList) {
        let mut own = FreeList::new(slab);
        let mut shelf = Vec::with_capacity(slab.len() as usize);
        shelf.extend((0..slab.len() / SHELF_PART).filter_map(|_| own.take()));
        let room = Self {
            shelf: Mutex::new(shelf),
            wanting: AtomicUsize::new(0),
            lines: [Line::new(), Line::new()],
            stirred: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
        };
        (room, own)
    }

    fn shelf(&self) -> MutexGuard<'_, Vec<u32>> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, lack: Lack) -> &Line {
        &self.lines[lack as usize]
    }

    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        // Relaxed: see M2.
        self.wanting.load(Ordering::Relaxed) > 0
    }

    fn want(&self) -> Wanting<'_> {
        // Relaxed: the shelf's lock orders it, or the wake of the loop (M2).
        self.wanting.fetch_add(1, Ordering::Relaxed);
        Wanting(self)
    }

    /// Whether somebody is to be told of it.
    #[cold]
    fn put(&self, index: u32) -> bool {
        self.shelf().push(index);
        self.is_wanted()
    }

    /// The loop is gone: whoever comes is told, and with [`Self::ring`] whoever waits.
    pub(super) fn close(&self, own: &mut FreeList) {
        // Under the lock, so that who finds the shelf empty afterwards sees it.
        let shelf = self.shelf();
        // Relaxed: the lock, or the epoch of the ring that follows.
        self.closed.store(1, Ordering::Relaxed);
        drop(shelf);
        self.share(own);
    }

    fn is_closed(&self) -> bool {
        // Relaxed: the shelf's lock was taken after `close`, or an epoch seen that was raised after it.
        self.closed.load(Ordering::Relaxed) != 0
    }

    #[cold]
    pub(super) fn none_left(&self) -> ErrorKind {
        if self.is_closed() { ErrorKind::Closed } else { ErrorKind::Busy }
    }

    /// Half of the shelf for the loop's own list, which is empty; one of them is returned. No more than that
    /// one while somebody waits (M1).
    #[cold]
    fn hand_out(&self, own: &mut FreeList) -> Option<u32> {
        let mut shelf = self.shelf();
        if self.is_wanted() {
            return shelf.pop();
        }
        for _ in 0..shelf.len().div_ceil(2) {
            own.give_back(shelf.pop().expect("there are so many"));
        }
        own.take()
    }

    /// Puts the loop's own slots where others find them. Whether there were some.
    fn share(&self, own: &mut FreeList) -> bool {
        let mut shelf = self.shelf();
        let before = shelf.len();
        while let Some(index) = own.take() {
            shelf.push(index);
        }
        shelf.len() > before
    }

    /// Something else than a slot may be had again. The loop's next turn says so.
    #[cold]
    pub(super) fn stir(&self) {
        // Release: with the Acquire of `take_stirred`.
        self.stirred.store(1, Ordering::Release);
    }

    fn take_stirred(&self) -> bool {
        // Acquire: with the Release of `stir`.
        self.stirred.swap(0, Ordering::Acquire) != 0
    }

    /// Everybody who waits tries again.
    pub(super) fn ring(&self) {
        self.lines.iter().for_each(Line::ring_all);
    }

    /// Tries until nothing is lacking, and has the loop woken between.
    async fn when_there_is_enough<T>(
        &self,
        wake_loop: impl Fn(),
        mut attempt: impl FnMut(&mut Context<'_>) -> Result<T, Lack>,
    ) -> T {
        // Before the first look (M2), and no longer than until it has what it wants.
        let _wanting = self.want();
        loop {
            let epochs = self.lines.each_ref().map(Line::epoch);
            let lack = match poll_fn(|cx| Poll::Ready(attempt(cx))).await {
                Ok(has) => return has,
                Err(lack) => lack,
            };
            wake_loop();
            cancel::unless_asked(self.line(lack).news(epochs[lack as usize])).await;
        }
    }
}

impl EventLoop {
    /// Transition 1, of any free slot that this thread may have. None where there is none: see
    /// [`Room::none_left`].
    #[inline]
    pub(super) fn claim(&self, mine: Option<&Mine<'_>>, waker_ref: WakerRef) -> Option<Token> {
        let own = mine.and_then(|mine| mine.with_free(FreeList::take));
        let index = own.or_else(|| self.claim_shared(mine))?;
        Some(self.home.slab.claim_at(index, waker_ref).expect("a slot of a list is free"))
    }

    #[cold]
    fn claim_shared(&self, mine: Option<&Mine<'_>>) -> Option<u32> {
        match mine {
            Some(mine) => mine.with_free(|own| self.room.hand_out(own)),
            None => self.room.shelf().pop(),
        }
    }

    fn has_room(&self) -> bool {
        let own = self.mine().is_some_and(|mine| mine.with_free(|own| own.available() > 0));
        own || !self.room.shelf().is_empty()
    }

    /// Takes a slot back whose op was taken.
    #[inline]
    pub(super) fn give_slot_back(&self, mine: Option<&Mine<'_>>, index: u32) {
        match mine {
            Some(mine) if !self.room.is_wanted() => mine.with_free(|own| own.give_back(index)),
            _ if !self.room.put(index) => {}
            // M5.
            Some(mine) if mine.turns.get() => mine.owes_ring.set(true),
            _ => self.room.line(Lack::Slot).ring_one(),
        }
    }

    /// Blocks were given back.
    #[cold]
    pub(super) fn blocks_are_back(&self) {
        if self.room.is_wanted() {
            self.room.stir();
            self.wake();
        }
    }
}

impl Mine<'_> {
    /// At the begin of a turn: whether a ring follows its end.
    #[cold]
    pub(super) fn share_room(&self) -> bool {
        let room = &self.event_loop.room;
        if self.with_free(|own| room.share(own)) | room.take_stirred() {
            self.owes_ring.set(true);
        }
        self.owes_ring.get()
    }

    /// What a turn owes (M5).
    #[inline]
    pub(super) fn ring_if_owed(&self) {
        if self.owes_ring.take() {
            self.event_loop.room.ring();
        }
    }
}

impl Ops {
    pub(super) async fn run_when_there_is_room<P: Request>(
        &self,
        mut op: Op<P>,
    ) -> Result<P::Output, Error> {
        let event_loop = &self.0;
        let attempt = |cx: &mut Context<'_>| match Pin::new(&mut op).poll(cx) {
            Poll::Ready(Err(Error::Kind(ErrorKind::Busy))) if event_loop.room.is_closed() => {
                Ok(Poll::Ready(Err(ErrorKind::Closed.into())))
            }
            Poll::Ready(Err(Error::Kind(ErrorKind::Busy))) => Err(op.lack()),
            // Pending: it has begun, and nobody else needs to wait for it.
            polled => Ok(polled),
        };
        match event_loop.room.when_there_is_enough(|| event_loop.wake(), attempt).await {
            Poll::Ready(answer) => answer,
            Poll::Pending => op.await,
        }
    }

    /// Waits until there may be room for an op, for those who poll one that said Busy.
    pub async fn room(&self) {
        let room = &self.0.room;
        let mut looked = false;
        let look = |_: &mut Context<'_>| {
            if std::mem::replace(&mut looked, true) || room.is_closed() {
                return Ok(());
            }
            if !self.0.has_room() {
                return Err(Lack::Slot);
            }
            // It came just now, or the op was short of something else.
            room.stir();
            Err(Lack::Rest)
        };
        room.when_there_is_enough(|| self.0.wake(), look).await;
    }

    /// How many wait for room now.
    pub fn waiting_for_room(&self) -> usize {
        // Relaxed: a number that is old as soon as it is known.
        self.0.room.wanting.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, loom))]
#[path = "room/loom_tests.rs"]
mod loom_tests;
