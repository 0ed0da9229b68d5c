//! The five ways of telling.

use super::Mechanism;
use super::inbox::Address;
use crate::suites::loops::floor::{Kind, Ring};
use io_uring::opcode::MsgRingData;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::Fd;
use std::io::Error;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Relaxed, Release};

/// With the ring that the mechanism takes, if it takes one.
pub struct Sender {
    mechanism: Mechanism,
    ring: Option<Ring>,
}

impl Sender {
    pub fn new(mechanism: Mechanism) -> Self {
        let ring = match mechanism {
            Mechanism::MsgRing => Some(Ring::new(Kind::Plain)),
            Mechanism::SqpollSent => Some(Ring::new(Kind::Sqpoll)),
            Mechanism::Elided | Mechanism::Eventfd | Mechanism::SendMsgRing => None,
        };
        Self { mechanism, ring }
    }

    #[expect(unsafe_code, reason = "a system call")]
    pub fn send(&mut self, to: &Address) {
        match (self.mechanism, &mut self.ring) {
            // There is one sender.
            (Mechanism::Elided, _) => to.word.store(to.word.load(Relaxed) + 1, Release),
            (Mechanism::Eventfd, _) => {
                let one = 1u64;
                let (fd, from) = (to.eventfd.as_raw_fd(), (&raw const one).cast());
                // SAFETY: the call reads eight bytes of ours.
                let written = unsafe { libc::write(fd, from, 8) };
                assert_eq!(written, 8, "{}", Error::last_os_error());
            }
            (Mechanism::SendMsgRing, _) => send_without_a_ring(&message(to.ring)).expect("6.13"),
            (_, ring) => {
                let ring = ring.as_mut().expect("the mechanism has one");
                ring.push(&message(to.ring).flags(Flags::SKIP_SUCCESS));
                ring.publish();
            }
        }
    }
}

fn message(ring: i32) -> Entry {
    MsgRingData::new(Fd(ring), 0, 1, None).build()
}

/// IORING_REGISTER_SEND_MSG_RING.
const SEND_MSG_RING: libc::c_uint = 31;

#[expect(unsafe_code, reason = "a system call")]
fn send_without_a_ring(message: &Entry) -> Result<(), Error> {
    let entry: *const Entry = message;
    // SAFETY: with these numbers the call reads one submission entry, which this is.
    let done = unsafe { libc::syscall(libc::SYS_io_uring_register, -1, SEND_MSG_RING, entry, 1) };
    if done < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// Whether this kernel knows the call: one that does finds that there is no such ring.
pub fn can_send_without_a_ring() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let sent = send_without_a_ring(&message(-1));
        sent.is_err_and(|error| error.raw_os_error() == Some(libc::EBADF))
    })
}
