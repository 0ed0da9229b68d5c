//! Where messages come to: a ring, an eventfd that it reads, and a word for what is elided.

use super::Mechanism;
use crate::suites::loops::floor::{Kind, Ring};
use io_uring::opcode;
use io_uring::types::Fd;
use std::io::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

/// How a sender reaches an inbox.
#[derive(Clone)]
pub struct Address {
    pub ring: RawFd,
    pub eventfd: Arc<OwnedFd>,
    pub word: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Address {
    /// How many messages the receiver has seen.
    pub fn received(&self) -> u64 {
        self.received.load(Acquire)
    }

    /// The message that is sent after this is the last.
    pub fn end(&self) {
        self.over.store(true, Release);
    }
}

pub struct Inbox {
    mechanism: Mechanism,
    ring: Ring,
    address: Address,
    /// What the eventfd's counter is read into. It stays for ever.
    counter: *mut u64,
}

impl Inbox {
    pub fn new(mechanism: Mechanism, kind: Kind) -> Self {
        let ring = Ring::new(kind);
        let address = Address {
            ring: ring.fd(),
            eventfd: Arc::new(eventfd()),
            word: Arc::default(),
            received: Arc::default(),
            over: Arc::default(),
        };
        let mut inbox = Self { mechanism, ring, address, counter: Box::leak(Box::new(0)) };
        if mechanism == Mechanism::Eventfd {
            inbox.arm();
        }
        inbox
    }

    pub fn address(&self) -> Address {
        self.address.clone()
    }

    /// Has the ring read the eventfd.
    fn arm(&mut self) {
        let fd = Fd(self.address.eventfd.as_raw_fd());
        self.ring.push(&opcode::Read::new(fd, self.counter.cast(), 8).build());
        self.ring.publish();
    }

    /// Takes what has come, without sleeping. Whether more will come.
    pub fn look(&mut self) -> bool {
        if self.mechanism == Mechanism::Elided {
            self.address.received.store(self.address.word.load(Acquire), Release);
        } else {
            self.ring.collect();
            self.take();
        }
        !self.address.over.load(Acquire)
    }

    /// Sleeps until something has come. Whether more will come.
    pub fn wait(&mut self) -> bool {
        self.ring.wait_for(1);
        self.take();
        !self.address.over.load(Acquire)
    }

    #[expect(unsafe_code, reason = "the kernel has written there")]
    fn take(&mut self) {
        let mut count = self.ring.reap(|_, result, _| assert!(result >= 0)) as u64;
        if self.mechanism == Mechanism::Eventfd && count > 0 {
            // SAFETY: leaked, and the read that wrote it is over.
            count = unsafe { self.counter.read() };
            self.arm();
        }
        // Written here alone.
        self.address.received.store(self.address.received.load(Relaxed) + count, Release);
    }
}

#[expect(unsafe_code, reason = "a system call")]
fn eventfd() -> OwnedFd {
    // SAFETY: the call takes two numbers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    assert!(fd >= 0, "{}", Error::last_os_error());
    // SAFETY: the kernel just made it for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
