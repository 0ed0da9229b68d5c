//! Every number that two sides must agree on, once.
//!
//! `ts/generated/abi.ts` is written from this file by the test `generated`, which also fails when
//! the two differ. Sizes and offsets are pinned by the assertions at the end.
//!
//! # What the fields of a descriptor mean, op by op
//!
//! *path* is a NUL-free byte string in the arena that comes with the descriptor: `args[0]` its
//! offset, `args[1]` its length; a second path uses `args[2]` and `args[3]`. A relative path is
//! relative to the directory `handle`, or to the working directory where there is none.
//!
//! | op | handle | buffer, length | offset | op_flags | args |
//! |---|---|---|---|---|---|
//! | Nop | | | | | |
//! | OpenAt | directory | with CONTENT: the most bytes | | `O_*` | path, 4: mode, 5: `RESOLVE_*` |
//! | Close | file | | | | |
//! | Read, Write | file | data | position | `RWF_*` | |
//! | Readv, Writev | file | | position | `RWF_*` | 0: offset of segments in the arena, 1: how many |
//! | Fsync, Fdatasync | file | | | | |
//! | Ftruncate | file | | new length | | |
//! | Fallocate | file | | position | mode | 4, 5: length, low and high word |
//! | Statx | file or directory | | | `AT_*` | path (none: the handle itself), 4: mask |
//! | Unlinkat | directory | | | `AT_REMOVEDIR` | path |
//! | Renameat | directory | | | `RENAME_*` | path, second path |
//! | Mkdirat | directory | | | | path, 4: mode |
//! | Linkat | directory | | | `AT_*` | path, second path |
//! | Symlinkat | directory | | | | path: what it points to, second path: the link |
//! | Timeout | | | nanoseconds | | |
//! | PollAdd | file | | | `POLL*` | |
//! | Cancel | | | | | 4: the slot of the op to cancel |
//! | CancelHandle | file | | | | |
//! | CancelAll | | | | | |
//! | Readdir, Readlink, Realpath | directory | result owned | | | path |
//! | Access | directory | | | `R_OK` … | path |
//! | CopyFile | directory | | | `COPYFILE_*` | path, second path |
//!
//! The ops below are of Rust lanes so far; a port refuses them. *extra* are the two words of
//! [`crate::resource::Prepared`], *address* a socket address in the op's own memory
//! ([`crate::resource::Resource::set_address`]), *message* what a `msghdr` names
//! ([`crate::resource::Resource::set_message`]).
//!
//! | op | fd | buffer, length | offset | op_flags | extra |
//! |---|---|---|---|---|---|
//! | SyncFileRange | file | length: bytes | position | `SYNC_FILE_RANGE_*` | |
//! | Fadvise | file | length: bytes | position | `POSIX_FADV_*` | |
//! | Splice | where to | length: bytes | position there | `SPLICE_F_*` | 0: where from; `offset_from`: position there |
//! | Getxattr, Setxattr | file | value | | `XATTR_*` | first path: file (none: the fd), second: name |
//! | Waitid | pidfd | | | `W*` options | the `siginfo_t` lies in `back` |
//! | Pipe | | | | `O_*` | two descriptors in `back` |
//! | LinkTimeout | | | nanoseconds | | ends the linked op before it |
//! | MsgRing | ring | length: the result | user data | flags of the completion | |
//! | InstallFixed | place in the ring's table | | | `O_CLOEXEC` | |
//! | Socket | | | | `SOCK_*` flags | 0: domain, 1: type; `offset`: protocol |
//! | Bind, Connect | socket | | | | address |
//! | Listen | socket | length: backlog | | | |
//! | Accept | socket | | | `SOCK_*` | address of the peer comes back |
//! | Send, SendZc | socket | data | | `MSG_*` | 0: [`io_flag`]; with an address: where to |
//! | Recv | socket | data, or PICKED | | `MSG_*` | 0: [`io_flag`] |
//! | Sendmsg, SendmsgZc, Recvmsg | socket | | | `MSG_*` | 0: [`io_flag`]; message |
//! | Shutdown | socket | | | `SHUT_*` | |
//! | Setsockopt, Getsockopt | socket | length: bytes of the value, in `back` | | | 0: level, 1: option |
//!
//! A position of [`POSITION_CURRENT`] means the file's own position. Cancel, CancelHandle and
//! CancelAll use no slot and give no completion: the op that they end gives its own.

