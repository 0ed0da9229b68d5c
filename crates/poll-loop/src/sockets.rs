//! Ops of sockets, on the loop's own thread, never waiting.
//!
//! Sending and receiving have a flag for that; connecting and accepting have none, and a socket whose
//! user lets it block does not for the moment of the call. Whether a socket blocks makes no
//! difference to an op, as with a ring: it waits until its socket is ready, unless it says
//! MSG_DONTWAIT.
//!
//! | op | tried | ready, and then |
//! |---|---|---|
//! | Accept | poll, accept4 | again; somebody else may have taken the connection |
//! | Connect | connect | writable: SO_ERROR says what became of it |
//! | Send, Recv, Sendmsg, Recvmsg | MSG_DONTWAIT | again, until there is an answer |
//! | SendZc, SendmsgZc | as Send, Sendmsg: the bytes are copied, and one completion says so | |
//!
//! With MSG_WAITALL a connection's op is over when all of it was moved, or nothing more can come.

#![forbid(unsafe_code)]

use crate::streams::Step;
use crate::sys::{self, Address, Message};
use crate::syscalls::Stop;
use wakering_core::abi::Opcode;
use wakering_core::resource::{NOT_PICKED, Resource};

/// Whether this is an op that waits for its socket.
pub(crate) const fn waits(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Accept
            | Opcode::Connect
            | Opcode::Send
            | Opcode::SendZc
            | Opcode::Sendmsg
            | Opcode::SendmsgZc
            | Opcode::Recv
            | Opcode::Recvmsg
    )
}

/// Whether this is an op that is done by one call, which cannot wait.
pub(crate) const fn never_waits(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Socket
            | Opcode::Bind
            | Opcode::Listen
            | Opcode::Shutdown
            | Opcode::Setsockopt
            | Opcode::Getsockopt
    )
}

/// Whether it waits for room, or a peer, and not for something that comes in.
pub(crate) const fn writes(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Connect | Opcode::Send | Opcode::SendZc | Opcode::Sendmsg | Opcode::SendmsgZc
    )
}

/// Carries out an op that never waits. The caller owns the resource.
pub(crate) fn carry_out(resource: &mut Resource) -> i32 {
    let prepared = resource.prepared;
    let (fd, [first, second]) = (prepared.fd, prepared.extra);
    let flags = prepared.op_flags as i32;
    match prepared.opcode {
        Opcode::Socket => sys::socket(first as i32, second as i32 | flags, prepared.offset as i32),
        Opcode::Bind => sys::bind(fd, Address::of(resource)),
        Opcode::Listen => sys::listen(fd, prepared.length as i32),
        // For a pool's thread: see `connect`.
        Opcode::Connect => sys::connect(fd, Address::of(resource)),
        Opcode::Shutdown => sys::shutdown(fd, flags),
        Opcode::Setsockopt => sys::set_option(fd, prepared.extra, resource),
        Opcode::Getsockopt => sys::option(fd, prepared.extra, resource),
        _ => -libc::ENOSYS,
    }
}

/// Attempts an op that may have to wait. The caller owns the resource. `done` is zero the first time,
/// and then whatever this left there.
pub(crate) fn attempt(resource: &mut Resource, done: &mut u32) -> Step {
    match resource.prepared.opcode {
        Opcode::Accept => accept(resource),
        Opcode::Connect => connect(resource, done),
        Opcode::Recvmsg if resource.prepared.group != NOT_PICKED => receive_picked(resource),
        _ => transfer(resource, done),
    }
}

fn accept(resource: &mut Resource) -> Step {
    let prepared = resource.prepared;
    if !resource.address().is_empty() {
        // Anew each time: an attempt may have left the length of another's.
        resource.expect_address();
    }
    let address = Address::of(resource);
    let take = || sys::accept(prepared.fd, address, prepared.op_flags as i32);
    let result = Stop::new().retrying(|| sys::without_waiting(prepared.fd, libc::POLLIN, take));
    if result != -libc::EAGAIN {
        return Step::Done(result);
    }
    // What is no socket, or none that listens, is not ready either, and never will be.
    match sys::listens(prepared.fd) {
        Ok(true) => Step::Wait,
        Ok(false) => Step::Done(-libc::EINVAL),
        Err(failed) => Step::Done(failed),
    }
}

