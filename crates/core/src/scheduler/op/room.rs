//! Free slots: those of the loop's thread, those for others, and who waits for one.
//!
//! ```text
//! the loop's own list ─ empty ─► half of the shelf ─ empty ─► Busy
//! shelf (under a lock) ◄─ slots that other threads give back; while somebody waits, all of them
//! ```
//!
//! - **M1** While somebody wants room every free slot goes to the shelf, where everybody finds it.
//! - **M2** Who wants room says so before it looks a last time; who gives a slot back looks whether
//!   somebody does after that. Between a thread and the loop the lock of the shelf orders the two, or the
//!   loop's next turn does, for which it is woken.

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
use std::pin::pin;
use std::sync::PoisonError;
use std::task::Poll;

/// One slot in so many lies on the shelf from the start.
const SHELF_PART: u32 = 4;

/// What every thread has of the free slots.
pub(super) struct Room {
    shelf: Mutex<Vec<u32>>,
    wanting: AtomicUsize,
    bell: Notify,
    /// Not zero: the loop is gone, and no slot will come.
    closed: AtomicUsize,
}

/// Somebody wants room, until it is dropped.
pub(super) struct Wanting<'a>(&'a Room);

impl Drop for Wanting<'_> {
    fn drop(&mut self) {
        // Relaxed: it only makes others take the short way again.
        self.0.wanting.fetch_sub(1, Ordering::Relaxed);
        // A ring that was meant for this one, which did not hear it.
        if self.0.is_wanted() {
            self.0.bell.notify_one();
        }
    }
}

impl Room {
    /// The slots of `slab`: the room of all threads, and the loop's own list.
    pub(super) fn of(slab: &Slab) -> (Self, FreeList) {
        let mut own = FreeList::new(slab);
        let mut shelf = Vec::with_capacity(slab.len() as usize);
        shelf.extend((0..slab.len() / SHELF_PART).filter_map(|_| own.take()));
        let bell = Notify::new();
        (
            Self {
                shelf: Mutex::new(shelf),
                wanting: AtomicUsize::new(0),
                bell,
                closed: AtomicUsize::new(0),
            },
            own,
        )
    }

    fn shelf(&self) -> MutexGuard<'_, Vec<u32>> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[cold]
    pub(super) fn put(&self, index: u32) {
        self.shelf().push(index);
        if self.is_wanted() {
            self.bell.notify_one();
        }
    }

    /// The loop is gone: whoever comes is told, and with [`Self::ring`] whoever waits.
    pub(super) fn close(&self, own: &mut FreeList) {
        // Under the lock, so that who finds the shelf empty afterwards sees it.
        let shelf = self.shelf();
        // Relaxed: the lock.
        self.closed.store(1, Ordering::Relaxed);
        drop(shelf);
        self.share(own);
    }

    #[cold]
    fn none_left(&self) -> ErrorKind {
        // Relaxed: the shelf's lock was taken after `close`, or Busy is true still.
        match self.closed.load(Ordering::Relaxed) {
            0 => ErrorKind::Busy,
            _ => ErrorKind::Closed,
        }
    }

    /// Half of the shelf for the loop's own list, which is empty; one of them is returned.
    #[cold]
    fn hand_out(&self, own: &mut FreeList) -> Option<u32> {
        let mut shelf = self.shelf();
        for _ in 0..shelf.len().div_ceil(2) {
            own.give_back(shelf.pop().expect("there are so many"));
        }
        own.take()
    }

    /// Puts the loop's own slots where others find them. Whether there were some: then
    /// [`Self::ring`] follows, which may wake anybody.
    pub(super) fn share(&self, own: &mut FreeList) -> bool {
        let mut shelf = self.shelf();
        let before = shelf.len();
        while let Some(index) = own.take() {
            shelf.push(index);
        }
        shelf.len() > before
    }

    /// Everybody who waits looks again.
    pub(super) fn ring(&self) {
        self.bell.notify_all();
    }
}

impl EventLoop {
    /// Transition 1, of any free slot that this thread may have.
    #[inline]
    pub(super) fn claim(
        &self,
        mine: Option<&Mine<'_>>,
        waker_ref: WakerRef,
    ) -> Result<Token, Error> {
        let index = match mine {
            Some(mine) => mine.with_free(|own| own.take().or_else(|| self.room.hand_out(own))),
            None => self.room.shelf().pop(),
        };
        let index = index.ok_or_else(|| self.room.none_left())?;
        Ok(self.home.slab.claim_at(index, waker_ref).expect("a slot of a list is free"))
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
            _ => self.room.put(index),
        }
    }
}

impl Ops {
    pub(super) async fn run_when_there_is_room<P: Request>(
        &self,
        mut op: Op<P>,
    ) -> Result<P::Output, Error> {
        let room = &self.0.room;
        let _wanting = room.want();
        loop {
            // Once more, after having said that room is wanted (M2).
            match (&mut op).await {
                Err(Error::Kind(ErrorKind::Busy)) => {}
                answer => return answer,
            }
            self.0.wake();
            cancel::unless_asked(room.bell.notified()).await;
        }
    }

    /// Waits until there may be room for an op, for those who poll one that said Busy.
    pub async fn room(&self) {
        let room = &self.0.room;
        let _wanting = room.want();
        let mut rung = pin!(cancel::unless_asked(room.bell.notified()));
        // In line before the look (M2).
        let heard = poll_fn(|cx| Poll::Ready(rung.as_mut().poll(cx).is_ready())).await;
        if !heard && !self.0.has_room() {
            self.0.wake();
            rung.await;
        }
    }

    /// How many wait for room now.
    pub fn waiting_for_room(&self) -> usize {
        // Relaxed: a number that is old as soon as it is known.
        self.0.room.wanting.load(Ordering::Relaxed)
    }
}
