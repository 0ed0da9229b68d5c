//! System calls of sockets. None of them waits but [`connect`], where it says so.

use super::{answer, negative_errno, ready_events, status_flags};
use libc::{c_int, c_long};
use std::os::fd::RawFd;
use wakering_core::resource::{AREA_BYTES, Resource};

/// A socket address in an op's resource, valid while that is.
#[derive(Clone, Copy)]
pub(crate) struct Address {
    place: *mut libc::sockaddr,
    length: *mut libc::socklen_t,
    bytes: libc::socklen_t,
}

impl Address {
    /// The one that was set, or is expected; empty where there is none.
    pub(crate) fn of(resource: &mut Resource) -> Self {
        let bytes = resource.address().len() as libc::socklen_t;
        let (place, length) = resource.address_place();
        Self { place, length, bytes }
    }
}

/// The `msghdr` in an op's resource, valid while that is.
#[derive(Clone, Copy)]
pub(crate) struct Message(*mut libc::msghdr);

impl Message {
    /// The one that was set.
    pub(crate) fn of(resource: &mut Resource) -> Self {
        Self(resource.message())
    }

    fn header(self) -> libc::msghdr {
        // SAFETY: the op has one, and it is this thread's (whoever made this promised both).
        unsafe { self.0.read() }
    }

    /// Bytes of its segments.
    pub(crate) fn total(self) -> usize {
        self.segments().iter().map(|segment| segment.iov_len).sum()
    }

    /// Bytes in front of the payload where a buffer is picked for it.
    pub(crate) fn front_bytes(self) -> usize {
        let header = self.header();
        HEAD_BYTES + header.msg_namelen as usize + header.msg_controllen
    }

    fn segments<'a>(self) -> &'a mut [libc::iovec] {
        let header = self.header();
        if header.msg_iovlen == 0 {
            return &mut [];
        }
        // SAFETY: so many were written from there on, in the op's own memory, and nobody else looks
        // at them while the op is this thread's.
        unsafe { std::slice::from_raw_parts_mut(header.msg_iov, header.msg_iovlen) }
    }

    /// Takes `count` bytes off its front: they were moved.
    pub(crate) fn advance(self, mut count: usize) {
        for segment in self.segments() {
            let moved = segment.iov_len.min(count);
            segment.iov_base = segment.iov_base.cast::<u8>().wrapping_add(moved).cast();
            segment.iov_len -= moved;
            count -= moved;
        }
    }

    /// Only its segments: what is left of a message whose first part, with the address and the control
    /// data, was moved before.
    fn rest(self) -> libc::msghdr {
        let mut header = self.header();
        (header.msg_name, header.msg_namelen) = (std::ptr::null_mut(), 0);
        (header.msg_control, header.msg_controllen) = (std::ptr::null_mut(), 0);
        header
    }
}

/// `socket`. Always SOCK_CLOEXEC.
pub(crate) fn socket(domain: c_int, kind: c_int, protocol: c_int) -> i32 {
    // SAFETY: numbers only.
    answer(c_long::from(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) }))
}

/// `bind`.
pub(crate) fn bind(fd: RawFd, address: Address) -> i32 {
    // SAFETY: the address is valid (Address).
    answer(c_long::from(unsafe { libc::bind(fd, address.place, address.bytes) }))
}

/// `listen`.
pub(crate) fn listen(fd: RawFd, backlog: c_int) -> i32 {
    // SAFETY: numbers only.
    answer(c_long::from(unsafe { libc::listen(fd, backlog) }))
}

/// `connect`. Waits where the socket may block.
pub(crate) fn connect(fd: RawFd, address: Address) -> i32 {
    // SAFETY: the address is valid (Address).
    answer(c_long::from(unsafe { libc::connect(fd, address.place, address.bytes) }))
}

/// `accept4`, with the peer's address where one is expected. Always SOCK_CLOEXEC. Waits where the
/// socket may block.
pub(crate) fn accept(fd: RawFd, address: Address, flags: c_int) -> i32 {
    let flags = flags | libc::SOCK_CLOEXEC;
    let (place, length) = match address.bytes {
        0 => (std::ptr::null_mut(), std::ptr::null_mut()),
        _ => (address.place, address.length),
    };
    // SAFETY: both are valid (Address), or there is none.
    answer(c_long::from(unsafe { libc::accept4(fd, place, length, flags) }))
}