#![forbid(unsafe_code)]

/// Changes whenever a number in this file does; both sides compare it when they meet.
pub const ABI_VERSION: u32 = 3;

mod flags;
mod layout;

pub use flags::{buffer_kind, completion_flag, copyfile_flag, io_flag, op_flag};
pub use layout::{port, statx};

macro_rules! opcodes {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What an op does. The number is the one in the descriptor.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Opcode { $($(#[$doc])* $name = $number,)* }

        impl Opcode {
            /// Every opcode, in the order of their numbers.
            pub const ALL: &'static [Opcode] = &[$(Opcode::$name,)*];

            /// The opcode of a number from outside.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// Its name, as in this enum.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

opcodes! {
    /// Does nothing, successfully.
    Nop = 0,
    /// Opens a file; the result is its descriptor, the completion carries its handle.
    OpenAt = 1,
    /// Closes a handle.
    Close = 2,
    /// Reads into one buffer.
    Read = 3,
    /// Writes from one buffer.
    Write = 4,
    /// Reads into several segments.
    Readv = 5,
    /// Writes from several segments.
    Writev = 6,
    /// Flushes data and metadata to the device.
    Fsync = 7,
    /// Flushes data and the metadata needed to read it.
    Fdatasync = 8,
    /// Sets a file's length.
    Ftruncate = 9,
    /// Reserves or releases space.
    Fallocate = 10,
    /// Reads a file's metadata.
    Statx = 11,
    /// Removes a name (with `AT_REMOVEDIR`: an empty directory).
    Unlinkat = 12,
    /// Renames.
    Renameat = 13,
    /// Makes a directory.
    Mkdirat = 14,
    /// Makes a hard link.
    Linkat = 15,
    /// Makes a symbolic link.
    Symlinkat = 16,
    /// Completes with `-ETIME` when the time is over.
    Timeout = 17,
    /// Completes with the ready events of a handle.
    PollAdd = 18,
    /// Asks that one op be cancelled.
    Cancel = 19,
    /// Asks that every op of a handle be cancelled.
    CancelHandle = 20,
    /// Asks that every op of the lane be cancelled.
    CancelAll = 21,
    /// Has a range of a file written to the device.
    SyncFileRange = 22,
    /// Says how a file will be used.
    Fadvise = 23,
    /// Moves bytes between a pipe and another file, inside the kernel.
    Splice = 24,
    /// Reads an extended attribute.
    Getxattr = 25,
    /// Sets an extended attribute.
    Setxattr = 26,
    /// Waits for a child to change its state.
    Waitid = 27,
    /// Makes a pipe.
    Pipe = 28,
    /// Ends the op that it is linked behind when the time is over.
    LinkTimeout = 29,
    /// Posts a completion to another ring.
    MsgRing = 30,
    /// Makes a descriptor of a file in the ring's table.
    InstallFixed = 31,
    /// Lists a directory.
    Readdir = 32,
    /// Reads what a symbolic link points to.
    Readlink = 33,
    /// Resolves a path to the one without links.
    Realpath = 34,
    /// Checks permissions.
    Access = 35,
    /// Copies a file's content and mode, sharing blocks where the file system can.
    CopyFile = 36,
    /// Makes a socket.
    Socket = 40,
    /// Gives a socket its address.
    Bind = 41,
    /// Has a socket take connections.
    Listen = 42,
    /// Connects a socket.
    Connect = 43,
    /// Takes a connection.
    Accept = 44,
    /// Sends from one buffer.
    Send = 45,
    /// Receives into one buffer.
    Recv = 46,
    /// Sends from several segments, to an address, with control data.
    Sendmsg = 47,
    /// Receives into several segments, with the sender's address and control data.
    Recvmsg = 48,
    /// As Send, without copying: the buffer is the kernel's until its second completion.
    SendZc = 49,
    /// As Sendmsg, without copying.
    SendmsgZc = 50,
    /// Ends one direction of a connection, or both.
    Shutdown = 51,
    /// Sets an option of a socket.
    Setsockopt = 52,
    /// Reads an option of a socket.
    Getsockopt = 53,
}

/// One more than the highest opcode: the length of a table indexed by opcode.
pub const OPCODES_MAX: usize = 64;

/// The position that means "where the file's own position is".
pub const POSITION_CURRENT: u64 = u64::MAX;
/// A descriptor or a completion that belongs to no slot.
pub const SLOT_NONE: u32 = u32::MAX;
/// No handle: the working directory for paths.
pub const HANDLE_NONE: u32 = u32::MAX;
/// The longest path, without its NUL.
pub const PATH_BYTES_MAX: usize = 4095;
/// The largest file that an OpenAt with CONTENT brings.
pub const CONTENT_BYTES_MAX: u32 = 1 << 20;
/// Most bytes that one op moves through memory of the runtime's own.
pub const OWNED_BYTES_MAX: u32 = 64 << 20;
/// The most segments of one Readv or Writev.
pub const SEGMENTS_MAX: usize = 256;
/// Bytes of one directory entry's head in the result of Readdir: `u8` type (`DT_*`), `u8` zero,
/// `u16` length of the name, which follows.
pub const DIRENT_HEAD_BYTES: usize = 4;

macro_rules! error_kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $code:literal, $message:literal;)*) => {
        /// What the runtime itself has to say, apart from the kernel's errnos.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum ErrorKind { $($(#[$doc])* $name = $number,)* }

        impl ErrorKind {
            /// Every kind, in the order of their numbers.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)*];

            /// The `code` that JavaScript sees.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What happened, in a sentence without an end.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
}

error_kinds! {
    /// A fixed table is full.
    Busy = 1, "ERR_WAKERING_BUSY", "a queue or table of the runtime is full; wait for an operation to finish";
    /// The handle was closed, or never was.
    StaleHandle = 2, "EBADF", "file closed";
    /// A number in a descriptor makes no sense.
    BadDescriptor = 3, "ERR_WAKERING_BAD_DESCRIPTOR", "a number in the operation's descriptor is out of range";
    /// A buffer reference leaves the memory that it names.
    BadBuffer = 4, "ERR_WAKERING_BAD_BUFFER", "the buffer reference lies outside the memory lent to the runtime";
    /// A path has a NUL in it.
    BadPath = 5, "ERR_INVALID_ARG_VALUE", "the path has a NUL byte in it";
    /// This driver cannot do this op.
    Unsupported = 6, "ERR_WAKERING_UNSUPPORTED", "this driver cannot do this operation";
    /// The runtime is closing.
    Closed = 7, "ERR_WAKERING_CLOSED", "the runtime is closed";
    /// The handle belongs to another loop.
    WrongLoop = 8, "ERR_WAKERING_WRONG_LOOP", "the handle belongs to another loop";
    /// The slot named by a descriptor is in use or does not exist.
    BadSlot = 9, "ERR_WAKERING_BAD_SLOT", "the slot is in use or does not exist";
}

/// Results at or below `-ERROR_KIND_BASE` are an [`ErrorKind`]; the kernel's errnos end at 4095.
pub const ERROR_KIND_BASE: i32 = 4096;

impl ErrorKind {
    /// As a completion's `result`.
    pub const fn to_result(self) -> i32 {
        -(ERROR_KIND_BASE + self as i32)
    }
}

/// A handle as it crosses a border: index and generation in its lane's table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct HandleId {
    /// Index in the table, or [`HANDLE_NONE`].
    pub index: u32,
    /// Which use of that index.
    pub generation: u32,
}

impl HandleId {
    /// No handle.
    pub const NONE: Self = Self { index: HANDLE_NONE, generation: 0 };

    /// Whether this names nothing.
    pub const fn is_none(self) -> bool {
        self.index == HANDLE_NONE
    }
}

/// One request. 64 bytes: a cache line, written by TypeScript as sixteen 32-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct OpDescriptor {
    /// [`Opcode`].
    pub opcode: u8,
    /// [`op_flag`].
    pub flags: u8,
    /// [`buffer_kind`].
    pub buffer_kind: u8,
    /// Zero.
    pub reserved: u8,
    /// The slot it goes to, or [`SLOT_NONE`].
    pub slot: u32,
    /// The file.
    pub handle: HandleId,
    /// Index of the slab.
    pub buffer: u32,
    /// Offset in the slab.
    pub buffer_offset: u32,
    /// Bytes.
    pub length: u32,
    /// The system call's own flags.
    pub op_flags: u32,
    /// Position, length or nanoseconds.
    pub offset: u64,
    /// See the table at the top.
    pub args: [u32; 6],
}

impl OpDescriptor {
    /// A descriptor of `opcode` that names nothing else.
    pub const fn new(opcode: Opcode) -> Self {
        Self {
            opcode: opcode as u8,
            flags: 0,
            buffer_kind: buffer_kind::NONE,
            reserved: 0,
            slot: SLOT_NONE,
            handle: HandleId::NONE,
            buffer: 0,
            buffer_offset: 0,
            length: 0,
            op_flags: 0,
            offset: 0,
            args: [0; 6],
        }
    }
}

/// One segment of a Readv or Writev, in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Segment {
    /// Index of the slab.
    pub buffer: u32,
    /// Offset in the slab.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
}

/// One completion as the port hands it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct CompletionRecord {
    /// The slot that it answers.
    pub slot: u32,
    /// What the system call would return: a count, or `-errno`, or an [`ErrorKind`].
    pub result: i32,
    /// [`completion_flag`].
    pub flags: u32,
    /// See [`completion_flag`].
    pub aux: u32,
    /// The file that was opened.
    pub handle: HandleId,
    /// Zero.
    pub reserved: [u32; 2],
}

