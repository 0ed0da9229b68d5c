//! A loop for tests of sockets: ops prepared by hand, every completion kept, the slots counted.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wakering_core::abi::{Opcode, completion_flag};
use wakering_core::block::BlockPool;
use wakering_core::resource::{Control, Prepared, Resource};
use wakering_core::slab::FreeList;
use wakering_core::slot::Cancel;
use wakering_core::waker::WakerRef;
use wakering_core::{Completion, Driver, Home, Token};
use wakering_poll_loop::{PollConfig, PollDriver};

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const SHORT: Duration = Duration::from_millis(20);

/// What came back with an op.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) token: Token,
    pub(crate) result: i32,
    pub(crate) flags: u32,
    pub(crate) address: Vec<u8>,
    pub(crate) back: Vec<u8>,
    /// Sender, control data and flags of a message.
    pub(crate) received: (Vec<u8>, Vec<u8>, i32),
}

impl Answer {
    pub(crate) fn has_more(&self) -> bool {
        self.flags & completion_flag::MORE != 0
    }

    /// The number of the buffer that was picked.
    pub(crate) fn picked(&self) -> Option<u16> {
        (self.flags & completion_flag::PICKED != 0)
            .then_some((self.flags >> completion_flag::PICKED_SHIFT) as u16)
    }
}

/// A home, its driver, and what came.
pub(crate) struct Net {
    pub(crate) home: Arc<Home>,
    pub(crate) driver: PollDriver,
    free: FreeList,
    blocks: BlockPool,
    answers: VecDeque<Answer>,
}

impl Net {
    pub(crate) fn new(slots: u32) -> Self {
        let home = Arc::new(Home::new(slots).unwrap());
        let driver = PollDriver::new(PollConfig::default(), home.clone()).unwrap();
        let free = FreeList::new(&home.slab);
        Self { home, driver, free, blocks: BlockPool::new(8), answers: VecDeque::new() }
    }

    /// Enqueues an op that `more` has the last word about.
    pub(crate) fn enqueue(
        &mut self,
        op: Prepared,
        more: impl FnOnce(&mut Resource, &mut BlockPool),
    ) -> Token {
        let token = self.free.claim(&self.home.slab, WakerRef::NOBODY).expect("a free slot");
        let blocks = &mut self.blocks;
        let prepare = |resource: &mut Resource| {
            resource.prepared = op;
            more(resource, blocks);
        };
        // SAFETY: the op is Queued and this thread owns the home.
        unsafe { self.home.slab.slot(token).with_resource(prepare) };
        self.driver.enqueue(token).expect("the driver takes it");
        token
    }

    /// What the driver says to an op that it does not take.
    pub(crate) fn refused(&mut self, op: Prepared) -> wakering_core::Error {
        let token = self.free.claim(&self.home.slab, WakerRef::NOBODY).expect("a free slot");
        // SAFETY: the op is Queued and this thread owns the home.
        unsafe { self.home.slab.slot(token).with_resource(|resource| resource.prepared = op) };
        let refused = self.driver.enqueue(token).expect_err("it does not take this");
        assert_eq!(self.cancel(token), Cancel::Withdrawn);
        assert!(self.answer(token).is_some());
        refused
    }

    pub(crate) fn start_with(
        &mut self,
        op: Prepared,
        more: impl FnOnce(&mut Resource, &mut BlockPool),
    ) -> Token {
        let token = self.enqueue(op, more);
        self.driver.publish().unwrap();
        token
    }

    pub(crate) fn start(&mut self, op: Prepared) -> Token {
        self.start_with(op, |_, _| ())
    }

    /// With an address of the peer, or the socket's own.
    pub(crate) fn start_at(&mut self, op: Prepared, address: &[u8]) -> Token {
        self.start_with(op, |resource, _| resource.set_address(address).unwrap())
    }

    /// A message of these segments.
    pub(crate) fn start_message(
        &mut self,
        op: Prepared,
        address: &[u8],
        control: Control<'_>,
        segments: &[(*mut u8, usize)],
    ) -> Token {
        self.start_with(op, |resource, blocks| {
            if op.opcode == Opcode::Recvmsg {
                resource.expect_address();
            } else {
                resource.set_address(address).unwrap();
            }
            let iovec = |index: usize| {
                let (base, length) = segments[index];
                Ok(libc::iovec { iov_base: base.cast(), iov_len: length })
            };
            resource.set_message(segments.len(), control, blocks, iovec).unwrap();
        })
    }

    pub(crate) fn turn(&mut self, timeout: Duration) -> usize {
        self.turn_at_most(timeout, usize::MAX)
    }

    /// One turn; every op that is over is taken.
    pub(crate) fn turn_at_most(&mut self, timeout: Duration, most: usize) -> usize {
        let mut done = Vec::new();
        let home = &self.home;
        let turned = self.driver.turn(Some(timeout), most, &mut |completion: Completion| {
            let more = completion.outcome.flags & completion_flag::MORE != 0;
            let ready = home.slab.slot(completion.token).is_ready(completion.token);
            assert_ne!(more, ready, "a slot is Ready with its last completion");
            done.push(completion);
        });
        assert_eq!(turned.unwrap(), done.len());
        done.iter().for_each(|completion| self.take(completion));
        done.len()
    }

