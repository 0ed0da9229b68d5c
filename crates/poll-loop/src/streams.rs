//! Reads and writes of pipes, sockets and the like, on the loop's own thread, never waiting.
//!
//! The status flags of a file are its user's: they are not changed here, although a call on a file
//! without O_NONBLOCK may wait even after it was reported ready (somebody else took the bytes). So
//! each class of file has its own way:
//!
//! | class | how |
//! |---|---|
//! | anonymous pipe | `RWF_NOWAIT`, which pipes take since 6.4 |
//! | FIFO, pipe of an older kernel | `splice` through a pipe of our own, which can be told not to wait |
//! | socket | `MSG_DONTWAIT` |
//! | device, eventfd and so on | O_NONBLOCK if its user set it, else `RWF_NOWAIT`, else the pool |
//! | regular file, directory, block device | the pool |
//!
//! A file whose user set O_NONBLOCK answers EAGAIN and is not waited for, as read(2) does.

#![forbid(unsafe_code)]

use crate::sys::{self, Data};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use wakering_core::abi::{HandleId, Opcode, POSITION_CURRENT};
use wakering_core::handle::FileKind;
use wakering_core::resource::{Prepared, Resource};

/// Handles whose class is remembered.
const CLASSES_MAX: usize = 256;

/// How a file is read and written. See the module's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// On a pool thread.
    Blocking,
    /// A pipe that takes `RWF_NOWAIT`, as far as is known.
    Pipe,
    /// A pipe that does not.
    SplicedPipe,
    /// A socket.
    Socket,
    /// Anything else that is no file on a disk.
    Other,
}

/// What became of one attempt.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A count or `-errno`.
    Done(i32),
    /// Not ready: wait for the file to be readable or writable.
    Wait,
    /// It cannot be done here without waiting.
    Pool,
}

/// What kind of file `fd` is, without asking a server. For a lane's table of handles.
pub fn file_kind(fd: RawFd) -> FileKind {
    match class_of(fd) {
        Some(Class::Blocking) => FileKind::Regular,
        Some(_) => FileKind::Stream,
        None => FileKind::Unknown,
    }
}

fn class_of(fd: RawFd) -> Option<Class> {
    let stat = sys::statx_here(fd, libc::STATX_TYPE).ok()?;
    Some(match u32::from(stat.stx_mode) & libc::S_IFMT {
        libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK | libc::S_IFLNK => Class::Blocking,
        libc::S_IFIFO => Class::Pipe,
        libc::S_IFSOCK => Class::Socket,
        // Character devices, and what has no place in a file system.
        _ => Class::Other,
    })
}

/// Whether the op writes.
pub const fn writes(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Write | Opcode::Writev) || crate::sockets::writes(opcode)
}

/// Attempts of one loop: what is known of its handles, and the pipe for splicing.
#[derive(Debug)]
pub struct Streams {
    classes: Box<[(HandleId, Class)]>,
    own_pipe: Option<(OwnedFd, OwnedFd)>,
}

impl Default for Streams {
    fn default() -> Self {
        Self::new()
    }
}

impl Streams {
    /// Knows nothing yet.
    pub fn new() -> Self {
        let classes = vec![(HandleId::NONE, Class::Blocking); CLASSES_MAX];
        Self { classes: classes.into_boxed_slice(), own_pipe: None }
    }

    /// The class of an op's file. Something that cannot be looked at goes to the pool, which finds
    /// out the same and says so.
    pub fn class(&mut self, prepared: &Prepared) -> Class {
        let place = prepared.handle.index as usize % CLASSES_MAX;
        let (handle, known) = self.classes[place];
        if !prepared.handle.is_none() && handle == prepared.handle {
            return known;
        }
        let class = class_of(prepared.fd).unwrap_or(Class::Blocking);
        self.remember(prepared, class);
        class
    }

    fn remember(&mut self, prepared: &Prepared, class: Class) {
        if !prepared.handle.is_none() {
            self.classes[prepared.handle.index as usize % CLASSES_MAX] = (prepared.handle, class);
        }
    }

