//! Who waits for which file to be ready, through the `polling` crate's poller.
//!
//! ```text
//! waiter of a slot ─┐
//! waiter of a slot ─┴─ watch of a file ─ poller (epoll), edge-triggered
//! ```
//!
//! epoll knows a file once, ops on it may be many: the watch holds them in the order in which they
//! came. It is reported once for each change, whether somebody waits or not, and never needs to be
//! armed: a socket costs one call when it is first waited for and one when it is closed.
//!
//! - **E1** Who waits has tried since the last [`Readiness::look`] and found nothing, or tries before
//!   the next, or the watch is dry (E4): whatever comes later is an edge, and a later look reports it.
//! - **E2** A watch is *certain* while an op waits, because the file stays open that long, and for an op
//!   with the watch's own handle, because no other file ever has that. Else the number may be another
//!   file's by now: the watch is made again, which also reports what is there.
//! - **E3** A watch without a handle that nobody waits for is given up at its next report, so that a file
//!   that its user goes on with elsewhere does not wake this loop again and again.
//! - **E4** A watch is *dry* from an attempt to read that found nothing, or less than it had room for
//!   where the file gives all it has, until the next report that something is to be read. After the
//!   end, or urgent data, only an attempt that found nothing proves that.
//!
//! Everything has room for each slot twice: of so many watches, half have nobody waiting and can go.

use crate::sys;
use polling::{Event, PollMode, Poller};
use std::collections::HashMap;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;
use wakering_core::abi::HandleId;
use wakering_core::{Error, Token};

const NOWHERE: u32 = u32::MAX;
/// Reports taken from the kernel at once. All are read before the first is answered: with 256 an echo of
/// 256 connections fell by a quarter, because its peers waited for the whole batch.
const REPORTS_MAX: usize = 64;
/// Keys from here on are no watches. The very last is the poller's own.
const KEY_BELL: usize = usize::MAX - 1;
const KEY_TIMER: usize = usize::MAX - 2;

/// What an op waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Bytes to read, a connection, or the end.
    Read,
    /// Room to write, or a connection made.
    Write,
    /// Whatever changes, beside those that read and write.
    Any,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    token: Token,
    interest: Interest,
    watch: u32,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Watch {
    fd: RawFd,
    handle: HandleId,
    first: u32,
    last: u32,
    /// Gives all that it has to one read (E4).
    gives_all: bool,
    dry: bool,
    /// The end was reported, or urgent data.
    ended: bool,
}

const NO_WATCH: Watch = Watch {
    fd: -1,
    handle: HandleId::NONE,
    first: NOWHERE,
    last: NOWHERE,
    gives_all: false,
    dry: false,
    ended: false,
};

/// What a look at the poller found beside files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Heard {
    /// The doorbell was rung.
    pub bell: bool,
    /// The timer is due.
    pub timer: bool,
}

/// See the module's text.
#[derive(Debug)]
pub struct Readiness {
    poller: Poller,
    reports: Box<[libc::epoll_event]>,
    watches: Box<[Watch]>,
    free: Vec<u32>,
    /// Where the search for a watch that can go begins.
    hand: u32,
    by_fd: HashMap<RawFd, u32>,
    waiters: Box<[Waiter]>,
    waiting: usize,
    bell: RawFd,
    timer: RawFd,
}

impl Readiness {
    /// Room for one waiter in each of `slots`. `bell` and `timer` are reported too; both stay open
    /// longer than the result.
    pub fn new(slots: usize, bell: RawFd, timer: RawFd) -> Result<Self, Error> {
        let poller = Poller::new()?;
        for (fd, key) in [(bell, KEY_BELL), (timer, KEY_TIMER)] {
            // SAFETY: `drop` deletes both, and the caller keeps them open longer.
            unsafe { poller.add_with_mode(fd, Event::readable(key), PollMode::Level)? };
        }
        let nobody = Waiter {
            token: Token::new(0, 0),
            interest: Interest::Any,
            watch: NOWHERE,
            next: NOWHERE,
        };
        let watches = 2 * slots;
        Ok(Self {
            poller,
            reports: vec![libc::epoll_event { events: 0, u64: 0 }; REPORTS_MAX].into(),
            watches: vec![NO_WATCH; watches].into(),
            free: (0..watches as u32).rev().collect(),
            hand: 0,
            // Twice the room: a map that is at most half full cleans up in place.
            by_fd: HashMap::with_capacity(2 * watches),
            waiters: vec![nobody; slots].into(),
            waiting: 0,
            bell,
            timer,
        })
    }

