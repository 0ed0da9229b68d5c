//! What a channel's lock guards, and by which rule its lines are served.
//!
//! ```text
//!   senders' line                     items                        receivers' line
//!   offers a value ─(room)───────────► ▢▢▢▢ ──(promised, taken by the receiver's own poll)──► called
//!   asks for room ─(promised, filled by the sender's own poll)─►
//!
//!   capacity 0: an offer stays with its sender until a receiver takes it from there; the one item
//!   that there is room for is for senders that may not be taken from (`try_send`, `select`).
//! ```
//!
//! - **S1** Called receivers hold a *promise*, not an item: `promised_items` counts them. Items that
//!   are not promised are what newcomers may take. So a called receiver that is dropped, or loses a
//!   select, has taken nothing: its promise goes to the next.
//! - **S2** Senders in a select hold a promise of room in the same way (`promised_rooms`): theirs
//!   is sent by their own poll, or not at all. Other senders leave their value in the line, where it
//!   may be taken at any time; `offers` counts these.
//! - **S3** After every change the lines are settled: nobody waits for what is there unpromised.
//! - **S4** `items` never holds more than its room, so it never allocates after it was made.
//! - **S5** Only at capacity 0 can a promise come to nothing, where an offer is withdrawn. The
//!   receiver goes back to its place in the line then.

#![forbid(unsafe_code)]

use crate::sync::kind::Sharing;
use crate::sync::wait_list::WaitList;
use crate::sync::wake_batch::WakeBatch;
use std::collections::VecDeque;

/// See the module's text.
#[derive(Debug)]
pub struct State<T, K: Sharing> {
    capacity: usize,
    pub(super) items: VecDeque<T>,
    pub(super) receivers: WaitList<K, ()>,
    /// `Some` is an offer, `None` asks for room.
    pub(super) senders: WaitList<K, Option<T>>,
    pub(super) promised_items: usize,
    pub(super) promised_rooms: usize,
    pub(super) offers: usize,
    /// Somebody looked for an item who will not wait, and found only senders that ask for room.
    asked: bool,
    pub(super) closed: bool,
}

impl<T, K: Sharing> State<T, K> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            items: VecDeque::with_capacity(capacity.max(1)),
            receivers: WaitList::new(),
            senders: WaitList::new(),
            promised_items: 0,
            promised_rooms: 0,
            offers: 0,
            asked: false,
            closed: false,
        }
    }

    /// How many items there are to take, promised or not.
    #[inline]
    fn available(&self) -> usize {
        let offers = if self.capacity == 0 && !self.closed { self.offers } else { 0 };
        self.items.len() + offers
    }

    /// Whether nothing will come any more.
    #[inline]
    pub(super) fn is_drained(&self) -> bool {
        self.closed && self.available() == 0
    }

    /// For how many items there is room that is not promised.
    #[inline]
    fn room(&self) -> usize {
        self.capacity.max(1) - self.items.len() - self.promised_rooms
    }

    /// Whether a sender that comes now may put its value, without a place in the line.
    #[inline]
    pub(super) fn may_put(&self) -> bool {
        let wanted = self.capacity != 0 || !self.receivers.is_empty();
        wanted && self.senders.is_empty() && self.room() != 0
    }

    /// An item, where one is there that is not promised. The batch has room.
    #[inline(always)]
    pub(super) fn take(&mut self, wakes: &mut WakeBatch<K>) -> Option<T> {
        if self.available() <= self.promised_items {
            self.asked = self.asks();
            return None;
        }
        match self.items.pop_front() {
            Some(item) => Some(item),
            None => self.take_offer(wakes),
        }
    }

    /// Whether the first sender in line waits to be asked (S2).
    fn asks(&self) -> bool {
        self.capacity == 0 && self.senders.peek_first(Option::is_none) == Some(true)
    }

    /// The first offer. A sender before it that asks for room is asked, so that it is not passed
    /// over for ever.
    #[inline(never)]
    fn take_offer(&mut self, wakes: &mut WakeBatch<K>) -> Option<T> {
        self.asked = self.asks();
        let item = self.senders.grant_first_that(wakes, Option::is_some, Option::take).flatten()?;
        self.offers -= 1;
        Some(item)
    }

    /// Serves the lines (S3), as far as the batch has room.
    #[inline(always)]
    pub(super) fn settle(&mut self, wakes: &mut WakeBatch<K>) {
        if self.is_settled() {
            self.asked = false;
        } else {
            self.serve_lines(wakes);
        }
    }

    /// Whether it takes one look to see that nobody can be served: nobody is in line, or receivers
    /// only, and nothing is there for them.
    #[inline(always)]
    fn is_settled(&self) -> bool {
        self.senders.is_empty()
            && (self.receivers.is_empty()
                || (!self.closed && self.items.len() <= self.promised_items))
    }

    #[inline(never)]
    fn serve_lines(&mut self, wakes: &mut WakeBatch<K>) {
        if self.closed {
            self.dismiss(wakes);
        }
        while !wakes.is_full() {
            if !self.let_sender_in(wakes) && !self.call_receiver(wakes) {
                // Nobody is there to be asked, or there is no room: the next who looks asks anew.
                self.asked = false;
                return;
            }
        }
    }

    /// Lets the first sender put its value, or puts it for it.
    #[inline]
    fn let_sender_in(&mut self, wakes: &mut WakeBatch<K>) -> bool {
        let Some(asks) = self.senders.peek_first(Option::is_none) else { return false };
        let wanted = self.capacity != 0 || (asks && (self.asked || !self.receivers.is_empty()));
        if self.closed || !wanted || self.room() == 0 {
            return false;
        }
        self.asked = false;
        match self.senders.grant_first(wakes, Option::take).flatten() {
            Some(item) => {
                self.offers -= 1;
                self.items.push_back(item);
            }
            None => self.promised_rooms += 1,
        }
        true
    }

    /// Promises an item to the first receiver.
    #[inline]
    fn call_receiver(&mut self, wakes: &mut WakeBatch<K>) -> bool {
        if self.receivers.is_empty() || self.available() <= self.promised_items {
            return false;
        }
        self.receivers.grant_first(wakes, |()| ());
        self.promised_items += 1;
        true
    }

    /// After the close: senders get their values back, receivers go once nothing is left.
    #[cold]
    fn dismiss(&mut self, wakes: &mut WakeBatch<K>) {
        self.senders.call_all();
        let (offers, rooms) = (&mut self.offers, &mut self.promised_rooms);
        self.senders.grant_called(wakes, |payload| match payload {
            Some(_) => *offers -= 1,
            None => *rooms += 1,
        });
        if self.is_drained() {
            self.receivers.call_all();
            let items = &mut self.promised_items;
            self.receivers.grant_called(wakes, |()| *items += 1);
        }
    }
}