/// Makes a call for which there is no flag that it is not to wait. Where the socket's user lets it
/// block, it does not for the moment of the call, which is not made where it would wait for `events`
/// now: to look costs less than to change the flags in vain.
pub(crate) fn without_waiting(fd: RawFd, events: i16, call: impl FnOnce() -> i32) -> i32 {
    let Some(flags) = status_flags(fd) else { return negative_errno() };
    if flags & libc::O_NONBLOCK != 0 {
        return call();
    }
    if events != 0 && ready_events(fd, events) == 0 {
        return -libc::EAGAIN;
    }
    if !set_status_flags(fd, flags | libc::O_NONBLOCK) {
        return negative_errno();
    }
    let result = call();
    set_status_flags(fd, flags);
    result
}

fn set_status_flags(fd: RawFd, flags: c_int) -> bool {
    // SAFETY: touches no memory.
    unsafe { libc::fcntl(fd, libc::F_SETFL, flags) == 0 }
}

/// `sendto`, to the address where there is one. Never raises SIGPIPE, never waits.
pub(crate) fn send(fd: RawFd, bytes: (*mut u8, usize), address: Address, flags: c_int) -> i32 {
    let place = if address.bytes == 0 { std::ptr::null() } else { address.place.cast_const() };
    let flags = flags | libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    let (start, length) = (bytes.0.cast_const().cast(), bytes.1);
    // SAFETY: the bytes are the op's while it is carried out (I1 of slot), the address is valid.
    answer(unsafe { libc::sendto(fd, start, length, flags, place, address.bytes) } as c_long)
}

/// `recv`. Never waits.
pub(crate) fn recv(fd: RawFd, bytes: (*mut u8, usize), flags: c_int) -> i32 {
    // SAFETY: the room is the op's while it is carried out (I1 of slot).
    answer(unsafe { libc::recv(fd, bytes.0.cast(), bytes.1, flags | libc::MSG_DONTWAIT) } as c_long)
}

/// `sendmsg`, or the `rest` of one. Never raises SIGPIPE, never waits.
pub(crate) fn send_message(fd: RawFd, message: Message, rest: bool, flags: c_int) -> i32 {
    let header = if rest { message.rest() } else { message.header() };
    let flags = flags | libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: what the header names is the op's while it is carried out (I1 of slot).
    answer(unsafe { libc::sendmsg(fd, &raw const header, flags) } as c_long)
}

/// `recvmsg`, or the `rest` of one. Never waits.
pub(crate) fn receive_message(fd: RawFd, message: Message, rest: bool, flags: c_int) -> i32 {
    let mut bare = message.rest();
    let header = if rest { &raw mut bare } else { message.0 };
    // SAFETY: the header and what it names are the op's while it is carried out (I1 of slot).
    answer(unsafe { libc::recvmsg(fd, header, flags | libc::MSG_DONTWAIT) } as c_long)
}

/// Numbers in front of a message in a picked buffer: a ring's `io_uring_recvmsg_out`.
const HEAD_BYTES: usize = 4 * size_of::<u32>();

/// `recvmsg` into one buffer, as a ring does it: four numbers (bytes of the name, of the control data and
/// of the payload, flags), then as much room for name and control data as the message has, then the
/// payload. Never waits.
pub(crate) fn receive_picked(
    fd: RawFd,
    message: Message,
    (start, length): (*mut u8, usize),
    flags: c_int,
) -> i32 {
    let asked = message.header();
    let (name, control) = (asked.msg_namelen as usize, asked.msg_controllen);
    let front = message.front_bytes();
    if length < front {
        return -libc::EFAULT;
    }
    let room = length - front;
    let mut segment = libc::iovec { iov_base: start.wrapping_add(front).cast(), iov_len: room };
    let mut header = message.rest();
    (header.msg_iov, header.msg_iovlen) = (&raw mut segment, 1);
    if name > 0 {
        header.msg_name = start.wrapping_add(HEAD_BYTES).cast();
        header.msg_namelen = asked.msg_namelen;
    }
    if control > 0 {
        header.msg_control = start.wrapping_add(HEAD_BYTES + name).cast();
        header.msg_controllen = control;
    }
    // SAFETY: the header is a local and names parts of the buffer, which is the op's for this attempt.
    let received = unsafe { libc::recvmsg(fd, &raw mut header, flags | libc::MSG_DONTWAIT) };
    let Ok(payload) = usize::try_from(received) else { return negative_errno() };
    let control = header.msg_controllen as u32;
    let head = [header.msg_namelen, control, payload as u32, header.msg_flags as u32];
    // SAFETY: the buffer is longer than its head.
    unsafe { start.cast::<[u32; 4]>().write_unaligned(head) };
    (front + payload.min(room)) as i32
}