    /// The poller's descriptor, readable when [`Self::look`] would report something.
    pub fn poll_fd(&self) -> RawFd {
        self.poller.as_raw_fd()
    }

    /// How many wait.
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether an attempt makes sense: not where others wait in the same way, behind whom a newcomer
    /// has to queue up, nor to read where it is known that nothing is there.
    pub fn is_worth_trying(&self, fd: RawFd, handle: HandleId, interest: Interest) -> bool {
        let Some(&place) = self.by_fd.get(&fd) else { return true };
        let watch = &self.watches[place as usize];
        let dry = watch.dry && interest == Interest::Read && is_same(watch, handle);
        !dry && !self.line(place).any(|waiter| waiter.interest == interest)
    }

    fn line(&self, watch: u32) -> impl Iterator<Item = &Waiter> {
        let first = self.watches[watch as usize].first;
        let waiter = |index: u32| self.waiters.get(index as usize);
        std::iter::successors(waiter(first), move |last| waiter(last.next))
    }

    /// Lets an op wait for `fd`, which stays open until the op is done; see E1. EPERM where the file
    /// cannot be waited for because it is always ready.
    pub fn wait(
        &mut self,
        token: Token,
        fd: RawFd,
        handle: HandleId,
        interest: Interest,
    ) -> Result<(), Error> {
        let place = match self.by_fd.get(&fd) {
            Some(&place) => {
                let watch = &self.watches[place as usize];
                // E2; a handle that is another's tells of a file that was closed under its ops.
                let certain = watch.first != NOWHERE && handle.is_none();
                if !certain && !is_same(watch, handle) {
                    self.renew(place, handle)?;
                }
                place
            }
            None => self.begin(fd, handle)?,
        };
        self.append(place, token, interest);
        Ok(())
    }

    fn begin(&mut self, fd: RawFd, handle: HandleId) -> Result<u32, Error> {
        let place =
            self.free.pop().or_else(|| self.evict()).ok_or(wakering_core::abi::ErrorKind::Busy)?;
        self.watches[place as usize] = Watch { fd, ..NO_WATCH };
        self.by_fd.insert(fd, place);
        self.renew(place, handle).map(|()| place)
    }

    /// Makes a watch for whatever file has its number now. Gives it up where that cannot be.
    fn renew(&mut self, place: u32, handle: HandleId) -> Result<(), Error> {
        let watch = &mut self.watches[place as usize];
        let fd = watch.fd;
        // Only where it pays: to know costs a call.
        let gives_all = !handle.is_none() && sys::is_tcp(fd);
        let (first, last) = (watch.first, watch.last);
        *watch = Watch { fd, handle, first, last, gives_all, ..NO_WATCH };
        let (poller, key) = (self.poller.as_raw_fd(), u64::from(place));
        let result = match sys::watch(poller, fd, key) {
            known if known == -libc::EEXIST => sys::watch_again(poller, fd, key),
            result => result,
        };
        if result >= 0 {
            return Ok(());
        }
        if first == NOWHERE {
            self.forget_watch(place);
        }
        Err(Error::Os(-result))
    }

    /// Gives up a watch that nobody waits for.
    fn evict(&mut self) -> Option<u32> {
        for _ in 0..self.watches.len() {
            let place = self.hand;
            self.hand = (place + 1) % self.watches.len() as u32;
            if self.watches[place as usize].first == NOWHERE {
                self.give_up(place);
                return self.free.pop();
            }
        }
        None
    }

    fn append(&mut self, place: u32, token: Token, interest: Interest) {
        let index = token.index();
        self.waiters[index as usize] = Waiter { token, interest, watch: place, next: NOWHERE };
        self.waiting += 1;
        let watch = &mut self.watches[place as usize];
        match std::mem::replace(&mut watch.last, index) {
            NOWHERE => watch.first = index,
            last => self.waiters[last as usize].next = index,
        }
    }

    /// Takes an op out of its line. Whether it waited.
    pub fn remove(&mut self, token: Token) -> bool {
        let index = token.index();
        let Waiter { token: waiting, watch: place, next, .. } = self.waiters[index as usize];
        if place == NOWHERE || waiting != token {
            return false;
        }
        let watch = &mut self.watches[place as usize];
        let mut before = NOWHERE;
        let mut link = watch.first;
        while link != index {
            before = link;
            link = self.waiters[link as usize].next;
        }
        if watch.last == index {
            watch.last = before;
        }
        match self.waiters.get_mut(before as usize) {
            Some(before) => before.next = next,
            None => watch.first = next,
        }
        self.waiters[index as usize].watch = NOWHERE;
        self.waiting -= 1;
        true
    }

