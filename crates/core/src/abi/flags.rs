//! Bits, and what they mean.

#![forbid(unsafe_code)]

/// Bits of [`super::OpDescriptor::flags`].
pub mod op_flag {
    /// Does not keep the process alive.
    pub const UNREF: u8 = 1;
    /// Never attempted on the calling thread, even where it would be cached.
    pub const ASYNC: u8 = 2;
    /// `buffer`/`length`: read into memory of the runtime and hand that over (`Read` only).
    pub const OWNED_RESULT: u8 = 4;
    /// Opens into a slot of the ring's file table and makes no descriptor (Rust lanes only).
    pub const DIRECT: u8 = 8;
    /// Brings a small regular file's content instead of a handle, and closes it (`OpenAt` for
    /// reading only): one op where there would be four. Where it cannot, there is a handle.
    pub const CONTENT: u8 = 16;
    /// The next op of the loop starts when this one has succeeded in full, and is cancelled where it has
    /// not (Rust lanes only, as all below). A chain has eight ops at the most, all enqueued before the
    /// next publish.
    pub const LINK: u8 = 32;
    /// The next op starts when this one is over, however it went.
    pub const HARDLINK: u8 = 64;
    /// Many completions, until one without MORE: Accept, Recv, Recvmsg, PollAdd, Read, Timeout.
    pub const MULTISHOT: u8 = 128;
}

/// Bits of the first extra word of an op that sends or receives.
pub mod io_flag {
    /// Waits for readiness first: for a socket that is known to have nothing.
    pub const POLL_FIRST: u32 = 1;
    /// Fills, or sends, several picked buffers with one completion (Linux 6.10; else one at a time).
    pub const BUNDLE: u32 = 2;
    /// Of SendZc and SendmsgZc: COPIED says whether bytes were copied nevertheless. Taken back where the
    /// kernel does not say (before Linux 6.2).
    pub const REPORT_COPY: u32 = 4;
}

/// Where a descriptor's buffer lies.
pub mod buffer_kind {
    /// There is none.
    pub const NONE: u8 = 0;
    /// In a slab that was lent to the lane: `buffer` its index, `buffer_offset` the place.
    pub const SLAB: u8 = 1;
    /// In memory of the runtime that was staged for the slot, or is made for it.
    pub const OWNED: u8 = 2;
    /// Of a group of the loop's: which one is picked when there is something to put into it.
    pub const PICKED: u8 = 3;
}

/// Bits of [`super::CompletionRecord::flags`].
pub mod completion_flag {
    /// More completions of this op follow.
    pub const MORE: u32 = 1;
    /// The result lies in memory of the runtime and can be taken by the slot's index.
    pub const OWNED: u32 = 2;
    /// `handle` names the file that was opened.
    pub const OPENED: u32 = 4;
    /// `aux` is the byte offset of a `struct statx` in the port's out area.
    pub const STATX: u32 = 8;
    /// The op was completed on the calling thread, without the kernel's queue.
    pub const INLINE: u32 = 16;
    /// The op brought the file's whole content, `result` bytes, and closed it. They lie in the
    /// port's content area from byte `aux` of the port's memory on, or, with OWNED, with the slot.
    pub const CONTENT: u32 = 32;
    /// A buffer was picked for it: its number is the upper half of the flags.
    pub const PICKED: u32 = 64;
    /// More of the same lies in the socket already.
    pub const NONEMPTY: u32 = 128;
    /// What was to be sent without copying was copied.
    pub const COPIED: u32 = 256;
    /// Where the number of a picked buffer begins.
    pub const PICKED_SHIFT: u32 = 16;
}

/// `op_flags` of [`super::Opcode::CopyFile`], with the numbers of `node:fs`.
pub mod copyfile_flag {
    /// Fails with EEXIST where the destination exists.
    pub const EXCL: u32 = 1;
    /// Shares blocks where the file system can, copies where it cannot.
    pub const FICLONE: u32 = 2;
    /// Shares blocks or fails.
    pub const FICLONE_FORCE: u32 = 4;
}