fn connect(resource: &mut Resource, begun: &mut u32) -> Step {
    let fd = resource.prepared.fd;
    if *begun != 0 {
        return match sys::ready_events(fd, libc::POLLOUT) {
            0 => Step::Wait,
            failed @ ..0 => Step::Done(failed),
            _ => Step::Done(sys::pending_error(fd)),
        };
    }
    let address = Address::of(resource);
    match Stop::new().retrying(|| sys::without_waiting(fd, 0, || sys::connect(fd, address))) {
        begun_now if begun_now == -libc::EINPROGRESS => {
            *begun = 1;
            Step::Wait
        }
        // The queue of a listener on this machine is full, and nothing tells when it is not: a thread
        // waits. (A socket that may not block fails there as here.)
        full if full == -libc::EAGAIN => Step::Pool,
        result => Step::Done(result),
    }
}

/// Into a buffer that was picked, laid out as a ring does it.
fn receive_picked(resource: &mut Resource) -> Step {
    let (message, prepared) = (Message::of(resource), resource.prepared);
    let flags = prepared.op_flags as i32;
    let room = (prepared.address, prepared.length as usize);
    match Stop::new().retrying(|| sys::receive_picked(prepared.fd, message, room, flags)) {
        empty if empty == -libc::EAGAIN && flags & libc::MSG_DONTWAIT == 0 => Step::Wait,
        result => Step::Done(result),
    }
}

fn transfer(resource: &mut Resource, done: &mut u32) -> Step {
    let op_flags = resource.prepared.op_flags as i32;
    let all = op_flags & libc::MSG_WAITALL != 0 && op_flags & libc::MSG_PEEK == 0;
    loop {
        let moved = match once(resource, *done > 0) {
            again if again == -libc::EAGAIN && op_flags & libc::MSG_DONTWAIT == 0 => {
                return Step::Wait;
            }
            failed @ ..0 if *done == 0 => return Step::Done(failed),
            // What was moved before is the answer; the error is the next op's.
            ..0 => return Step::Done(*done as i32),
            moved => moved as u32,
        };
        *done += moved;
        let over = !all || moved == 0 || !sys::is_connected_kind(resource.prepared.fd);
        if over || advance(resource, moved as usize) == 0 {
            return Step::Done(*done as i32);
        }
    }
}

/// One call. `rest`: a part of the op was moved before.
fn once(resource: &mut Resource, rest: bool) -> i32 {
    let prepared = resource.prepared;
    let (fd, flags) = (prepared.fd, prepared.op_flags as i32);
    let bytes = (prepared.address, prepared.length as usize);
    // None of these calls waits, so a signal that interrupts one is never meant for it.
    Stop::new().retrying(|| match prepared.opcode {
        Opcode::Recv => sys::recv(fd, bytes, flags),
        Opcode::Recvmsg => sys::receive_message(fd, Message::of(resource), rest, flags),
        Opcode::Sendmsg | Opcode::SendmsgZc => {
            sys::send_message(fd, Message::of(resource), rest, flags)
        }
        _ => sys::send(fd, bytes, Address::of(resource), flags),
    })
}

/// Goes on behind what was moved. How many bytes are left.
fn advance(resource: &mut Resource, moved: usize) -> usize {
    match resource.prepared.opcode {
        Opcode::Recvmsg | Opcode::Sendmsg | Opcode::SendmsgZc => {
            let message = Message::of(resource);
            let total = message.total();
            message.advance(moved.min(total));
            total.saturating_sub(moved)
        }
        _ => {
            let prepared = &mut resource.prepared;
            prepared.address = prepared.address.wrapping_add(moved);
            prepared.length = prepared.length.saturating_sub(moved as u32);
            prepared.length as usize
        }
    }
}