    /// An op that waits to read has tried and found nothing (E4).
    pub fn ran_dry(&mut self, token: Token) {
        let waiter = self.waiters[token.index() as usize];
        if waiter.token == token
            && waiter.interest == Interest::Read
            && let Some(watch) = self.watches.get_mut(waiter.watch as usize)
        {
            watch.dry = true;
        }
    }

    /// Whether the file that an op waits to read is dry.
    pub fn is_dry(&self, token: Token) -> bool {
        let waiter = self.waiters[token.index() as usize];
        let watch = self.watches.get(waiter.watch as usize);
        waiter.token == token
            && waiter.interest == Interest::Read
            && watch.is_some_and(|watch| watch.dry)
    }

    /// A read of a file got less than it had room for (E4).
    pub fn got_less(&mut self, fd: RawFd, handle: HandleId) {
        let Some(&place) = self.by_fd.get(&fd) else { return };
        let watch = &mut self.watches[place as usize];
        if watch.gives_all && !watch.ended && is_same(watch, handle) {
            watch.dry = true;
        }
    }

    /// The first op that waits for a file, for whoever closes it.
    pub fn first_waiter(&self, fd: RawFd) -> Option<Token> {
        let &place = self.by_fd.get(&fd)?;
        self.line(place).next().map(|waiter| waiter.token)
    }

    /// Forgets a file that nobody waits for and that is about to be closed.
    pub fn forget(&mut self, fd: RawFd) {
        if let Some(&place) = self.by_fd.get(&fd) {
            self.give_up(place);
        }
    }

    fn give_up(&mut self, place: u32) {
        // Where its user closed it, that fails and is not worth a word.
        let _ = sys::unwatch(self.poller.as_raw_fd(), self.watches[place as usize].fd);
        self.forget_watch(place);
    }

    fn forget_watch(&mut self, place: u32) {
        let watch = std::mem::replace(&mut self.watches[place as usize], NO_WATCH);
        self.by_fd.remove(&watch.fd);
        self.free.push(place);
    }

    /// Waits for reports, up to `timeout`, and pushes the ops that may get on to `ready`, in the order
    /// of their lines. Each is to be attempted, and then removed or left. A signal ends the wait early,
    /// with EINTR.
    pub fn look(
        &mut self,
        timeout: Option<Duration>,
        ready: &mut Vec<Token>,
    ) -> Result<Heard, Error> {
        let found = sys::wait_reports(self.poller.as_raw_fd(), &mut self.reports, timeout);
        let count = usize::try_from(found).map_err(|_| Error::Os(-found))?;
        let mut heard = Heard::default();
        for index in 0..count {
            let libc::epoll_event { events, u64: key } = self.reports[index];
            match key as usize {
                KEY_BELL => heard.bell = true,
                KEY_TIMER => heard.timer = true,
                place if place < self.watches.len() => self.report(place as u32, events, ready),
                _ => {}
            }
        }
        Ok(heard)
    }

    fn report(&mut self, place: u32, events: u32, ready: &mut Vec<Token>) {
        let (readable, writable) = (events & sys::READABLE != 0, events & sys::WRITABLE != 0);
        let watch = &mut self.watches[place as usize];
        watch.dry &= !readable;
        watch.ended |= events & (sys::ENDED | sys::URGENT) != 0;
        if watch.first != NOWHERE {
            let gets_on = |waiter: &&Waiter| match waiter.interest {
                Interest::Read => readable,
                Interest::Write => writable,
                Interest::Any => true,
            };
            ready.extend(self.line(place).filter(gets_on).map(|waiter| waiter.token));
        } else if watch.fd >= 0 && watch.handle.is_none() {
            // E3.
            self.give_up(place);
        }
    }
}

/// Whether a watch is certainly of the file that has this handle (E2).
fn is_same(watch: &Watch, handle: HandleId) -> bool {
    !handle.is_none() && watch.handle == handle
}

impl Drop for Readiness {
    fn drop(&mut self) {
        for fd in [self.bell, self.timer] {
            // SAFETY: whoever made this keeps both open longer.
            let _ = self.poller.delete(unsafe { BorrowedFd::borrow_raw(fd) });
        }
    }
}