impl CompletionRecord {
    /// Whether it brings a small file's content in the sink's room, and not in memory of the slot's.
    pub const fn brings_content(&self) -> bool {
        use completion_flag::{CONTENT, OWNED};
        self.flags & (CONTENT | OWNED) == CONTENT
    }
}

const _: () = {
    assert!(size_of::<OpDescriptor>() == 64);
    assert!(std::mem::offset_of!(OpDescriptor, slot) == 4);
    assert!(std::mem::offset_of!(OpDescriptor, handle) == 8);
    assert!(std::mem::offset_of!(OpDescriptor, buffer) == 16);
    assert!(std::mem::offset_of!(OpDescriptor, length) == 24);
    assert!(std::mem::offset_of!(OpDescriptor, offset) == 32);
    assert!(std::mem::offset_of!(OpDescriptor, args) == 40);
    assert!(size_of::<CompletionRecord>() == 32);
    assert!(std::mem::offset_of!(CompletionRecord, handle) == 16);
    assert!(size_of::<Segment>() == 12);
    assert!(size_of::<libc::statx>() == statx::BYTES);
    assert!(port::OUT_OFFSET.is_multiple_of(8));
    assert!(port::CONTENT_BYTES >= 2 * 65536);
    assert!(Opcode::ALL.len() <= OPCODES_MAX);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_are_told_by_their_numbers() {
        for &opcode in Opcode::ALL {
            assert_eq!(Opcode::from_number(opcode as u8), Some(opcode));
            assert!((opcode as usize) < OPCODES_MAX);
        }
        assert_eq!(Opcode::from_number(250), None);
    }

    #[test]
    fn error_kinds_lie_below_every_errno() {
        for &kind in ErrorKind::ALL {
            assert!(kind.to_result() < -4095, "{kind:?}");
            assert!(!kind.message().is_empty() && !kind.code().is_empty());
        }
    }
}