    /// Attempts a Read, Write, Readv or Writev. The caller owns the resource.
    pub fn attempt(&mut self, resource: &mut Resource) -> Step {
        let prepared = resource.prepared;
        let data = Data::of(resource);
        let class = self.class(&prepared);
        let result = match class {
            Class::Blocking => return Step::Pool,
            Class::Pipe => match nowait(&prepared, &data) {
                unsupported if unsupported == -libc::EOPNOTSUPP => {
                    self.remember(&prepared, Class::SplicedPipe);
                    self.spliced(&prepared, &data)
                }
                result => result,
            },
            Class::SplicedPipe => self.spliced(&prepared, &data),
            Class::Socket if prepared.offset != POSITION_CURRENT => -libc::ESPIPE,
            Class::Socket if data.total() == 0 => 0,
            Class::Socket => {
                retrying(|| sys::socket_transfer(prepared.fd, &data, writes(prepared.opcode)))
            }
            Class::Other if sys::is_nonblocking(prepared.fd) => plain(&prepared, &data, 0),
            Class::Other => match nowait(&prepared, &data) {
                unsupported if unsupported == -libc::EOPNOTSUPP => {
                    self.remember(&prepared, Class::Blocking);
                    return Step::Pool;
                }
                result => result,
            },
        };
        let asked_not_to_wait = prepared.op_flags as i32 & libc::RWF_NOWAIT != 0;
        if result == -libc::EAGAIN && !asked_not_to_wait && !sys::is_nonblocking(prepared.fd) {
            return Step::Wait;
        }
        Step::Done(result)
    }

    /// Through our own pipe: it is empty before and after.
    fn spliced(&mut self, prepared: &Prepared, data: &Data) -> i32 {
        let total = data.total();
        if prepared.offset != POSITION_CURRENT {
            return -libc::ESPIPE;
        }
        if total == 0 {
            return 0;
        }
        if self.own_pipe.is_none() {
            match sys::pipe() {
                Ok(ends) => self.own_pipe = Some(ends),
                Err(failed) => return failed,
            }
        }
        let Some((out, into)) = &self.own_pipe else { return -libc::EMFILE };
        let (out, into) = (out.as_raw_fd(), into.as_raw_fd());
        if !writes(prepared.opcode) {
            let moved = retrying(|| sys::splice(prepared.fd, into, total));
            if moved <= 0 {
                return moved;
            }
            let read = retrying(|| sys::read(out, data, POSITION_CURRENT, 0));
            debug_assert_eq!(read, moved, "what came in goes out");
            return read;
        }
        let put = retrying(|| sys::write(into, data, POSITION_CURRENT, 0));
        let Ok(length) = usize::try_from(put) else { return put };
        let moved = retrying(|| sys::splice(out, prepared.fd, length));
        throw_away(out, length - usize::try_from(moved).unwrap_or(0));
        moved
    }
}

/// Empties our own pipe of what found no room.
fn throw_away(out: RawFd, mut rest: usize) {
    let mut scratch = [0; 4096];
    while rest > 0 {
        let room = Data::at(scratch.as_mut_ptr(), rest.min(scratch.len()));
        match retrying(|| sys::read(out, &room, POSITION_CURRENT, 0)) {
            count @ 1.. => rest -= count as usize,
            _ => return,
        }
    }
}

fn nowait(prepared: &Prepared, data: &Data) -> i32 {
    plain(prepared, data, libc::RWF_NOWAIT)
}

fn plain(prepared: &Prepared, data: &Data, more_flags: i32) -> i32 {
    let flags = prepared.op_flags as i32 | more_flags;
    retrying(|| {
        if writes(prepared.opcode) {
            sys::write(prepared.fd, data, prepared.offset, flags)
        } else {
            sys::read(prepared.fd, data, prepared.offset, flags)
        }
    })
}

/// None of these calls waits, so a signal that interrupts one is never meant for it.
fn retrying(call: impl FnMut() -> i32) -> i32 {
    crate::syscalls::Stop::new().retrying(call)
}
