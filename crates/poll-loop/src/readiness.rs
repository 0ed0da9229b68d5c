//! Who waits for which file to be ready, through the `polling` crate.
//!
//! ```text
//! waiter of a slot ─┐
//! waiter of a slot ─┴─ registration of a file ─ poller (epoll), one-shot
//! ```
//!
//! epoll knows a file once, ops on it may be many: the registration holds them in the order in
//! which they came, and asks for what any of them needs. It is armed once per report, so a file
//! that stays ready without an op for it costs nothing. Everything has room for each slot once.

use polling::{Event, Events, PollMode, Poller};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;
use wakering_core::{Error, Token};

const NOWHERE: u32 = u32::MAX;
/// Reports taken from the kernel at once.
const REPORTS_MAX: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// Keys from here on are no registrations. The very last is the poller's own.
const KEY_BELL: usize = usize::MAX - 1;
const KEY_TIMER: usize = usize::MAX - 2;

/// What an op waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interest {
    /// Bytes to read, or the end.
    pub readable: bool,
    /// Room to write.
    pub writable: bool,
    /// Urgent data and the like, alone.
    pub priority: bool,
}

impl Interest {
    /// For a read.
    pub const READ: Self = Self { readable: true, writable: false, priority: false };
    /// For a write.
    pub const WRITE: Self = Self { readable: false, writable: true, priority: false };

    const fn or(self, other: Self) -> Self {
        Self {
            readable: self.readable || other.readable,
            writable: self.writable || other.writable,
            priority: self.priority || other.priority,
        }
    }

