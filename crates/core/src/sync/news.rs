//! What [`watch`](super::watch) and [`broadcast`](super::broadcast) have in common: a count of what
//! was told, and a line of those who wait for more.
//!
//! ```text
//! word: | how much was told | C |      C: no more will come
//!
//! tell:    the value is written ─► the word moves, inside of that ─► lock, call everybody in line
//! listen:  the word is past what was seen ─► read, without the lock
//!          else ─► lock, look again: past it, or C ─► read;  else ─► join the line
//! ```
//!
//! - **N1** The word moves before the lock is taken to call those in line: who looks under the lock
//!   and sees nothing new is in line when the call comes.
//! - **N2** The value is read without the lock, and with no promise: whoever was called looks for
//!   itself, and goes back into the line where there is nothing.

#![forbid(unsafe_code)]

use crate::loom::Ordering;
use crate::sync::kind::{Lock, Parts, Sharing, Word};
use crate::sync::wait::{Enter, Entry, Gone, Place, Rule, serve};
use crate::sync::wait_list::WaitList;
use crate::sync::wake_batch::WakeBatch;

const CLOSED: usize = 1;
const ONE: usize = 2;

/// See the module's text.
pub struct News<K: Sharing> {
    word: K::Word,
    senders: K::Word,
    lock: K::Lock<WaitList<K, ()>>,
}

/// What was told up to a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Told(usize);

impl Told {
    /// How much.
    #[inline]
    pub(crate) const fn count(self) -> usize {
        self.0 / ONE
    }

    /// Whether no more will come.
    #[inline]
    pub(crate) const fn is_all(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Whether there is something to say to who has seen so much.
    #[inline]
    const fn is_new_after(self, seen: usize) -> bool {
        self.0 != seen * ONE
    }
}

impl<K: Sharing> News<K> {
    /// Nothing was told, and there is one sender.
    pub(crate) fn new() -> Self {
        Self {
            word: K::Word::new(0),
            senders: K::Word::new(1),
            lock: K::Lock::new(WaitList::new()),
        }
    }

    /// What was told so far.
    #[inline]
    pub(crate) fn told(&self) -> Told {
        // Acquire: with the Release of `tell` and of the last sender.
        Told(self.word.load(Ordering::Acquire))
    }

    /// One more. The caller says it where readers of the value are kept out, so that whoever reads
    /// the value knows how much it has seen by that, and calls [`announce`](Self::announce)
    /// afterwards.
    #[inline]
    pub(crate) fn tell(&self) {
        // Release: with the Acquire of `told`.
        self.word.fetch_add(ONE, Ordering::Release);
    }

    /// Calls everybody who waits, after the word was moved (N1).
    #[inline]
    pub(crate) fn announce(&self) {
        serve(self, |line, _| line.call_all());
    }

    /// A sender was cloned.
    pub(crate) fn add_sender(&self) {
        // Relaxed: the sender that it was cloned from keeps the count from falling to zero.
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    /// A sender goes. The last one says that no more will come.
    pub(crate) fn drop_sender(&self) {
        // AcqRel: the last one has what the others told behind it.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Release: with the Acquire of `told`. Only the last sender adds the one bit.
            self.word.fetch_add(CLOSED, Ordering::Release);
            self.announce();
        }
    }
}

impl<K: Sharing> std::fmt::Debug for News<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told = self.told();
        f.debug_struct("News")
            .field("count", &told.count())
            .field("is_all", &told.is_all())
            .finish_non_exhaustive()
    }
}

impl<K: Sharing> Place for News<K> {
    type Kind = K;
    type State = WaitList<K, ()>;

    #[inline]
    fn lock(&self) -> &<K as Parts>::Lock<WaitList<K, ()>> {
        &self.lock
    }

    #[inline]
    fn settle(&self, line: &mut WaitList<K, ()>, wakes: &mut WakeBatch<K>) {
        line.grant_called(wakes, |()| ());
    }
}

/// Who listens: how much it has seen, and what it makes of more.
pub trait Listener {
    /// Who shares it.
    type Kind: Sharing;
    /// What the future gives.
    type Output;
    /// What a stall report says of who waits.
    const LABEL: &'static str;

    /// How much it has seen.
    fn seen(&self) -> usize;

    /// What there is beyond that, or that no more will come. `None` where there is nothing yet. No
    /// lock is held: this may be the user's code.
    fn read(&mut self) -> Option<Self::Output>;
}

/// The rule of every wait for news.
#[derive(Debug)]
pub struct Listens<L>(pub(crate) L);

impl<'a, L: Listener> Rule<'a> for Listens<L> {
    type Place = News<L::Kind>;
    type Payload = ();
    type Output = L::Output;
    const LABEL: &'static str = L::LABEL;
    const COSTS: bool = true;

    fn line(line: &mut WaitList<L::Kind, ()>) -> &mut WaitList<L::Kind, ()> {
        line
    }

    #[inline]
    fn attempt(&mut self, _: &'a News<L::Kind>) -> Option<L::Output> {
        self.0.read()
    }

    #[inline]
    fn enter(
        &mut self,
        news: &'a News<L::Kind>,
        _: &mut WaitList<L::Kind, ()>,
        _: Entry<()>,
        _: &mut WakeBatch<L::Kind>,
    ) -> Enter<L::Output, ()> {
        match news.told().is_new_after(self.0.seen()) {
            true => Enter::Granted(()),
            false => Enter::Wait(()),
        }
    }

    #[inline]
    fn granted(&mut self, _: &'a News<L::Kind>, (): ()) -> Result<L::Output, ()> {
        self.0.read().ok_or(())
    }

    fn left(
        &mut self,
        _: &'a News<L::Kind>,
        _: &mut WaitList<L::Kind, ()>,
        _: Gone<()>,
        _: &mut WakeBatch<L::Kind>,
    ) -> Option<()> {
        None
    }
}