    fn take(&mut self, completion: &Completion) {
        let Completion { token, outcome } = *completion;
        let (result, flags) = (outcome.result, outcome.flags);
        let mut answer = Answer {
            token,
            result,
            flags,
            address: Vec::new(),
            back: Vec::new(),
            received: Default::default(),
        };
        let slot = self.home.slab.slot(token);
        if flags & completion_flag::MORE != 0 {
            return self.answers.push_back(answer);
        }
        let blocks = &mut self.blocks;
        slot.take(token, |taken, resource| {
            assert_eq!(taken.outcome, outcome);
            answer.back = resource.back_bytes().to_vec();
            if resource.prepared.opcode == Opcode::Recvmsg {
                let received = resource.received();
                let (address, control) = (received.address.to_vec(), received.control.to_vec());
                answer.received = (address, control, received.flags);
            }
            answer.address = resource.address().to_vec();
            resource.release(blocks);
        })
        .expect("a completion comes once");
        self.free.give_back(token.index());
        self.answers.push_back(answer);
    }

    /// The next completion of an op that is there.
    pub(crate) fn answer(&mut self, token: Token) -> Option<Answer> {
        let place = self.answers.iter().position(|answer| answer.token == token)?;
        self.answers.remove(place)
    }

    /// Turns until the op has another completion.
    pub(crate) fn finish(&mut self, token: Token) -> Answer {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = self.answer(token) {
                return answer;
            }
            assert!(Instant::now() < until, "the op is not done after {PATIENCE:?}");
            self.turn(Duration::from_millis(100));
        }
    }

    pub(crate) fn result(&mut self, op: Prepared) -> i32 {
        let token = self.start(op);
        self.finish(token).result
    }

    pub(crate) fn result_at(&mut self, op: Prepared, address: &[u8]) -> i32 {
        let token = self.start_at(op, address);
        self.finish(token).result
    }

    /// Asks for a cancel as a lane does.
    pub(crate) fn cancel(&mut self, token: Token) -> Cancel {
        let answer = self.home.slab.slot(token).request_cancel(token);
        match answer {
            Cancel::Ask => self.driver.cancel(token).unwrap(),
            Cancel::Withdrawn => {
                let outcome = self.home.slab.slot(token).peek(token).unwrap();
                self.take(&Completion { token, outcome });
            }
            Cancel::AskedBefore | Cancel::TooLate | Cancel::Stale => {}
        }
        answer
    }

    /// Nothing is in flight, or came without being asked for.
    pub(crate) fn end(mut self) {
        while self.driver.in_flight() > 0 && self.turn(SHORT) > 0 {}
        assert_eq!(self.driver.in_flight(), 0);
        assert!(self.answers.is_empty(), "{:?}", self.answers);
        let mut late = 0;
        let left = self.driver.drain(Duration::from_secs(5), &mut |_| late += 1);
        assert_eq!((left.still_in_flight, late), (0, 0));
        assert_eq!(self.home.slab.in_use().count(), 0);
    }
}

pub(crate) fn op(opcode: Opcode, fd: i32) -> Prepared {
    let mut op = Prepared::new(opcode);
    op.fd = fd;
    op
}

/// An op with room for bytes. Whoever calls keeps it until the op is over.
pub(crate) fn with_room(opcode: Opcode, fd: i32, room: &mut [u8]) -> Prepared {
    let mut op = op(opcode, fd);
    (op.address, op.length) = (room.as_mut_ptr(), room.len() as u32);
    op
}

/// An op with bytes, kept as the room is.
pub(crate) fn with_bytes(opcode: Opcode, fd: i32, bytes: &[u8]) -> Prepared {
    let mut op = op(opcode, fd);
    (op.address, op.length) = (bytes.as_ptr().cast_mut(), bytes.len() as u32);
    op
}

pub(crate) fn recv(fd: i32, room: &mut [u8]) -> Prepared {
    with_room(Opcode::Recv, fd, room)
}

pub(crate) fn send(fd: i32, bytes: &[u8]) -> Prepared {
    with_bytes(Opcode::Send, fd, bytes)
}

/// A Socket op.
pub(crate) fn socket(domain: i32, kind: i32) -> Prepared {
    let mut op = Prepared::new(Opcode::Socket);
    op.extra = [domain as u32, kind as u32];
    op
}

/// `127.0.0.1` with this port, as the kernel has it.
pub(crate) fn loopback(port: u16) -> Vec<u8> {
    let mut bytes = vec![0; size_of::<libc::sockaddr_in>()];
    bytes[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    bytes[2..4].copy_from_slice(&port.to_be_bytes());
    bytes[4..8].copy_from_slice(&[127, 0, 0, 1]);
    bytes
}

/// The port of an address.
pub(crate) fn port_of(address: &[u8]) -> u16 {
    u16::from_be_bytes([address[2], address[3]])
}

/// A Unix address.
pub(crate) fn unix(path: &std::path::Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    bytes.extend_from_slice(path.as_os_str().as_bytes());
    bytes.push(0);
    bytes
}

/// The port that the system gave a socket.
pub(crate) fn own_port(fd: i32) -> u16 {
    let mut bytes = [0u8; 128];
    let mut length = 128;
    // SAFETY: both are locals of that size.
    let got = unsafe { libc::getsockname(fd, bytes.as_mut_ptr().cast(), &raw mut length) };
    assert_eq!(got, 0);
    port_of(&bytes)
}

/// Two connected sockets of the system's.
pub(crate) fn pair(kind: i32) -> (i32, i32) {
    let mut ends = [-1; 2];
    let kind = kind | libc::SOCK_CLOEXEC;
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) }, 0);
    (ends[0], ends[1])
}

pub(crate) fn close_now(fd: i32) {
    // SAFETY: the test owns the descriptor.
    assert_eq!(unsafe { libc::close(fd) }, 0);
}

pub(crate) fn status_flags(fd: i32) -> i32 {
    // SAFETY: touches no memory.
    unsafe { libc::fcntl(fd, libc::F_GETFL) }
}