    fn event(self, key: usize) -> Event {
        let event = Event::new(key, self.readable, self.writable);
        if self.priority { event.with_priority() } else { event }
    }
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    token: Token,
    interest: Interest,
    registration: u32,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Registration {
    fd: RawFd,
    first: u32,
    last: u32,
}

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
    events: Events,
    registrations: Box<[Registration]>,
    free: Vec<u32>,
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
            interest: Interest::default(),
            registration: NOWHERE,
            next: NOWHERE,
        };
        Ok(Self {
            poller,
            events: Events::with_capacity(REPORTS_MAX),
            registrations: vec![Registration { fd: -1, first: NOWHERE, last: NOWHERE }; slots]
                .into(),
            free: (0..slots as u32).rev().collect(),
            // Twice the room: a map that is at most half full cleans up in place.
            by_fd: HashMap::with_capacity(2 * slots),
            waiters: vec![nobody; slots].into(),
            waiting: 0,
            bell,
            timer,
        })
    }

    /// The poller's descriptor, readable when [`Self::collect`] would report something.
    pub fn poll_fd(&self) -> RawFd {
        self.poller.as_raw_fd()
    }

    /// How many wait.
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether an op waits for `fd` in the same way, so that a newcomer has to queue up behind it.
    pub fn is_awaited(&self, fd: RawFd, interest: Interest) -> bool {
        let Some(&place) = self.by_fd.get(&fd) else { return false };
        self.line(place).any(|waiter| {
            waiter.interest.readable && interest.readable
                || waiter.interest.writable && interest.writable
        })
    }

    fn line(&self, registration: u32) -> impl Iterator<Item = &Waiter> {
        let first = self.registrations[registration as usize].first;
        let waiter = |index: u32| self.waiters.get(index as usize);
        std::iter::successors(waiter(first), move |last| waiter(last.next))
    }

    /// Lets an op wait for `fd`, which stays open until the op is done. EPERM where the file cannot
    /// be waited for because it is always ready.
    pub fn wait(&mut self, token: Token, fd: RawFd, interest: Interest) -> Result<(), Error> {
        let known = self.by_fd.get(&fd).copied();
        let Some(place) = known.or_else(|| self.free.pop()) else {
            return Err(wakering_core::abi::ErrorKind::Busy.into());
        };
        if known.is_none() {
            self.registrations[place as usize] = Registration { fd, first: NOWHERE, last: NOWHERE };
            self.by_fd.insert(fd, place);
        }
        self.append(place, token, interest);
        let armed = self.arm(place, known.is_some());
        if armed.is_err() {
            self.remove(token);
        }
        armed
    }

    fn append(&mut self, place: u32, token: Token, interest: Interest) {
        let index = token.index();
        self.waiters[index as usize] =
            Waiter { token, interest, registration: place, next: NOWHERE };
        self.waiting += 1;
        let registration = &mut self.registrations[place as usize];
        match std::mem::replace(&mut registration.last, index) {
            NOWHERE => registration.first = index,
            last => self.waiters[last as usize].next = index,
        }
    }

    fn arm(&self, place: u32, known: bool) -> Result<(), Error> {
        let interest = self.line(place).fold(Interest::default(), |sum, w| sum.or(w.interest));
        let event = interest.event(place as usize);
        let fd = self.registrations[place as usize].fd;
        if known {
            // SAFETY: the file is open while ops wait for it (`wait`).
            let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
            match self.poller.modify_with_mode(borrowed, event, PollMode::Oneshot) {
                // The number was closed and is another file now: its user's doing. Start over.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                other => return Ok(other?),
            }
        }
        // SAFETY: `release` deletes it before the last op that waits for the file is done.
        unsafe { self.poller.add_with_mode(fd, event, PollMode::Oneshot) }?;
        Ok(())
    }

    /// Takes an op out of its line. Whether it waited.
    pub fn remove(&mut self, token: Token) -> bool {
        let index = token.index();
        let Waiter { token: waiting, registration: place, next, .. } = self.waiters[index as usize];
        if place == NOWHERE || waiting != token {
            return false;
        }
        let registration = &mut self.registrations[place as usize];
        let mut before = NOWHERE;
        let mut link = registration.first;
        while link != index {
            before = link;
            link = self.waiters[link as usize].next;
        }
        if registration.last == index {
            registration.last = before;
        }
        match self.waiters.get_mut(before as usize) {
            Some(before) => before.next = next,
            None => registration.first = next,
        }
        self.waiters[index as usize].registration = NOWHERE;
        self.waiting -= 1;
        if self.registrations[place as usize].first == NOWHERE {
            self.release(place);
        }
        true
    }

    fn release(&mut self, place: u32) {
        let fd = std::mem::replace(&mut self.registrations[place as usize].fd, -1);
        self.by_fd.remove(&fd);
        self.free.push(place);
        // SAFETY: the number is only looked up in the poller; where its user closed it under the
        // op, that fails and is not worth a word.
        let _ = self.poller.delete(unsafe { BorrowedFd::borrow_raw(fd) });
    }

    /// Takes what is reported now: pushes the ops that may get on to `ready`, in the order of their
    /// lines. Each is to be attempted, then removed or left; then [`Self::arm_again`].
    pub fn collect(&mut self, ready: &mut Vec<Token>) -> Result<Heard, Error> {
        let mut heard = Heard::default();
        self.events.clear();
        // Zero, never another time: the poller's own timer would go on reporting after a wait that
        // ended early, to whoever polls the descriptor.
        self.poller.wait(&mut self.events, Some(Duration::ZERO))?;
        for event in self.events.iter() {
            match event.key {
                KEY_BELL => heard.bell = true,
                KEY_TIMER => heard.timer = true,
                place if place < self.registrations.len() => {
                    ready.extend(self.line(place as u32).map(|waiter| waiter.token));
                }
                _ => {}
            }
        }
        Ok(heard)
    }

    /// Asks again for the files of the last [`Self::collect`] that still have ops waiting.
    pub fn arm_again(&mut self) -> Result<(), Error> {
        for event in self.events.iter() {
            let place = event.key;
            if place < self.registrations.len() && self.registrations[place].first != NOWHERE {
                self.arm(place as u32, true)?;
            }
        }
        Ok(())
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        for fd in [self.bell, self.timer] {
            // SAFETY: whoever made this keeps both open longer.
            let _ = self.poller.delete(unsafe { BorrowedFd::borrow_raw(fd) });
        }
    }
}