/// `shutdown`.
pub(crate) fn shutdown(fd: RawFd, how: c_int) -> i32 {
    // SAFETY: numbers only.
    answer(c_long::from(unsafe { libc::shutdown(fd, how) }))
}

/// `setsockopt` with the value in the op's area.
pub(crate) fn set_option(fd: RawFd, [level, name]: [u32; 2], resource: &mut Resource) -> i32 {
    let length = resource.prepared.length;
    if length as usize > AREA_BYTES {
        return -libc::EINVAL;
    }
    let value = resource.back().cast_const().cast();
    // SAFETY: the area is longer than `length`.
    let result = unsafe { libc::setsockopt(fd, level as c_int, name as c_int, value, length) };
    answer(c_long::from(result))
}

/// `getsockopt` into the op's area: how many bytes the value has.
pub(crate) fn option(fd: RawFd, [level, name]: [u32; 2], resource: &mut Resource) -> i32 {
    let mut length = resource.prepared.length.min(AREA_BYTES as u32);
    let (value, place) = (resource.back().cast(), &raw mut length);
    // SAFETY: the area is at least `length` bytes long, which is a local.
    let result = unsafe { libc::getsockopt(fd, level as c_int, name as c_int, value, place) };
    if result < 0 { negative_errno() } else { length as i32 }
}

/// A number that a socket has as its option; `-errno` where there is none.
fn number(fd: RawFd, name: c_int) -> Result<c_int, i32> {
    let mut value: c_int = 0;
    let mut length = size_of::<c_int>() as libc::socklen_t;
    let (place, length) = (&raw mut value, &raw mut length);
    // SAFETY: both are locals.
    let result = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, name, place.cast(), length) };
    if result < 0 { Err(negative_errno()) } else { Ok(value) }
}

/// What a connection attempt came to: zero, or `-errno`. Asking takes it away.
pub(crate) fn pending_error(fd: RawFd) -> i32 {
    number(fd, libc::SO_ERROR).map_or_else(|failed| failed, |errno| -errno)
}

/// Whether it is a socket that takes connections.
pub(crate) fn listens(fd: RawFd) -> Result<bool, i32> {
    number(fd, libc::SO_ACCEPTCONN).map(|listens| listens != 0)
}

/// Whether bytes go on where the last ones ended, so that what is missing can still come.
pub(crate) fn is_connected_kind(fd: RawFd) -> bool {
    matches!(number(fd, libc::SO_TYPE), Ok(libc::SOCK_STREAM | libc::SOCK_SEQPACKET))
}

/// Whether it is a TCP socket, which gives all that it has to one read.
pub(crate) fn is_tcp(fd: RawFd) -> bool {
    number(fd, libc::SO_PROTOCOL) == Ok(libc::IPPROTO_TCP)
}

/// Whether closing it cannot wait: a socket that has not been told to linger.
pub(crate) fn closes_at_once(fd: RawFd) -> bool {
    let mut value = libc::linger { l_onoff: 0, l_linger: 0 };
    let mut length = size_of::<libc::linger>() as libc::socklen_t;
    let (level, name) = (libc::SOL_SOCKET, libc::SO_LINGER);
    let (place, size) = ((&raw mut value).cast(), &raw mut length);
    // SAFETY: both are locals.
    let result = unsafe { libc::getsockopt(fd, level, name, place, size) };
    result == 0 && (value.l_onoff == 0 || value.l_linger == 0)
}
